"""Which style a picture is in, asked of descriptors that no loss has used: textures, colors, MobileNetV2.

A descriptor is a vector for each picture; styles are retrieved by the Euclidean distance between vectors whose
entries were divided by their spread over the candidates.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from din_style.color import luminance
from din_style.mobilenet import JUDGED_BLOCKS, MobileNetV2
from tenfold_shared.seeds import torch_stream

Images = Float[Tensor, "batch 3 height width"]
Vectors = Float[Tensor, "batch entries"]

PATCH = 7
"""Pixels on a side of a luminance patch."""
SCALES = (1, 2, 4)
"""Patches are taken from pictures reduced by these factors."""
PROJECTIONS = 64
"""Random directions along which distributions of patches are compared."""
QUANTILES = 33


class Retrieval(NamedTuple):
    """How well styles are recognized."""

    top1: float
    """Share of pictures whose nearest candidate is their style."""
    top5: float
    """Share whose style is among the nearest five."""
    mean_reciprocal_rank: float


def texture_vectors(images: Images, *, seed: int = 0) -> Vectors:
    """Return quantiles of random projections of high-passed luminance patches, at several scales.

    Each picture's patches are divided by their standard deviation, so that contrast and color tell nothing.
    """
    parts = []
    gray = luminance(images)
    for scale in SCALES:
        small = functional.avg_pool2d(gray, scale) if scale > 1 else gray
        high = small - _blurred(small, PATCH)
        patches = functional.unfold(high, PATCH, stride=2 if scale == 1 else 1)
        patches = patches - patches.mean(1, keepdim=True)
        deviation = patches.square().mean((1, 2), keepdim=True).sqrt()
        parts.append(_quantiles(patches / (deviation + 1e-4), seed=seed))
    return torch.cat(parts, dim=1)


def color_vectors(images: Images, *, seed: int = 0) -> Vectors:
    """Return quantiles of random projections of 3x3 color patches, each cell the mean of 8x8 pixels."""
    patches = functional.unfold(functional.avg_pool2d(images, 8), 3)
    return _quantiles(patches, seed=seed)


def mobilenet_vectors(images: Images, network: MobileNetV2) -> Vectors:
    """Return means and standard deviations of MobileNetV2's channels in five blocks."""
    with torch.no_grad():
        outputs = network(images)
    parts = []
    for block in JUDGED_BLOCKS:
        deviation, mean = torch.std_mean(outputs[block - 1], dim=(2, 3), correction=0)
        # Blocks weigh alike, however many channels they have.
        parts += [mean / mean.shape[1] ** 0.5, deviation / mean.shape[1] ** 0.5]
    return torch.cat(parts, dim=1)


def retrieve(
    queries: Float[Tensor, "queries entries"],
    candidates: Float[Tensor, "candidates entries"],
    truth: Int[Tensor, " queries"],
) -> Retrieval:
    """Rank all candidates for every query.

    Args:
        queries: descriptors of stylized pictures.
        candidates: descriptors of styles.
        truth: index of each query's style.
    """
    spread = candidates.std(0, correction=0)
    spread = torch.where(spread > 1e-6 * spread.max(), spread, spread.max())
    distances = torch.cdist(queries / spread, candidates / spread)
    return ranks_to_retrieval(distances, truth)


def ranks_to_retrieval(
    distances: Float[Tensor, "queries candidates"], truth: Int[Tensor, " queries"]
) -> Retrieval:
    """Summarize where the right candidates stand; ties count against the query."""
    right = distances.gather(1, truth[:, None])
    rank = (distances <= right).sum(1).to(torch.float64)
    return Retrieval(
        top1=float((rank == 1).double().mean()),
        top5=float((rank <= 5).double().mean()),
        mean_reciprocal_rank=float((1 / rank).mean()),
    )


def _quantiles(patches: Float[Tensor, "batch dimensions count"], *, seed: int) -> Vectors:
    """Return quantiles of each projection: a sliced optimal-transport embedding."""
    stream = torch_stream(seed, "judge", patches.shape[1])
    directions = torch.randn(PROJECTIONS, patches.shape[1], generator=stream)
    directions = functional.normalize(directions, dim=1).to(patches)
    ordered = (directions @ patches).sort(dim=2).values
    places = torch.linspace(0.01, 0.99, QUANTILES) * (ordered.shape[2] - 1)
    return ordered[..., places.round().long()].flatten(1)


def _blurred(images: Tensor, size: int) -> Tensor:
    """Return means over squares, the border repeated."""
    return functional.avg_pool2d(
        functional.pad(images, (size // 2,) * 4, mode="replicate"), size, 1
    )
