import pytest
import torch
from small_tasks import node_fields

from lsp_distillation.feature_rows import to_sparse
from lsp_distillation.generated_tasks import block_task
from lsp_distillation.pyg_data import from_pyg_data, import_pyg, to_pyg_data

pyg = import_pyg("torch_geometric.data")


def graph(nodes, **changes):
    fields = {
        "x": torch.arange(2.0 * nodes).reshape(nodes, 2),
        "edge_index": torch.tensor([[0, nodes - 1], [1, 0]]),
        "y": torch.arange(nodes) % 2,
    }
    return pyg.Data(**{n: v for n, v in (fields | changes).items() if v is not None})


def test_there_and_back():
    task = from_pyg_data(pyg.Data(**node_fields(edge_weight=torch.arange(1.0, 6))), name="path")
    again = from_pyg_data(to_pyg_data(task), name="path")
    assert again.graph.fingerprint == task.graph.fingerprint
    assert torch.equal(again.test_mask, task.test_mask)
    blocks = block_task(graphs=3, nodes_per_class=4)
    joined = from_pyg_data(to_pyg_data(blocks))
    assert joined.graphs == 3
    assert torch.equal(joined.graph_of_node, blocks.graph_of_node)


def test_a_list_equals_a_batch_of_pyg():
    graphs = [graph(3), graph(5), graph(4)]
    task = from_pyg_data(graphs)
    batch = from_pyg_data(pyg.Batch.from_data_list(graphs))
    assert task.graph.fingerprint == batch.graph.fingerprint
    for field in ("x", "y", "graph_of_node"):
        assert torch.equal(getattr(task, field), getattr(batch, field))
    assert task.graphs == 3


def test_a_list_of_sparse_graphs():
    graphs = [graph(3), graph(5)]
    sparse = [graph(3, x=to_sparse(graphs[0].x)), graph(5, x=to_sparse(graphs[1].x))]
    assert torch.equal(from_pyg_data(sparse).x, from_pyg_data(graphs).x)


@pytest.mark.parametrize(
    ("y", "outputs", "task"),
    [
        (torch.tensor([2]), 3, None),
        (torch.tensor(2), 3, None),
        (torch.tensor([[0.5, 1.5]]), 2, "regression"),
        (torch.tensor([0.5, 1.5]).reshape(1, 2), 2, "regression"),
        (torch.tensor([[1, 0, 1]]), 3, None),
        (torch.tensor([0.5]), 1, "regression"),
    ],
)
def test_targets_of_graphs(y, outputs, task):
    read = from_pyg_data([graph(3, y=y), graph(4, y=y)], task=task)
    assert (read.level, read.items, read.outputs) == ("graph", 2, outputs)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "list of graphs is empty"),
        (3, "expected a torch_geometric Data or a list"),
        ([3], "expected a torch_geometric Data or a list"),
        (graph(3, x=None), "no node features x"),
        ([graph(3), graph(4, x=None)], "no node features x"),
        ([graph(3), graph(4, y=None)], "graph 1 has no y"),
        ([graph(3), graph(4, x=torch.ones(4, 3))], "as many features, got 2 and 3"),
        ([graph(3), graph(4, edge_index=torch.tensor([[0], [4]]))], "graph 1: edge_index must lie"),
        ([graph(3, edge_weight=torch.ones(2)), graph(4)], "some graphs have edge_weight"),
        ([graph(3), graph(4, y=torch.rand(4, 2))], "as many columns"),
        (graph(3, y=torch.tensor([0.0, 1, 0])), "state the task"),
    ],
)
def test_refusals(data, message):
    with pytest.raises(ValueError, match=message) as refused:
        from_pyg_data(data)
    assert "\n" not in str(refused.value)
