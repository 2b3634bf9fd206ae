"""Distances, products and their gradients against autograd; and how large their arrays get."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import lsp_distillation.edge_measures as module
from lsp_distillation.edge_measures import measure_gradient, measure_pairs
from lsp_distillation.node_pairs import NodePairs

NODES, WIDTH, PAIRS = 40, 50, 500


class _Largest(TorchDispatchMode):
    """Remembers the largest array that an operator returned."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, Tensor) and leaf.layout == torch.strided:
                self.numbers = max(self.numbers, leaf.numel())
        return found


def _case(dtype: torch.dtype) -> tuple[Tensor, NodePairs, Tensor]:
    draw = torch.Generator().manual_seed(0)
    ends = torch.randint(0, NODES, (2, PAIRS), generator=draw)
    ends[1] = ends[1].sort().values
    z = torch.randn(NODES, WIDTH, generator=draw, dtype=torch.float64).to(dtype)
    weights = torch.randn(PAIRS, generator=draw, dtype=torch.float64)
    return z, NodePairs(ends, nodes=NODES, kept=True), weights


def _plain(z: Tensor, pairs: NodePairs, measure: str) -> Tensor:
    a, b = z[pairs.ends[0]], z[pairs.ends[1]]
    difference = a - b
    return {
        "squared": difference.square(),
        "absolute": difference.abs(),
        "product": a * b,
    }[measure].sum(1)


@pytest.mark.parametrize("measure", ["squared", "absolute", "product"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_values_and_gradients_without_an_array_of_pairs_by_width(
    measure: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 2000)
    z, pairs, weights = _case(dtype)
    exact = z.double().clone().requires_grad_()
    with _Largest() as plain_largest:
        values = _plain(exact, pairs, measure)
        (values @ weights).backward()
    with _Largest() as largest:
        found = measure_pairs(z, pairs, measure)
        gradient = measure_gradient(z, pairs, measure, weights)
    assert exact.grad is not None
    assert plain_largest.numbers == PAIRS * WIDTH
    assert largest.numbers <= max(2000, NODES * WIDTH, 2 * PAIRS)
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2}[dtype]
    assert found.dtype == torch.float64
    assert (found - values).abs().max() <= min(tolerance, 1e-5) * values.abs().max()
    assert gradient.dtype == dtype
    assert (gradient.double() - exact.grad).abs().max() <= tolerance * exact.grad.abs().max()


def test_close_neighbors_far_from_the_origin_keep_their_digits() -> None:
    draw = torch.Generator().manual_seed(0)
    z = 1e3 + torch.randn(NODES, WIDTH, generator=draw)
    _, pairs, _ = _case(torch.float32)
    exact = _plain(z.double(), pairs, "squared")
    a, b = z[pairs.ends[0]], z[pairs.ends[1]]
    by_products = a.square().sum(1) + b.square().sum(1) - 2 * (a * b).sum(1)
    assert (by_products - exact).abs().max() > 1e-2 * exact.max()
    found = measure_pairs(z, pairs, "squared")
    assert (found - exact).abs().max() < 1e-6 * exact.max()
