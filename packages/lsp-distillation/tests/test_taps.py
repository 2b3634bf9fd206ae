import pytest
import torch
from pyg_reference import awkward_graph_edges, pyg
from torch import nn

from lsp_distillation.graph import Graph
from lsp_distillation.networks import build_network
from lsp_distillation.sparse_features import SparseFeatures
from lsp_distillation.taps import LayerTaps, call_network, last_hidden_layer


class Foreign(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = pyg.GCNConv(5, 4), pyg.GCNConv(4, 3)

    def forward(self, x, edge_index, edge_weight=None):
        return self.two(torch.relu(self.one(x, edge_index, edge_weight)), edge_index, edge_weight)


@pytest.fixture
def graph():
    edges, nodes = awkward_graph_edges()
    return Graph.from_edges(edges, nodes=nodes, weights=torch.rand(edges.shape[1]))


def test_taps_record_layers_of_any_module(graph):
    x = torch.randn(graph.nodes, 5)
    for network in (build_network("tiny-student", features=5, outputs=3), Foreign()):
        name = last_hidden_layer(network)
        with LayerTaps(network, [name]) as taps:
            call_network(network, x, graph)
        assert taps[name].shape == (graph.nodes, 4)
        taps[name].sum().backward()
        taps.clear()
        call_network(network, x, graph)
        with pytest.raises(ValueError, match="not tapped, or not called"):
            taps[name]


def test_names_that_are_no_layers():
    with pytest.raises(ValueError, match=r"no layer 'three'; its layers are one, .*two"):
        LayerTaps(Foreign(), ["three"])
    with pytest.raises(ValueError, match="no layer ''"):
        LayerTaps(Foreign(), [""])


def test_outputs_that_are_no_embeddings(graph):
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    for inner, found in ((Pair(), "tuple"), (nn.Flatten(0), r"\(65,\)")):
        network = nn.Sequential(inner)
        with (
            LayerTaps(network, ["0"]),
            pytest.raises(ValueError, match=f"must return node embeddings .* got {found}"),
        ):
            network(torch.randn(graph.nodes, 5))


def test_foreign_networks_get_weights_and_dense_features(graph):
    network = Foreign()
    x = torch.randn(graph.nodes, 5)
    expected = network(x, graph.edge_index, graph.weights)
    assert not torch.allclose(expected, network(x, graph.edge_index))
    torch.testing.assert_close(call_network(network, x, graph), expected)
    sparse = SparseFeatures(x.to_sparse_coo())
    torch.testing.assert_close(call_network(network, sparse, graph), expected)


def test_the_layer_that_feeds_the_last_one():
    assert last_hidden_layer(build_network("ppi-student", features=5, outputs=3)) == "layers.3"
    at_graphs = build_network("gin-student", features=5, outputs=3, level="graph")
    assert last_hidden_layer(at_graphs) == f"layers.{len(at_graphs.layers) - 1}"
    assert last_hidden_layer(build_network("dgcnn-student", features=3, outputs=3)) == "layers.3"
    assert last_hidden_layer(Foreign()) == "one"
    mlp = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    assert last_hidden_layer(mlp) == "0"
    with pytest.raises(ValueError, match="no hidden layer that can be guessed"):
        last_hidden_layer(nn.Linear(2, 2))


def test_neighbors_of_edge_convolutions_are_recorded():
    network = build_network("tiny-points-student", features=3, outputs=2)
    with LayerTaps(network, ["layers.1"]) as taps:
        network(torch.randn(2, 16, 3))
    assert taps["layers.1"].shape == (2, 16, 8)
    assert taps.neighbors["layers.1"].shape == (2, 16, 4)
