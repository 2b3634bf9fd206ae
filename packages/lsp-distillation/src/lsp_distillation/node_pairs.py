"""Pairs of nodes, and products with the symmetric matrix that holds a number for each pair."""

from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn import functional


class _Rows(NamedTuple):
    """Entries of a matrix, row by row."""

    columns: Int[Tensor, " entries"]
    offsets: Int[Tensor, " rows_plus_one"]
    pair_of_entry: Int[Tensor, " entries"] | None
    """None: entries are the pairs themselves."""


class NodePairs:
    """Pairs of nodes, first above second; both may be the same node.

    Args:
        ends: (2, pairs) nodes, the second ones ascending.
        nodes: Their number.
        kept: Whether many products will be asked for, so that sorting the pairs by both ends pays.
    """

    def __init__(self, ends: Int[Tensor, "2 pairs"], *, nodes: int, kept: bool) -> None:
        self.ends, self.nodes, self.kept = ends, nodes, kept

    def __len__(self) -> int:
        return self.ends.shape[1]

    def row_sums(self, weights: Float64[Tensor, " pairs"]) -> Float64[Tensor, " nodes"]:
        """Return W 1: of each node the weights of its pairs, twice if it is both ends."""
        sums = weights.new_zeros(self.nodes)
        for end in self.ends:
            sums.index_add_(0, end, weights)
        return sums

    def product(
        self, weights: Float64[Tensor, " pairs"], z: Float[Tensor, "nodes width"]
    ) -> Float[Tensor, "nodes width"]:
        """Return W z, W_ab = W_ba = the weight of pair (a, b), twice on the diagonal, in the type of z.

        Single precision goes through an embedding bag, which keeps a row of the result in registers; it accumulates in
        single precision, so that double precision goes through sparse matrices.

        Args:
            weights: Of the pairs.
            z: One row per node.
        """
        if z.dtype == torch.float32 and self.kept:
            return _bag(self._both_ways, weights, z)
        if z.dtype == torch.float32:
            found = _bag(self._by_second, weights, z)
        else:
            found = torch.sparse.mm(self._matrix(self.ends.flip(0), weights), z)
        transposed = self._matrix(self.ends, weights.to(z.dtype))
        return found.add_(torch.sparse.mm(transposed, z))

    def _matrix(self, places: Tensor, values: Tensor) -> Tensor:
        """Return one half of W."""
        return sparse_matrix(places, values, (self.nodes, self.nodes))

    @cached_property
    def _by_second(self) -> _Rows:
        """The half of W whose rows are the second ends, which are sorted."""
        return _Rows(self.ends[0], self._offsets(self.ends[1]), None)

    @cached_property
    def _both_ways(self) -> _Rows:
        """All of W."""
        rows = self.ends.flatten()
        order = rows.argsort(stable=True)
        columns = self.ends.flip(0).flatten()[order]
        return _Rows(columns, self._offsets(rows), order % max(len(self), 1))

    def _offsets(self, rows: Tensor) -> Tensor:
        """Return where the entries of each row begin."""
        counts = torch.bincount(rows, minlength=self.nodes)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def sparse_matrix(
    places: Int[Tensor, "2 entries"], values: Float[Tensor, " entries"], size: tuple[int, int]
) -> Tensor:
    """Return a sparse matrix; entries at one place add up, so nothing needs sorting.

    Args:
        places: Rows above columns.
        values: Of the entries.
        size: Of the matrix.
    """
    return torch.sparse_coo_tensor(places, values, size, check_invariants=False)


def _bag(rows: _Rows, weights: Tensor, z: Tensor) -> Tensor:
    """Return the weighted sums of rows of z."""
    weights = weights.to(z.dtype)
    if rows.pair_of_entry is not None:
        weights = weights.index_select(0, rows.pair_of_entry)
    return functional.embedding_bag(
        rows.columns,
        z,
        rows.offsets,
        mode="sum",
        per_sample_weights=weights,
        include_last_offset=True,
    )
