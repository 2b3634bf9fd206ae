"""The layers of a transfer network, and what they share in one pass: codes, masks, geometry, statistics."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.config import Operator
from din_style.dynamic_normalization import (
    Statistics,
    measure_statistics,
    normalize_explicitly,
    normalize_fused,
)
from din_style.operators import (
    PLAIN,
    Geometry,
    convolve_per_sample,
    depthwise,
    pad_reflecting,
    row_areas,
)
from din_style.style_code import LayerCode, StyleCode

Normalize = Callable[[str, Tensor, Tensor, Tensor], Tensor]
"""(name of the layer, features, weight, bias) -> IN(features) weight + bias; weight and bias are
(batch, channels)."""


def normalize_by_own_statistics(name: str, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalize features with their own statistics, in the fused form."""
    del name
    return normalize_fused(x, weight=weight, bias=bias)


def normalize_on_sphere(name: str, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalize an equirectangular picture, whose pixels count by the area that they cover."""
    del name
    areas = row_areas(x.shape[-2], like=x).expand(x.shape[-2:])
    statistics = measure_statistics(x, position_weights=areas)
    return normalize_explicitly(x, statistics, weight=weight, bias=bias)


@dataclass
class RecordedStatistics:
    """A `Normalize` that measures, and keeps what it measured by the layer's name."""

    measured: dict[str, Statistics] = field(default_factory=dict)
    """Statistics of the latest pass."""

    def __call__(self, name: str, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Normalize features with their own statistics, in the explicit form."""
        self.measured[name] = measure_statistics(x)
        return normalize_explicitly(x, self.measured[name], weight=weight, bias=bias)


@dataclass(frozen=True)
class FrozenStatistics:
    """A `Normalize` with statistics that are given: of a whole picture for its tiles, of a film."""

    given: dict[str, Statistics]
    """By the layer's name; all layers that the pass reaches."""

    def __call__(self, name: str, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Normalize features with the given statistics."""
        return normalize_explicitly(x, self.given[name], weight=weight, bias=bias)


@dataclass(frozen=True)
class Pass:
    """What every layer of one pass needs beside the features."""

    codes: tuple[StyleCode, ...]
    """One style, or one for each mask."""
    masks: Float[Tensor, "batch codes height width"] | None = None
    """Share of each style in each pixel; sums to 1."""
    normalize: Normalize = normalize_by_own_statistics
    """How instance normalization is done."""
    geometry: Geometry = PLAIN
    """Where the taps of the residual blocks lie."""

    @property
    def sphere(self) -> bool:
        """Whether left and right edge meet."""
        return self.geometry.sphere


class StaticInstanceNorm2d(nn.Module):
    """Instance normalization with learned scale and shift."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        self.name = name
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """Return IN(x) weight + bias."""
        shape = x.shape[:2]
        return run.normalize(self.name, x, self.weight.expand(shape), self.bias.expand(shape))


class DynamicInstanceNorm2d(nn.Module):
    """Eq. 1: instance normalization, then a convolution with the kernels of a style code.

    Args:
        name: Of the layer, in style codes.
        channels: Of the features.
        operator: The convolution.
        kernel_size: Side of its kernels.
        groups: Of the operator `full`.
    """

    def __init__(
        self,
        name: str,
        channels: int,
        *,
        operator: Operator = "pointwise",
        kernel_size: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}; use 1 or 3")
        if channels % groups:
            raise ValueError(f"channels must be a multiple of groups, got {channels} and {groups}")
        self.name, self.channels, self.operator = name, channels, operator
        self.kernel_size = kernel_size
        self.per_group = channels // groups if operator == "full" else 1
        self.offsets: nn.Conv2d | None = None
        if operator == "deformable":
            # Zero at first: the plain convolution, until content asks for other strokes.
            self.offsets = nn.Conv2d(channels, 2 * kernel_size**2, 3)
            nn.init.zeros_(self.offsets.weight)
            nn.init.zeros_(self.offsets.bias)  # type: ignore[arg-type]

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the code's kernels without the batch."""
        return (self.channels, self.per_group, self.kernel_size, self.kernel_size)

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """Return DIN(x, f), blended by the masks where there are several styles."""
        if run.masks is None:
            return self._stylize(x, run.codes[0].layers[self.name], run)
        masks = functional.interpolate(run.masks, size=x.shape[-2:], mode="area")
        blend = torch.zeros_like(x)  # one style after another: many take no more memory than two
        for i, code in enumerate(run.codes):
            y = self._stylize(x, code.layers[self.name], run)
            blend = torch.addcmul(blend, y, masks[:, i, None])
        return blend

    def _stylize(self, x: Tensor, code: LayerCode, run: Pass) -> Tensor:
        """Return DIN(x, f) for one style per sample."""
        weight = code.weight.expand(len(x), *self.weight_shape)
        bias = code.bias.expand(len(x), -1)
        if self.operator == "pointwise":
            return run.normalize(self.name, x, weight.flatten(1), bias)
        one, zero = x.new_ones(x.shape[:2]), x.new_zeros(x.shape[:2])
        normalized = run.normalize(self.name, x, one, zero)
        if self.operator == "full":
            return convolve_per_sample(normalized, weight, bias, sphere=run.sphere)
        geometry, offsets = run.geometry, None
        if self.operator == "spherical":
            geometry = Geometry(stroke=geometry.stroke, sphere=True)
        if self.offsets is not None and not geometry.sphere:
            offsets = self.offsets(pad_reflecting(x, 1))
        return depthwise(normalized, weight[:, :, 0], bias, geometry=geometry, offsets=offsets)


def remove_alternation(x: Tensor, *, sphere: bool = False) -> Tensor:
    """Return features without what alternates from pixel to pixel: the checkerboards of upsampling.

    The filter (-1, 4, 10, 4, -1) / 16 along rows and columns answers (10 + 8 cos w - 2 cos 2w) / 16 at
    frequency w: 1 at rest, flat there, and exactly 0 for period 2.
    """
    padded = pad_reflecting(x, 2, sphere=sphere)
    return _notch(_notch(padded, 3), 2)


def _notch(x: Tensor, axis: int) -> Tensor:
    """Filter along one axis, which loses two pixels at both ends; sums of slices beat convolutions."""
    size = x.shape[axis] - 4
    far = x.narrow(axis, 0, size) + x.narrow(axis, 4, size)
    near = x.narrow(axis, 1, size) + x.narrow(axis, 3, size)
    center = x.narrow(axis, 2, size) * (10 / 16)
    return center.add_(near, alpha=4 / 16).sub_(far, alpha=1 / 16)


class Depthwise(nn.Module):
    """A learned 3 x 3 kernel for each channel, with reflection padding.

    Args:
        channels: Of the features.
        stride: 1 or 2.
        steerable: Follows the geometry of the pass (residual blocks); others keep neighbors.
    """

    def __init__(self, channels: int, *, stride: int = 1, steerable: bool = False) -> None:
        super().__init__()
        self.stride, self.steerable = stride, steerable
        self.weight = nn.Parameter(torch.empty(channels, 1, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as nn.Conv2d

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """Return the filtered features, ceil(size / stride) pixels."""
        if self.steerable and not run.geometry.is_plain:
            weight = self.weight[:, 0].expand(len(x), -1, -1, -1)
            return depthwise(x, weight, geometry=run.geometry)
        padded = pad_reflecting(x, 1, sphere=run.sphere)
        return functional.conv2d(padded, self.weight, stride=self.stride, groups=x.shape[1])


class Convolution(nn.Module):
    """A learned convolution with reflection padding; no bias, since a normalization follows."""

    def __init__(
        self, before: int, after: int, *, kernel_size: int = 3, bias: bool = False
    ) -> None:
        super().__init__()
        self.margin = kernel_size // 2
        self.convolution = nn.Conv2d(before, after, kernel_size, bias=bias)

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """Return the filtered features, of the same size."""
        return self.convolution(pad_reflecting(x, self.margin, sphere=run.sphere))


class Separable(nn.Module):
    """MobileNetV1's convolution: depthwise 3 x 3, then pointwise (arXiv 1704.04861)."""

    def __init__(
        self, before: int, after: int, *, stride: int = 1, steerable: bool = False
    ) -> None:
        super().__init__()
        self.depthwise = Depthwise(before, stride=stride, steerable=steerable)
        self.pointwise = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """Return the filtered features."""
        return self.pointwise(self.depthwise(x, run))
