"""Maximum, mean and variance over the edges of k in-neighbors per point, without an array of edges x width."""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lsp_distillation.segments import sum_rows

_CHUNK = 2**18
"""Numbers of edges x width that are looked at together; they stay in the cache."""


def largest_neighbors(
    values: Float[Tensor, "clouds points width"], neighbors: Int[Tensor, "clouds points k"]
) -> Float[Tensor, "clouds points width"]:
    """Return the maximum over each point's in-neighbors; of equal ones, one gets the gradient.

    Args:
        values: (clouds, points, width).
        neighbors: (clouds, points, k) int64, within each cloud.
    """
    if torch.compiler.is_exporting():
        clouds = torch.arange(values.shape[0], device=values.device).view(-1, 1, 1)
        return values[clouds, neighbors].amax(2)
    return cast("Any", _LargestNeighbors).apply(values, neighbors)


class _LargestNeighbors(torch.autograd.Function):
    """Gathers and compares a few points at a time; backward adds each gradient to the row it came from."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, neighbors: Tensor) -> Tensor:
        clouds, points, width = values.shape
        k = neighbors.shape[2]
        rows, local = values.reshape(-1, width), neighbors.reshape(-1, k)
        first = _first_rows(values).repeat_interleave(points).unsqueeze(1)
        indices, found = local + first, torch.empty_like(rows)
        origins = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        step = max(_CHUNK // max(k * width, 1), 1)
        for start in range(0, clouds * points, step):
            part = slice(start, start + step)
            around = rows.index_select(0, indices[part].flatten()).view(-1, k, width)
            torch.amax(around, 1, out=found[part])
            if origins is not None:
                # Numbers of points are exact in float32 up to 16 million in one cloud.
                names = local[part].to(rows.dtype).unsqueeze(2)
                equal = torch.eq(around, found[part].unsqueeze(1), out=around)
                torch.amax(equal.mul_(names), 1, out=origins[part])
        if origins is not None:
            ctx.save_for_backward(origins.long() + first)
        return found.view(values.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (origins,) = ctx.saved_tensors
        flat = gradient.reshape(origins.shape)
        return torch.zeros_like(flat).scatter_add_(0, origins, flat).view(gradient.shape), None


def edge_moments(
    of_neighbor: Float[Tensor, "clouds points width"],
    of_center: Float[Tensor, "clouds points width"],
    neighbors: Int[Tensor, "clouds points k"],
) -> tuple[Float[Tensor, " width"], Float[Tensor, " width"]]:
    """Return mean and (biased) variance of u_j + v_i over all edges j -> i.

    Args:
        of_neighbor: (clouds, points, width) u.
        of_center: (clouds, points, width) v.
        neighbors: (clouds, points, k) int64, within each cloud.
    """
    indices = (neighbors + _first_rows(of_neighbor).view(-1, 1, 1)).flatten(0, 1)
    rows = of_neighbor.flatten(0, 1), of_center.flatten(0, 1)
    return cast("Any", _EdgeMoments).apply(*rows, indices)


class _EdgeMoments(torch.autograd.Function):
    """Moments from sums over points.

    With n edges, c_j the number of edges from j, both parts centered (u~, v~), s_i the sum of u~ over the
    in-neighbors of i and t_j the sum of v~ over the targets of j,
    n var = sum_j c_j u~_j^2 + 2 sum_i v~_i s_i + k sum_i v~_i^2, whose gradients are
    2 (c_j u~_j + t_j) and 2 (s_i + k v~_i).
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        points, k = indices.shape
        edges, flat = points * k, indices.flatten()
        counts = torch.bincount(flat, minlength=points).to(u.dtype).unsqueeze(1)
        of_u, of_v = (counts * u).sum(0) / edges, v.mean(0)
        u, v = u - of_u, v - of_v
        offsets = torch.arange(0, edges + 1, k, device=u.device)
        around = sum_rows(u, flat, offsets)
        squares = (counts * u).mul_(u).sum(0) + (2 * around + k * v).mul_(v).sum(0)
        ctx.save_for_backward(u, v, around, counts, flat)
        return of_u + of_v, (squares / edges).clamp(min=0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_mean: Tensor, of_var: Tensor) -> tuple[Tensor, Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        u, v, around, counts, flat = ctx.saved_tensors
        edges, points = len(flat), len(u)
        k = edges // points
        order = flat.argsort(stable=True)
        starts = torch.cat([order.new_zeros(1), counts.flatten().long().cumsum(0)])
        back = sum_rows(v, order // k, starts)
        of_mean, of_var = of_mean / edges, of_var * (2 / edges)
        of_u = (counts * u).add_(back).mul_(of_var).add_(counts * of_mean)
        return of_u, (around + k * v).mul_(of_var).add_(k * of_mean), None


def _first_rows(values: Tensor) -> Int[Tensor, " clouds"]:
    """Return where each cloud begins among the rows of all."""
    clouds, points = values.shape[:2]
    return torch.arange(clouds, device=values.device) * points
