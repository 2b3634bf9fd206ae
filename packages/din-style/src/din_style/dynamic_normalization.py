"""Dynamic instance normalization: normalize each channel, then convolve with kernels made from a style.

    DIN(x, f) = IN(x) (*) W(f) + B(f)                                                   (1)

with one kernel set per sample. Jing et al., arXiv 1911.06953; `operators` holds the convolutions.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-5
"""Added to the variance, so that flat regions stay finite; torch's value, the paper names none."""


class Statistics(NamedTuple):
    """What instance normalization subtracts and divides by."""

    mean: Float[Tensor, "batch channels"]
    """Mean over positions."""
    std: Float[Tensor, "batch channels"]
    """sqrt(biased variance over positions + `EPSILON`)."""


def measure_statistics(
    x: Float[Tensor, "batch channels height width"],
    *,
    position_weights: Float[Tensor, "height width"] | None = None,
) -> Statistics:
    """Return mean and standard deviation of each channel of each sample.

    Args:
        x: Features.
        position_weights: Weight of each position, such as the area that it covers on a sphere.
    """
    if position_weights is None:
        var, mean = torch.var_mean(x, dim=(2, 3), correction=0)
    else:
        share = position_weights / position_weights.sum()
        mean = (x * share).sum((2, 3))
        var = ((x - mean[:, :, None, None]).square() * share).sum((2, 3))
    return Statistics(mean, (var + EPSILON).sqrt())


def normalize_fused(
    x: Float[Tensor, "batch channels height width"],
    *,
    weight: Float[Tensor, "batch channels"],
    bias: Float[Tensor, "batch channels"],
) -> Float[Tensor, "batch channels height width"]:
    """Return IN(x) * weight + bias in one pass over memory.

    Each channel of each sample is a group of its own of one group normalization, whose affine
    parameters may then differ from sample to sample.
    """
    batch, channels, height, width = x.shape
    flat = x.reshape(1, batch * channels, height, width)
    normalized = functional.group_norm(
        flat, batch * channels, weight.reshape(-1), bias.reshape(-1), EPSILON
    )
    return normalized.view(batch, channels, height, width)


def normalize_explicitly(
    x: Float[Tensor, "batch channels height width"],
    statistics: Statistics,
    *,
    weight: Float[Tensor, "batch channels"] | None = None,
    bias: Float[Tensor, "batch channels"] | None = None,
) -> Float[Tensor, "batch channels height width"]:
    """Return IN(x) * weight + bias with statistics that are given: of a whole picture, of a film."""
    scale = 1 / statistics.std
    if weight is not None:
        scale = scale * weight
    shift = -statistics.mean * scale
    if bias is not None:
        shift = shift + bias
    return torch.addcmul(shift[:, :, None, None], x, scale[:, :, None, None])


def normalize_dynamically(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    statistics: Statistics | None = None,
) -> Float[Tensor, "batch channels height width"]:
    """Return eq. 1 for kernels of one pixel and as many groups as channels.

    Args:
        x: Features (batch, channels, height, width).
        weight: W(f), one number per sample and channel, (batch, channels).
        bias: B(f), likewise.
        statistics: What to normalize with; None measures `x` itself, in the fused form.

    Raises:
        ValueError: The shapes disagree.
    """
    if x.ndim != 4:
        raise ValueError(
            f"x must be (batch, channels, height, width), got shape {tuple(x.shape)}; add a batch "
            "axis with x[None]"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value.shape != x.shape[:2]:
            raise ValueError(
                f"{name} must be {tuple(x.shape[:2])}, one number per sample and channel, got "
                f"{tuple(value.shape)}; expand it to the batch"
            )
    if statistics is None:
        return normalize_fused(x, weight=weight, bias=bias)
    return normalize_explicitly(x, statistics, weight=weight, bias=bias)
