import copy
import pickle

import pytest
import torch
from pyg_reference import awkward_graph_edges, pyg

from lsp_distillation.attention import GraphAttention, attend
from lsp_distillation.edge_list import edge_list
from lsp_distillation.graph import Graph
from lsp_distillation.sparse_features import SparseFeatures


def layer_and_reference(*, heads, concat, residual, dtype):
    layer = GraphAttention(6, 5, heads=heads, concat=concat, residual=residual, bias=True).to(dtype)
    torch.nn.init.normal_(layer.bias)
    reference = pyg.GATConv(
        6, 5, heads=heads, residual=residual == "linear", add_self_loops=False, bias=False
    ).to(dtype)
    with torch.no_grad():
        reference.lin.weight.copy_(layer.weight)
        reference.att_src.copy_(layer.attention_source)
        reference.att_dst.copy_(layer.attention_target)
        if layer.residual is not None:
            reference.res.weight.copy_(layer.residual)

    def call(x, edges):
        result = reference(x, edges)
        return (result if concat else result.view(len(x), heads, 5).mean(1)) + layer.bias.detach()

    return layer, reference, call


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("residual", ["none", "linear"])
@pytest.mark.parametrize("heads", [1, 3])
def test_output_and_gradients_equal_those_of_gatconv(heads, residual, concat, dtype, tolerance):
    torch.manual_seed(0)  # noqa: TID251
    layer, reference, call = layer_and_reference(
        heads=heads, concat=concat, residual=residual, dtype=dtype
    )
    edges, nodes = awkward_graph_edges()
    graph = Graph.from_edges(edges, nodes=nodes)
    x = torch.randn(nodes, 6, dtype=dtype, requires_grad=True)
    other = x.detach().clone().requires_grad_()
    result, expected = layer(x, graph), call(other, edges)
    torch.testing.assert_close(result, expected, rtol=0, atol=tolerance)
    factor = torch.randn_like(result)
    (result * factor).sum().backward()
    (expected * factor).sum().backward()
    pairs = [
        (x.grad, other.grad),
        (layer.weight.grad, reference.lin.weight.grad),
        (layer.attention_source.grad, reference.att_src.grad[0]),
        (layer.attention_target.grad, reference.att_dst.grad[0]),
    ]
    if layer.residual is not None:
        pairs.append((layer.residual.grad, reference.res.weight.grad))
    for own, others in pairs:
        assert float(others.abs().max()) > 0.01
        torch.testing.assert_close(own, others, rtol=10 * tolerance, atol=10 * tolerance)


def test_attend_passes_gradcheck():
    edges, nodes = awkward_graph_edges()
    graph = Graph.from_edges(edges, nodes=nodes)
    torch.manual_seed(0)  # noqa: TID251
    inputs = (
        torch.randn(nodes, 2, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(nodes, 2, dtype=torch.float64, requires_grad=True),
        torch.randn(nodes, 2, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(lambda *values: attend(*values, graph), inputs)

    def dropped(*values):
        torch.manual_seed(1)  # noqa: TID251
        return attend(*values, graph, dropout=0.4)

    assert not torch.equal(dropped(*inputs), attend(*inputs, graph))
    assert torch.autograd.gradcheck(dropped, inputs)


def test_scores_of_ten_thousand_stay_finite():
    edges, nodes = awkward_graph_edges()
    graph = Graph.from_edges(edges, nodes=nodes)
    scores = torch.full((nodes, 1), 1e4)
    scores[::2] = -1e4
    features = torch.randn(nodes, 1, 3)
    assert bool(torch.isfinite(attend(features, scores, scores, graph)).all())


def test_sparse_features_give_the_same():
    layer = GraphAttention(6, 4, heads=2, residual="linear")
    edges, nodes = awkward_graph_edges()
    graph = Graph.from_edges(edges, nodes=nodes)
    x = torch.randn(nodes, 6) * (torch.rand(nodes, 6) < 0.4)
    torch.testing.assert_close(layer(SparseFeatures(x.to_sparse_coo()), graph), layer(x, graph))


def test_exported_edges_give_the_same():
    layer = GraphAttention(6, 4, heads=2, concat=False)
    edges, nodes = awkward_graph_edges()
    x = torch.randn(nodes, 6)
    for policy in ("keep", "add", "remove"):
        graph = Graph.from_edges(edges, nodes=nodes, self_loops=policy)
        plain = edge_list(edges[:, torch.randperm(edges.shape[1])], nodes=nodes, self_loops=policy)
        torch.testing.assert_close(layer(x, plain), layer(x, graph))


def test_half_precision_features():
    edges, nodes = awkward_graph_edges()
    graph = Graph.from_edges(edges, nodes=nodes)
    layer = GraphAttention(6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        result = layer(torch.randn(nodes, 6), graph)
    result.sum().backward()
    assert layer.weight.grad is not None


def test_copies_and_pickles():
    layer = GraphAttention(6, 4, heads=2)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):  # noqa: S301
        assert all(map(torch.equal, layer.state_dict().values(), other.state_dict().values()))
