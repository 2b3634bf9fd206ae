import math

import pytest
import torch

from din_style.losses import (
    AREAS,
    area_colors,
    color_loss,
    content_loss,
    gram_loss,
    gram_matrices,
    identity_loss,
    moments,
    pair_energy,
    stack_moments,
    stacked_style_loss,
    style_loss,
    total_variation,
)
from tenfold_shared.seeds import torch_stream
from tenfold_shared.testing import check_gradient

LAYERS = ("relu1_1", "relu3_1")


def _random(*shape, name="x"):
    return torch.randn(shape, generator=torch_stream(0, name), dtype=torch.float64)


def _features(name):
    return {
        "relu1_1": _random(2, 3, 4, 5, name=f"{name}1"),
        "relu3_1": 2 + _random(2, 6, 2, 3, name=f"{name}2"),
    }


def test_moments_are_mean_and_biased_deviation():
    x = _random(2, 3, 4, 5)
    mean, std = moments(x)
    for n in range(2):
        for c in range(3):
            values = x[n, c].flatten().tolist()
            expected = sum(values) / 20
            var = sum((v - expected) ** 2 for v in values) / 20
            assert float(mean[n, c]) == pytest.approx(expected)
            assert float(std[n, c]) == pytest.approx(math.sqrt(var + 1e-5))


def test_moments_of_half_precision_are_computed_precisely():
    x = (100 + 0.5 * _random(1, 2, 64, 64)).bfloat16()
    torch.testing.assert_close(moments(x).std, moments(x.float()).std)
    assert x.dtype == torch.bfloat16
    assert float(moments(x).mean.min()) > 99


def test_moments_leave_their_input_alone():
    x = _random(1, 2, 3, 3)
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        kept = x.to(dtype)
        before = kept.clone()
        moments(kept)
        assert torch.equal(kept, before)


def test_style_loss_is_the_sum_of_the_squares_of_the_specification():
    output, style = _features("o"), _features("s")
    expected = torch.zeros(2, dtype=torch.float64)
    for name in LAYERS:
        for n in range(2):
            for c in range(output[name].shape[1]):
                o, s = output[name][n, c], style[name][n, c]
                mean = float(o.mean() - s.mean()) ** 2
                std = (
                    math.sqrt(float(o.var(correction=0)) + 1e-5)
                    - math.sqrt(float(s.var(correction=0)) + 1e-5)
                ) ** 2
                expected[n] += (mean + std) / output[name].shape[1]
    torch.testing.assert_close(style_loss(output, style, LAYERS), expected)
    stacked = stacked_style_loss(
        stack_moments(output, LAYERS), stack_moments(style, LAYERS), (3, 6)
    )
    torch.testing.assert_close(stacked, expected)


def test_gram_matrices_are_means_of_products():
    x = _random(2, 3, 4, 5)
    gram = gram_matrices(x.float())
    expected = torch.zeros(2, 3, 3)
    for a in range(3):
        for b in range(3):
            expected[:, a, b] = (x[:, a] * x[:, b]).mean((1, 2)).float()
    torch.testing.assert_close(gram, expected)
    features = {"relu1_1": x}
    assert float(gram_loss(features, features, ["relu1_1"]).max()) == 0
    assert float(gram_loss(features, {"relu1_1": 2 * x}, ["relu1_1"]).min()) > 0


def test_content_and_identity_loss_are_mean_squares():
    a, b = _random(2, 3, 4, 4), _random(2, 3, 4, 4, name="b")
    expected = ((a - b) ** 2).mean((1, 2, 3))
    torch.testing.assert_close(content_loss(a, b), expected)
    torch.testing.assert_close(identity_loss(a, b), expected)


def test_total_variation_of_a_ramp_is_its_slope():
    ramp = torch.arange(8.0).expand(1, 3, 8, 8) / 8
    torch.testing.assert_close(total_variation(ramp), torch.tensor([1 / 64]))


def test_pair_energy_sees_what_alternates_and_nothing_else():
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    waves = 0.5 + 0.4 * torch.sin(2 * math.pi * columns / 16) * torch.cos(2 * math.pi * rows / 8)
    smooth = waves.expand(1, 3, 64, 64)
    board = 0.1 * (1 - 2 * ((rows + columns) % 2))
    assert float(pair_energy(smooth)) < 1e-10
    # 3 colors, one of three patterns each, squared amplitude
    assert float(pair_energy(smooth + board)) == pytest.approx(3 * 0.01, rel=1e-4)


def test_colors_of_areas_tell_specks_from_areas():
    red, blue = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    specks, halves = (
        torch.where(mask[..., None], red, blue).permute(2, 0, 1)[None]
        for mask in ((rows + columns) % 2 == 0, columns < 32)
    )
    one, other = (area_colors(x).view(len(AREAS), 2, 6) for x in (specks, halves))
    torch.testing.assert_close(one[0], other[0])
    # red +-1/2, green 0, blue +-1/2; along (red - blue) / sqrt(2) the two lie sqrt(2) apart
    expected = torch.tensor([0.5, 0, 0.5, 0.5**1.5, 0.5**1.5, 0.5**0.5])
    torch.testing.assert_close(other[:, 1], expected.expand(3, 6), rtol=1e-3, atol=4e-3)
    assert float(one[1:, 1].max()) < 4e-3
    torch.testing.assert_close(one[:, 0], other[:, 0])
    torch.testing.assert_close(
        color_loss(specks, area_colors(halves)), torch.tensor([1.25 * 2 / 3]), rtol=0.02, atol=0
    )
    assert float(color_loss(halves, area_colors(halves))) == 0


def test_gradients_of_the_losses():
    x, y = _random(2, 2, 3, 4), _random(2, 2, 3, 4, name="y")
    check_gradient(lambda x: tuple(moments(x)), (x,))
    features = {"relu1_1": y}
    check_gradient(lambda x: style_loss({"relu1_1": x}, features, ["relu1_1"]), (x,))
    check_gradient(total_variation, (_random(1, 3, 4, 4),))
    check_gradient(lambda x: pair_energy(x, tile=2), (_random(1, 3, 4, 4),))
    pictures = _random(1, 3, 16, 16)
    check_gradient(lambda x: color_loss(x, 2 * area_colors(pictures)), (pictures,))
