"""Crossings and regions that can be counted by hand, and their conservation laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbc_tracking.line_counts import (
    count_crossings,
    count_in_region,
    density_in_region,
    points_in_polygon,
)
from tbc_tracking.tracks import Tracks

SQUARE = [(10, 10), (20, 10), (20, 20), (10, 20)]


def walk(*paths, length=None, frame_interval=None):
    rows = [
        (frame, name, x, y)
        for name, path in enumerate(paths, start=1)
        for frame, place in enumerate(path)
        if place
        for x, y in [place]
    ]
    frame, name, x, y = zip(*rows, strict=True)
    return Tracks.from_rows(frame, name, x=x, y=y, length=length, frame_interval=frame_interval)


def test_directions_are_those_of_somebody_who_looks_along_the_line():
    # The line runs to the right of the picture; y points down, so going down is going right.
    tracks = walk([(5, 0), (5, 4), (5, 8)], [(3, 9), (3, 2), (3, 1)])
    counts = count_crossings(tracks, (0, 5), (10, 5))
    assert (counts.to_right.tolist(), counts.to_left.tolist()) == ([1], [1])
    turned = count_crossings(tracks.select(tracks.id == 1), (10, 5), (0, 5))
    assert (turned.to_right.tolist(), turned.to_left.tolist()) == ([0], [1])


def test_who_passes_beside_the_segment_does_not_cross_it():
    tracks = walk([(11, 0), (11, 9)], [(10, 0), (10, 9)], [(0, 0), (0, 9)])
    assert count_crossings(tracks, (0, 5), (10, 5)).to_right.tolist() == [1], (
        "one end belongs to it"
    )
    parts = [((0, 5), (10, 5)), ((10, 5), (20, 5))]
    assert sum(int(count_crossings(tracks, *part).to_right[0]) for part in parts) == 3


def test_a_gap_is_a_straight_line_and_belongs_to_the_frame_of_arrival():
    tracks = walk([(5, 0), None, None, (5, 9)], length=6, frame_interval=0.5)
    counts = count_crossings(tracks, (0, 5), (10, 5), interval=2)
    assert counts.first_frame.tolist() == [0, 2, 4]
    assert counts.to_right.tolist() == [0, 1, 0]
    assert counts.per_minute(counts.to_right).tolist() == [0, 60, 0]


def test_the_last_interval_may_be_shorter_and_rates_know_it():
    tracks = walk([(5, 0), (5, 0), (5, 9)], frame_interval=1.0)
    counts = count_crossings(tracks, (0, 5), (10, 5), interval=2)
    assert counts.frames.tolist() == [2, 1]
    assert counts.per_minute(counts.net).tolist() == [0, 60]


def test_rates_without_seconds_are_refused():
    counts = count_crossings(walk([(5, 0), (5, 9)]), (0, 5), (10, 5))
    with pytest.raises(ValueError, match="rates need frame_interval"):
        counts.per_minute(counts.net)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_net_over_a_closed_line_is_what_changed_inside(seed):
    random = np.random.default_rng(seed)
    path = random.random((30, 2)) * 30
    tracks = walk([tuple(point) for point in path.tolist()])
    sides = list(zip(SQUARE, SQUARE[1:] + SQUARE[:1], strict=True))
    # Around the square in this order, its inside lies to the right.
    net = sum(int(count_crossings(tracks, *side).net[0]) for side in sides)
    inside = points_in_polygon(path, SQUARE)
    assert net == int(inside[-1]) - int(inside[0])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_points_in_a_triangle_are_those_on_the_inner_side_of_all_edges(seed):
    random = np.random.default_rng(seed)
    corners, points = random.random((3, 2)), random.random((50, 2))
    edges = np.roll(corners, -1, axis=0) - corners
    offset = points[:, None] - corners
    side = edges[:, 0] * offset[..., 1] - edges[:, 1] * offset[..., 0]
    expected = (side > 0).all(1) | (side < 0).all(1)
    np.testing.assert_array_equal(points_in_polygon(points, corners.tolist()), expected)


def test_a_region_counts_its_tracks_and_who_moves_in_and_out():
    tracks = walk([(5, 15), (15, 15), (15, 16), (25, 15)], [(15, 12), (15, 12), (15, 12), (15, 12)])
    counts = count_in_region(tracks, SQUARE, interval=2)
    assert counts.per_frame.tolist() == [1, 2, 2, 1]
    assert counts.mean.tolist() == [1.5, 1.5]
    assert (counts.entered.tolist(), counts.left.tolist()) == ([1, 0], [0, 1])


def test_the_density_of_a_region_is_the_mass_inside_at_any_scale():
    maps = np.zeros((2, 30, 40), np.float32)
    maps[0, 15, 15] = maps[1, 5, 5] = 1
    maps[1, 12, 18] = 2
    assert density_in_region(iter(maps), SQUARE).tolist() == [1, 2]
    small = maps.reshape(2, 15, 2, 20, 2).sum(axis=(2, 4))
    assert density_in_region(small, SQUARE, scale=0.5).tolist() == [1, 2]


def test_no_tracks_give_no_counts():
    nobody = Tracks.from_rows([], [], x=[], y=[], length=4)
    assert count_crossings(nobody, (0, 0), (1, 0), interval=2).net.tolist() == [0, 0]
    assert count_in_region(nobody, SQUARE).per_frame.tolist() == [0, 0, 0, 0]
    nothing = Tracks.from_rows([], [], x=[], y=[])
    assert count_in_region(nothing, SQUARE).mean.tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: count_crossings(t, (1, 1), (1, 1)), "two different points"),
        (lambda t: count_crossings(t, (0, 0), (1, 1), interval=0), "at least 1 frame"),
        (lambda t: count_in_region(t, SQUARE[:2]), "three or more corners"),
        (lambda t: count_in_region(t, [*SQUARE, (float("nan"), 0)]), "must be finite"),
        (lambda t: density_in_region([], SQUARE, scale=0), "scale must be positive"),
    ],
)
def test_impossible_questions_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(walk([(0, 0), (1, 1)]))
