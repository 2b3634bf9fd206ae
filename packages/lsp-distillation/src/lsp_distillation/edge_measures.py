"""Distances and products of pairs of embeddings, and their gradients, without an array of pairs x width."""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

Measure = Literal["squared", "absolute", "product"]

CHUNK = 2**18
"""Numbers in a chunk of pairs x width: at most 2 MB, which stays in the cache of a processor."""


_BLOCK = 2**22
"""Numbers in a block of columns of an embedding."""


def measure_pairs(
    embedding: Float[Tensor, "nodes width"], pairs: Int[Tensor, "2 pairs"], measure: Measure
) -> Float64[Tensor, " pairs"]:
    """Return |a - b|^2, |a - b|_1 or a . b of each pair, in float64.

    Distances come from differences: |a|^2 + |b|^2 - 2 a . b loses its digits where neighbors are close.

    Args:
        embedding: One row per node; half precision is widened chunk by chunk.
        pairs: Rows of the embedding, first above second; both may be the same.
        measure: Which of the three.
    """
    found = torch.empty(pairs.shape[1], dtype=torch.float64, device=embedding.device)
    for chunk, a, b in _chunks(embedding, pairs):
        if measure == "product":
            values = a.mul_(b)
        else:
            values = a.sub_(b).square_() if measure == "squared" else a.sub_(b).abs_()
        found[chunk] = values.sum(1)
    return found


def measure_gradient(
    embedding: Float[Tensor, "nodes width"],
    pairs: Int[Tensor, "2 pairs"],
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
    # W is the sum of the pairs' matrix and its transpose
    size = (len(embedding), len(embedding))
    halves = [_matrix(ends, weights, size) for ends in (pairs, pairs.flip(0))]
    sums = weights.new_zeros(len(embedding))
    for end in pairs:
        sums.index_add_(0, end, weights)
    gradient = torch.empty_like(embedding)
    for block in _blocks(embedding):
        z = embedding[:, block].to(torch.float64, copy=True)
        product = torch.sparse.mm(halves[0], z)
        torch.addmm(product, halves[1], z, out=product)
        if measure == "squared":
            product = z.mul_(sums[:, None]).sub_(product).mul_(2)
        gradient[:, block] = product
    return gradient


def _absolute_gradient(embedding: Tensor, pairs: Tensor, weights: Tensor) -> Tensor:
    """Add the weighted signs of differences; no product of matrices has this form."""
    gradient = torch.zeros_like(embedding, dtype=_working_type(embedding))
    weights, counting = weights.to(gradient.dtype), torch.arange(CHUNK, device=pairs.device)
    for chunk, a, b in _chunks(embedding, pairs):
        signs, values = a.sub_(b).sign_(), weights[chunk]
        ends, size = pairs[:, chunk], (len(embedding), len(signs))
        if embedding.is_cuda:
            signs.mul_(values[:, None])
            gradient.index_add_(0, ends[0], signs).index_add_(0, ends[1], signs, alpha=-1)
            continue
        # on a processor sparse products add rows several times faster than index_add
        for end, factors in zip(ends, (values, -values), strict=True):
            places = torch.stack([end, counting[: len(end)]])
            torch.addmm(gradient, _matrix(places, factors, size), signs, out=gradient)
    return gradient.to(embedding.dtype)


def _chunks(embedding: Tensor, pairs: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Give each chunk of pairs and the two rows of each; the memory of a chunk is that of the next."""
    length = max(CHUNK // max(embedding.shape[1], 1), 1)
    dtype, count = _working_type(embedding), pairs.shape[1]
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


def _blocks(embedding: Tensor) -> list[slice]:
    """Return blocks of columns of at most 32 MB in double precision, but not less than 32 columns."""
    nodes, width = embedding.shape
    length = max(_BLOCK // max(nodes, 1), 32)
    return [slice(start, start + length) for start in range(0, width, length)]


def _matrix(places: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a sparse matrix; entries at one place add up, so nothing needs sorting."""
    return torch.sparse_coo_tensor(places, values, size, check_invariants=False)
