import pytest
import torch

from lsp_distillation.feature_rows import (
    choose_layout,
    normalize_rows,
    stack_rows,
    take_rows,
    to_sparse,
)
from tenfold_shared.seeds import torch_stream


def features(rows=7, width=5):
    x = torch.randn(rows, width, generator=torch_stream(0, "rows"))
    x[x < 0.3] = 0
    x[2] = 0
    return x


def test_rows_are_taken_in_the_order_given():
    x, rows = features(), torch.tensor([4, 2, 0, 4])
    assert torch.equal(take_rows(x, rows), x[rows])
    assert torch.equal(take_rows(to_sparse(x), rows).to_dense(), x[rows])


def test_rows_are_stacked():
    parts = [features(3), features(4)]
    expected = torch.cat(parts)
    assert torch.equal(stack_rows(parts), expected)
    mixed = stack_rows([to_sparse(parts[0]), parts[1]])
    assert mixed.is_sparse_csr
    assert torch.equal(mixed.to_dense(), expected)
    with pytest.raises(ValueError, match="as many features, got 4 and 5"):
        stack_rows([features(3, 5), features(3, 4)])


def test_normalized_rows_sum_to_one_or_zero():
    x = features()
    x[0] = -x[0]
    dense, sparse = normalize_rows(x), normalize_rows(to_sparse(x))
    assert torch.allclose(sparse.to_dense(), dense)
    sums = dense.abs().sum(1)
    assert torch.allclose(sums, (x.abs().sum(1) > 0).float())
    assert bool((sums == 0).any())


def test_only_large_and_mostly_empty_features_are_sparse():
    wide = torch.zeros(500, 4000)  # 8 MB
    wide[:, 0] = 1
    assert choose_layout(wide).is_sparse_csr
    assert not choose_layout(wide[:50]).is_sparse_csr
    assert not choose_layout(to_sparse(wide[:50])).is_sparse_csr
    wide[:, :400] = 1
    assert not choose_layout(wide).is_sparse_csr
