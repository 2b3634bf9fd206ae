import numpy as np
import pytest
import torch
from small_tasks import node_fields

from lsp_distillation.feature_rows import to_sparse
from lsp_distillation.task_fields import task_from_fields


def read(**changes):
    options = {
        name: changes.pop(name) for name in ("task", "symmetric", "split") if name in changes
    }
    return task_from_fields(node_fields(**changes), name="path", **options)


def test_plain_fields():
    task = read()
    assert (task.task, task.level, task.classes, task.outputs) == ("multiclass", "node", 2, 2)
    assert task.graph.edges == 5
    assert read(symmetric=True).graph.edges == 10


def test_duplicates_are_coalesced_and_isolated_nodes_kept():
    edges = torch.tensor([[0, 0, 0, 2], [1, 1, 1, 2]])
    task = read(edge_index=edges, edge_weight=torch.tensor([1.0, 2, 3, 4]))
    assert task.graph.edge_index.tolist() == [[0, 2], [1, 2]]
    assert task.graph.weights.tolist() == [6, 4]
    assert task.nodes == 6


@pytest.mark.parametrize("layout", ["csr", "coo"])
def test_adj_t_holds_the_edges_into_each_row(layout):
    edges = node_fields()["edge_index"]
    adj_t = torch.sparse_coo_tensor(
        edges.flip(0), torch.full((5,), 2.0), (6, 6), check_invariants=True
    ).coalesce()
    adj_t = to_sparse(adj_t) if layout == "csr" else adj_t
    task = read(edge_index=None, adj_t=adj_t)
    assert task.graph.fingerprint == read(edge_weight=torch.full((5,), 2.0)).graph.fingerprint
    assert read(edge_index=None, adj_t=adj_t * 0.5).graph.weights is None


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64", "bool", ">f4"])
def test_features_of_any_real_type(dtype):
    x = (np.arange(12).reshape(6, 2) % 2).astype(dtype)
    task = read(x=x)
    assert task.x.dtype == torch.float32
    assert task.x.tolist() == [[0, 1]] * 6


def test_sparse_features_stay_right():
    x = node_fields()["x"]
    for sparse in (to_sparse(x), x.to_sparse_coo()):
        assert torch.equal(read(x=sparse).x, x)  # small: dense is better


@pytest.mark.parametrize(
    ("y", "task", "found", "outputs"),
    [
        (torch.tensor([[0], [1], [2], [0], [1], [2]]), None, "multiclass", 3),
        (torch.eye(6)[:, :4], None, "multilabel", 4),
        (torch.eye(6)[:, :4].byte(), None, "multilabel", 4),
        (torch.eye(6)[:, :4] / 2, "multilabel", "multilabel", 4),
        (torch.eye(6)[:, :4] / 2, "regression", "regression", 4),
        (torch.linspace(0, 1, 6), "regression", "regression", 1),
        (torch.tensor([True] * 3 + [False] * 3), None, "multiclass", 2),
    ],
)
def test_the_task_is_told_from_the_targets(y, task, found, outputs):
    read_task = read(y=y, task=task)
    assert (read_task.task, read_task.outputs) == (found, outputs)


def test_targets_of_graphs():
    edges = torch.tensor([[0, 1, 3], [1, 2, 4]])
    batch = torch.tensor([0, 0, 0, 1, 1, 1])
    masks = {f"{part}_mask": None for part in ("train", "val", "test")}
    task = read(edge_index=edges, batch=batch, y=torch.tensor([0, 1]), **masks)
    assert (task.level, task.graphs, task.items) == ("graph", 2, 2)
    chosen = task.select_graphs(torch.tensor([1]))
    assert (chosen.nodes, chosen.y.tolist()) == (3, [1])


def test_one_of_several_splits():
    masks = {f"{part}_mask": None for part in ("train", "val", "test")}
    indices = {f"{part}_idx{n}": np.array([2 * p + n]) for p, part in
               enumerate(("train", "val", "test")) for n in range(2)}  # fmt: skip
    for split, expected in ((0, [0]), (1, [1]), (2, [0])):
        task = read(**masks, **indices, split=split)
        assert task.train_mask.nonzero().flatten().tolist() == expected
    columns = torch.zeros(6, 2, dtype=torch.bool)
    columns[0, 0] = columns[1, 1] = True
    assert read(train_mask=columns, split=1).train_mask.nonzero().tolist() == [[1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "x is missing"),
        ({"edge_index": None}, "edge_index or adj_t is missing"),
        ({"y": None}, "y or labels is missing"),
        ({"x": "words"}, "x must be a tensor of numbers, got str"),
        ({"x": np.array(["a"] * 6)}, "x must be a tensor of numbers"),
        ({"x": torch.ones(6, 2).cfloat()}, "real numbers"),
        ({"x": torch.ones(6)}, "must be .nodes, features"),
        ({"edge_index": torch.tensor([[0, 1], [1, 6]])}, "within 0 and 5, the 6 nodes; got 0 to 6"),
        ({"edge_index": torch.tensor([[0, -1], [1, 2]])}, "got -1 to 2"),
        ({"edge_index": torch.tensor([[0.0], [1.0]])}, "must hold integers"),
        ({"edge_index": torch.tensor([[0, 1, 2]] * 3)}, r"must be \(2, edges\)"),
        ({"edge_index": torch.zeros(2, 0).long()}, "no edges"),
        ({"edge_weight": torch.ones(4)}, "one real number per edge"),
        ({"edge_weight": torch.full((5,), torch.nan)}, "must be finite"),
        ({"y": torch.rand(6)}, "neither classes .* state the task"),
        ({"y": torch.tensor([0.0, 1, 0, 1, 0, 1]), "task": "multiclass"}, "integers, got"),
        ({"y": torch.full((6, 2), 2.0), "task": "multilabel"}, "within 0 and 1"),
        ({"y": torch.tensor([0, 1])}, "one row per node .6. or per graph"),
        ({"y": torch.tensor(1)}, r"shape \(\) are neither"),
        ({"train_mask": None, "train_idx": np.array([6])}, "train_idx must lie within 0 and 5"),
        ({"train_mask": None, "train_idx": np.array([1.5])}, "train_idx must hold integers"),
        ({"edge_index": None, "adj_t": torch.eye(6)}, "sparse .6, 6. matrix"),
        ({"batch": torch.tensor([0, 1, 0, 1, 0, 1])}, "unsorted batch vector"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError, match=message) as refused:
        read(**changes)
    assert "\n" not in str(refused.value)
