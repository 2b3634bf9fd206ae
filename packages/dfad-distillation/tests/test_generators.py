"""The generators: shapes, sizes, parameters, arithmetic, and the range of their pictures."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_reference import PlainUpsampledConv2d
from torch.utils.flop_counter import FlopCounterMode

from dfad_distillation.config import GeneratorConfig, InputSpace
from dfad_distillation.generators import Generator, to_pictures
from dfad_distillation.upsampling import UpsampledConv2d
from tenfold_shared.seeds import seed_global_state

MNIST = InputSpace(shape=(1, 32, 32), mean=(0.1307,), std=(0.3081,))
RAW = InputSpace(shape=(3, 32, 32))


def multiply_adds(generator: Generator) -> float:
    """Return multiply-adds of one picture."""
    generator.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        generator(torch.randn(1, generator.latent))
    return counter.get_total_flops() / 2


def without_shortcut(generator: Generator) -> Generator:
    """Return generator A as the paper has it, upsampling before it convolves."""
    for layer in generator.modules():
        if isinstance(layer, UpsampledConv2d):
            layer.__class__ = PlainUpsampledConv2d
    return generator


def test_generator_a_is_the_papers() -> None:
    generator = Generator(GeneratorConfig(name="a", width=64), MNIST)
    parameters = sum(p.numel() for p in generator.parameters())
    # linear 100 -> 128 x 8 x 8, normalization of 128, convolutions 128-128-64-1 and two normalizations
    assert (
        parameters == 101 * 8192 + 256 + 128 * 128 * 9 + 128 + 256 + 128 * 64 * 9 + 64 + 128 + 577
    )
    assert multiply_adds(without_shortcut(generator)) == pytest.approx(114.5e6, rel=0.01)


def test_the_small_generator_does_a_fortieth_of_the_work() -> None:
    generator = Generator(GeneratorConfig(name="a", width=64), MNIST)
    large = multiply_adds(without_shortcut(generator))
    small = multiply_adds(Generator(GeneratorConfig(name="shuffle", width=32), MNIST))
    assert 30 < large / small < 50


def test_generator_b_is_initialized_as_dcgan() -> None:
    seed_global_state(0)
    space = InputSpace(shape=(3, 64, 64), mean=(0.5,), std=(0.5,))
    generator = Generator(GeneratorConfig(name="b", width=16, output="range"), space)
    deviations = [p.std().item() for p in generator.parameters() if p.ndim == 4]
    assert len(deviations) == 5
    assert all(0.018 < d < 0.022 for d in deviations)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["a", "b", "shuffle", "natural"]),
    channels=st.integers(1, 4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_any_size_can_be_painted(name: str, channels: int, height: int, width: int) -> None:
    config = GeneratorConfig(name=name, width=2, latent=3)
    generator = Generator(config, InputSpace(shape=(channels, height, width)))
    assert generator(torch.randn(4, generator.latent)).shape == (4, channels, height, width)


@pytest.mark.parametrize(("name", "step"), [("a", 4), ("b", 16), ("shuffle", 4)])
def test_without_cropping_other_sizes_are_refused(name: str, step: int) -> None:
    config = GeneratorConfig(name=name, width=2, latent=3, crop=False)
    Generator(config, InputSpace(shape=(1, 2 * step, step)))
    with pytest.raises(ValueError, match=f"multiples of {step}, got {step + 1}x{step}"):
        Generator(config, InputSpace(shape=(1, step + 1, step)))


def test_standardized_channels_have_mean_0_and_variance_1_over_the_batch() -> None:
    space = InputSpace(shape=(3, 16, 16), mean=(0.5,), std=(0.5,))
    pictures = Generator(GeneratorConfig(width=4), space)(torch.randn(64, 100))
    variance, mean = torch.var_mean(pictures, dim=(0, 2, 3), correction=0)
    assert mean.abs().max() < 1e-4
    assert (variance - 1).abs().max() < 1e-2


@pytest.mark.parametrize(
    "space", [RAW, InputSpace(shape=(3, 32, 32), mean=(0.2, 0.4, 0.6), std=(0.1, 0.3, 2.0))]
)
def test_the_range_is_that_of_pictures(space: InputSpace) -> None:
    generator = Generator(GeneratorConfig(width=4, output="range"), space)
    for layer in generator.out.modules():
        layer.train()
    values = generator.out(torch.linspace(-9, 9, 3 * 32 * 32).reshape(1, 3, 32, 32))
    mean = torch.tensor(space.mean or (0.0,)).view(-1, 1, 1)
    std = torch.tensor(space.std or (1.0,)).view(-1, 1, 1)
    pictures = values * std + mean
    assert pictures.min().item() == pytest.approx(0, abs=1e-3)
    assert pictures.max().item() == pytest.approx(1, abs=1e-3)


def test_pictures_undo_the_normalization_and_are_clipped() -> None:
    values = torch.tensor([-9.0, 0.0, 9.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    found = to_pictures(values, InputSpace(shape=(1, 2, 2), mean=(0.25,), std=(0.5,)))
    assert found[:, 0, 0, 0].tolist() == [0.0, 0.25, 1.0]
