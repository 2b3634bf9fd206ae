"""The presets: which stages and residual blocks each network has."""

from torch import nn

from din_style.config import NetworkConfig
from din_style.layers import (
    Convolution,
    Depthwise,
    DynamicInstanceNorm2d,
    Separable,
    StaticInstanceNorm2d,
)
from din_style.stages import Parts, ResidualBlock, Stage
from din_style.vgg import VGG, layer_names

VGG_CHANNELS = (64, 64, 128, 128, 256, 256, 256, 256, 512)
"""Of VGG-19 up to relu4_1."""


def build_parts(config: NetworkConfig) -> Parts:
    """Return the content path of a preset, with random weights."""
    builders = {
        "fast": _fast_parts,
        "mobile": _mobile_parts,
        "literal": _literal_parts,
        "vgg": _vgg_parts,
    }
    if config.preset not in builders:
        raise ValueError(f"preset must be one of {sorted(builders)}, got {config.preset!r}")
    return builders[config.preset](config)


def load_vgg_encoder(encoder: nn.ModuleList, vgg: VGG) -> None:
    """Give the encoder of the preset `vgg` its weights, which training leaves alone.

    Raises:
        ValueError: These are not the weights of VGG-19 up to relu4_1.
    """
    require_vgg19(vgg)
    layers = {layer.name: layer for layer in vgg.layers()}
    for stage, name in zip(encoder, layer_names(19)[: len(VGG_CHANNELS)], strict=True):
        convolution = stage.get_submodule("convolution.convolution")
        convolution.load_state_dict({"weight": layers[name].weight, "bias": layers[name].bias})


def require_vgg19(vgg: VGG) -> None:
    """Refuse a network that cannot be the encoder of the preset `vgg`.

    Raises:
        ValueError: The network is not VGG-19 up to relu4_1 at least.
    """
    if not {*layer_names(19)[: len(VGG_CHANNELS)]} <= {layer.name for layer in vgg.layers()}:
        raise ValueError(
            f"the preset vgg needs VGG-19 up to relu4_1, got {vgg.description} up to "
            f"relu{vgg.names[-1]}; import torchvision's vgg19 with `din-style import-weights`"
        )


def _blocks(config: NetworkConfig) -> nn.ModuleList:
    """Return the residual blocks."""
    return nn.ModuleList(ResidualBlock(f"block{i + 1}", config) for i in range(config.blocks))


def _pointwise(before: int, after: int) -> nn.Conv2d:
    """Return a 1 x 1 convolution ahead of a doubling."""
    return nn.Conv2d(before, after, 1, bias=False)


def _fast_parts(config: NetworkConfig) -> Parts:
    """Return the preset `fast`: nothing but pixels at full size."""
    stem, width = config.stem, config.width
    encoder = [
        Stage(Convolution(12, stem), StaticInstanceNorm2d("half", stem), unshuffle=2),
        Stage(Separable(stem, width, stride=2), StaticInstanceNorm2d("quarter", width)),
    ]
    decoder = [
        Stage(
            Depthwise(stem),
            DynamicInstanceNorm2d("up", stem),
            before=_pointwise(width, stem),
            doubles="linear",
        ),
        # Each phase of a color has filters of its own; unchecked, they paint checkerboards.
        Stage(
            Convolution(stem, 12),
            DynamicInstanceNorm2d("colors", 3),
            shuffle=2,
            notch=True,
            relu=False,
        ),
    ]
    return Parts(nn.ModuleList(encoder), _blocks(config), nn.ModuleList(decoder))


def _mobile_encoder(config: NetworkConfig) -> nn.ModuleList:
    """Return the encoder of `literal` and `mobile`: 3 -> stem -> 2 stem -> width."""
    stem, width = config.stem, config.width
    return nn.ModuleList(
        [
            Stage(Convolution(3, stem), StaticInstanceNorm2d("full", stem)),
            Stage(Separable(stem, 2 * stem, stride=2), StaticInstanceNorm2d("half", 2 * stem)),
            Stage(Separable(2 * stem, width, stride=2), StaticInstanceNorm2d("quarter", width)),
        ]
    )


def _mobile_parts(config: NetworkConfig) -> Parts:
    """Return the preset `mobile`: pointwise convolutions ahead of doubling and depthwise ones."""
    stem, width = config.stem, config.width
    decoder = [
        Stage(
            Depthwise(2 * stem),
            DynamicInstanceNorm2d("up1", 2 * stem),
            before=_pointwise(width, 2 * stem),
            doubles="linear",
        ),
        Stage(
            Depthwise(stem),
            DynamicInstanceNorm2d("up2", stem),
            before=_pointwise(2 * stem, stem),
            doubles="linear",
        ),
        Stage(Convolution(stem, 3), DynamicInstanceNorm2d("colors", 3), notch=True, relu=False),
    ]
    return Parts(_mobile_encoder(config), _blocks(config), nn.ModuleList(decoder))


def _literal_parts(config: NetworkConfig) -> Parts:
    """Return the preset `literal`: the table as read; its last convolution has no normalization."""
    stem, width = config.stem, config.width
    decoder = [
        Stage(
            Separable(width, 2 * stem), DynamicInstanceNorm2d("up1", 2 * stem), doubles="nearest"
        ),
        Stage(Separable(2 * stem, stem), DynamicInstanceNorm2d("up2", stem), doubles="nearest"),
        Stage(Convolution(stem, 3, bias=True), None, relu=False),
    ]
    return Parts(_mobile_encoder(config), _blocks(config), nn.ModuleList(decoder))


def _vgg_parts(config: NetworkConfig) -> Parts:
    """Return the preset `vgg`: VGG-19 to relu4_1, one DIN where AdaIN stands, AdaIN's decoder."""
    encoder, before = [], 3
    names = layer_names(19)
    for i, channels in enumerate(VGG_CHANNELS):
        pools = i > 0 and names[i][0] != names[i - 1][0]
        convolution = Convolution(before, channels, bias=True).requires_grad_(False)
        encoder.append(Stage(convolution, None, pools=pools))
        before = channels
    dynamic = DynamicInstanceNorm2d(
        "bottleneck",
        before,
        operator=config.conv_op,
        kernel_size=config.kernel_size,
        groups=config.groups,
    )
    decoder = []
    for i, channels in enumerate((256, 256, 256, 256, 128, 128, 64, 64, 3)):
        last = channels == 3
        convolution = Convolution(before, channels, bias=True)
        decoder.append(
            Stage(convolution, None, doubles="nearest" if i in (1, 5, 7) else None, relu=not last)
        )
        before = channels
    return Parts(nn.ModuleList(encoder), nn.ModuleList([dynamic]), nn.ModuleList(decoder))
