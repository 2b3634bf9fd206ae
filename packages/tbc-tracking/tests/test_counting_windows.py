"""Counts by loops, weights by numerical integration, and the truth without residual on a noise-free map."""

import numpy as np
import pytest
from tiny_programs import SHAPE, candidates_at, render

from tbc_tracking import counting_windows
from tbc_tracking.config import WindowConfig
from tbc_tracking.counting_windows import build_windows, window_extent

CONFIGS = {
    "kernel": WindowConfig(kind="kernel", pixels=5, stride=0.6),
    "kernel, even side": WindowConfig(kind="kernel", pixels=4, stride=0.5),
    "kernel, deep": WindowConfig(kind="kernel", pixels=3, stride=1.0, depth=2),
    "hard": WindowConfig(kind="hard", pixels=7, stride=0.6),
    "hard, deep": WindowConfig(kind="hard", pixels=7, stride=0.4, depth=3),
}


def scene(seed=0, frames=4, count=9, sigma=1.2):
    random = np.random.default_rng(seed)
    height, width = SHAPE
    points = [
        (random.integers(frames), random.uniform(-0.5, width - 0.5), random.uniform(-0.5, height - 0.5))
        for _ in range(count)
    ]  # fmt: skip
    points += [(0, 0.0, 0.0), (frames - 1, width - 1.0, height - 1.0), (1, -0.49, 7.0)]
    candidates = candidates_at(points, sigma=sigma, length=frames)
    candidates.sigma[::2] *= 1.3
    return random.random((frames, *SHAPE), np.float32), candidates


def spans(windows, r):
    """Return the first and the last frame, row and column (exclusive) of a window, cut at nothing."""
    t, top, left = int(windows.frame[r]), int(windows.top[r]), int(windows.left[r])
    return t, t + windows.depth, top, top + windows.extent, left, left + windows.extent


@pytest.mark.parametrize("name", CONFIGS)
def test_counts_are_the_sums_of_loops(name):
    maps, candidates = scene()
    windows = build_windows(maps, candidates, CONFIGS[name])
    for r in range(0, len(windows.counts), 3):
        t0, t1, y0, y1, x0, x1 = spans(windows, r)
        expected = sum(
            float(maps[t, y, x])
            for t in range(max(t0, 0), min(t1, len(maps)))
            for y in range(max(y0, 0), min(y1, SHAPE[0]))
            for x in range(max(x0, 0), min(x1, SHAPE[1]))
        )
        assert windows.counts[r] == pytest.approx(expected, abs=1e-5)


def share_of_gaussian(lower, upper, center, sigma, size, steps=400):
    """Integrate a Gaussian over an interval and divide by what lies in the frame, by midpoints."""

    def mass(a, b):
        a, b = max(a, -0.5), min(b, size - 0.5)
        if b <= a:
            return 0.0
        at = a + (np.arange(steps) + 0.5) * (b - a) / steps
        return float(np.exp(-0.5 * ((at - center) / sigma) ** 2).sum() * (b - a) / steps)

    return mass(lower, upper) / mass(-0.5, size - 0.5)


@pytest.mark.parametrize("name", ["kernel", "kernel, even side", "kernel, deep"])
def test_kernel_weights_are_integrals_of_the_own_gaussian(name):
    maps, c = scene()
    windows = build_windows(maps, c, CONFIGS[name])
    weights = windows.weights.toarray()
    assert weights.shape == (len(c), len(windows.counts))
    for v in range(len(c)):
        for r in range(v % 3, weights.shape[1], 3):
            t0, t1, y0, y1, x0, x1 = spans(windows, r)
            expected = 0.0
            if t0 <= c.frame[v] < t1:
                expected = share_of_gaussian(
                    y0 - 0.5, y1 - 0.5, c.y[v], c.sigma[v], SHAPE[0]
                ) * share_of_gaussian(x0 - 0.5, x1 - 0.5, c.x[v], c.sigma[v], SHAPE[1])
            assert weights[v, r] == pytest.approx(expected, abs=1.1e-3)


@pytest.mark.parametrize("name", ["hard", "hard, deep"])
def test_hard_weights_are_one_inside_and_zero_outside(name):
    maps, c = scene()
    windows = build_windows(maps, c, CONFIGS[name])
    weights = windows.weights.toarray()
    for v in range(len(c)):
        for r in range(weights.shape[1]):
            t0, t1, y0, y1, x0, x1 = spans(windows, r)
            inside = (
                t0 <= c.frame[v] < t1
                and y0 - 0.5 <= c.y[v] < y1 - 0.5
                and x0 - 0.5 <= c.x[v] < x1 - 0.5
            )
            assert weights[v, r] == float(inside)
    assert 0 < weights.mean() < 1


