"""Convolutions with one kernel set per sample: plain in one grouped call, and with taps anywhere.

Deformable and spherical convolutions differ in nothing but where a kernel's taps lie.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Positions = Float[Tensor, "#batch taps height width 2"]
"""Row and column of each tap of the kernel at each pixel, in pixels from the center of the first."""


@dataclass(frozen=True)
class Geometry:
    """Where the taps of 3 x 3 kernels in the residual blocks lie; plain without arguments."""

    stroke: float | Tensor = 1.0
    """Factor of the distance between taps, a number or a map (batch, 1, height, width); 2 is dilation 2."""
    sphere: bool = False
    """The picture is equirectangular, 360 x 180 degrees: left and right edge meet."""

    def __post_init__(self) -> None:
        """Check the stroke."""
        smallest = float(self.stroke.min() if isinstance(self.stroke, Tensor) else self.stroke)
        if not 0 < smallest < math.inf:
            raise ValueError(f"stroke must be positive, got {smallest}; 1 is the plain stroke")

    @property
    def is_plain(self) -> bool:
        """Whether taps lie on neighboring pixels of a flat picture."""
        return not self.sphere and not isinstance(self.stroke, Tensor) and self.stroke == 1


PLAIN = Geometry()
"""A flat picture and strokes as trained."""


def pad_reflecting(
    x: Float[Tensor, "batch channels height width"], margin: int, *, sphere: bool = False
) -> Tensor:
    """Return `x` with a margin that reflects its content; on a sphere, columns go on around it."""
    if margin == 0:
        return x
    if sphere:
        x = functional.pad(x, (margin, margin, 0, 0), mode="circular")
        return functional.pad(x, (0, 0, margin, margin), mode="reflect")
    return functional.pad(x, (margin, margin, margin, margin), mode="reflect")


def convolve_per_sample(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    dilation: int = 1,
    sphere: bool = False,
) -> Tensor:
    """Return the convolution of each sample with kernels of its own, in one grouped call.

    Args:
        x: Features (batch, in, height, width).
        weight: Kernels (batch, out, in / groups, kernel, kernel).
        bias: Added to each channel, (batch, out).
        dilation: Distance between taps, in pixels.
        sphere: The picture is equirectangular.

    Raises:
        ValueError: The shapes disagree.
    """
    batch, channels, height, width = x.shape
    if weight.ndim != 5 or len(weight) != batch or channels % weight.shape[2]:
        raise ValueError(
            f"weight must be ({batch}, out, a divisor of {channels}, k, k), got "
            f"{tuple(weight.shape)}; expand it to the batch"
        )
    out, per_group, kernel = weight.shape[1], weight.shape[2], weight.shape[-1]
    padded = pad_reflecting(x, dilation * (kernel // 2), sphere=sphere)
    result = functional.conv2d(
        padded.reshape(1, batch * channels, *padded.shape[-2:]),
        weight.reshape(batch * out, per_group, kernel, kernel),
        None if bias is None else bias.reshape(-1),
        groups=batch * (channels // per_group),
        dilation=dilation,
    )
    return result.view(batch, out, height, width)


def tap_offsets(kernel: int, *, like: Tensor) -> Float[Tensor, "taps 2"]:
    """Return row and column of each tap of a kernel from its center, row by row."""
    reach = torch.arange(kernel, device=like.device, dtype=like.dtype) - kernel // 2
    return torch.stack(torch.meshgrid(reach, reach, indexing="ij"), dim=-1).reshape(-1, 2)


def plane_positions(
    x: Float[Tensor, "batch channels height width"],
    kernel: int,
    *,
    stroke: float | Tensor = 1.0,
    offsets: Float[Tensor, "batch twice_taps height width"] | None = None,
) -> Positions:
    """Return where the taps lie in a flat picture.

    Args:
        x: Features to be sampled.
        kernel: Side of the kernel.
        stroke: Factor of the distance between taps; a map is scaled to the size of `x`.
        offsets: Displacements of deformable kernels: row and column of each tap in turn.
    """
    height, width = x.shape[-2:]
    rows = torch.arange(height, device=x.device, dtype=x.dtype)
    columns = torch.arange(width, device=x.device, dtype=x.dtype)
    pixels = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)
    taps = tap_offsets(kernel, like=x)[None, :, None, None]
    if offsets is not None:
        taps = taps + offsets.view(len(offsets), kernel * kernel, 2, height, width).movedim(2, -1)
    return pixels[None, None] + taps * _factor(stroke, x)


def sphere_positions(
    x: Float[Tensor, "batch channels height width"],
    kernel: int = 3,
    *,
    stroke: float | Tensor = 1.0,
) -> Positions:
    """Return where the taps of a kernel on the tangent plane fall in an equirectangular picture.

    At latitude phi the taps are the points (tan(dx), tan(dy) / cos(dx)) of the tangent plane, with
    steps of one pixel of the equator, projected back (inverse gnomonic projection).
    """
    height, width = x.shape[-2:]
    step = 2 * math.pi / width
    taps = tap_offsets(kernel, like=x)[:, None, None] * step
    factor = _factor(stroke, x)[..., 0]
    # Rows grow downward while latitude falls.
    up, right = -taps[..., 0] * factor, taps[..., 1] * factor
    rows = torch.arange(height, device=x.device, dtype=x.dtype)
    latitude = (math.pi * (0.5 - (rows + 0.5) / height))[None, None, :, None]
    a, b = right.tan(), up.tan() / right.cos()
    rho = (a.square() + b.square()).sqrt()
    # The center tap is the point itself: 0 / 0 in the projection.
    safe = rho.clamp(min=1e-12)
    nu = rho.atan()
    sine = nu.cos() * latitude.sin() + b * nu.sin() * latitude.cos() / safe
    falls_on = sine.clamp(-1, 1).asin()
    turn = torch.atan2(
        a * nu.sin(), safe * latitude.cos() * nu.cos() - b * latitude.sin() * nu.sin()
    )
    at_center = rho == 0
    falls_on = torch.where(at_center, latitude.expand_as(falls_on), falls_on)
    turn = torch.where(at_center, torch.zeros_like(turn), turn)
    row = (0.5 - falls_on / math.pi) * height - 0.5
    column = torch.arange(width, device=x.device, dtype=x.dtype) + turn / step
    row, column = torch.broadcast_tensors(row, torch.remainder(column, width))
    return torch.stack([row, column], dim=-1)


def convolve_at(
    x: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, "batch channels kernel kernel"],
    positions: Positions,
    bias: Float[Tensor, "batch channels"] | None = None,
    *,
    sphere: bool = False,
) -> Float[Tensor, "batch channels height width"]:
    """Return the depthwise convolution whose taps lie at `positions`, sampled bilinearly.

    Beyond the borders a flat picture is reflected; on a sphere rows end and columns go around.

    Args:
        x: Features.
        weight: One kernel for each channel of each sample.
        positions: Of each tap at each pixel.
        bias: Added to each channel.
        sphere: The picture is equirectangular.
    """
    height, width = x.shape[-2:]
    if sphere:
        x = functional.pad(
            x, (0, 1, 0, 0), mode="circular"
        )  # columns between the last and the first
        positions = torch.stack(
            [positions[..., 0], torch.remainder(positions[..., 1], width)], dim=-1
        )
    last = positions.new_tensor([max(height - 1, 1), max(x.shape[-1] - 1, 1)])
    grid = (2 * positions / last - 1).flip(-1).expand(len(x), -1, -1, -1, -1)
    mode = "border" if sphere else "reflection"
    result = x.new_zeros(len(x), x.shape[1], height, width)
    for tap in range(grid.shape[1]):
        values = functional.grid_sample(
            x, grid[:, tap], mode="bilinear", padding_mode=mode, align_corners=True
        )
        kernel_values = weight.flatten(2)[:, :, tap]
        result = torch.addcmul(result, values, kernel_values[:, :, None, None])
    return result if bias is None else result + bias[:, :, None, None]


def depthwise(
    x: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, "batch channels kernel kernel"],
    bias: Float[Tensor, "batch channels"] | None = None,
    *,
    geometry: Geometry = PLAIN,
    offsets: Tensor | None = None,
) -> Float[Tensor, "batch channels height width"]:
    """Return the depthwise convolution of each sample, in any geometry.

    Args:
        x: Features.
        weight: One kernel for each channel of each sample.
        bias: Added to each channel.
        geometry: Where the taps lie.
        offsets: Displacements of the taps (deformable), on a flat picture.
    """
    kernel = weight.shape[-1]
    stroke = geometry.stroke
    if geometry.sphere:
        positions = sphere_positions(x, kernel, stroke=stroke)
        return convolve_at(x, weight, positions, bias, sphere=True)
    whole = not isinstance(stroke, Tensor) and float(stroke).is_integer()
    if offsets is None and whole and float(stroke) * (kernel // 2) < min(x.shape[-2:]):
        return convolve_per_sample(x, weight[:, :, None], bias, dilation=int(float(stroke)))
    positions = plane_positions(x, kernel, stroke=stroke, offsets=offsets)
    return convolve_at(x, weight, positions, bias)


def row_areas(height: int, *, like: Tensor) -> Float[Tensor, "height 1"]:
    """Return the area of a pixel in each row of an equirectangular picture: cos(latitude)."""
    rows = torch.arange(height, device=like.device, dtype=like.dtype)
    return torch.cos(math.pi * (0.5 - (rows + 0.5) / height))[:, None]


def _factor(stroke: float | Tensor, x: Tensor) -> Tensor:
    """Return the stroke as (batch or 1, 1, height or 1, width or 1, 1)."""
    if not isinstance(stroke, Tensor):
        return x.new_full((1, 1, 1, 1, 1), float(stroke))
    scaled = functional.interpolate(
        stroke.to(x), size=x.shape[-2:], mode="bilinear", align_corners=False
    )
    return scaled[..., None]
