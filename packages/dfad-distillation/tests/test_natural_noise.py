"""Noise of a `natural` generator: the spectrum, the channels, what its controls do, and that it starts unaltered."""

import pytest
import torch
from torch import Tensor

from dfad_distillation.config import CONTROLS, GeneratorConfig, InputSpace
from dfad_distillation.generators import Generator
from dfad_distillation.natural_noise import BRIGHTNESS, CONTRAST, NaturalNoise

SHAPE = (3, 64, 64)


def white(count: int, shape: tuple[int, int, int] = SHAPE) -> Tensor:
    """Return noise for `count` pictures."""
    length = CONTROLS + shape[0] * shape[1] * shape[2]
    return torch.randn(count, length, generator=torch.Generator().manual_seed(0))


def amplitude(pictures: Tensor, waves: int) -> float:
    """Return the mean amplitude of square pictures at a frequency, in waves per side, in all directions."""
    side = pictures.shape[-1]
    each = torch.fft.fftfreq(side, dtype=torch.float64) * side
    ring = torch.hypot(each[:, None], each).round() == waves
    return float(torch.fft.fft2(pictures.double()).abs()[..., ring].square().mean().sqrt())


def test_the_amplitude_falls_as_that_of_photographs() -> None:
    noise = white(64)
    plain, natural = noise[:, CONTROLS:].unflatten(1, SHAPE), NaturalNoise(SHAPE)(noise)
    assert amplitude(plain, 4) / amplitude(plain, 16) == pytest.approx(1, rel=0.05)
    assert amplitude(natural, 4) / amplitude(natural, 16) == pytest.approx(4, rel=0.1)


def test_channels_go_together() -> None:
    noise = white(64)
    independent = noise[:, CONTROLS:].unflatten(1, SHAPE).transpose(0, 1).flatten(1)
    assert torch.corrcoef(independent)[0, 1].abs() < 0.05
    channels = NaturalNoise(SHAPE)(noise).transpose(0, 1).flatten(1)
    assert torch.corrcoef(channels)[0, 1] > 0.8


def test_the_controls_are_contrast_and_brightness() -> None:
    noise = white(3)
    noise[:, 0] = torch.tensor([-9.0, 0.0, 9.0])
    noise[:, 1] = torch.tensor([0.0, 1.0, -2.0])
    # A filtered picture has a mean of its own, so brightness is what the control adds to it.
    dark = noise.clone()
    dark[:, 1] = 0
    paint = NaturalNoise(SHAPE)
    found, plain = paint(noise), paint(dark)
    low, high = CONTRAST
    expected = torch.tensor([low, (low + high) / 2, high])
    torch.testing.assert_close(found.std((1, 2, 3), correction=0), expected)
    added = (found - plain).mean((1, 2, 3))
    torch.testing.assert_close(added, BRIGHTNESS * noise[:, 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 9), (2, 33, 16)])
def test_any_shape_is_finite(shape: tuple[int, int, int]) -> None:
    assert NaturalNoise(shape)(white(4, shape)).isfinite().all()


def test_a_generator_begins_with_the_noise_and_learns_to_alter_it() -> None:
    space = InputSpace(shape=SHAPE, mean=(0.5,), std=(0.5,))
    generator = Generator(GeneratorConfig(name="natural", width=4, output="range"), space)
    noise = white(4)
    assert generator.latent == noise.shape[1]
    torch.testing.assert_close(generator(noise), NaturalNoise(SHAPE)(noise).tanh())
    generator(noise).mean().backward()
    learns = [n for n, p in generator.named_parameters() if p.grad is not None and p.grad.any()]
    assert any(name.startswith("body.change") for name in learns)
