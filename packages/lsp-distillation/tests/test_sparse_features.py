import warnings

import pytest
import torch

from lsp_distillation.sparse_features import SparseFeatures, linear_map


@pytest.fixture
def matrix():
    torch.manual_seed(0)  # noqa: TID251
    dense = torch.randn(6, 4, dtype=torch.float64) * (torch.rand(6, 4) < 0.5)
    dense[2] = 0
    dense[:, 1] = 0
    return dense


def csr(dense):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dense.to_sparse_csr()


def test_products_in_both_layouts(matrix):
    for sparse in (csr(matrix), matrix.to_sparse_coo()):
        features = SparseFeatures(sparse)
        right, left = torch.randn(4, 3).double(), torch.randn(6, 3).double()
        torch.testing.assert_close(features.times(right), matrix @ right)
        torch.testing.assert_close(features.transposed_times(left), matrix.t() @ left)
        torch.testing.assert_close(features.to_dense(), matrix)


def test_linear_map_has_the_gradient_of_the_dense_one(matrix):
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    sparse = csr(matrix)
    torch.testing.assert_close(linear_map(sparse, weight, bias), matrix @ weight.t() + bias)
    assert torch.autograd.gradcheck(lambda *values: linear_map(sparse, *values), (weight, bias))


def test_the_transpose_of_a_tensor_is_computed_once(matrix):
    sparse = csr(matrix)
    assert SparseFeatures.of(sparse) is SparseFeatures.of(sparse)
    assert SparseFeatures.of(sparse).by_column is SparseFeatures.of(sparse).by_column


def test_dropout_changes_values_only_in_training(matrix):
    features = SparseFeatures(csr(matrix))
    assert features.with_dropout(0.5, training=False) is features
    dropped = features.with_dropout(0.5, training=True).to_dense()
    changed = dropped != matrix
    assert bool(changed.any())
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, 2 * matrix[dropped != 0])


def test_dense_tensors_are_refused(matrix):
    with pytest.raises(ValueError, match="call to_sparse_csr"):
        SparseFeatures(matrix)
