"""Figures hold what they are given; projections of spheres point the right way."""

import math

import numpy as np
import pytest
import torch
from tiny_networks import tiny_transfer

from din_style import showcases
from din_style.drawn_styles import draw_styles
from din_style.figures import (
    codes_map,
    grid_picture,
    latency_figure,
    loss_scatter,
    sweep_figure,
    training_curve,
)
from din_style.sphere_views import flat_view
from tenfold_shared.seeds import torch_stream


def square(level: float) -> np.ndarray:
    return np.full((3, 8, 8), level, np.float32)


def test_grid_has_styles_above_and_contents_to_the_left():
    cells = [[square(0.5), square(0.6)]]
    grid = grid_picture([square(0.1)], [square(0.2), square(0.3)], cells)
    assert grid.shape == (3, 3 + 2 * 11, 3 + 3 * 11)
    levels = grid[0, [7, 18]][:, [7, 18, 29]]
    np.testing.assert_allclose(levels, [[1.0, 0.2, 0.3], [0.1, 0.5, 0.6]], atol=1e-6)
    with pytest.raises(ValueError, match="rows of"):
        grid_picture([square(0)], [square(0)], cells)


def test_drawn_styles_are_pictures_that_differ_and_repeat():
    first, again, other = draw_styles(size=32), draw_styles(size=32), draw_styles(size=32, seed=1)
    for name, picture in first.items():
        assert picture.shape == (3, 32, 32)
        assert picture.std() > 0.03
        assert torch.equal(picture, again[name])
        assert not torch.equal(picture, other[name])


def test_views_of_a_sphere_point_the_right_way():
    height = 64
    phi = (0.5 - (torch.arange(height) + 0.5) / height) * math.pi
    lam = ((torch.arange(2 * height) + 0.5) / height - 1) * math.pi
    up = torch.sin(phi)[:, None].expand(-1, 2 * height)
    ahead = torch.cos(phi)[:, None] * torch.cos(lam)
    right = torch.cos(phi)[:, None] * torch.sin(lam)
    globe = torch.stack([ahead, right, up])  # each pixel holds its own direction
    for latitude, longitude in ((90, 0), (-90, 0), (0, 0), (0, 180), (30, -70)):
        view = flat_view(globe, latitude=latitude, longitude=longitude, size=33)
        a, b = math.radians(latitude), math.radians(longitude)
        expected = [math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)]
        np.testing.assert_allclose(view[:, 16, 16].numpy(), expected, atol=0.03)
    view = flat_view(globe, latitude=0, longitude=0, size=33)
    assert view[2, 0, 16] > 0.5 > view[2, 32, 16]  # up is above
    assert view[1, 16, 32] > 0.5 > view[1, 16, 0]  # right is to the right
    with pytest.raises(ValueError, match="field_of_view"):
        flat_view(globe, field_of_view=180)


def test_a_view_across_the_seam_has_none():
    globe = showcases.drawn_globe(height=64)
    seam = flat_view(globe, latitude=0, longitude=180, size=48)
    middle = flat_view(globe.roll(64, 2), latitude=0, longitude=0, size=48)
    torch.testing.assert_close(seam, middle)


def test_charts():
    figure = latency_figure({"fast": ([32, 64], [0.1, 0.4])})
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    figure = loss_scatter({"a": (1.0, 2.0), "b": (2.0, 1.0)})
    assert len(figure.axes[0].collections) == 2
    rows = [{"step": i, "style": 3.0 - i / 100, "content": 1.0} for i in range(100)]
    curve = training_curve(rows).axes[0].get_lines()[0].get_ydata()
    assert curve[0] == 3.0
    assert 2.0 < curve[-1] < 2.1
    with pytest.raises(ValueError, match="no style loss"):
        training_curve([{"step": 1}])
    assert len(sweep_figure([[square(0)] * 2] * 3, [["a", "b"]] * 3).axes) == 6


def test_codes_of_one_kind_lie_together():
    random = np.random.default_rng(0)
    centers = random.normal(size=(2, 30)) * 5
    codes = np.concatenate([c + random.normal(size=(9, 30)) for c in centers])
    figure = codes_map(codes, ["a"] * 9 + ["b"] * 9)
    first, second = (np.asarray(c.get_offsets())[:, 0] for c in figure.axes[0].collections)
    assert first.max() < second.min() or second.max() < first.min()
    with pytest.raises(ValueError, match="three styles"):
        codes_map(codes[:2], ["a", "b"])


def test_showcases_of_a_tiny_network():
    transfer = tiny_transfer()
    stream = torch_stream(0, "showcases")
    content = torch.rand(3, 40, 48, generator=stream)
    codes = [transfer.encode(torch.rand(3, 40, 40, generator=stream)) for _ in range(2)]
    assert len(showcases.strengths(transfer, content, codes[0]).axes) == 5
    assert len(showcases.strokes(transfer, content, codes[0]).axes) == 5
    assert len(showcases.strength_and_strokes(transfer, content, *codes).axes) == 10
    assert len(showcases.stroke_map(transfer, content, codes[0]).axes) == 4
    globe = showcases.drawn_globe(height=32)
    assert len(showcases.pole(transfer, globe, codes[0]).axes) == 6
    triangle = showcases.mixing_triangle(transfer, content, *codes, steps=2)
    assert sorted(triangle) == [(0, 0), (0, 0.5), (0, 1), (0.5, 0), (0.5, 0.5), (1, 0)]
    np.testing.assert_array_equal(triangle[0, 0], content.numpy())
    np.testing.assert_array_equal(triangle[1, 0], transfer.stylize(content, codes[0]).numpy())
    assert len(showcases.mixing(transfer, content, codes, ["a", "b"]).axes) == 1
    passes = showcases.compared_passes(transfer)
    assert len(showcases.latency(passes, [32, 64]).axes[0].get_lines()) == 3
    with pytest.raises(ValueError, match="at least 32"):
        showcases.latency(passes, [16])
