import pytest
import torch
from pyg_reference import awkward_graph_edges, pyg
from torch import nn

from lsp_distillation.convolutions import GinConvolution, GraphConvolution, SageConvolution
from lsp_distillation.edge_list import edge_list
from lsp_distillation.graph import Graph

SIZES = [(4, 7), (7, 4)]  # the sum over neighbors comes first in one, and second in the other


def same(layer, reference, pairs, dtype, tolerance, weights=None, loops="keep"):
    """Compare outputs and gradients of the inputs and of pairs of parameters, which are copied."""
    torch.manual_seed(0)  # noqa: TID251
    edges, nodes = awkward_graph_edges()
    weights = None if weights is None else weights.to(dtype)
    graph = Graph.from_edges(edges, nodes=nodes, weights=weights, self_loops=loops)
    layer, reference = layer.to(dtype), reference.to(dtype)
    with torch.no_grad():
        for own, other in pairs:
            other.copy_(own)
    x = torch.randn(nodes, layer.features, dtype=dtype, requires_grad=True)
    other_x = x.detach().clone().requires_grad_()
    result = layer(x, graph)
    expected = reference(other_x, edges) if weights is None else reference(other_x, edges, weights)
    torch.testing.assert_close(result, expected, rtol=0, atol=tolerance)
    factor = torch.randn_like(result)
    (result * factor).sum().backward()
    (expected * factor).sum().backward()
    for own, other in [(x, other_x), *pairs]:
        torch.testing.assert_close(own.grad, other.grad, rtol=10 * tolerance, atol=10 * tolerance)


CASES = [(torch.float32, 1e-5), (torch.float64, 1e-10)]


@pytest.mark.parametrize(("dtype", "tolerance"), CASES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("weighted", [False, True])
def test_graph_convolution(size, weighted, dtype, tolerance):
    layer, reference = GraphConvolution(*size), pyg.GCNConv(*size)
    pairs = [(layer.weight, reference.lin.weight), (layer.bias, reference.bias)]
    weights = torch.rand(awkward_graph_edges()[0].shape[1]) if weighted else None
    same(layer, reference, pairs, dtype, tolerance, weights=weights, loops="add")


@pytest.mark.parametrize(("dtype", "tolerance"), CASES)
@pytest.mark.parametrize("size", SIZES)
def test_sage_convolution(size, dtype, tolerance):
    layer, reference = SageConvolution(*size), pyg.SAGEConv(*size)
    pairs = [
        (layer.neighbors.weight, reference.lin_l.weight),
        (layer.neighbors.bias, reference.lin_l.bias),
        (layer.root.weight, reference.lin_r.weight),
    ]
    same(layer, reference, pairs, dtype, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), CASES)
@pytest.mark.parametrize("size", SIZES)
def test_gin_convolution(size, dtype, tolerance):
    layer = GinConvolution(*size)
    nn.init.constant_(layer.epsilon, 0.3)
    network = nn.Sequential(nn.Linear(*size), nn.ReLU(), nn.Linear(size[1], size[1]))
    reference = pyg.GINConv(network, train_eps=True)
    pairs = [
        (layer.first.weight, network[0].weight),
        (layer.first.bias, network[0].bias),
        (layer.second.weight, network[2].weight),
        (layer.second.bias, network[2].bias),
        (layer.epsilon, reference.eps.view(())),
    ]
    reference.eps.data.fill_(0.3)
    same(layer, reference, pairs[:-1], dtype, tolerance)
    torch.testing.assert_close(layer.epsilon.grad, reference.eps.grad.view(()))


@pytest.mark.parametrize("kind", [GraphConvolution, SageConvolution, GinConvolution])
@pytest.mark.parametrize("size", SIZES)
def test_sparse_features_and_exported_edges_give_the_same(kind, size):
    edges, nodes = awkward_graph_edges()
    graph, layer = Graph.from_edges(edges, nodes=nodes), kind(*size)
    x = torch.randn(nodes, size[0]) * (torch.rand(nodes, size[0]) < 0.5)
    expected = layer(x, graph)
    torch.testing.assert_close(layer(x.to_sparse_coo(), graph), expected)
    plain = edge_list(edges, nodes=nodes, self_loops="keep")
    torch.testing.assert_close(layer(x, plain), expected)
