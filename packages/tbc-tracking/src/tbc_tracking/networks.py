"""Density networks: a small U-Net and MCNN, from input channels to one map of scaled density."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tbc_tracking.training_config import NetworkKind

Images = Float[Tensor, "batch channels height width"]
Maps = Float[Tensor, "batch 1 map_height map_width"]

MCNN_COLUMNS = (
    ((16, 9), (32, 7), (16, 7), (8, 7)),
    ((20, 7), (40, 5), (20, 5), (10, 5)),
    ((24, 5), (48, 3), (24, 3), (12, 3)),
)
"""(channels, kernel) of each layer of the large, medium and small column (Zhang et al., CVPR 2016)."""

_SHARPNESS = 30.0
"""Of the softplus at the output, where the peak of one object is 1 to 4. At 10, what it leaves in empty places was
half an object a frame on PETS 2009."""

_DEEPEST, _WIDEST = 8, 2048
"""Limits of a U-Net: beyond them lies a damaged file, not a network."""


def build_network(kind: NetworkKind, *, channels: int, widths: tuple[int, ...]) -> nn.Module:
    """Return a network with fresh weights, drawn from torch's global state.

    Args:
        kind: `unet` or `mcnn`.
        channels: of the input.
        widths: channels of the U-Net per level; MCNN has its own table.

    Raises:
        ValueError: if there is no such network.
    """
    if kind not in ("unet", "mcnn"):
        raise ValueError(f"kind must be unet or mcnn, got {kind!r}")
    if not 2 <= len(widths) <= _DEEPEST or not all(1 <= width <= _WIDEST for width in widths):
        raise ValueError(
            f"widths must be 2 to {_DEEPEST} numbers of 1 to {_WIDEST} channels, got {widths}"
        )
    return UNet(channels, widths=widths) if kind == "unet" else MCNN(channels)


class UNet(nn.Module):
    """Encoder and decoder with skips (Ronneberger et al., 2015); the map has half of the input's size.

    Half is enough: an object is several pixels wide, and the decoder saves its dearest level. BatchNorm,
    because GroupNorm measures each picture by itself: trained on crops, it counts wrongly on whole frames
    (by 3 of 6 people on PETS 2009).
    """

    stride = 2

    def __init__(self, channels: int, *, widths: tuple[int, ...] = (10, 20, 40, 40)) -> None:
        super().__init__()
        self.grain = 2 ** (len(widths) - 1)
        """The encoder halves its input this often: sizes are padded to a multiple."""
        self.encoder = nn.ModuleList(
            _double_convolution(before, after)
            for before, after in zip((channels, *widths), widths, strict=False)
        )
        self.decoder = nn.ModuleList(
            _double_convolution(below + skip, skip)
            for skip, below in zip(widths[-2:0:-1], widths[:1:-1], strict=True)
        )
        self.output = _output_layer(widths[1])

    def forward(self, images: Images) -> Maps:
        """Return maps of ceil(size / 2) pixels, not negative."""
        features = _pad_to_multiple(images, self.grain)
        levels = []
        for level, block in enumerate(self.encoder):
            features = block(nn.functional.max_pool2d(features, 2) if level else features)
            levels.append(features)
        for skip, block in zip(levels[-2:0:-1], self.decoder, strict=True):
            raised = nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = block(torch.cat([raised, skip], dim=1))
        return _crop(_rectify(self.output(features)), images, stride=self.stride)


class MCNN(nn.Module):
    """Three columns of different receptive fields, joined by a 1x1 convolution; the map has a quarter.

    Y. Zhang et al., Single-Image Crowd Counting via Multi-Column CNN, CVPR 2016. The last layer is softly
    rectified: behind a hard ReLU it can die.
    """

    stride = 4

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.columns = nn.ModuleList(_mcnn_column(channels, layers) for layers in MCNN_COLUMNS)
        self.output = _output_layer(sum(layers[-1][0] for layers in MCNN_COLUMNS))

    def forward(self, images: Images) -> Maps:
        """Return maps of ceil(size / 4) pixels, not negative."""
        padded = _pad_to_multiple(images, self.stride)
        features = torch.cat([column(padded) for column in self.columns], dim=1)
        return _crop(_rectify(self.output(features)), images, stride=self.stride)


def _double_convolution(before: int, after: int) -> nn.Sequential:
    """Return twice: 3x3 convolution, BatchNorm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _mcnn_column(channels: int, layers: tuple[tuple[int, int], ...]) -> nn.Sequential:
    """Return one column: 2x2 maxima after its first two layers."""
    modules: list[nn.Module] = []
    for index, (width, kernel) in enumerate(layers):
        modules += [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
        if index < 2:
            modules.append(nn.MaxPool2d(2))
        channels = width
    return nn.Sequential(*modules)


def _output_layer(channels: int) -> nn.Conv2d:
    """Return a 1x1 convolution to one map; it begins where the softplus has its bend, and cannot die there."""
    layer = nn.Conv2d(channels, 1, 1)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _rectify(maps: Tensor) -> Tensor:
    """Return softplus, so that the loss sees what is counted.

    A linear output that is clipped at prediction turns the noise around empty places into half an object or more
    per frame.
    """
    return nn.functional.softplus(maps, beta=_SHARPNESS)


def _pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until the size is a multiple.

    By indices, because the sizes of a slice or of `pad` would become conditions on the size of a picture in an
    exported network.
    """
    for axis in (-2, -1):
        size = images.shape[axis]
        wanted = (size + multiple - 1) // multiple * multiple
        places = torch.arange(wanted, device=images.device).clamp(max=size - 1)
        images = images.index_select(axis, places)
    return images


def _crop(maps: Tensor, images: Tensor, *, stride: int) -> Tensor:
    """Cut map pixels that belong to the padding alone."""
    for axis in (-2, -1):
        wanted = (images.shape[axis] + stride - 1) // stride
        maps = maps.index_select(axis, torch.arange(wanted, device=maps.device))
    return maps
