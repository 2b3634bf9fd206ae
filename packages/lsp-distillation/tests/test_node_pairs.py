"""Products with the matrix of pairs against the dense matrix."""

import pytest
import torch

from lsp_distillation.node_pairs import NodePairs

NODES = 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kept", [True, False])
def test_products_and_sums_are_those_of_the_dense_matrix(kept: bool, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    first = torch.randint(0, NODES, (25,), generator=draw)
    second = torch.randint(0, NODES - 1, (25,), generator=draw).sort().values
    first[3] = second[3]
    pairs = NodePairs(torch.stack([first, second]), nodes=NODES, kept=kept)
    weights = torch.randn(25, dtype=torch.float64, generator=draw)
    z = torch.randn(NODES, 5, dtype=dtype, generator=draw)
    dense = torch.zeros(NODES, NODES, dtype=torch.float64)
    for a, b, weight in zip(first, second, weights, strict=True):
        dense[a, b] += weight
        dense[b, a] += weight
    found = pairs.product(weights, z)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), dense @ z.double(), rtol=1e-5, atol=1e-5)
    if dtype == torch.float64:
        torch.testing.assert_close(found, dense @ z, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(pairs.row_sums(weights), dense.sum(1), rtol=1e-12, atol=1e-12)
    assert len(pairs) == 25
