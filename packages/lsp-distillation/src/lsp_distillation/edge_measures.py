"""Distances and products of pairs of embeddings, and their gradients, without an array of pairs x width."""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from lsp_distillation.node_pairs import NodePairs, sparse_matrix

Measure = Literal["squared", "absolute", "product"]

CHUNK = 2**18
"""Numbers in a chunk of pairs x width: at most 2 MB, which stays in the cache of a processor."""


def measure_pairs(
    embedding: Float[Tensor, "nodes width"], pairs: NodePairs, measure: Measure
) -> Float64[Tensor, " pairs"]:
    """Return |a - b|^2, |a - b|_1 or a . b of each pair, in float64.

    Distances come from differences: |a|^2 + |b|^2 - 2 a . b loses its digits where neighbors are close.

    Args:
        embedding: One row per node; half precision is widened chunk by chunk.
        pairs: Rows of the embedding.
        measure: Which of the three.
    """
    found = torch.empty(len(pairs), dtype=torch.float64, device=embedding.device)
    for chunk, a, b in _chunks(embedding, pairs):
        if measure == "product":
            values = a.mul_(b)
        else:
            values = a.sub_(b).square_() if measure == "squared" else a.sub_(b).abs_()
        found[chunk] = values.sum(1)
    return found


def measure_gradient(
    embedding: Float[Tensor, "nodes width"],
    pairs: NodePairs,
    measure: Measure,
    weights: Float64[Tensor, " pairs"],
) -> Float[Tensor, "nodes width"]:
    """Return the gradient of sum_p weights_p measure_p with respect to the embedding.

    With W the symmetric matrix of the weights: W z for products, 2 (diag(W 1) z - W z) for squared distances, where z
    is centered because the two parts cancel.

    Args:
        embedding: As it was measured.
        pairs: As they were measured.
        measure: Which of the three.
        weights: Of the pairs.
    """
    if measure == "absolute":
        return _absolute_gradient(embedding, pairs, weights)
    z = embedding.to(_working_type(embedding))
    if measure == "product":
        return pairs.product(weights, z).to(embedding.dtype)
    z = z - z.mean(0)
    product = pairs.product(weights, z)
    sums = pairs.row_sums(weights).to(z.dtype)[:, None]
    return z.mul_(sums).sub_(product).mul_(2).to(embedding.dtype)


def _absolute_gradient(embedding: Tensor, pairs: NodePairs, weights: Tensor) -> Tensor:
    """Add the weighted signs of differences; no product of matrices has this form."""
    gradient = torch.zeros_like(embedding, dtype=_working_type(embedding))
    weights, counting = weights.to(gradient.dtype), torch.arange(CHUNK, device=embedding.device)
    for chunk, a, b in _chunks(embedding, pairs):
        signs, values = a.sub_(b).sign_(), weights[chunk]
        ends, size = pairs.ends[:, chunk], (len(embedding), len(signs))
        if embedding.device.type != "cpu":
            signs.mul_(values[:, None])
            gradient.index_add_(0, ends[0], signs).index_add_(0, ends[1], signs, alpha=-1)
            continue
        # on a processor sparse products add rows several times faster than index_add
        for end, factors in zip(ends, (values, -values), strict=True):
            places = torch.stack([end, counting[: len(end)]])
            torch.addmm(gradient, sparse_matrix(places, factors, size), signs, out=gradient)
    return gradient.to(embedding.dtype)


def _chunks(embedding: Tensor, pairs: NodePairs) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Give each chunk of pairs and the two rows of each; the memory of a chunk is that of the next."""
    length = max(CHUNK // max(embedding.shape[1], 1), 1)
    dtype, count = _working_type(embedding), len(pairs)
    buffers = [embedding.new_empty(min(length, count), embedding.shape[1]) for _ in pairs.ends]
    for start in range(0, count, length):
        chunk = slice(start, min(start + length, count))
        a, b = (
            torch.index_select(embedding, 0, side[chunk], out=buffer[: chunk.stop - start])
            for side, buffer in zip(pairs.ends, buffers, strict=True)
        )
        yield chunk, a.to(dtype), b.to(dtype)


def _working_type(embedding: Tensor) -> torch.dtype:
    """Return single precision, or double for what is double."""
    return torch.promote_types(embedding.dtype, torch.float32)
