import math

import pytest
import torch
from torch.nn import functional

from din_style.operators import (
    Geometry,
    convolve_at,
    convolve_per_sample,
    depthwise,
    pad_reflecting,
    plane_positions,
    row_areas,
    sphere_positions,
)
from tenfold_shared.seeds import torch_stream
from tenfold_shared.testing import check_gradient


def _random(*shape, name="x"):
    return torch.randn(shape, generator=torch_stream(0, name), dtype=torch.float64)


def _reflected(index, size):
    while not 0 <= index <= size - 1:
        index = -index if index < 0 else 2 * (size - 1) - index
    return index


def _sampled(plane, row, column, *, sphere):
    """The value between pixels, by hand."""
    height, width = plane.shape
    if sphere:
        row = min(max(row, 0.0), height - 1.0)
    else:
        row, column = _reflected(row, height), _reflected(column, width)
    top, left = math.floor(row), math.floor(column)
    down, right = row - top, column - left
    value = 0.0
    for i, share_i in ((top, 1 - down), (top + 1, down)):
        for j, share_j in ((left, 1 - right), (left + 1, right)):
            if share_i * share_j > 0:
                value += share_i * share_j * float(plane[min(i, height - 1), j % width])
    return value


def _slow(x, weight, positions, *, sphere=False):
    """Depthwise convolution at any positions with loops."""
    result = torch.zeros_like(x)
    kernels = weight.flatten(2)
    batch, channels, height, width = x.shape
    for n in range(batch):
        where = positions[n % len(positions)]
        for i in range(height):
            for j in range(width):
                for t in range(where.shape[0]):
                    row, column = (float(v) for v in where[t, i, j])
                    for c in range(channels):
                        value = _sampled(x[n, c], row, column, sphere=sphere)
                        result[n, c, i, j] += float(kernels[n, c, t]) * value
    return result


