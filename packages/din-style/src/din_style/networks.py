"""Transfer networks: a light path for contents, and weight- and bias-nets that read a style.

The presets follow MobileNetV1 with residual blocks, as the author describes the withheld code:
`literal` in the order of the table that we read from the paper, `mobile` and `fast` reordered so that
a processor computes them quickly.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.code_networks import CodeNetwork
from din_style.config import NetworkConfig
from din_style.layers import (
    Convolution,
    Depthwise,
    DynamicInstanceNorm2d,
    Normalize,
    Pass,
    Separable,
    StaticInstanceNorm2d,
    normalize_by_own_statistics,
    normalize_on_sphere,
    remove_alternation,
)
from din_style.operators import PLAIN, Geometry
from din_style.style_code import StyleCode

SHRINKING = 4
"""Residual blocks work at this fraction of the size."""


class Stage(nn.Module):
    """Convolution, normalization, ReLU; in decoders after doubling the size.

    Args:
        convolution: Takes features and the pass.
        norm: Static or dynamic normalization; None for an end that has none.
        before: Pointwise convolution ahead of the doubling, where it is four times cheaper.
        doubles: Repeat each pixel twice along rows and columns first.
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
        doubles: bool = False,
        unshuffle: int = 1,
        shuffle: int = 1,
        notch: bool = False,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.before, self.convolution, self.norm = before, convolution, norm
        self.doubles, self.unshuffle, self.shuffle = doubles, unshuffle, shuffle
        self.notch, self.relu = notch, relu

    def features(self, x: Tensor, run: Pass) -> Tensor:
        """Return what the normalization receives; its statistics are those of this."""
        if self.unshuffle > 1:
            x = functional.pixel_unshuffle(x, self.unshuffle)
        if self.before is not None:
            x = self.before(x)
        if self.doubles:
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
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


class TransferNetwork(nn.Module):
    """Stylizes contents with style codes, and makes codes from style features.

    Only the content path runs for each picture; the weight- and bias-nets run once for each style.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        builders = {"fast": _fast_parts, "mobile": _mobile_parts, "literal": _literal_parts}
        if config.preset not in builders:
            raise ValueError(f"preset must be one of {sorted(builders)}, got {config.preset!r}")
        self.encoder, self.blocks, self.decoder = builders[config.preset](config)
        self.codes = CodeNetwork(config, self.dynamic_layers)

    @property
    def dynamic_layers(self) -> list[DynamicInstanceNorm2d]:
        """The dynamic normalizations in the order of the pass."""
        return [m for m in self.modules() if isinstance(m, DynamicInstanceNorm2d)]

    def predict_code(self, style: Tensor) -> StyleCode:
        """Return the kernels of each style, differentiable, without a fingerprint.

        Args:
            style: What `style_input` names: moments (batch, numbers) or maps (batch, channels, h, w).
        """
        return StyleCode(self.codes(style))

    def encode(self, content: Tensor, run: Pass) -> Tensor:
        """Return the features of contents at a quarter of the size, a multiple of 4 pixels."""
        for stage in self.encoder:
            content = stage(content, run)
        return content

    def transform(self, features: Tensor, run: Pass) -> Tensor:
        """Return the features after the residual blocks."""
        for block in self.blocks:
            features = block(features, run)
        return features

    def decode(self, features: Tensor, run: Pass) -> Tensor:
        """Return the stylized pictures from the features of the residual blocks."""
        for stage in self.decoder:
            features = stage(features, run)
        return self.colors(features)

    def colors(self, features: Tensor) -> Tensor:
        """Return pictures in [0, 1] from the features of the last stage."""
        return torch.sigmoid(0.25 * features)

    def forward(
        self,
        content: Float[Tensor, "batch 3 height width"],
        code: StyleCode | Sequence[StyleCode],
        *,
        masks: Float[Tensor, "batch codes height width"] | None = None,
        normalize: Normalize | None = None,
        geometry: Geometry = PLAIN,
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the stylized pictures, of the contents' size.

        Args:
            content: RGB in [0, 1].
            code: One style for all contents or one for each; several with `masks`.
            masks: Share of each style in each pixel, summing to 1.
            normalize: How instance normalization is done; None measures each picture itself, weighing
                pixels by their area on a sphere.
            geometry: Stroke and shape of the picture.

        Raises:
            ValueError: Number of codes and masks disagree.
        """
        codes = (code,) if isinstance(code, StyleCode) else tuple(code)
        given = 1 if masks is None else masks.shape[1]
        if len(codes) != given:
            raise ValueError(
                f"several styles need one mask each, got {len(codes)} styles and {given} masks"
            )
        if normalize is None:
            normalize = normalize_on_sphere if geometry.sphere else normalize_by_own_statistics
        run = Pass(codes, masks=masks, normalize=normalize, geometry=geometry)
        height, width = content.shape[-2:]
        padded = pad_to_multiple(content, SHRINKING, sphere=geometry.sphere)
        output = self.decode(self.transform(self.encode(padded, run), run), run)
        return output[..., :height, :width]

    def fingerprint(self) -> str:
        """Return 16 digits that depend on the structure and every weight; codes carry them."""
        digest = hashlib.sha256(repr(self.config).encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def build_network(config: NetworkConfig) -> TransferNetwork:
    """Return a network with random weights, drawn from torch's global state."""
    return TransferNetwork(config)


def pad_to_multiple(x: Tensor, multiple: int, *, sphere: bool = False) -> Tensor:
    """Return pictures that are continued to the right and below, by reflection, to a multiple.

    Raises:
        ValueError: The width of a spherical picture is no multiple; a seam would appear.
    """
    down, right = -x.shape[-2] % multiple, -x.shape[-1] % multiple
    if sphere and right:
        raise ValueError(
            f"the width of a 360-degree picture must be a multiple of {multiple}, got {x.shape[-1]}; "
            "resize it"
        )
    return functional.pad(x, (0, right, 0, down), mode="reflect") if down or right else x


def _block_norm(name: str, config: NetworkConfig) -> DynamicInstanceNorm2d:
    """Return a dynamic normalization of the residual blocks."""
    return DynamicInstanceNorm2d(
        name,
        config.width,
        operator=config.conv_op,
        kernel_size=config.kernel_size,
        groups=config.groups,
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
            doubles=True,
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
            doubles=True,
        ),
        Stage(
            Depthwise(stem),
            DynamicInstanceNorm2d("up2", stem),
            before=_pointwise(2 * stem, stem),
            doubles=True,
        ),
        Stage(Convolution(stem, 3), DynamicInstanceNorm2d("colors", 3), notch=True, relu=False),
    ]
    return Parts(_mobile_encoder(config), _blocks(config), nn.ModuleList(decoder))


def _literal_parts(config: NetworkConfig) -> Parts:
    """Return the preset `literal`: the table as read; its last convolution has no normalization."""
    stem, width = config.stem, config.width
    decoder = [
        Stage(Separable(width, 2 * stem), DynamicInstanceNorm2d("up1", 2 * stem), doubles=True),
        Stage(Separable(2 * stem, stem), DynamicInstanceNorm2d("up2", stem), doubles=True),
        Stage(Convolution(stem, 3, bias=True), None, relu=False),
    ]
    return Parts(_mobile_encoder(config), _blocks(config), nn.ModuleList(decoder))
