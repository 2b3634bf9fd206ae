"""The nearest points of each point of a cloud; torch-cluster is not needed."""

import torch
from jaxtyping import Int
from torch import Tensor

_CHUNK = 2**19
"""Distances in a chunk: 4 MB in double precision."""

_EXACT_WIDTH = 8
"""Up to this width distances come from differences; wider ones from products of centered points."""


def nearest_neighbors(points: Tensor, k: int) -> Int[Tensor, "clouds points k"]:
    """Return the k nearest points of each point, nearest first; the first is the point itself.

    Args:
        points: Clouds of equally many points; no gradient flows.
        k: With the point itself.

    Raises:
        ValueError: The shape is another, a number is not finite, or k does not lie below the number of points.
    """
    if points.ndim != 3 or not points.is_floating_point():
        raise ValueError(
            f"points must be floating-point (clouds, points, width); got {points.dtype} of shape {tuple(points.shape)}"
        )
    clouds, count, _ = points.shape
    if not 1 <= k < count:
        raise ValueError(
            f"k must be at least 1 and below the {count} points of a cloud; got {k}: lower k or sample more points"
        )
    points = points.detach()
    points = points.float() if points.dtype in (torch.float16, torch.bfloat16) else points
    points = points - points.mean(1, keepdim=True)
    if not bool(torch.isfinite(points).all()):
        raise ValueError("points must be finite; remove clouds with NaN or infinite coordinates")
    found = torch.empty(clouds, count, k, dtype=torch.int64, device=points.device)
    rows = max(_CHUNK // count, 1)
    for cloud, neighbors in zip(points, found, strict=True):
        squares = cloud.square().sum(1)
        for start in range(0, count, rows):
            distances = _ranks(cloud[start : start + rows], cloud, squares)
            distances.diagonal(start).fill_(-torch.inf)
            neighbors[start : start + rows] = distances.topk(k, largest=False).indices
    return found


def _ranks(rows: Tensor, cloud: Tensor, squares: Tensor) -> Tensor:
    """Return what orders the points of a cloud as their distances to each row do."""
    if cloud.shape[1] <= _EXACT_WIDTH:
        return torch.cdist(rows, cloud, compute_mode="donot_use_mm_for_euclid_dist")
    with torch.autocast(cloud.device.type, enabled=False):
        return torch.addmm(squares, rows, cloud.T, alpha=-2)
