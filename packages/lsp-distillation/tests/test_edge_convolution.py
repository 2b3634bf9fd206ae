import copy

import pytest
import torch
from torch.nn import functional

from lsp_distillation.edge_convolution import EdgeConvolution


def direct(layer, points, neighbors):
    """Compute [x_j - x_i, x_i] W^T per edge, as the paper writes it."""
    own = points.unsqueeze(2).expand(-1, -1, neighbors.shape[2], -1)
    cloud = torch.arange(len(points)).view(-1, 1, 1)
    edges = torch.cat([points[cloud, neighbors] - own, own], dim=3)
    values = layer.norm((edges @ layer.weight.t()).flatten(0, 2)).view(*edges.shape[:3], -1)
    return functional.leaky_relu(values, layer.slope).max(2).values


@pytest.mark.parametrize("training", [True, False])
def test_equals_the_direct_form_with_its_gradients(training):
    layer = EdgeConvolution(3, 6).double()
    torch.nn.init.normal_(layer.norm.weight)  # of both signs
    torch.nn.init.normal_(layer.norm.bias)
    layer.norm.running_mean.normal_()
    layer.train(training)
    other = copy.deepcopy(layer)
    points = torch.randn(2, 9, 3, dtype=torch.float64, requires_grad=True)
    other_points = points.detach().clone().requires_grad_()
    neighbors = torch.randint(0, 9, (2, 9, 4))
    result, expected = layer(points, neighbors), direct(other, other_points, neighbors)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-12)
    factor = torch.randn_like(result)
    (result * factor).sum().backward()
    (expected * factor).sum().backward()
    torch.testing.assert_close(points.grad, other_points.grad, rtol=0, atol=1e-10)
    for own, others in zip(layer.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(own.grad, others.grad, rtol=0, atol=1e-10)
    torch.testing.assert_close(layer.norm.running_var, other.norm.running_var)


def test_any_other_normalization_gets_all_edges():
    layer = EdgeConvolution(3, 6).double()
    torch.nn.init.normal_(layer.norm.weight)
    other = copy.deepcopy(layer)
    other.norm = Wrapped(other.norm)
    points, neighbors = torch.randn(2, 9, 3).double(), torch.randint(0, 9, (2, 9, 4))
    torch.testing.assert_close(layer(points, neighbors), other(points, neighbors))
    torch.testing.assert_close(layer.norm.running_mean, other.norm.inner.running_mean)
    torch.testing.assert_close(layer.norm.running_var, other.norm.inner.running_var)


class Wrapped(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, edges):
        assert edges.shape == (2 * 9 * 4, 6)
        return self.inner(edges)
