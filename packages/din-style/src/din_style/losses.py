"""What a stylized picture is trained on and judged by: distances of VGG features (1911.06953, 1703.06868)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from din_style.dynamic_normalization import EPSILON

Features = Mapping[str, Tensor]
"""VGG features by the name of the layer, each (batch, channels, height, width)."""
AREAS = (1, 4, 16)
"""Sides of the squares whose mean colors `area_colors` looks at, in pixels."""
_HALF = 0.5**0.5
COLOR_AXES = (
    *((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    *((_HALF, -_HALF, 0.0), (0.0, _HALF, -_HALF), (_HALF, 0.0, -_HALF)),
)
"""Red, green, blue and their differences, as directions of length 1."""


class Moments(NamedTuple):
    """First two moments of one layer."""

    mean: Float[Tensor, "batch channels"]
    """Mean over positions."""
    std: Float[Tensor, "batch channels"]
    """sqrt(biased variance + 1e-5)."""


def moments(features: Float[Tensor, "batch channels height width"]) -> Moments:
    """Return mean and standard deviation over positions, in float32 at least."""
    mean, std = cast("Any", _Moments).apply(features)
    return Moments(mean, std)


class _Moments(torch.autograd.Function):
    """Moments with a gradient that is one pass over memory.

    With n positions it is g_mean / n + g_std (x - mean) / (n std): in each channel a multiple of x
    plus a constant.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        precise = _precise(x)
        mean = precise.mean((2, 3), keepdim=True)
        # Two passes: E[x^2] - E[x]^2 loses digits where a channel is nearly constant.
        centered = precise - mean if precise is x else precise.sub_(mean)
        std = (centered.square_().mean((2, 3)) + EPSILON).sqrt()
        ctx.save_for_backward(x, mean[:, :, 0, 0], std)
        return mean[:, :, 0, 0], std

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, mean, std = ctx.saved_tensors
        count = x.shape[2] * x.shape[3]
        scale = gradients[1] / (count * std)
        shift = gradients[0] / count - scale * mean
        shift, scale = (part.to(x.dtype)[:, :, None, None] for part in (shift, scale))
        return torch.addcmul(shift, x, scale)


def stack_moments(features: Features, layers: Sequence[str]) -> Float[Tensor, "batch numbers"]:
    """Return the moments of several layers side by side: mean, std, mean, std, ..."""
    return torch.cat([part for name in layers for part in moments(features[name])], dim=1)


def content_loss(
    output: Float[Tensor, "batch channels height width"],
    content: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, " batch"]:
    """Return the mean squared distance of the deep features of each sample."""
    return (_precise(output) - _precise(content)).square().mean((1, 2, 3))


def _precise(x: Tensor) -> Tensor:
    """Return half precision as float32, anything better as it is."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def moment_loss(output: Moments, style: Moments) -> Float[Tensor, " batch"]:
    """Return |mu(o) - mu(s)|^2 + |sigma(o) - sigma(s)|^2 of one layer, mean over channels."""
    mean = (output.mean - style.mean).square().mean(1)
    return mean + (output.std - style.std).square().mean(1)


def style_loss(output: Features, style: Features, layers: Sequence[str]) -> Float[Tensor, " batch"]:
    """Return the sum of `moment_loss` over layers for each sample."""
    terms = [moment_loss(moments(output[name]), moments(style[name])) for name in layers]
    return torch.stack(terms).sum(0)


def stacked_style_loss(
    output: Float[Tensor, "batch numbers"],
    style: Float[Tensor, "styles numbers"],
    channels: Sequence[int],
) -> Float[Tensor, " pairs"]:
    """Return `style_loss` from the moments that `stack_moments` stacked.

    Args:
        output: Moments of the stylized pictures.
        style: Moments of their styles, or of several for one picture.
        channels: Channels of each layer.
    """
    squares = (output - style).square()
    per_channel = torch.cat([squares.new_full((2 * n,), 1 / n) for n in channels])
    return squares @ per_channel


def gram_matrices(
    features: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch channels channels"]:
    """Return the products of channels, mean over positions."""
    flat = _precise(features).flatten(2)
    return flat @ flat.mT / flat.shape[-1]


def gram_loss(output: Features, style: Features, layers: Sequence[str]) -> Float[Tensor, " batch"]:
    """Return the sum over layers of the mean squared distance of Gram matrices (Gatys et al.)."""
    terms = [
        (gram_matrices(output[name]) - gram_matrices(style[name])).square().mean((1, 2))
        for name in layers
    ]
    return torch.stack(terms).sum(0)


def total_variation(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, " batch"]:
    """Return the mean squared difference of neighbors, across and down."""
    across = (images[..., 1:] - images[..., :-1]).square().mean((1, 2, 3))
    return across + (images[..., 1:, :] - images[..., :-1, :]).square().mean((1, 2, 3))


def area_colors(
    images: Float[Tensor, "batch 3 height width"],
) -> Float[Tensor, "batch numbers"]:
    """Return what colors areas of several sizes have: for each size the means and deviations along `COLOR_AXES`.

    The layers of VGG reward specks of a color as they do areas of it; these numbers do not. A deviation along six
    axes tells as much as the covariance of three colors. Squares are means of `AREAS` pixels on a side.
    """
    axes = images.new_tensor(COLOR_AXES)
    parts = []
    for side in AREAS:
        small = functional.avg_pool2d(images, side) if side > 1 else images
        mean, std = moments(torch.einsum("ac,bchw->bahw", axes, small))
        parts += [mean, std]
    return torch.cat(parts, dim=1)


def color_loss(
    output: Float[Tensor, "batch 3 height width"], colors: Float[Tensor, "batch numbers"]
) -> Float[Tensor, " batch"]:
    """Return the squared distance of `area_colors`, the sum over axes and mean over sizes.

    Args:
        output: The stylized pictures.
        colors: `area_colors` of their styles.
    """
    return (area_colors(output) - colors).square().sum(1) / len(AREAS)


def identity_loss(
    output: Float[Tensor, "batch 3 height width"], content: Float[Tensor, "batch 3 height width"]
) -> Float[Tensor, " batch"]:
    """Return the squared distance of pixels, where the style is the content itself."""
    return (output - content).square().mean((1, 2, 3))


def pair_energy(
    images: Float[Tensor, "batch 3 height width"], *, tile: int = 16
) -> Float[Tensor, " batch"]:
    """Return how strongly neighbors alternate, square by square: the checkerboards of upsampling.

    In each square of `tile` pixels, the parts that repeat with period 2 along x, along y and along
    both are the means of the pixels times +1 and -1 in turn. A texture of other periods cancels.
    """
    height, width = (side // tile * tile for side in images.shape[-2:])
    x = images[..., :height, :width]
    rows = 1 - 2 * (torch.arange(height, device=x.device) % 2).to(x.dtype)[:, None]
    columns = 1 - 2 * (torch.arange(width, device=x.device) % 2).to(x.dtype)
    parts = torch.cat([x * rows, x * columns, x * (rows * columns)], dim=1)
    return functional.avg_pool2d(parts, tile).square().mean((2, 3)).sum(1)
