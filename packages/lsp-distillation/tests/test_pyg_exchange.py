import pytest
import torch
from pyg_reference import awkward_graph_edges, pyg

from lsp_distillation.graph import Graph
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.networks import build_network
from lsp_distillation.pyg_exchange import from_pyg, to_pyg
from lsp_distillation.taps import call_network

KINDS = ("gat", "gcn", "sage", "gin", "mlp")


@pytest.fixture
def graph():
    edges, nodes = awkward_graph_edges()
    return Graph.from_edges(edges, nodes=nodes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("residual", ["none", "linear"])
def test_there_and_back_with_equal_outputs(kind, residual, graph):
    config = NetworkConfig(
        kind=kind, layers=3, width=6, heads=2, output_heads=3, residual=residual, norm="batch"
    )
    network = build_network(config, features=5, outputs=4).double()
    x = torch.randn(graph.nodes, 5, dtype=torch.float64)
    network(x, graph)  # moves the running statistics
    network.eval()
    other = to_pyg(network)
    torch.testing.assert_close(other(x, graph.edge_index), network(x, graph))
    back = from_pyg(other)
    torch.testing.assert_close(back(x, graph), network(x, graph))
    assert not back.training
    with torch.no_grad():
        next(network.parameters()).zero_()
    torch.testing.assert_close(back(x, graph), other(x, graph.edge_index))


def test_the_papers_student_leaves_exactly(graph):
    network = build_network("ppi-student", features=5, outputs=3).double()
    x = torch.randn(graph.nodes, 5, dtype=torch.float64)
    other = to_pyg(network)
    torch.testing.assert_close(call_network(other, x, graph), network(x, graph))
    assert other.convs[-1].res.weight.shape == (3, 136)  # one map instead of one per head


def test_graph_level_leaves_exactly(graph):
    network = build_network("gin-student", features=5, outputs=3, level="graph").eval()
    x = torch.randn(graph.nodes, 5)
    torch.testing.assert_close(to_pyg(network)(x, graph.edge_index), network(x, graph))


MODELS = [
    lambda: pyg.GAT(5, 8, 3, 4, heads=2, act="elu"),
    lambda: pyg.GAT(5, 8, 2, 4, heads=2, dropout=0.3),
    lambda: pyg.GCN(5, 8, 3, 4),
    lambda: pyg.GraphSAGE(5, 8, 3, 4, act="elu"),
]


@pytest.mark.parametrize("build", MODELS)
def test_pygs_own_networks_come_in(build, graph):
    module = build().double().eval()
    x = torch.randn(graph.nodes, 5, dtype=torch.float64)
    network = from_pyg(module)
    torch.testing.assert_close(network(x, graph), module(x, graph.edge_index))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: pyg.GIN(5, 8, 2, 4), "convs must be layers of one kind of GATConv, .*got GINConv"),
        (lambda: torch.nn.Linear(2, 2), "got none"),
        (lambda: pyg.GCN(5, 8, 2, 4, norm="batch_norm"), "with normalization or jumping knowledge"),
        (lambda: pyg.GCN(5, 8, 2, 4, jk="cat"), "with normalization or jumping knowledge"),
        (lambda: pyg.GCN(5, 8, 2, 4, improved=True), "improved=True cannot be taken over"),
        (lambda: pyg.GraphSAGE(5, 8, 2, 4, aggr="max"), "aggr=max cannot be taken over"),
        (lambda: pyg.GAT(5, 8, 2, 4, residual=True), "a residual in all layers but the first"),
    ],
)
def test_networks_that_cannot_be_ours(build, message):
    with pytest.raises(ValueError, match=message):
        from_pyg(build())


def test_removed_loops_cannot_leave():
    network = build_network(NetworkConfig(kind="gcn", self_loops="remove"), features=5, outputs=3)
    with pytest.raises(ValueError, match="this network removes them"):
        to_pyg(network)
