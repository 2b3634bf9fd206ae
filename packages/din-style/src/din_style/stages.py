"""The pieces of content paths: stages, residual blocks, and how a network is made of them."""

from typing import Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from din_style.config import NetworkConfig
from din_style.layers import (
    DynamicInstanceNorm2d,
    Pass,
    Separable,
    StaticInstanceNorm2d,
    remove_alternation,
)
from din_style.operators import pad_reflecting


class Stage(nn.Module):
    """Convolution, normalization, ReLU; in decoders after doubling the size.

    Args:
        convolution: Takes features and the pass.
        norm: Static or dynamic normalization; None for an end that has none.
        before: Pointwise convolution ahead of the doubling, where it is four times cheaper.
        doubles: Double the size first: repeat each pixel (`nearest`), or go evenly from one to the next
            (`linear`), without which alternating features print a weave of squares.
        pools: Take the largest of each 2 x 2 pixels first, as VGG does.
        unshuffle: Move squares of pixels into channels first.
        shuffle: Move channels into squares of pixels after the convolution.
        notch: Then remove what alternates from pixel to pixel, ahead of the normalization.
        relu: Whether negative values are cut in the end.
    """

    def __init__(
        self,
        convolution: nn.Module,
        norm: StaticInstanceNorm2d | DynamicInstanceNorm2d | None,
        *,
        before: nn.Module | None = None,
        doubles: Literal["nearest", "linear"] | None = None,
        pools: bool = False,
        unshuffle: int = 1,
        shuffle: int = 1,
        notch: bool = False,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.before, self.convolution, self.norm = before, convolution, norm
        self.doubles, self.pools = doubles, pools
        self.unshuffle, self.shuffle = unshuffle, shuffle
        self.notch, self.relu = notch, relu

    def features(self, x: Tensor, run: Pass) -> Tensor:
        """Return what the normalization receives; its statistics are those of this."""
        if self.unshuffle > 1:
            x = functional.pixel_unshuffle(x, self.unshuffle)
        if self.pools:
            x = functional.max_pool2d(x, 2, ceil_mode=True)
        if self.before is not None:
            x = self.before(x)
        if self.doubles == "nearest":
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        elif self.doubles == "linear":
            x = _double_linearly(x, sphere=run.sphere)
        x = self.convolution(x, run)
        if self.shuffle > 1:
            x = functional.pixel_shuffle(x, self.shuffle)
        return remove_alternation(x, sphere=run.sphere) if self.notch else x

    def finish(self, features: Tensor, run: Pass) -> Tensor:
        """Return the stage's result from its `features`."""
        x = features if self.norm is None else self.norm(features, run)
        return x.relu_() if self.relu else x

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """Return the stage's result."""
        return self.finish(self.features(x, run), run)


class ResidualBlock(nn.Module):
    """ds, DIN, ReLU, ds, DIN, plus the input."""

    def __init__(self, name: str, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.first = Separable(width, width, steerable=True)
        self.first_norm = _block_norm(f"{name}_first", config)
        self.second = Separable(width, width, steerable=True)
        self.second_norm = _block_norm(f"{name}_second", config)

    def forward(self, x: Tensor, run: Pass) -> Tensor:
        """Return features of the same shape."""
        y = self.first_norm(self.first(x, run), run).relu_()
        return x + self.second_norm(self.second(y, run), run)


class Parts(NamedTuple):
    """The content path of a network."""

    encoder: nn.ModuleList
    """Stages down to a quarter of the size."""
    blocks: nn.ModuleList
    """Residual blocks."""
    decoder: nn.ModuleList
    """Stages up to the colors."""


def _block_norm(name: str, config: NetworkConfig) -> DynamicInstanceNorm2d:
    """Return a dynamic normalization of the residual blocks."""
    return DynamicInstanceNorm2d(
        name,
        config.width,
        operator=config.conv_op,
        kernel_size=config.kernel_size,
        groups=config.groups,
    )


def _double_linearly(x: Tensor, *, sphere: bool) -> Tensor:
    """Return features of twice the size, interpolated; on a sphere also between its edges."""
    if not sphere:
        return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    around = pad_reflecting(x, 1, sphere=True)
    doubled = functional.interpolate(around, scale_factor=2, mode="bilinear", align_corners=False)
    return doubled[..., 2:-2, 2:-2]
