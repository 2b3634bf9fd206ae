import torch

from lsp_distillation import neighbor_statistics
from lsp_distillation.neighbor_statistics import edge_moments, largest_neighbors


def case(width=3):
    torch.manual_seed(0)  # noqa: TID251
    values = torch.randn(2, 2, 7, width, dtype=torch.float64)
    return values[0].requires_grad_(), values[1].requires_grad_(), torch.randint(0, 7, (2, 7, 4))


def edges_of(u, v, neighbors):
    return u[torch.arange(2).view(-1, 1, 1), neighbors] + v.unsqueeze(2)


def test_moments_are_those_of_all_edges():
    u, v, neighbors = case()
    var, mean = torch.var_mean(edges_of(u, v, neighbors).flatten(0, 2), dim=0, correction=0)
    found = edge_moments(u, v, neighbors)
    torch.testing.assert_close(found, (mean, var))
    assert torch.autograd.gradcheck(lambda u, v: edge_moments(u, v, neighbors), (u, v))


def test_moments_far_from_zero_keep_their_digits():
    u, v, neighbors = case()
    far = (u.detach() + 1e3).float(), (v.detach() - 1e3).float()
    exact = edges_of(*(part.double() for part in far), neighbors).flatten(0, 2).var(0, correction=0)
    torch.testing.assert_close(edge_moments(*far, neighbors)[1].double(), exact, rtol=1e-3, atol=0)


def test_largest_is_the_maximum_in_chunks_of_any_size(monkeypatch):
    u, _, neighbors = case()
    expected = edges_of(u, torch.zeros_like(u), neighbors).amax(2)
    for size in (1, 40, 10_000):
        monkeypatch.setattr(neighbor_statistics, "_CHUNK", size)
        torch.testing.assert_close(largest_neighbors(u, neighbors), expected)
        assert torch.autograd.gradcheck(lambda u: largest_neighbors(u, neighbors), (u,))
    with torch.no_grad():
        torch.testing.assert_close(largest_neighbors(u, neighbors), expected)


def test_gradient_of_equal_neighbors_goes_to_one_of_them():
    values = torch.zeros(1, 3, 2, requires_grad=True)
    neighbors = torch.tensor([[[0, 1], [1, 2], [2, 0]]])
    largest_neighbors(values, neighbors).sum().backward()
    assert float(values.grad.sum()) == 6
    torch.testing.assert_close(values.grad, values.grad.round())