@pytest.mark.parametrize("name", CONFIGS)
def test_every_pixel_lies_in_about_as_many_windows(name):
    maps, c = scene(frames=6)
    windows = build_windows(maps, c, CONFIGS[name])
    cover = np.zeros(maps.shape)
    for r in range(len(windows.counts)):
        t0, t1, y0, y1, x0, x1 = spans(windows, r)
        cover[max(t0, 0) : t1, max(y0, 0) : y1, max(x0, 0) : x1] += 1
    assert cover.min() >= 1, "every pixel must be counted"
    assert cover.mean() == pytest.approx(windows.coverage, rel=0.25)
    if windows.extent % round(CONFIGS[name].stride * windows.extent) == 0:
        assert (cover == windows.coverage).all()
    for axis, start in ((1, windows.top), (2, windows.left)):
        assert start.min() < 0 or CONFIGS[name].stride == 1, "windows overhang the border"
        assert start.max() + windows.extent >= maps.shape[axis]


@pytest.mark.parametrize(
    "place", [(9.0, 8.0), (9.4, 7.7), (0.0, 0.0), (17.4, 15.4), (-0.4, 8.0), (17.0, 0.3)]
)
def test_the_truth_leaves_no_residual_on_a_noise_free_map(place, monkeypatch):
    points = [(0, *place), (0, 9.0, 5.0)]
    candidates = candidates_at(points, sigma=1.2)
    maps = render(points, frames=1, sigma=1.2)
    monkeypatch.setattr(counting_windows, "SMALLEST_WEIGHT", 0.0)

    def worst(kind, pixels):
        windows = build_windows(maps, candidates, WindowConfig(kind=kind, pixels=pixels))
        return np.abs(windows.counts - windows.weights.sum(axis=0)).max()

    assert worst("hard", 6) > 0.1, "hard windows are no forward model"
    # What is missing lies beyond four sigma.
    assert worst("kernel", 3) < 1e-4
    assert worst("kernel", 6) < 1e-4


def test_small_weights_are_left_out_at_little_cost():
    points = [(0, 9.0, 8.0)]
    candidates, maps = candidates_at(points), render(points, frames=1)
    windows = build_windows(maps, candidates, WindowConfig(kind="kernel", pixels=3))
    assert windows.weights.data.min() >= counting_windows.SMALLEST_WEIGHT
    left_out = np.abs(windows.counts - windows.weights.sum(axis=0)).sum() / windows.coverage
    assert left_out < 0.02


@pytest.mark.parametrize("kind", ["kernel", "hard"])
def test_an_object_missed_in_a_corner_costs_as_much_as_one_inside(kind):
    def missed(x, y):
        points = [(0, x, y)]
        windows = build_windows(
            render(points, frames=1), candidates_at(points), WindowConfig(kind=kind, pixels=6, stride=0.5)
        )  # fmt: skip
        return windows.counts.sum() / windows.coverage

    inside = missed(8.0, 8.0)
    assert inside == pytest.approx(1, abs=0.01)
    for corner in ((0.0, 0.0), (17.0, 0.0), (17.4, 15.4)):
        assert missed(*corner) == pytest.approx(inside, abs=0.01)


def test_window_sides_follow_sigma_and_are_odd():
    config = WindowConfig(extent=2.7)
    assert [window_extent(s, config) for s in (0.3, 1.2, 2.0, 3.0)] == [3, 3, 5, 9]
    maps, candidates = scene()
    assert build_windows(maps, candidates, config, sigma=3.0).extent == 9
    assert build_windows(maps, candidates, config).extent == 3


def test_no_candidates_have_counts_and_no_weights():
    maps, _ = scene()
    windows = build_windows(maps, candidates_at([], length=len(maps)), WindowConfig(pixels=3))
    assert windows.weights.shape == (0, len(windows.counts))
    assert windows.counts.sum() > 0


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (WindowConfig(pixels=17), "17 pixels does not fit into frames of 18x16.*smaller window extent"),
        (WindowConfig(pixels=3, depth=5), "5 frames are deeper than the video of 4.*smaller depth"),
        (
            WindowConfig(kind="hard", pixels=5),
            r"at least 4.5 sigma = 5.4 pixels wide, got 5.*widen them or use kernel windows",
        ),
    ],
)  # fmt: skip
def test_windows_that_cannot_count_are_refused(config, sentence):
    maps, _ = scene()
    with pytest.raises(ValueError, match=sentence):
        build_windows(maps, candidates_at([(0, 3.0, 3.0)], sigma=1.2, length=4), config)