@pytest.mark.parametrize(("groups", "kernel"), [(1, 1), (1, 3), (2, 3), (6, 3), (6, 1)])
def test_one_grouped_call_equals_a_loop_over_samples(groups, kernel):
    x, weight = _random(3, 6, 7, 5), _random(3, 6, 6 // groups, kernel, kernel, name="w")
    bias = _random(3, 6, name="b")
    padded = functional.pad(x, [kernel // 2] * 4, mode="reflect")
    expected = torch.cat(
        [functional.conv2d(padded[i : i + 1], weight[i], bias[i], groups=groups) for i in range(3)]
    )
    torch.testing.assert_close(convolve_per_sample(x, weight, bias), expected)
    shared = convolve_per_sample(x, weight[:1].expand_as(weight), bias)
    assert not torch.allclose(shared, expected), "test invalid"


def test_kernels_of_another_batch_are_refused():
    with pytest.raises(ValueError, match="expand it"):
        convolve_per_sample(torch.rand(2, 4, 5, 5), torch.rand(1, 4, 1, 3, 3))


def test_taps_on_neighbors_are_the_plain_convolution():
    x, weight = _random(2, 3, 6, 7), _random(2, 3, 3, 3, name="w")
    plain = convolve_per_sample(x, weight[:, :, None])
    torch.testing.assert_close(convolve_at(x, weight, plane_positions(x, 3)), plain)


def test_an_even_stroke_is_a_dilation():
    x, weight = _random(2, 3, 8, 9), _random(2, 3, 3, 3, name="w")
    dilated = depthwise(x, weight, geometry=Geometry(stroke=2.0))
    expected = functional.conv2d(
        functional.pad(x, (2, 2, 2, 2), mode="reflect")[:1],
        weight[0][:, None],
        groups=3,
        dilation=2,
    )
    torch.testing.assert_close(dilated[:1], expected)
    sampled = convolve_at(x, weight, plane_positions(x, 3, stroke=2.0))
    torch.testing.assert_close(sampled, dilated)


def test_strokes_between_whole_numbers_lie_between_pixels():
    x, weight = _random(2, 2, 5, 6), _random(2, 2, 3, 3, name="w")
    result = depthwise(x, weight, geometry=Geometry(stroke=1.4))
    torch.testing.assert_close(result, _slow(x, weight, plane_positions(x, 3, stroke=1.4)))


def test_a_stroke_map_changes_only_where_it_says():
    x, weight = _random(1, 2, 8, 8), _random(1, 2, 3, 3, name="w")
    stroke = torch.ones(1, 1, 8, 8, dtype=x.dtype)
    stroke[..., 4:] = 2
    mixed = depthwise(x, weight, geometry=Geometry(stroke=stroke))
    plain, coarse = (depthwise(x, weight, geometry=Geometry(stroke=s)) for s in (1.0, 2.0))
    assert not torch.allclose(plain, coarse), "test invalid"
    torch.testing.assert_close(mixed[..., :4], plain[..., :4])
    torch.testing.assert_close(mixed[..., 4:], coarse[..., 4:])


def test_deformable_taps_equal_the_slow_reference():
    x, weight, bias = _random(2, 2, 5, 4), _random(2, 2, 3, 3, name="w"), _random(2, 2, name="b")
    offsets = _random(2, 18, 5, 4, name="offsets")
    result = depthwise(x, weight, bias, offsets=offsets)
    plain = depthwise(x, weight, bias)
    assert not torch.allclose(result, plain), "test invalid"
    positions = plane_positions(x, 3, offsets=offsets)
    # Tap 5 of 9 (row 1, column 2) at pixel (2, 1), with its row and column offset.
    expected = torch.tensor([2.0, 2.0], dtype=x.dtype) + offsets[1, 10:12, 2, 1]
    torch.testing.assert_close(positions[1, 5, 2, 1], expected)
    slow = _slow(x, weight, positions) + bias[:, :, None, None]
    torch.testing.assert_close(result, slow)
    torch.testing.assert_close(depthwise(x, weight, bias, offsets=0 * offsets), plain)


def _slow_tap(i, j, row_tap, column_tap, height, width):
    """Where a tap of the tangent plane falls, by points in space."""
    step = 2 * math.pi / width
    phi = math.pi * (0.5 - (i + 0.5) / height)
    lam = step * j
    a = math.tan(step * column_tap)
    b = math.tan(-step * row_tap) / math.cos(step * column_tap)
    center = [math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)]
    east = [-math.sin(lam), math.cos(lam), 0.0]
    north = [-math.sin(phi) * math.cos(lam), -math.sin(phi) * math.sin(lam), math.cos(phi)]
    point = [c + a * e + b * n for c, e, n in zip(center, east, north, strict=True)]
    length = math.sqrt(sum(p * p for p in point))
    latitude = math.asin(point[2] / length)
    longitude = math.atan2(point[1], point[0]) % (2 * math.pi)
    return (0.5 - latitude / math.pi) * height - 0.5, longitude / step


def test_spherical_taps_lie_where_the_tangent_plane_meets_the_sphere():
    x = torch.zeros(1, 1, 8, 16, dtype=torch.float64)
    positions = sphere_positions(x, 3)[0]
    for i in range(8):
        for j in (0, 3, 15):
            for tap in range(9):
                row, column = _slow_tap(i, j, tap // 3 - 1, tap % 3 - 1, 8, 16)
                found_row, found_column = (float(v) for v in positions[tap, i, j])
                assert found_row == pytest.approx(row, abs=1e-9)
                around = (found_column - column + 8) % 16 - 8
                assert around == pytest.approx(0, abs=1e-9)


def test_spherical_convolution_equals_the_slow_reference():
    x, weight = _random(2, 2, 6, 12), _random(2, 2, 3, 3, name="w")
    result = depthwise(x, weight, geometry=Geometry(sphere=True))
    slow = _slow(x, weight, sphere_positions(x, 3), sphere=True)
    torch.testing.assert_close(result, slow)
    assert not torch.allclose(result, depthwise(x, weight)), "test invalid"


def test_turning_the_sphere_turns_the_result():
    x, weight = _random(1, 2, 8, 16), _random(1, 2, 3, 3, name="w")
    turned = depthwise(x.roll(5, dims=3), weight, geometry=Geometry(sphere=True))
    torch.testing.assert_close(
        turned, depthwise(x, weight, geometry=Geometry(sphere=True)).roll(5, dims=3)
    )
    plain = depthwise(x.roll(5, dims=3), weight)
    assert not torch.allclose(plain, depthwise(x, weight).roll(5, dims=3)), "test invalid"


def test_near_the_equator_spherical_taps_are_neighbors():
    x = torch.zeros(1, 1, 64, 128, dtype=torch.float64)
    difference = (
        sphere_positions(x, 3)[0, :, 31:33, 40:60] - plane_positions(x, 3)[0, :, 31:33, 40:60]
    )
    assert float(difference.abs().max()) < 0.01


def test_areas_of_rows_sum_to_the_sphere():
    areas = row_areas(200, like=torch.zeros(1, dtype=torch.float64))
    # Sum of cos(latitude) times the height of a row is the integral over latitude, 2.
    assert float(areas.sum()) * math.pi / 200 == pytest.approx(2, rel=1e-4)


def test_columns_go_on_around_the_sphere():
    x = _random(1, 1, 4, 6)
    padded = pad_reflecting(x, 1, sphere=True)
    torch.testing.assert_close(padded[0, 0, 1:-1, 0], x[0, 0, :, -1])
    torch.testing.assert_close(padded[0, 0, 1:-1, -1], x[0, 0, :, 0])


def test_gradients_of_the_operators():
    x, weight, bias = _random(2, 2, 4, 4), _random(2, 2, 3, 3, name="w"), _random(2, 2, name="b")
    check_gradient(lambda x, w, b: convolve_per_sample(x, w[:, :, None], b), (x, weight, bias))
    offsets = 0.3 * _random(2, 18, 4, 4, name="o")
    check_gradient(lambda x, w, o: depthwise(x, w, offsets=o), (x, weight, offsets))
    check_gradient(lambda x, w: depthwise(x, w, geometry=Geometry(sphere=True)), (x, weight))


@pytest.mark.parametrize("stroke", [0.0, -1.0, math.nan, math.inf])
def test_strokes_that_are_no_distances_are_refused(stroke):
    with pytest.raises(ValueError, match="stroke must be positive"):
        Geometry(stroke=stroke)
