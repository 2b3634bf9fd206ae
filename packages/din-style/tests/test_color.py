"""Color transfers reach the statistics that they promise; kept colors keep the brightness that was made."""

import pytest
import torch
from torch import Tensor

from din_style.color import (
    keep_color,
    luminance,
    match_covariance,
    match_histogram,
    match_moments,
)
from tenfold_shared.seeds import torch_stream


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    stream = torch_stream(0, "colors")
    content = 0.2 + 0.2 * torch.rand(1, 3, 24, 30, generator=stream)
    mixing = torch.tensor([[0.6, 0.2, 0.0], [0.3, 0.3, 0.1], [0.0, 0.1, 0.5]])
    style = torch.einsum("oc,nchw->nohw", mixing, torch.rand(1, 3, 20, 21, generator=stream)) + 0.1
    return content, style


def moments(image: Tensor) -> Tensor:
    return torch.stack([image.mean((2, 3)), image.std((2, 3), correction=0)])


def covariance(image: Tensor) -> Tensor:
    return torch.cov(image[0].flatten(1), correction=0)


def test_moments(pair: tuple[Tensor, Tensor]):
    content, style = pair
    assert (moments(content) - moments(style)).abs().max() > 0.05, "test invalid"
    # Colors outside [0, 1] are cut off.
    torch.testing.assert_close(
        moments(match_moments(content, style)), moments(style), atol=5e-3, rtol=0
    )


def test_histogram_is_that_of_the_reference_and_keeps_the_order(pair: tuple[Tensor, Tensor]):
    content, style = pair
    matched = match_histogram(content, style)
    shares = torch.linspace(0, 1, 11)
    for channel in range(3):
        torch.testing.assert_close(
            matched[0, channel].quantile(shares), style[0, channel].quantile(shares),
            atol=5e-3, rtol=0,
        )  # fmt: skip
        order = content[0, channel].flatten().argsort()
        assert (matched[0, channel].flatten()[order].diff() >= 0).all()
    torch.testing.assert_close(match_histogram(content, content), content)


def test_covariance(pair: tuple[Tensor, Tensor]):
    content, style = pair
    assert (covariance(content) - covariance(style)).abs().max() > 0.01, "test invalid"
    matched = match_covariance(content, style)
    torch.testing.assert_close(covariance(matched), covariance(style), atol=2e-3, rtol=0)


@pytest.mark.parametrize("transfer", [match_moments, match_histogram, match_covariance])
def test_flat_pictures_and_batches(transfer):
    flat, black = torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 8, 8)
    assert transfer(black, flat).isfinite().all()
    assert transfer(flat, black).isfinite().all()
    assert transfer(torch.rand(2, 3, 8, 8), flat).shape == (2, 3, 8, 8)
    assert transfer(flat, torch.rand(2, 3, 9, 9)).shape == (2, 3, 8, 8)


def test_kept_colors_have_the_brightness_of_the_stylized_picture(pair: tuple[Tensor, Tensor]):
    content, _ = pair
    stylized = torch.rand(content.shape, generator=torch_stream(1))
    kept = keep_color(stylized, content)
    torch.testing.assert_close(luminance(kept), luminance(stylized), atol=1e-5, rtol=0)
    torch.testing.assert_close(keep_color(content, content), content, atol=1e-6, rtol=0)
    gray = luminance(content).expand_as(content)
    torch.testing.assert_close(keep_color(stylized, gray), luminance(stylized).expand_as(content))
