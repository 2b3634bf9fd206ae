"""Velocity relink and stitching against a reading of their definitions in loops; gaps on straight lines."""

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbc_tracking.config import LinkConfig
from tbc_tracking.stitching import (
    assign_within,
    fill_gaps,
    preceding_points,
    relink_by_velocity,
    stitch,
)
from tbc_tracking.tracks import Tracks

SIGMA = 2.0


def tracks_of(rows, **given):
    """Return tracks from rows (frame, id, x, y)."""
    frame, name, x, y = np.array(rows, float).reshape(-1, 4).T
    return Tracks.from_rows(frame.astype(int), name.astype(int), x=x, y=y, **given)


def sigmas(tracks):
    return np.full(len(tracks), SIGMA)


def links_of(tracks):
    """Return the links as pairs of (frame, x, y)."""
    preceding = preceding_points(tracks)
    place = list(zip(tracks.frame.tolist(), tracks.x.tolist(), tracks.y.tolist(), strict=True))
    return {(place[preceding[k]], place[k]) for k in range(len(tracks)) if preceding[k] >= 0}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_an_assignment_within_a_limit_is_the_cheapest_of_all(seed, rows, columns):
    cost = np.random.default_rng(seed).uniform(0, 2, (rows, columns))
    found = assign_within(cost, 1.0)
    assert (cost[found] < 1).all()

    def price(pairs):
        return sum(cost[pair] for pair in pairs) + (min(rows, columns) - len(pairs)) * 1.0

    every = [(a, b) for a in range(rows) for b in range(columns) if cost[a, b] < 1]
    best = min(
        price(pairs)
        for size in range(min(rows, columns) + 1)
        for pairs in combinations(every, size)
        if len({a for a, _ in pairs}) == len({b for _, b in pairs}) == size
    )
    assert price(list(zip(*found, strict=True))) == pytest.approx(best)


def test_nothing_to_assign_is_no_pair():
    rows, columns = assign_within(np.zeros((0, 3)), 1.0)
    assert len(rows) == len(columns) == 0


def crossing(swap_at=None):
    """Return two objects that cross; from `swap_at` on their names are exchanged."""
    rows = []
    for t in range(13):
        one, two = (1, 2) if swap_at is None or t < swap_at else (2, 1)
        rows += [(t, one, 2.0 * t, 12.0 + 0.2), (t, two, 24.0 - 2.0 * t, 12.0 - 0.2)]
    return tracks_of(rows)


def ways_through(tracks):
    """Return from where to where each track goes from one end of the video to the other."""
    ends = {}
    for k in tracks.ids:
        mine = tracks.x[tracks.id == k]
        ends[float(mine[0])] = float(mine[-1])
    return ends


def test_who_swapped_names_at_a_crossing_gets_them_back():
    config = LinkConfig(relink_passes=2, velocity_frames=3, reach=2.5)
    straight = {0.0: 24.0, 24.0: 0.0}
    for swap_at in (6, 7):
        swapped = crossing(swap_at)
        assert ways_through(swapped) == {0.0: 0.0, 24.0: 24.0}
        mended = relink_by_velocity(swapped, sigma=sigmas(swapped), config=config)
        assert ways_through(mended) == straight
    right = crossing()
    found = relink_by_velocity(right, sigma=sigmas(right), config=config)
    assert links_of(found) == links_of(right)
    assert ways_through(found) == straight


def mean_velocity(points, at, steps, direction):
    """Return the mean velocity of one track's last or next `steps` links at frame `at`, or zero."""
    frames = sorted(points)
    k = frames.index(at)
    other = frames[max(0, k - steps)] if direction < 0 else frames[min(len(frames) - 1, k + steps)]
    if other == at:
        return np.zeros(2)
    return (np.array(points[at]) - points[other]) / (at - other)


