from dataclasses import replace

import pytest
import torch
from small_tasks import node_fields

from lsp_distillation.feature_rows import sparse_rows, to_sparse
from lsp_distillation.generated_tasks import block_task
from lsp_distillation.graph import Graph
from lsp_distillation.node_data import GraphTask
from lsp_distillation.splits import random_split
from lsp_distillation.task_fields import task_from_fields

PATH = Graph.from_edges(torch.tensor([[0, 1, 2], [1, 2, 3]]), nodes=4)
GOOD = {
    "name": "path",
    "x": torch.ones(4, 2),
    "graph": PATH,
    "y": torch.tensor([0, 1, 0, 1]),
    "task": "multiclass",
    "classes": 2,
}
FRONT = torch.tensor([True, True, False, False])


def broken_columns():
    return sparse_rows(torch.tensor([0, 1, 1, 1, 1]), torch.tensor([7]), torch.ones(1), width=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": torch.ones(3, 2)}, "3 rows for the 4 nodes"),
        ({"x": torch.ones(4)}, "must be .nodes, features"),
        ({"x": torch.ones(4, 2).long()}, "floating numbers"),
        ({"x": torch.tensor([[1.0, torch.nan]] * 4)}, "4 numbers that are NaN"),
        ({"x": broken_columns}, "lead outside"),
        ({"graph": Graph.from_edges(torch.zeros(2, 0).long(), nodes=4)}, "no edges"),
        ({"y": torch.tensor([0, 1, 0])}, "one row for each of 4"),
        ({"y": torch.tensor([0, 1, 0, 2])}, "within 0 and 1, the 2 classes; got 0 to 2"),
        ({"y": torch.tensor([0, 1, 0, -1])}, "got -1 to 1"),
        ({"y": torch.tensor([0.0, 1, 0, 1])}, "integers, got .* of torch.float32"),
        ({"classes": 1}, "at least 2 classes"),
        ({"task": "ranking"}, "task must be one of multiclass, multilabel, regression"),
        ({"task": "multilabel", "y": torch.full((4, 2), 1.5)}, "within 0 and 1, got 1.5 to 1.5"),
        ({"task": "multilabel", "y": torch.ones(4, 3)}, "one column per label"),
        ({"task": "regression", "y": torch.tensor([0, 1, torch.inf, 1])}, "NaN or infinity"),
        ({"train_mask": FRONT, "test_mask": FRONT}, "train and test masks overlap in 2 items"),
        ({"val_mask": ~FRONT & FRONT}, "val mask is empty"),
        ({"val_mask": FRONT[:3]}, r"val mask must be \(4,\) of bool"),
        ({"val_mask": FRONT.float()}, "of bool"),
        ({"graph_of_node": torch.tensor([0, 1, 0, 1])}, "unsorted batch vector"),
        ({"graph_of_node": torch.tensor([0, 0, 2, 2])}, "without gaps"),
        ({"graph_of_node": torch.tensor([1, 1, 1, 1])}, "ascend from 0"),
        ({"graph_of_node": torch.tensor([0, 0, 1, 1])}, "1 edges join different graphs"),
        ({"graph_of_node": torch.tensor([0, 0])}, "must be .4,. of int64"),
        ({"level": "graph"}, "need graph_of_node"),
        ({"level": "edge"}, "level must be node or graph"),
        ({"class_names": ("a",)}, "name 2 classes, got 1"),
        ({"y": torch.zeros(4, device="meta").long()}, "x is on cpu and y on meta"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(changes, message):
    changes = {name: value() if callable(value) else value for name, value in changes.items()}
    with pytest.raises(ValueError, match=message) as refused:
        GraphTask(**(GOOD | changes))
    assert "\n" not in str(refused.value)


def test_targets_outside_all_masks_may_be_anything():
    task = GraphTask(**(GOOD | {"y": torch.tensor([0, 1, -1, -1]), "train_mask": FRONT}))
    assert task.items == 4
    with pytest.raises(ValueError, match="got -1"):
        replace(task, train_mask=None)


def test_parts_by_name():
    task = GraphTask(**GOOD).with_split(random_split(4, seed=0, train=0.5, val=0.25))
    assert task.has_split
    assert int(task.mask("train").sum()) == 2
    with pytest.raises(ValueError, match=r"no part 'dev' .it has: train, val, test"):
        task.mask("dev")
    assert not GraphTask(**GOOD).has_split


def test_the_share_of_nodes_with_few_neighbors():
    assert GraphTask(**GOOD).few_neighbors == 1
    both = Graph.from_edges(PATH.edge_index, nodes=4, symmetric=True, self_loops="add")
    assert GraphTask(**(GOOD | {"graph": both})).few_neighbors == 0.5


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_selected_graphs_are_those_that_were_joined(layout):
    task = block_task(graphs=4, nodes_per_class=10)
    if layout == "sparse":
        task = task.with_features(to_sparse(task.x))
    chosen = task.select_graphs(torch.tensor([2, 0]))
    assert chosen.graphs == 2
    for place, origin in enumerate((2, 0)):
        alone = task.select_graphs(torch.tensor([origin]))
        again = chosen.select_graphs(torch.tensor([place]))
        assert alone.graph.fingerprint == again.graph.fingerprint
        assert torch.equal(alone.x.to_dense(), task.x.to_dense()[task.graph_of_node == origin])
        assert torch.equal(again.x.to_dense(), alone.x.to_dense())
        assert torch.equal(again.y, task.y[task.graph_of_node == origin])
    assert chosen.graph.edges == sum(
        task.select_graphs(torch.tensor([n])).graph.edges for n in (0, 2)
    )
    rebuilt = Graph.from_edges(chosen.graph.edge_index, nodes=chosen.nodes)
    assert rebuilt.fingerprint == chosen.graph.fingerprint


def test_parts_of_several_graphs_are_graphs():
    task = block_task(graphs=8, nodes_per_class=5)
    assert [task.graphs_of(part).tolist() for part in ("train", "val", "test")] == [
        [0, 1, 2, 3],
        [4, 5],
        [6, 7],
    ]
    trained = task.select_graphs(task.graphs_of("train"))
    assert bool(trained.mask("train").all())
    assert trained.val_mask is None
    with pytest.raises(ValueError, match="from 0 to 7"):
        task.select_graphs(torch.tensor([8]))
    with pytest.raises(ValueError, match="distinct"):
        task.select_graphs(torch.tensor([1, 1]))
    with pytest.raises(ValueError, match="single graph"):
        GraphTask(**GOOD).select_graphs(torch.tensor([0]))


def test_moved_and_described():
    task = task_from_fields(node_fields(), name="path")
    assert task.to("cpu").graph is task.graph
    assert repr(task) == "GraphTask(path: 6 nodes, 5 edges, 2 features, multiclass with 2 outputs)"
