"""Node features of which most are 0: products with a weight matrix in both directions."""

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.utils.weak import WeakTensorKeyDictionary

from lsp_distillation.segments import sum_rows


class SparseFeatures:
    """A sparse matrix (nodes, features) by rows and, from the first backward pass on, by columns.

    Args:
        matrix: (nodes, features) `torch.sparse_csr` or `torch.sparse_coo`. It gets no gradient.

    Raises:
        ValueError: It has another layout or no two dimensions.
    """

    def __init__(self, matrix: Tensor) -> None:
        if matrix.layout not in (torch.sparse_csr, torch.sparse_coo) or matrix.ndim != 2:
            raise ValueError(
                f"sparse features must be a (nodes, features) CSR or COO matrix, got {matrix.layout} "
                f"of shape {tuple(matrix.shape)}; call to_sparse_csr()"
            )
        if matrix.layout == torch.sparse_coo:
            matrix = matrix.coalesce()
            counts = torch.bincount(matrix.indices()[0], minlength=matrix.shape[0])
            self.offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
            self.columns, self.values = matrix.indices()[1], matrix.values()
        else:
            self.offsets, self.columns = matrix.crow_indices(), matrix.col_indices()
            self.values = matrix.values()
        self.shape = (matrix.shape[0], matrix.shape[1])
        self._by_column: tuple[Tensor, Tensor, Tensor] | None = None

    @classmethod
    def of(cls, matrix: Tensor) -> "SparseFeatures":
        """Return the features of a sparse tensor, the same object as long as the tensor lives."""
        if matrix not in _KNOWN:
            _KNOWN[matrix] = cls(matrix)
        return _KNOWN[matrix]

    @property
    def dtype(self) -> torch.dtype:
        """Of the values."""
        return self.values.dtype

    @property
    def device(self) -> torch.device:
        """Where the values are."""
        return self.values.device

    @property
    def by_column(self) -> tuple[Tensor, Tensor, Tensor]:
        """The order of the entries by column, their rows in it, and where each column begins."""
        if self._by_column is None:
            nodes = torch.arange(self.shape[0], device=self.device)
            rows = nodes.repeat_interleave(self.offsets.diff().long())
            order = self.columns.argsort(stable=True)
            counts = torch.bincount(self.columns, minlength=self.shape[1])
            offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
            self._by_column = order, rows.index_select(0, order), offsets
        return self._by_column

    def times(self, matrix: Float[Tensor, "features width"]) -> Float[Tensor, "nodes width"]:
        """Return X M; no gradient passes."""
        return sum_rows(matrix, self.columns, self.offsets, self.values.to(matrix.dtype))

    def transposed_times(
        self, matrix: Float[Tensor, "nodes width"]
    ) -> Float[Tensor, "features width"]:
        """Return X^T M; no gradient passes."""
        order, rows, offsets = self.by_column
        weights = self.values.index_select(0, order).to(matrix.dtype)
        return sum_rows(matrix, rows.to(offsets.dtype), offsets, weights)

    def with_dropout(self, rate: float, *, training: bool) -> "SparseFeatures":
        """Return features of which entries are dropped with probability `rate`, the others scaled up."""
        if not training or not rate:
            return self
        dropped = object.__new__(SparseFeatures)
        dropped.__dict__.update(self.__dict__, values=functional.dropout(self.values, rate))
        dropped._by_column = self.by_column  # the order does not depend on the values
        return dropped

    def to_dense(self) -> Float[Tensor, "nodes features"]:
        """Return the matrix with its zeros."""
        counts = self.offsets.diff().long()
        rows = torch.arange(self.shape[0], device=self.device).repeat_interleave(counts)
        dense = self.values.new_zeros(self.shape)
        return dense.index_put_((rows, self.columns.long()), self.values, accumulate=True)


_KNOWN: Any = WeakTensorKeyDictionary()

Features = Tensor | SparseFeatures
"""Node features: a dense tensor, a sparse CSR or COO tensor, or `SparseFeatures`."""


def known_features(x: Features) -> Features:
    """Return sparse tensors as `SparseFeatures`, all else as it is."""
    if isinstance(x, Tensor) and x.layout in (torch.sparse_csr, torch.sparse_coo):
        return SparseFeatures.of(x)
    return x


def linear_map(
    x: Features, weight: Float[Tensor, "out features"], bias: Float[Tensor, " out"] | None = None
) -> Float[Tensor, "nodes out"]:
    """Return x W^T + b for dense or sparse features."""
    x = known_features(x)
    if isinstance(x, Tensor):
        return functional.linear(x, weight, bias)
    result = cast("Any", _SparseLinear).apply(weight, x)
    return result if bias is None else result + bias


class _SparseLinear(torch.autograd.Function):
    """X W^T with X sparse; the gradient of W is (X^T g)^T."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, features: SparseFeatures) -> Tensor:
        ctx.features = features
        return features.times(weight.t().contiguous())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.features.transposed_times(gradient.contiguous()).t(), None
