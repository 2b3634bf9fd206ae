"""Measures of single pictures against slow loops and pictures whose answer is known."""

import numpy as np
import torch
from skimage.metrics import structural_similarity as reference_similarity

from din_style.color import luminance
from din_style.picture_measures import (
    FlickerMeter,
    checkerboard_share,
    measure_flicker,
    period_two_share,
    structural_similarity,
)
from tenfold_shared.seeds import torch_stream


def test_ssim_equals_scikit_image():
    stream = torch_stream(0)
    first = torch.rand(1, 3, 40, 50, generator=stream)
    second = (first + 0.2 * torch.randn(1, 3, 40, 50, generator=stream)).clamp(0, 1)
    _, full = reference_similarity(
        luminance(first)[0, 0].double().numpy(), luminance(second)[0, 0].double().numpy(),
        data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
    )  # fmt: skip
    expected = full[5:-5, 5:-5].mean()
    assert expected < 0.9, "test invalid"
    assert abs(float(structural_similarity(first, second)) - expected) < 1e-4
    assert float(structural_similarity(first, first)) > 0.9999


def test_period_two_share_equals_loops():
    image = torch.rand(1, 3, 37, 50, generator=torch_stream(1))
    padded = np.pad(image[0].numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    blurred = sum(padded[:, i : i + 37, j : j + 50] for i in range(3) for j in range(3)) / 9
    high = image[0].numpy() - blurred
    shares = []
    for color in range(3):
        repeated = whole = 0.0
        for top in range(0, 32, 16):
            for left in range(0, 48, 16):
                tile = high[color, top : top + 16, left : left + 16]
                tile = tile - tile.mean()
                whole += (tile**2).mean()
                repeated += np.mean([tile[i::2, j::2].mean() ** 2 for i in (0, 1) for j in (0, 1)])
        shares.append(repeated / whole)
    np.testing.assert_allclose(period_two_share(image).item(), max(shares), rtol=1e-4)


def test_a_faint_checkerboard_is_found():
    stream = torch_stream(2)
    content = torch.rand(1, 3, 64, 64, generator=stream)
    noise = (content + 0.1 * torch.randn(content.shape, generator=stream)).clamp(0, 1)
    assert abs(float(checkerboard_share(noise, content))) < 0.01
    board = content.clone()
    board[:, 1, ::2, 1::2] += 0.5
    assert float(checkerboard_share(board, content)) > 0.2


def test_flicker_counts_still_pixels_only():
    scene = torch.zeros(1, 3, 8, 8)
    moved = scene.clone()
    moved[..., :4] = 1.0
    first, second = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    second[..., :4] = 0.7  # changes with the scene: no flicker
    second[..., 4:] = 0.1
    meter = measure_flicker([(scene, first), (moved, second)])
    assert abs(meter.value - 25.5) < 1e-3
    assert meter.reference == 0
    assert np.isnan(FlickerMeter().value)
