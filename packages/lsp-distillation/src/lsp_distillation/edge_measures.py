"""Distances and products of pairs of embeddings, and their gradients, without an array of pairs x width."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

Measure = Literal["squared", "absolute", "product"]

CHUNK = 2**18
"""Numbers in a chunk of pairs x width: at most 2 MB, which stays in the cache of a processor."""


class Pairs(NamedTuple):
    """Pairs of nodes: rows of the embedding; a pair may be twice the same node."""

    first: Int[Tensor, " pairs"]
    second: Int[Tensor, " pairs"]


def measure_pairs(
    embedding: Float[Tensor, "nodes width"], pairs: Pairs, measure: Measure
) -> Float64[Tensor, " pairs"]:
    """Return |a - b|^2, |a - b|_1 or a . b of each pair, in float64.

    Distances come from differences: |a|^2 + |b|^2 - 2 a . b loses its digits where neighbors are close.

    Args:
        embedding: One row per node; half precision is widened chunk by chunk.
        pairs: Of nodes.
        measure: Which of the three.
    """
    found = torch.empty(len(pairs.first), dtype=torch.float64, device=embedding.device)
    for chunk, a, b in _chunks(embedding, pairs):
        if measure == "product":
            values = a.mul_(b)
        else:
            values = a.sub_(b).square_() if measure == "squared" else a.sub_(b).abs_()
        found[chunk] = values.sum(1)
    return found


def measure_gradient(
    embedding: Float[Tensor, "nodes width"],
    pairs: Pairs,
    measure: Measure,
    weights: Float64[Tensor, " pairs"],
) -> Float[Tensor, "nodes width"]:
    """Return the gradient of sum_p weights_p measure_p with respect to the embedding.

    With W the symmetric matrix of the weights: W z for products, 2 (diag(W 1) z - W z) for squared distances, in
    float64 because the two parts cancel, a block of columns after the other.

    Args:
        embedding: As it was measured.
        pairs: As they were measured.
        measure: Which of the three.
        weights: Of the pairs.
    """
    if measure == "absolute":
        return _absolute_gradient(embedding, pairs, weights)
    nodes = len(embedding)
    rows = torch.cat([pairs.first, pairs.second])
    columns = torch.cat([pairs.second, pairs.first])
    values = weights.repeat(2)
    sums = weights.new_zeros(nodes).index_add_(0, rows, values)[:, None]
    matrix = _matrix(rows, columns, values, (nodes, nodes))
    gradient = torch.empty_like(embedding)
    for block in range(0, embedding.shape[1], _columns(nodes)):
        here = (slice(None), slice(block, block + _columns(nodes)))
        z = embedding[here].to(torch.float64, copy=True)
        product = torch.sparse.mm(matrix, z)
        gradient[here] = product if measure == "product" else z.mul_(sums).sub_(product).mul_(2)
    return gradient


def _absolute_gradient(embedding: Tensor, pairs: Pairs, weights: Tensor) -> Tensor:
    """Add the weighted signs of differences; no product of matrices has this form."""
    gradient = torch.zeros_like(embedding, dtype=_working_type(embedding))
    weights = weights.to(gradient.dtype)
    for chunk, a, b in _chunks(embedding, pairs):
        signs, values = a.sub_(b).sign_(), weights[chunk]
        first, second, count = pairs.first[chunk], pairs.second[chunk], len(signs)
        if embedding.is_cuda:
            signs.mul_(values[:, None])
            gradient.index_add_(0, first, signs).index_add_(0, second, signs, alpha=-1)
            continue
        # on a processor one sparse product adds rows several times faster than index_add
        matrix = _matrix(
            torch.cat([first, second]),
            torch.arange(count).repeat(2),
            torch.cat([values, -values]),
            (len(embedding), count),
        )
        torch.addmm(gradient, matrix, signs, out=gradient)
    return gradient.to(embedding.dtype)


def _chunks(embedding: Tensor, pairs: Pairs) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Give each chunk of pairs and the two rows of each; the memory of a chunk is that of the next."""
    length = max(CHUNK // max(embedding.shape[1], 1), 1)
    dtype, count = _working_type(embedding), len(pairs.first)
    buffers = [embedding.new_empty(min(length, count), embedding.shape[1]) for _ in pairs]
    for start in range(0, count, length):
        chunk = slice(start, min(start + length, count))
        a, b = (
            torch.index_select(embedding, 0, side[chunk], out=buffer[: chunk.stop - start])
            for side, buffer in zip(pairs, buffers, strict=True)
        )
        yield chunk, a.to(dtype), b.to(dtype)


def _working_type(embedding: Tensor) -> torch.dtype:
    """Return single precision, or double for what is double."""
    return torch.promote_types(embedding.dtype, torch.float32)


def _columns(nodes: int) -> int:
    """Return how many columns of an embedding are multiplied at a time."""
    return max(CHUNK // max(nodes, 1), 32)


def _matrix(rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a sparse matrix; entries at one place add up, so nothing needs sorting."""
    return torch.sparse_coo_tensor(
        torch.stack([rows, columns]), values, size, check_invariants=False
    )