def relink_by_loops(tracks, config):
    """Reassign every pair of frames once, from the first to the last, over all permutations."""
    paths = {k: {} for k in tracks.ids.tolist()}
    for t, k, x, y in zip(tracks.frame, tracks.id, tracks.x, tracks.y, strict=True):
        paths[int(k)][int(t)] = np.array([x, y])
    before = {k: dict(p) for k, p in paths.items()}
    for t in range(tracks.length - 1):
        names = sorted(k for k, p in paths.items() if t in p and t + 1 in p)
        if len(names) < 2:
            continue
        # The way ahead is that of the links as they were before this pass.
        ahead = {}
        for k in names:
            place = paths[k][t + 1]
            origin = next(
                p for p in before.values() if t + 1 in p and np.array_equal(p[t + 1], place)
            )
            ahead[k] = mean_velocity(origin, t + 1, config.velocity_frames, +1)
        cost = np.full((len(names), len(names)), np.inf)
        for i, a in enumerate(names):
            v = mean_velocity(paths[a], t, config.velocity_frames, -1)
            for j, b in enumerate(names):
                p, q = paths[a][t], paths[b][t + 1]
                if np.hypot(*(q - p)) / SIGMA <= config.reach:
                    cost[i, j] = (
                        (np.hypot(*(p + v - q)) + np.hypot(*(q - ahead[b] - p))) / 2 / SIGMA
                    )
        best = min(
            permutations(range(len(names))),
            key=lambda order: sum(cost[i, j] for i, j in enumerate(order)),
        )
        tails = {k: {s: x for s, x in paths[k].items() if s > t} for k in names}
        for i, j in enumerate(best):
            kept = {s: x for s, x in paths[names[i]].items() if s <= t}
            paths[names[i]] = kept | tails[names[j]]
    return {
        ((s, *p[s]), (t, *p[t])) for p in paths.values() for s, t in zip(sorted(p), sorted(p)[1:], strict=False)
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(1, 3), st.floats(0.5, 3))
def test_relinking_is_the_cheapest_assignment_frame_by_frame(seed, people, steps, reach):
    random = np.random.default_rng(seed)
    rows = []
    for name in range(1, people + 1):
        place, speed = random.uniform(0, 8, 2), random.normal(0, 1, 2)
        rows += [
            (t, name, *(place + t * speed + random.normal(0, 0.3, 2)))
            for t in range(int(random.integers(0, 3)), int(random.integers(4, 8)))
            if random.random() < 0.9
        ]
    if not rows:
        return
    tracks = tracks_of(rows, length=8)
    config = LinkConfig(relink_passes=1, velocity_frames=steps, reach=reach)
    found = relink_by_velocity(tracks, sigma=sigmas(tracks), config=config)
    assert links_of(found) == {
        tuple((int(t), float(x), float(y)) for t, x, y in link) for link in relink_by_loops(tracks, config)
    }  # fmt: skip
    assert sorted(found.x) == sorted(tracks.x)


def test_relinking_keeps_points_gaps_and_units():
    rows = [(0, 1, 0.0, 0.0), (1, 1, 1.0, 0.0), (4, 1, 4.0, 0.0), (5, 1, 5.0, 0.0)]
    tracks = tracks_of(rows, length=9, pixel_size=0.5, frame_interval=2.0, width=3.0, height=4.0)
    found = relink_by_velocity(tracks, sigma=sigmas(tracks), config=LinkConfig(relink_passes=2))
    assert links_of(found) == links_of(tracks)
    assert (found.pixel_size, found.frame_interval, found.length) == (0.5, 2.0, 9)
    assert found.width.tolist() == [3.0] * 4


def pieces(random, count):
    """Return short tracks, as rows; many of them end where others begin."""
    rows, place, speed, t = [], random.uniform(0, 10, 2), random.normal(0, 1, 2), 0
    for name in range(1, count + 1):
        for _ in range(int(random.integers(1, 4))):
            rows.append((t, name, *place))
            t, place = t + 1, place + speed
        skip = int(random.integers(-1, 4))
        t, place = max(0, t + skip), place + skip * speed + random.normal(0, 1.5, 2)
        if random.random() < 0.4:
            t = max(0, t - 4)
    return rows


