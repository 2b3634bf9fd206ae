"""The similarity of neighbors: SIM of arXiv:2003.10477, its slope and its gradient in closed form."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from lsp_distillation.edge_measures import Measure, measure_gradient, measure_pairs
from lsp_distillation.kernel_config import UNBOUNDED, WITH_BANDWIDTH, KernelConfig, KernelName
from lsp_distillation.node_pairs import NodePairs

_MEASURES: dict[KernelName, Measure] = {
    "euclidean": "squared",
    "linear": "product",
    "polynomial": "product",
    "rbf": "squared",
    "gaussian": "squared",
    "laplacian": "absolute",
    "cosine": "product",
}

Reduce = Callable[[Float64[Tensor, "2"]], Float64[Tensor, "2"]]
"""Turns (sum, count) over one process into (sum, count) over all: an all-reduce."""


class Similarities(NamedTuple):
    """Of pairs, with what a backward pass needs."""

    values: Float64[Tensor, " pairs"]
    """SIM."""
    slopes: Float64[Tensor, " pairs"]
    """Derivative of SIM with respect to the distance or product that was measured."""
    bandwidth: Float64[Tensor, ""]
    """That was used: of a kernel with a bandwidth, or the mean magnitude of an unbounded one; else 1."""


def similarities(
    embedding: Float[Tensor, "nodes width"],
    pairs: NodePairs,
    kernel: KernelConfig,
    *,
    counts: Float64[Tensor, " pairs"] | None = None,
    bandwidth: float | Tensor | None = None,
    reduce: Reduce | None = None,
) -> Similarities:
    """Return SIM of each pair; a bandwidth of 0 (all neighbors coincide) makes all alike.

    Args:
        embedding: One row per node.
        pairs: Of nodes.
        kernel: Which similarity.
        counts: How many edges a pair stands for, in the mean that an automatic bandwidth is. None: one each.
        bandwidth: Instead of the kernel's, and of the mean magnitude.
        reduce: Adds the sums behind an automatic bandwidth over processes.
    """
    if kernel.name == "cosine":
        embedding, _ = _unit_rows(embedding)
    measured = measure_pairs(embedding, pairs, _MEASURES[kernel.name])
    raw, slopes = _before_scaling(measured, kernel)
    if bandwidth is None:
        bandwidth = _bandwidth(raw, kernel, counts, reduce)
    else:
        bandwidth = torch.as_tensor(bandwidth, dtype=raw.dtype, device=raw.device)
    scale = 2 * bandwidth.square() if kernel.name in ("rbf", "gaussian") else bandwidth
    inverse = torch.where(scale == 0, torch.zeros_like(scale), 1 / scale)
    if kernel.name in ("rbf", "laplacian"):
        values = raw.mul(-inverse).exp_()
        return Similarities(values, values * -inverse, bandwidth)
    return Similarities(raw * inverse, slopes * inverse, bandwidth)


def similarity_gradient(
    embedding: Float[Tensor, "nodes width"],
    pairs: NodePairs,
    kernel: KernelConfig,
    weights: Float64[Tensor, " pairs"],
) -> Float[Tensor, "nodes width"]:
    """Return the gradient of a function of similarities with respect to the embedding.

    Args:
        embedding: As `similarities` had it.
        pairs: As `similarities` had them.
        kernel: As `similarities` had it.
        weights: Derivative with respect to SIM of each pair times its slope.
    """
    measure = _MEASURES[kernel.name]
    if kernel.name != "cosine":
        return measure_gradient(embedding, pairs, measure, weights).to(embedding.dtype)
    units, norms = _unit_rows(embedding)
    gradient = measure_gradient(units, pairs, measure, weights)
    # Jacobian of u = z / |z|: (I - u u^T) / |z|, and 0 for a zero row
    gradient -= (gradient * units).sum(1, keepdim=True) * units
    return torch.where(norms > 0, gradient / norms, 0.0).to(embedding.dtype)


def _before_scaling(measured: Tensor, kernel: KernelConfig) -> tuple[Tensor, Tensor]:
    """Return the kernel's argument before it is divided by anything, and its slope."""
    if kernel.name == "polynomial":
        base = measured + kernel.offset
        power = base ** (kernel.degree - 1)
        return base * power, kernel.degree * power
    if kernel.name == "euclidean":
        return measured * kernel.sign, measured.new_tensor(float(kernel.sign)).expand_as(measured)
    sign = -1 if kernel.name == "gaussian" else 1
    return measured * sign, measured.new_tensor(float(sign)).expand_as(measured)


def _bandwidth(
    raw: Tensor, kernel: KernelConfig, counts: Tensor | None, reduce: Reduce | None
) -> Tensor:
    """Return the kernel's own bandwidth, or the mean over edges that takes its place."""
    if kernel.name in WITH_BANDWIDTH and kernel.bandwidth != "auto":
        return raw.new_tensor(float(kernel.bandwidth))
    if kernel.name == "cosine" or (kernel.name in UNBOUNDED and not kernel.normalize):
        return raw.new_ones(())
    magnitudes = raw.abs()
    count = raw.new_tensor(float(len(raw))) if counts is None else counts.sum()
    total = magnitudes.sum() if counts is None else magnitudes @ counts
    if reduce is not None:
        total, count = reduce(torch.stack([total, count])).unbind()
    mean = total / count
    return (mean / 2).sqrt() if kernel.name in ("rbf", "gaussian") else mean


def _unit_rows(embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows of length 1, in single precision at least, and their lengths before; zero rows stay zero."""
    rows = embedding.to(torch.promote_types(embedding.dtype, torch.float32))
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return torch.where(norms > 0, rows / norms, 0.0), norms
