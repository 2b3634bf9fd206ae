"""MicroAST, the strongest light peer, written anew; loads the weights that its authors published.

Wang, Zhao, Zuo, Li, Chen, Xing, Lu: "MicroAST: Towards Super-Fast Ultra-Resolution Arbitrary Style Transfer",
AAAI 2023, arXiv 2211.15313; weights of EndyWon/MicroAST (MIT). Every convolution pads by reflection.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.foreign_weights import read_tensors
from tenfold_shared.datasets import locate
from tenfold_shared.errors import UserError

WEIGHTS = "weights/microast_fp32.safetensors"
HINT = "convert models/*_iter_160000.pth.tar of EndyWon/MicroAST to one safetensors file"
_FLOOR = 1e-5


class MicroASTStyle(NamedTuple):
    """What the network takes from a style picture."""

    features: tuple[Tensor, Tensor]
    """Of the first and the second encoder stage."""
    weights: tuple[Tensor, Tensor]
    """Factors of the filters, (batch, channels, 1, 1)."""
    biases: tuple[Tensor, Tensor]
    """Factors of the shortcuts, likewise."""


class MicroAST(nn.Module):
    """The network: two encoders of one form, a modulator and a decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.content_encoder = _Encoder()
        self.style_encoder = _Encoder()
        self.modulator = nn.ModuleDict(
            {name: nn.Sequential(_conv(64, 64, 3, groups=64))
             for name in ("weight1", "bias1", "weight2", "bias2")}
        )  # fmt: skip
        self.decoder = _Decoder()

    def encode(self, styles: Float[Tensor, "batch 3 height width"]) -> MicroASTStyle:
        """Return what the decoder needs of style pictures."""
        first, second = self.style_encoder(styles)

        def factors(kind: str) -> tuple[Tensor, Tensor]:
            maps = (self.modulator[f"{kind}1"](first), self.modulator[f"{kind}2"](second))
            return maps[0].mean((2, 3), keepdim=True), maps[1].mean((2, 3), keepdim=True)

        return MicroASTStyle((first, second), factors("weight"), factors("bias"))

    def forward(
        self, contents: Float[Tensor, "batch 3 height width"], style: MicroASTStyle
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        """Return stylized pictures; sizes are rounded up to multiples of four."""
        _, features = self.content_encoder(contents)
        return self.decoder(features, style).clamp(0, 1)


class _Decoder(nn.Module):
    """Two modulated residual blocks and the way back to pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.dec1 = _ResidualBlock(64)
        self.dec2 = _ResidualBlock(64)
        self.dec3 = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), _conv(64, 32, 3, groups=32), nn.ReLU(),
            _conv(32, 32, 1), nn.ReLU(),
            nn.Upsample(scale_factor=2, mode="bilinear"), _conv(32, 16, 3, groups=16), nn.ReLU(),
            _conv(16, 16, 1), nn.ReLU(), _conv(16, 3, 9),
        )  # fmt: skip

    def forward(self, features: Tensor, style: MicroASTStyle) -> Tensor:
        """Return pixels of the second stage's content features, not clamped."""
        x = adaptive_instance_norm(features, style.features[1])
        x = self.dec1(x, weight=style.weights[1], bias=style.biases[1])
        x = adaptive_instance_norm(x, style.features[0])
        x = self.dec2(x, weight=style.weights[0], bias=style.biases[0])
        return self.dec3(x)


class _Encoder(nn.Module):
    """Two stages at a quarter of the size, 64 channels each."""

    def __init__(self) -> None:
        super().__init__()
        self.enc1 = nn.Sequential(
            _conv(3, 16, 9), nn.ReLU(),
            _conv(16, 32, 3, stride=2, groups=16), nn.ReLU(), _conv(32, 32, 1), nn.ReLU(),
            _conv(32, 64, 3, stride=2, groups=32), nn.ReLU(), _conv(64, 64, 1), nn.ReLU(),
            _ResidualBlock(64),
        )  # fmt: skip
        self.enc2 = nn.Sequential(_ResidualBlock(64))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the features of both stages."""
        first = self.enc1(images)
        return first, self.enc2(first)


class _ResidualBlock(nn.Module):
    """Two convolutions around a shortcut; the decoder's filters are modulated by the style."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels, 3)
        self.conv2 = _conv(channels, channels, 3)

    def forward(
        self, x: Tensor, *, weight: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Return the features, modulated if factors are given."""
        if weight is None or bias is None:
            return x + self.conv2(functional.relu(self.conv1(x)))
        z = functional.relu(weight * self.conv1(x) + bias * x)
        return x + weight * self.conv2(z) + bias * z


def adaptive_instance_norm(features: Tensor, style: Tensor) -> Tensor:
    """Give features the channel statistics of the style's, with the unbiased variance of the original."""
    variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True)
    new_variance, new_mean = torch.var_mean(style, dim=(2, 3), keepdim=True)
    scale = ((new_variance + _FLOOR) / (variance + _FLOOR)).sqrt()
    return (features - mean) * scale + new_mean


def load_microast(path: Path | None = None, *, data: Path | None = None) -> MicroAST:
    """Return the trained network.

    Args:
        path: its weights; looked for in the data folder if missing.
        data: the data folder.

    Raises:
        UserError: if the weights are missing, damaged or of another network.
    """
    path = path or locate(WEIGHTS, data=data, hint=HINT)
    tensors = {name.replace(".conv_layer", ""): t for name, t in read_tensors(path).items()}
    network = MicroAST()
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path} holds no weights of MicroAST; {HINT}.") from error
    return network.eval().requires_grad_(False)


def _conv(inputs: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution padded by reflection."""
    return nn.Conv2d(
        inputs, outputs, size, stride, padding=size // 2, padding_mode="reflect", groups=groups
    )
