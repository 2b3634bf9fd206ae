"""Rows of node features, dense or sparse (torch's CSR layout): chosen, stacked, normalized."""

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SPARSE_BELOW = 0.05
_DENSE_LIMIT_BYTES = 2 * 2**20


def sparse_rows(offsets: Tensor, columns: Tensor, values: Tensor, *, width: int) -> Tensor:
    """Return (rows, width) features in the CSR layout; the arguments must fit, see `task_checks`."""
    # The invariants are checked once where features enter, not each time rows are chosen.
    with _without_beta_warning():
        return torch.sparse_csr_tensor(
            offsets.long(),
            columns.long(),
            values,
            size=(len(offsets) - 1, width),
            check_invariants=False,
        )


def to_sparse(x: Float[Tensor, "nodes features"]) -> Float[Tensor, "nodes features"]:
    """Return features in the CSR layout."""
    if x.is_sparse_csr:
        return x
    with _without_beta_warning():
        return x.to_sparse_csr()


def choose_layout(x: Float[Tensor, "nodes features"]) -> Float[Tensor, "nodes features"]:
    """Return features in the layout that suits them.

    Sparse if fewer than 5 % are not 0 and dense ones would take more than 2 MiB: a step on Cora or CiteSeer is then
    several times faster, and Physics fits into memory. Dense otherwise.
    """
    stored = x.values().numel() if x.is_sparse_csr else int(torch.count_nonzero(x))
    dense_bytes = x.shape[0] * x.shape[1] * x.element_size()
    if stored < _SPARSE_BELOW * x.shape[0] * x.shape[1] and dense_bytes > _DENSE_LIMIT_BYTES:
        return to_sparse(x)
    return x.to_dense() if x.is_sparse_csr else x


def normalize_rows(x: Float[Tensor, "nodes features"]) -> Float[Tensor, "nodes features"]:
    """Divide each row by the sum of its magnitudes; rows of zeros stay."""
    if not x.is_sparse_csr:
        return x / x.abs().sum(1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    offsets, values = x.crow_indices(), x.values()
    rows = torch.arange(x.shape[0]).repeat_interleave(offsets.diff(), output_size=len(values))
    sums = values.new_zeros(x.shape[0]).index_add_(0, rows, values.abs())
    return sparse_rows(offsets, x.col_indices(), values / sums[rows], width=x.shape[1])


def take_rows(
    x: Float[Tensor, "nodes features"], rows: Int[Tensor, " chosen"]
) -> Float[Tensor, "chosen features"]:
    """Return some rows, in the order given."""
    if not x.is_sparse_csr:
        return x[rows]
    starts = x.crow_indices()[rows]
    counts = x.crow_indices()[rows + 1] - starts
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    places = torch.arange(int(offsets[-1]), device=x.device)
    places = places + (starts - offsets[:-1]).repeat_interleave(counts)
    return sparse_rows(offsets, x.col_indices()[places], x.values()[places], width=x.shape[1])


def stack_rows(parts: Sequence[Tensor]) -> Float[Tensor, "nodes features"]:
    """Return the rows of several, sparse if any is.

    Raises:
        ValueError: Their widths differ.
    """
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1:
        raise ValueError(f"all graphs must have as many features, got {widths[0]} and {widths[-1]}")
    if not any(part.is_sparse_csr for part in parts):
        return torch.cat(list(parts))
    sparse = [to_sparse(part) for part in parts]
    counts = torch.cat([part.crow_indices().diff() for part in sparse])
    return sparse_rows(
        torch.cat([counts.new_zeros(1), counts.cumsum(0)]),
        torch.cat([part.col_indices() for part in sparse]),
        torch.cat([part.values() for part in sparse]),
        width=widths[0],
    )


@contextmanager
def _without_beta_warning() -> Generator[None]:
    """Keep back what torch says once in a process about its CSR layout, long in use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR", category=UserWarning)
        yield
