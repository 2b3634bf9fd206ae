"""Transfer networks: a light path for contents, and weight- and bias-nets that read a style.

The presets follow MobileNetV1 with residual blocks, as the author describes the withheld code:
`literal` in the order of the table that we read from the paper, `mobile` and `fast` reordered so that
a processor computes them quickly.
"""

import hashlib
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.code_networks import CodeNetwork
from din_style.config import NetworkConfig
from din_style.layers import (
    DynamicInstanceNorm2d,
    Normalize,
    Pass,
    normalize_by_own_statistics,
    normalize_on_sphere,
)
from din_style.operators import PLAIN, Geometry
from din_style.presets import build_parts
from din_style.style_code import StyleCode

SHRINKING = 4
"""Residual blocks work at this fraction of the size."""


class TransferNetwork(nn.Module):
    """Stylizes contents with style codes, and makes codes from style features.

    Only the content path runs for each picture; the weight- and bias-nets run once for each style.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.blocks, self.decoder = build_parts(config)
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
