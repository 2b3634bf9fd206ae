"""Each kernel on two numbers that can be checked by hand."""

import math

import pytest
import torch

from lsp_distillation.edge_similarity import similarities
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.node_pairs import NodePairs

Z = torch.tensor([[1.0, 2.0], [4.0, 6.0], [1.0, 5.0]], dtype=torch.float64)
PAIRS = NodePairs(torch.tensor([[0, 0], [1, 2]]), nodes=3, kept=False)
# squared distances 25 and 9, absolute 7 and 3, products 16 and 11, lengths sqrt of 5, 52, 26


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (KernelConfig(name="euclidean"), (-25 / 17, -9 / 17)),
        (KernelConfig(name="euclidean", sign=1, normalize=False), (25, 9)),
        (KernelConfig(name="linear"), (16 / 13.5, 11 / 13.5)),
        (KernelConfig(name="linear", normalize=False), (16, 11)),
        (KernelConfig(name="polynomial", normalize=False), (256, 121)),
        (KernelConfig(name="polynomial", degree=3, offset=-12.0), (64 / 32.5, -1 / 32.5)),
        (KernelConfig(name="rbf", bandwidth=2.0), (math.exp(-25 / 8), math.exp(-9 / 8))),
        (KernelConfig(name="rbf"), (math.exp(-25 / 17), math.exp(-9 / 17))),
        (KernelConfig(name="gaussian", bandwidth=2.0), (-25 / 8, -9 / 8)),
        (KernelConfig(name="gaussian"), (-25 / 17, -9 / 17)),
        (KernelConfig(name="laplacian", bandwidth=100.0), (math.exp(-0.07), math.exp(-0.03))),
        (KernelConfig(name="laplacian"), (math.exp(-7 / 5), math.exp(-3 / 5))),
        (KernelConfig(name="cosine"), (16 / math.sqrt(5 * 52), 11 / math.sqrt(5 * 26))),
    ],
    ids=str,
)
def test_values(kernel: KernelConfig, expected: tuple[float, float]) -> None:
    found = similarities(Z, PAIRS, kernel).values
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12)


def test_automatic_bandwidth_is_a_mean_over_edges() -> None:
    counts = torch.tensor([1.0, 3.0], dtype=torch.float64)
    kernel = KernelConfig(name="rbf")
    found = similarities(Z, PAIRS, kernel, counts=counts).bandwidth
    assert math.isclose(found.item(), math.sqrt((25 + 3 * 9) / 4 / 2), rel_tol=1e-12)
    all_reduced = similarities(
        Z, PAIRS, kernel, counts=counts, reduce=lambda both: both + torch.tensor([48.0, 6.0])
    )
    assert math.isclose(all_reduced.bandwidth.item(), math.sqrt(5), rel_tol=1e-12)
    given = similarities(Z, PAIRS, kernel, bandwidth=2.0)
    fixed = similarities(Z, PAIRS, KernelConfig(name="rbf", bandwidth=2.0))
    assert torch.equal(given.values, fixed.values)


@pytest.mark.parametrize("name", ["euclidean", "linear", "rbf", "gaussian", "laplacian", "cosine"])
def test_coincident_or_zero_embeddings_give_flat_finite_values(name: str) -> None:
    found = similarities(Z * 0, PAIRS, KernelConfig(name=name))
    assert found.values[0] == found.values[1]
    assert torch.isfinite(found.values).all()
    assert torch.isfinite(found.slopes).all()
