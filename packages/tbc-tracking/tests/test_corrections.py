"""Corrections by hand stay exactly as they are, keep their names, and never make a name occur twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_programs import candidates_at

from tbc_tracking.config import (
    CandidateConfig,
    FlowConfig,
    LinkConfig,
    SolverConfig,
    TrackConfig,
    WindowConfig,
)
from tbc_tracking.corrections import FixedPoints, explained_by
from tbc_tracking.counting_windows import build_windows
from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.inference import track_density
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.simulation import simulate_density
from tbc_tracking.tracks import Tracks

SIZE = ObjectSize(intercept=1.6)
SHAPE = (34, 36)
FRAMES = 14
TRUTH = simulate_crowd(FRAMES, SHAPE, size=SIZE, seed=4, config=CrowdConfig(people=7))
MAPS = simulate_density(TRUTH, SHAPE, size=SIZE, seed=4)


def config(*, block_frames=5, overlap_frames=2, gap_frames=1, solver="paths"):
    return TrackConfig(
        candidates=CandidateConfig(iterations=15),
        windows=WindowConfig(pixels=5, stride=0.6),
        flow=FlowConfig(gap_frames=gap_frames, density=0.0, entry=0.5, exit=0.5),
        solver=SolverConfig(solver=solver),
        links=LinkConfig(stitch_frames=4),
        block_frames=block_frames,
        overlap_frames=overlap_frames,
    )


def points_of(tracks):
    return {
        (int(t), int(k)): (x, y)
        for t, k, x, y in zip(tracks.frame, tracks.id, tracks.x, tracks.y, strict=True)
    }


def assert_kept(fixed, result):
    """Check that every settled point is in the result, in its place and under its name."""
    found = points_of(result.tracks)
    for key, place in points_of(fixed).items():
        assert found[key] == pytest.approx(place, abs=1e-9)
    rows = np.isin(result.tracks.frame * 10**6 + result.tracks.id, fixed.frame * 10**6 + fixed.id)
    assert (result.tracks.confidence[rows] == 1).all()
    assert not result.tracks.interpolated[rows].any()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_corrections_stay_fixed_and_names_occur_once(data):
    random = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    share = data.draw(st.sampled_from([0.03, 0.2, 0.7]))
    rows = random.random(len(TRUTH)) < share
    names = TRUTH.id[rows]
    if data.draw(st.booleans()):  # a confused user: names change, wander and return
        names = random.integers(1, 6, rows.sum())
    frame, x, y = (column[rows] for column in (TRUTH.frame, TRUTH.x, TRUTH.y))
    x = x + random.normal(0, data.draw(st.sampled_from([0.0, 3.0])), len(x))
    _, first = np.unique(frame * 10**6 + names, return_index=True)
    fixed = Tracks.from_rows(frame[first], names[first], x=x[first], y=y[first], length=FRAMES)
    settings = config(
        block_frames=data.draw(st.sampled_from([1, 3, 5, 50])),
        overlap_frames=data.draw(st.integers(0, 4)),
        gap_frames=data.draw(st.integers(0, 3)),
    )
    # Tracks refuse a name that occurs twice in a frame, so arriving here proves that none does.
    result = track_density(MAPS, size=SIZE, config=settings, fixed=fixed)
    assert_kept(fixed, result)
    assert result.tracks.length == FRAMES


def test_the_truth_given_by_hand_comes_back_and_nothing_else():
    result = track_density(MAPS, size=SIZE, config=config(), fixed=TRUTH)
    assert_kept(TRUTH, result)
    assert len(result.tracks) <= 1.05 * len(TRUTH)
    assert len(track_density(MAPS, size=SIZE, config=config()).tracks) != len(result.tracks)


def test_a_corrected_piece_gives_its_name_to_the_rest_of_the_track():
    longest = int(TRUTH.ids[np.argmax([(TRUTH.id == k).sum() for k in TRUTH.ids])])
    mine = TRUTH.select(TRUTH.id == longest)
    middle = mine.select((mine.frame >= 5) & (mine.frame <= 7))
    fixed = Tracks.from_rows(middle.frame, 777, x=middle.x, y=middle.y, length=FRAMES)
    for block_frames in (4, 50):
        result = track_density(
            MAPS, size=SIZE, config=config(block_frames=block_frames), fixed=fixed
        )
        assert_kept(fixed, result)
        named = result.tracks.select(result.tracks.id == 777)
        assert len(named) >= 0.7 * len(mine), "the name must run through"
        place = points_of(mine)
        near = [
            np.hypot(x - place[t, longest][0], y - place[t, longest][1]) < 3
            for (t, _), (x, y) in points_of(named).items()
            if (t, longest) in place
        ]
        assert np.mean(near) > 0.8


def test_names_may_be_large():
    fixed = TRUTH.select(TRUTH.id == TRUTH.id[0])
    fixed = Tracks.from_rows(fixed.frame, 10**12, x=fixed.x, y=fixed.y, length=FRAMES)
    result = track_density(MAPS, size=SIZE, config=config(), fixed=fixed)
    assert 10**12 in result.tracks.ids


def test_a_point_where_the_map_has_nothing_stays_too():
    fixed = Tracks.from_rows([3, 4], [9, 9], x=[2.0, 2.5], y=[30.0, 30.0], length=FRAMES)
    empty = np.zeros_like(MAPS)
    result = track_density(empty, size=SIZE, config=config(), fixed=fixed)
    assert_kept(fixed, result)
    assert len(result.tracks) == 2


def test_far_points_of_one_name_are_not_joined_by_a_line():
    fixed = Tracks.from_rows(
        [0, 2, 12], [9, 9, 9], x=[2.0, 2.5, 30.0], y=[30.0, 30.0, 3.0], length=FRAMES
    )
    result = track_density(np.zeros_like(MAPS), size=SIZE, config=config(), fixed=fixed)
    assert result.tracks.frame.tolist() == [0, 1, 2, 12]
    assert result.tracks.interpolated.tolist() == [False, True, False, False]


def test_settled_points_count_once():
    # One object, settled by hand: its own peak must not become a second one beside it.
    lone = TRUTH.select((TRUTH.id == TRUTH.id[0]) & (TRUTH.frame < 4))
    maps = simulate_density(lone, SHAPE, size=SIZE, seed=1)[:4]
    beside = Tracks.from_rows(lone.frame, 5, x=lone.x + 0.8, y=lone.y, length=4)
    result = track_density(maps, size=SIZE, config=config(), fixed=beside)
    assert result.tracks.ids.tolist() == [5]


def test_what_is_settled_is_explained_on_the_same_windows_under_any_perspective():
    size = ObjectSize(intercept=0.8, slope=0.15)
    fixed = FixedPoints(
        frame=np.array([1, 1]),
        x=np.array([9.0, 20.0]),
        y=np.array([2.0, 4.0]),
        track=np.array([1, 2]),
    )
    settings = WindowConfig(extent=2.7, stride=0.6)
    explained = explained_by(fixed, MAPS[:3], 0, size, settings)
    sigma = float(size.at(SHAPE[0] / 2))
    windows = build_windows(
        MAPS[:3], candidates_at([(0, 3.0, 30.0)], length=3), settings, sigma=sigma
    )
    assert np.shape(explained) == windows.counts.shape
    assert np.sum(explained) == pytest.approx(2 * windows.coverage, rel=0.2)
    far = simulate_density(TRUTH, SHAPE, size=size, seed=1)
    upper = TRUTH.select(TRUTH.y < 12)
    assert_kept(upper, track_density(far, size=size, config=config(), fixed=upper))


def test_candidates_give_way_to_settled_points():
    fixed = FixedPoints(
        frame=np.array([1]), x=np.array([5.0]), y=np.array([5.0]), track=np.array([1])
    )
    candidates = candidates_at([(0, 5.0, 5.0), (1, 5.5, 5.0), (1, 5.0, 7.0)], sigma=1.6)
    left = fixed.displace(candidates, SIZE)
    assert list(zip(left.frame, left.y, strict=True)) == [(0, 5.0), (1, 7.0)]
    assert FixedPoints.none().displace(candidates, SIZE) is candidates


def test_late_points_are_dropped_with_a_warning_and_wrong_names_refused():
    late = Tracks.from_rows([2, 40], [1, 1], x=[5.0, 5.0], y=[5.0, 5.0], length=50)
    result = track_density(MAPS, size=SIZE, config=config(), fixed=late)
    assert any(
        "1 points settled by hand lie after the last of 14 frames" in w for w in result.warnings
    )
    wrong = Tracks.from_rows([2], [0], x=[5.0], y=[5.0], length=FRAMES)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        track_density(MAPS, size=SIZE, config=config(), fixed=wrong)


def test_no_corrections_change_nothing():
    nothing = Tracks.from_rows([], [], x=[], y=[], length=FRAMES)
    plain = track_density(MAPS, size=SIZE, config=config())
    empty = track_density(MAPS, size=SIZE, config=config(), fixed=nothing)
    np.testing.assert_array_equal(plain.tracks.id, empty.tracks.id)
    np.testing.assert_array_equal(plain.tracks.x, empty.tracks.x)


@pytest.mark.parametrize("solver", ["highs"])
def test_exact_solvers_keep_corrections_too(solver):
    fixed = TRUTH.select((TRUTH.id % 3 == 0) & (TRUTH.frame < 8))
    short = Tracks.from_rows(fixed.frame, fixed.id, x=fixed.x, y=fixed.y, length=FRAMES)
    assert_kept(short, track_density(MAPS, size=SIZE, config=config(solver=solver), fixed=short))


def test_corrections_after_the_last_frame_change_nothing():
    maps = MAPS.copy()
    maps[5:8] = 0  # gaps that stitching closes
    late = Tracks.from_rows([FRAMES + 3], [1], x=[5.0], y=[5.0])
    alone = track_density(maps, size=SIZE, config=config())
    unstitched = track_density(maps, size=SIZE, config=config(), fixed=TRUTH.between(0, 1))
    assert len(unstitched.tracks.ids) > len(alone.tracks.ids), "test invalid: nothing to stitch"
    corrected = track_density(maps, size=SIZE, config=config(), fixed=late)
    assert len(corrected.tracks.ids) == len(alone.tracks.ids)
    np.testing.assert_array_equal(corrected.tracks.x, alone.tracks.x)
    assert any("were dropped" in sentence for sentence in corrected.warnings)
