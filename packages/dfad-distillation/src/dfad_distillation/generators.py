"""The four generators: noise (N, latent) to pictures in the teacher's normalized space (N, C, H, W)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dfad_distillation.config import GeneratorConfig, InputSpace
from dfad_distillation.natural_noise import NaturalNoise
from dfad_distillation.upsampling import UpsampledConv2d

STEPS = {"a": 4, "b": 16, "shuffle": 4, "natural": 1}
"""Sizes are multiples of this."""


class Generator(nn.Module):
    """A stack of layers on a small map that a linear layer makes of the noise, and the way out.

    Args:
        config: Which generator.
        space: What the teacher reads; the pictures have its shape.

    Raises:
        ValueError: The size does not fit and the settings forbid to crop.
    """

    def __init__(self, config: GeneratorConfig, space: InputSpace) -> None:
        super().__init__()
        channels, *size = space.shape
        step = STEPS[config.name]
        if not config.crop and any(side % step for side in size):
            raise ValueError(
                f"generator {config.name} paints sizes that are multiples of {step}, got "
                f"{size[0]}x{size[1]}; set generator.crop to paint a larger picture and cut it"
            )
        self.config, self.space, self.size = config, space, tuple(size)
        height, width = (math.ceil(side / step) for side in size)
        self.start, self.body = BODIES[config.name](config, channels, (height, width))
        self.out = _way_out(config, space)
        if config.name == "b":
            self.apply(_initialize_as_dcgan)

    @property
    def latent(self) -> int:
        """Length of the noise vector."""
        return self.config.noise_length(self.space)

    def forward(self, noise: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch c h w"]:
        """Return pictures; in training mode their statistics depend on the whole batch."""
        pictures = self.out(self.body(self.start(noise)))
        height, width = self.size
        top = (pictures.shape[2] - height) // 2
        left = (pictures.shape[3] - width) // 2
        return pictures[:, :, top : top + height, left : left + width]


def _small_map(latent: int, channels: int, size: tuple[int, int]) -> nn.Sequential:
    """Return the layers from noise to a normalized map."""
    height, width = size
    return nn.Sequential(
        nn.Linear(latent, channels * height * width),
        nn.Unflatten(1, (channels, height, width)),
        nn.BatchNorm2d(channels),
    )


def _upsampling(
    config: GeneratorConfig, channels: int, size: tuple[int, int]
) -> tuple[nn.Module, nn.Module]:
    """Return generator A: 2f channels, two nearest doublings (arXiv 1904.01186 and section 1.4)."""
    f = config.width
    return _small_map(config.latent, 2 * f, size), nn.Sequential(
        UpsampledConv2d(2 * f, 2 * f),
        nn.BatchNorm2d(2 * f),
        nn.LeakyReLU(0.2),
        UpsampledConv2d(2 * f, f),
        nn.BatchNorm2d(f),
        nn.LeakyReLU(0.2),
        nn.Conv2d(f, channels, 3, padding=1),
    )


def _transposed(
    config: GeneratorConfig, channels: int, size: tuple[int, int]
) -> tuple[nn.Module, nn.Module]:
    """Return generator B: four transposed convolutions 8f, 4f, 2f, f, f (arXiv 1511.06434)."""
    f = config.width
    layers: list[nn.Module] = []
    for before, after in ((8 * f, 4 * f), (4 * f, 2 * f), (2 * f, f), (f, f)):
        layers += [
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2),
        ]
    start = _small_map(config.latent, 8 * f, size)
    return start, nn.Sequential(*layers, nn.Conv2d(f, channels, 3, padding=1))


def _shuffling(
    config: GeneratorConfig, channels: int, size: tuple[int, int]
) -> tuple[nn.Module, nn.Module]:
    """Return our small generator: nothing but pixels of the picture are computed at full size."""
    f = config.width
    return _small_map(config.latent, f, size), nn.Sequential(
        nn.Upsample(scale_factor=2),
        nn.Conv2d(f, f, 3, padding=1),
        nn.BatchNorm2d(f),
        nn.LeakyReLU(0.2),
        nn.Conv2d(f, 4 * channels, 3, padding=1),
        nn.PixelShuffle(2),
    )


def _altering(
    config: GeneratorConfig, channels: int, size: tuple[int, int]
) -> tuple[nn.Module, nn.Module]:
    """Return our generator of photographs: noise with their spectrum, and a network that learns to alter it."""
    return NaturalNoise((channels, *size)), Altered(channels, config.width)


class Altered(nn.Module):
    """Pictures and what three convolutions at half their size add to them: at first nothing.

    Args:
        channels: Of the pictures.
        width: Channels inside.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, 4 * channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # pyright: ignore[reportArgumentType]
        self.change = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.2),
            last,
            nn.PixelShuffle(2),
        )

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the altered pictures."""
        height, width = pictures.shape[2:]
        return pictures + self.change(pictures)[..., :height, :width]


BODIES = {"a": _upsampling, "b": _transposed, "shuffle": _shuffling, "natural": _altering}


def _way_out(config: GeneratorConfig, space: InputSpace) -> nn.Module:
    """Return what maps the last layer to the teacher's space."""
    if config.output == "standardized" and space.is_normalized:
        return nn.Sequential(nn.Tanh(), nn.BatchNorm2d(space.shape[0], affine=False))
    return Range(space)


class Range(nn.Module):
    """tanh, mapped to the values that pictures in [0, 1] take after normalization."""

    low: Tensor
    high: Tensor

    def __init__(self, space: InputSpace) -> None:
        super().__init__()
        mean = torch.tensor(space.mean or (0.0,)).view(-1, 1, 1)
        std = torch.tensor(space.std or (1.0,)).view(-1, 1, 1)
        self.register_buffer("low", -mean / std)
        self.register_buffer("high", (1 - mean) / std)

    def forward(self, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return values between those of a black and of a white picture."""
        return torch.lerp(self.low, self.high, (values.tanh() + 1) / 2)


def _initialize_as_dcgan(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02), scales of normalizations from N(1, 0.02) (arXiv 1511.06434)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def to_pictures(values: Float[Tensor, "n c h w"], space: InputSpace) -> Float[Tensor, "n c h w"]:
    """Return generated values as pictures in [0, 1]: mean and std undone, clipped."""
    mean = values.new_tensor(space.mean or (0.0,)).view(-1, 1, 1)
    std = values.new_tensor(space.std or (1.0,)).view(-1, 1, 1)
    return (values * std + mean).clamp(0, 1)
