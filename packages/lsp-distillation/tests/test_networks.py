import copy
import pickle

import pytest
import torch
from pyg_reference import awkward_graph_edges
from torch import nn

from lsp_distillation.graph import Graph, join_graphs
from lsp_distillation.network_config import NETWORKS, NetworkConfig
from lsp_distillation.networks import GraphNetwork, build_network

KINDS = ("gat", "gcn", "sage", "gin", "mlp")


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture
def graph():
    edges, nodes = awkward_graph_edges()
    return Graph.from_edges(edges, nodes=nodes)


@pytest.mark.parametrize(("name", "count"), [("ppi-teacher", 3_640_748), ("ppi-student", 185_172)])
def test_parameters_of_the_papers_networks(name, count):
    network = build_network(name, features=50, outputs=121)
    assert parameters(network) == count
    assert not any(isinstance(value, nn.Linear) for value in network.modules())
    assert all(layer.bias is None for layer in network.layers)


def test_shapes_of_the_papers_student(graph):
    network = build_network("ppi-student", features=50, outputs=121)
    assert [layer.out_features for layer in network.layers] == [136, 136, 136, 136, 121]
    assert network.layers[0].residual is None
    assert all(layer.residual is not None for layer in network.layers[1:])
    assert network(torch.randn(graph.nodes, 50), graph).shape == (graph.nodes, 121)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("norm", "residual"), [("none", "none"), ("batch", "linear"), ("layer", "none")]
)
def test_every_kind_learns_and_is_deterministic(kind, norm, residual, graph):
    config = NetworkConfig(
        kind=kind, layers=3, width=8, heads=2, norm=norm, residual=residual, dropout=0.1
    )
    x, losses = torch.randn(graph.nodes, 5), []
    y = torch.randn(graph.nodes, 3)
    for _ in range(2):
        torch.manual_seed(1)  # noqa: TID251
        network = build_network(config, features=5, outputs=3)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
        for _ in range(10):
            optimizer.zero_grad()
            loss = (network(x, graph) - y).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[:10] == losses[10:]
    assert losses[9] < losses[0]
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_layers_return_what_comes_before_the_activation(kind, graph):
    network = build_network(NetworkConfig(kind=kind, width=8), features=5, outputs=3)
    found = []
    network.layers[0].register_forward_hook(lambda *values: found.append(values[2]))
    network(torch.randn(graph.nodes, 5), graph)
    assert found[0].shape == (graph.nodes, 8)
    assert found[0].min().item() < -1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_graph_level_rows_do_not_depend_on_the_other_graphs(kind, graph):
    network = build_network(NetworkConfig(kind=kind, width=8), features=5, outputs=3, level="graph")
    x = torch.randn(2 * graph.nodes, 5)
    graph_of_node = torch.arange(2).repeat_interleave(graph.nodes)
    result = network(x, join_graphs([graph, graph]), graph_of_node, graphs=3)
    assert result.shape == (3, 3)
    torch.testing.assert_close(result[:1], network(x[: graph.nodes], graph))
    torch.testing.assert_close(result[1:2], network(x[graph.nodes :], graph))


@pytest.mark.parametrize("kind", KINDS)
def test_copies_pickles_and_sparse_features(kind, graph):
    network = build_network(NetworkConfig(kind=kind, width=8), features=5, outputs=3)
    x = torch.randn(graph.nodes, 5) * (torch.rand(graph.nodes, 5) < 0.5)
    expected = network(x, graph)
    torch.testing.assert_close(network(x.to_sparse_coo(), graph), expected)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):  # noqa: S301
        assert torch.equal(other(x, graph), expected)


def test_loops_are_added_once_for_attention(graph):
    network = build_network(NetworkConfig(kind="gat", width=4), features=5, outputs=3)
    x = torch.randn(graph.nodes, 5)
    torch.testing.assert_close(network(x, graph), network(x, graph.with_self_loops("add")))
    assert bool((graph.in_degrees == 0).any())
    assert bool(network(x, graph).abs().sum(1).all())  # isolated nodes see themselves


def test_an_mlp_does_not_look_at_the_graph(graph):
    network = build_network("mlp-student", features=5, outputs=3)
    x = torch.randn(graph.nodes, 5)
    assert torch.equal(network(x), network(x, graph))


def test_every_name_builds():
    for name in NETWORKS:
        assert parameters(build_network(name, features=3, outputs=2)) > 0


def test_calls_that_do_not_fit(graph):
    network = GraphNetwork(NetworkConfig(), features=5, outputs=3)
    with pytest.raises(ValueError, match=r"features must be \(nodes, 5\)"):
        network(torch.randn(graph.nodes, 4), graph)
    with pytest.raises(ValueError, match="the graph has 13 nodes, the features 12 rows"):
        network(torch.randn(12, 5), graph)
    with pytest.raises(ValueError, match="needs a graph"):
        network(torch.randn(12, 5))
    with pytest.raises(ValueError, match="no network is called 'resnet'; there are ppi-teacher"):
        build_network("resnet", features=5, outputs=3)
    with pytest.raises(ValueError, match="level must be node or graph"):
        build_network("ppi-student", features=5, outputs=3, level="edge")
