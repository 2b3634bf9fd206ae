import pytest
import torch
from pyg_reference import awkward_graph_edges

from lsp_distillation.graph import Graph
from lsp_distillation.segments import (
    edge_products,
    propagate,
    segment_max,
    segment_softmax,
    segment_sum,
    sum_out_edges,
)


@pytest.fixture
def graph():
    edges, nodes = awkward_graph_edges()
    return Graph.from_edges(edges, nodes=nodes)


def dense(graph, weights):
    matrix = torch.zeros(graph.nodes, graph.nodes, dtype=weights.dtype)
    matrix[graph.targets, graph.sources] = weights
    return matrix


def test_segments_against_loops(graph):
    values = torch.randn(graph.edges, dtype=torch.float64)
    sums, tops = segment_sum(values, graph.offsets), segment_max(values, graph.offsets)
    shares = segment_softmax(values * 1e3, graph)
    for node in range(graph.nodes):
        own = values[graph.offsets[node] : graph.offsets[node + 1]]
        assert sums[node] == pytest.approx(float(own.sum()))
        assert float(tops[node]) == (float(own.max()) if len(own) else -torch.inf)
        share = shares[graph.offsets[node] : graph.offsets[node + 1]]
        torch.testing.assert_close(share, (own * 1e3).softmax(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("weighted", [True, False])
def test_propagate_is_the_product_with_the_matrix(graph, dtype, weighted):
    x = torch.randn(graph.nodes, 5, dtype=dtype)
    weights = torch.randn(graph.edges, dtype=dtype) if weighted else None
    matrix = dense(graph, torch.ones(graph.edges, dtype=dtype) if weights is None else weights)
    torch.testing.assert_close(propagate(x, graph, weights), matrix @ x)
    torch.testing.assert_close(sum_out_edges(x, graph, weights), matrix.t() @ x)


def test_propagate_passes_gradcheck(graph):
    x = torch.randn(graph.nodes, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(graph.edges, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: propagate(x, graph, w), (x, weights))
    assert torch.autograd.gradcheck(lambda x: propagate(x, graph), (x,))


def test_propagate_takes_a_gradient_with_holes_between_its_numbers(graph):
    x = torch.randn(graph.nodes, 3, dtype=torch.float64, requires_grad=True)
    propagate(x, graph).sum().backward()  # the gradient of a sum is one number, expanded
    assert x.grad is not None
    torch.testing.assert_close(x.grad[:, 0], dense(graph, torch.ones(graph.edges).double()).sum(0))


def test_half_precision_is_summed_in_float32(graph):
    x = torch.randn(graph.nodes, 3).bfloat16()
    assert propagate(x, graph).dtype == torch.float32


def test_edge_products(graph):
    a, b = torch.randn(2, graph.nodes, 7, dtype=torch.float64)
    expected = (a[graph.targets] * b[graph.sources]).sum(1)
    torch.testing.assert_close(edge_products(a, b, graph), expected)


def test_no_edges():
    graph = Graph.from_edges(torch.zeros(2, 0, dtype=torch.long), nodes=3)
    x = torch.randn(3, 4, requires_grad=True)
    result = propagate(x, graph)
    result.sum().backward()
    assert not result.any()
    assert x.grad is not None
    assert not x.grad.any()
