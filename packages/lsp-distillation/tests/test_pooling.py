import pytest
import torch

from lsp_distillation.pooling import pool_graphs


def test_mean_and_maximum_of_each_graph():
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    graph_of_node = torch.tensor([0, 0, 2, 2, 2])
    result = pool_graphs(x, graph_of_node, graphs=4)
    expected = torch.cat([x[:2].mean(0), x[:2].amax(0)])
    torch.testing.assert_close(result[0], expected)
    torch.testing.assert_close(result[2], torch.cat([x[2:].mean(0), x[2:].amax(0)]))
    assert not result[[1, 3]].any()
    torch.testing.assert_close(pool_graphs(x[:2]), result[:1])
    assert torch.autograd.gradcheck(lambda x: pool_graphs(x, graph_of_node, graphs=4), (x,))


def test_graphs_that_do_not_fit():
    x = torch.randn(3, 2)
    with pytest.raises(ValueError, match="sort the nodes by graph first"):
        pool_graphs(x, torch.tensor([1, 0, 1]))
    with pytest.raises(ValueError, match=r"graph_of_node must be \(3,\)"):
        pool_graphs(x, torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="names graph 2 of 2"):
        pool_graphs(x, torch.tensor([0, 1, 2]), graphs=2)
