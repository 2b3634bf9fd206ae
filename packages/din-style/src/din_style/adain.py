"""The network of AdaIN with random weights, for what it costs: arithmetic, parameters, time.

Huang and Belongie, ICCV 2017, arXiv 1703.06868: VGG-19 to relu4_1, adaptive instance normalization, a mirrored decoder.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_ENCODER = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512)
_DECODER = (256, "U", 256, 256, 256, 128, "U", 128, 64, "U", 64)
_FLOOR = 1e-5


class AdaINNetwork(nn.Module):
    """Content in, stylized out, with the style's statistics given; weights are random."""

    def __init__(self) -> None:
        super().__init__()
        # The normalized VGG of AdaIN begins with a 1x1 convolution from RGB to centered BGR.
        self.encoder = nn.Sequential(nn.Conv2d(3, 3, 1), *_layers(3, _ENCODER))
        self.decoder = nn.Sequential(*_layers(512, _DECODER), _conv(64, 3))

    def encode(
        self, styles: Float[Tensor, "batch 3 height width"]
    ) -> tuple[Float[Tensor, "batch 512 1 1"], Float[Tensor, "batch 512 1 1"]]:
        """Return mean and standard deviation of the style's features."""
        variance, mean = torch.var_mean(self.encoder(styles), dim=(2, 3), keepdim=True)
        return mean, (variance + _FLOOR).sqrt()

    def forward(
        self,
        contents: Float[Tensor, "batch 3 height width"],
        style: tuple[Float[Tensor, "batch 512 1 1"], Float[Tensor, "batch 512 1 1"]],
    ) -> Float[Tensor, "batch 3 new_height new_width"]:
        """Return what a trained network would make the stylized picture of."""
        features = self.encoder(contents)
        variance, mean = torch.var_mean(features, dim=(2, 3), keepdim=True)
        new_mean, new_deviation = style
        return self.decoder(
            (features - mean) * (variance + _FLOOR).rsqrt() * new_deviation + new_mean
        )


def _layers(channels: int, plan: tuple[int | str, ...]) -> list[nn.Module]:
    """Return convolutions with ReLU, pooling (M) and nearest upsampling (U)."""
    layers: list[nn.Module] = []
    for step in plan:
        if isinstance(step, int):
            layers += [_conv(channels, step), nn.ReLU()]
            channels = step
        elif step == "M":
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        else:
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    return layers


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution padded by reflection."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