def stitched_by_loops(rows, config):
    """Return the best set of joins (end name, start name), by trying all of them."""
    paths = {}
    for t, name, x, y in rows:
        paths.setdefault(name, {})[t] = np.array([x, y])
    pairs = {}
    for a, p in paths.items():
        end = max(p)
        earlier = sorted(p)[max(0, len(p) - 1 - config.velocity_frames)]
        v = (p[end] - p[earlier]) / max(end - earlier, 1)
        for b, q in paths.items():
            g = min(q) - end
            if 2 <= g <= config.stitch_frames:
                missed = np.hypot(*(p[end] + config.inertia * g * v - q[min(q)])) / SIGMA
                if missed <= config.stitch_reach:
                    pairs[a, b] = missed + 0.1 * g
    best = (0, 0.0, ())
    for size in range(1, len(pairs) + 1):
        for chosen in combinations(pairs, size):
            if len({a for a, _ in chosen}) == len({b for _, b in chosen}) == size:
                total = -sum(pairs[pair] for pair in chosen)
                best = max(best, (size, total, chosen))
    return set(best[2])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([0.0, 1.0]))
def test_stitching_joins_the_most_and_then_the_nearest(seed, count, inertia):
    rows = pieces(np.random.default_rng(seed), count)
    tracks = tracks_of(rows)
    config = LinkConfig(stitch_frames=4, stitch_reach=2.0, velocity_frames=2, inertia=inertia)
    expected = stitched_by_loops(rows, config)
    found = stitch(tracks, sigma=sigmas(tracks), config=config)
    seen = found.select(~found.interpolated)
    name_at = {
        (int(t), float(x)): int(k) for t, k, x in zip(seen.frame, seen.id, seen.x, strict=True)
    }
    ends, starts = {}, {}
    for t, name, x, _ in rows:
        ends[name] = (t, x)
        starts.setdefault(name, (t, x))
    joined = {
        (a, b)
        for a in ends
        for b in starts
        if a != b and starts[b][0] > ends[a][0] and name_at[ends[a]] == name_at[starts[b]]
    }
    # Joins of three pieces imply that of the first and the last.
    assert expected <= joined
    assert len(found.ids) == len(tracks.ids) - len(expected)


def test_stitching_needs_the_velocity():
    rows = [(t, 1, 3.0 * t, 5.0) for t in range(4)] + [(t, 2, 3.0 * t, 5.0) for t in range(7, 10)]
    tracks = tracks_of(rows)
    still = LinkConfig(stitch_frames=5, stitch_reach=1.0, inertia=0.0)
    assert len(stitch(tracks, sigma=sigmas(tracks), config=still).ids) == 2
    found = stitch(
        tracks, sigma=sigmas(tracks), config=LinkConfig(stitch_frames=5, stitch_reach=1.0)
    )
    assert found.ids.tolist() == [1]
    assert found.frame.tolist() == list(range(10))
    np.testing.assert_allclose(found.x, 3.0 * np.arange(10))
    assert np.flatnonzero(found.interpolated).tolist() == [4, 5, 6]


def test_a_gap_of_the_limit_is_closed_and_one_more_is_not():
    for gap, ids in ((5, 1), (6, 2), (1, 2)):  # a step of one frame is the program's own affair
        rows = [(t, 1, 5.0, 5.0) for t in range(3)] + [
            (2 + gap, 2, 5.0, 5.0),
            (3 + gap, 2, 5.0, 5.0),
        ]
        tracks = tracks_of(rows)
        found = stitch(tracks, sigma=sigmas(tracks), config=LinkConfig(stitch_frames=5))
        assert len(found.ids) == ids


def test_gaps_are_filled_on_a_line_and_flagged():
    tracks = tracks_of(
        [(0, 4, 0.0, 8.0), (4, 4, 8.0, 0.0), (1, 9, 1.0, 1.0)], length=6,
        confidence=[1.0, 0.5, 0.7], parents={4: 9}, pixel_size=0.5, width=[2.0, 6.0, 1.0],
    )  # fmt: skip
    found = fill_gaps(tracks)
    mine = found.select(found.id == 4)
    np.testing.assert_allclose(mine.x, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(mine.y, [8, 6, 4, 2, 0])
    np.testing.assert_allclose(mine.confidence, [1, 0.875, 0.75, 0.625, 0.5])
    np.testing.assert_allclose(mine.width, [2, 3, 4, 5, 6])
    assert mine.interpolated.tolist() == [False, True, True, True, False]
    assert (found.length, found.parents, found.pixel_size) == (6, {4: 9}, 0.5)
    assert len(fill_gaps(found)) == len(found)
    assert len(fill_gaps(tracks, longest=4)) == len(found)
    assert len(fill_gaps(tracks, longest=3)) == len(tracks)
