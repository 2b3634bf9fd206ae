"""Time blocks: the same tracks as from the whole, names that run through, and a bounded number of frames in memory."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbc_tracking.config import (
    CandidateConfig,
    FlowConfig,
    LinkConfig,
    SolverConfig,
    TrackConfig,
    WindowConfig,
)
from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.inference import track_density
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.point_metrics import evaluate_points
from tbc_tracking.simulation import simulate_density
from tbc_tracking.time_blocks import BlockSolver, split_into_blocks
from tbc_tracking.tracks import Tracks

SIZE = ObjectSize(intercept=1.6)
SHAPE = (40, 50)


def config(**given):
    values = {
        "candidates": CandidateConfig(iterations=15, copy_frames=2),
        "windows": WindowConfig(pixels=5, stride=0.6),
        "flow": FlowConfig(gap_frames=1, density=0.0, move=0.1),
        "links": LinkConfig(relink_passes=0, stitch_frames=0),
        "block_frames": 10,
        "overlap_frames": 5,
    }
    return TrackConfig(**(values | given))


@pytest.fixture(scope="module")
def crowd():
    truth = simulate_crowd(
        40, SHAPE, size=SIZE, seed=2, config=CrowdConfig(people=9, companions=0.0)
    )
    return truth, simulate_density(truth, SHAPE, size=SIZE, seed=3)


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(0, 40),
    block=st.integers(1, 12),
    overlap=st.integers(0, 8),
    copies=st.integers(0, 4),
)
def test_blocks_settle_every_frame_once_and_see_their_surroundings(length, block, overlap, copies):
    maps = [np.full((2, 2), k, np.float32) for k in range(length)]
    settings = config(
        block_frames=block, overlap_frames=overlap, candidates=CandidateConfig(copy_frames=copies)
    )
    parts = list(split_into_blocks(maps, settings))
    if not length:
        assert not parts
        return
    settled = []
    for context, start, stop, part, last in parts:
        seen = part[:, 0, 0].astype(int).tolist()
        ahead = min(length, stop + overlap)
        assert context == min(copies, start)
        assert seen == list(range(start - context, length if last else ahead))
        settled += range(start, stop)
    assert settled == list(range(length))
    assert [last for *_, last in parts] == [False] * (len(parts) - 1) + [True]


class _Counted:
    """Maps that tell how many of them are alive, and how many have been asked for."""

    def __init__(self, maps):
        self.maps, self.alive, self.most, self.asked = maps, 0, 0, 0

    def __iter__(self):
        for image in self.maps:
            image = image.copy()
            self.alive += 1
            self.asked += 1
            self.most = max(self.most, self.alive)
            weakref.finalize(image, self._gone)
            yield image
            del image

    def _gone(self):
        self.alive -= 1


def test_frames_are_asked_for_as_they_are_needed_and_forgotten(crowd):
    _, maps = crowd
    settings = config(block_frames=6, overlap_frames=3)
    counted = _Counted(maps)
    for number, (*_, part, last) in enumerate(split_into_blocks(counted, settings), 1):
        assert counted.asked <= 6 * number + 3 + 1, (
            "one frame ahead tells whether a block is the last"
        )
        assert len(part) <= 2 + 6 + 3
        del part
        if not last:
            assert counted.alive <= 2 + 6 + 3 + 1
    assert counted.most <= 2 + 6 + 3 + 1
    assert counted.asked == len(maps)


@pytest.mark.parametrize(("block", "asked"), [(5, [9, 14, 19, 24, 29, 34, 39, 40]), (1000, [40])])
def test_a_block_is_settled_before_more_of_the_video_is_read(crowd, block, asked, monkeypatch):
    _, maps = crowd
    counted = _Counted(maps)
    seen = []
    settle = BlockSolver.settle

    def watched(self, part, **given):
        seen.append(counted.asked)
        return settle(self, part, **given)

    monkeypatch.setattr(BlockSolver, "settle", watched)
    result = track_density(counted, size=SIZE, config=config(block_frames=block, overlap_frames=3))
    assert seen == asked
    assert result.tracks.length == len(maps)
    assert counted.most <= 2, "the caller's frames are not kept"


def test_blocks_track_as_well_as_the_whole(crowd):
    truth, maps = crowd

    def score(block, overlap):
        settings = config(block_frames=block, overlap_frames=overlap)
        return evaluate_points(
            truth, track_density(maps, size=SIZE, config=settings).tracks, distance=4.0
        )

    whole, blocks = score(1000, 0), score(8, 6)
    assert whole.mota > 0.8
    assert blocks.mota > whole.mota - 0.02
    assert blocks.idf1 > whole.idf1 - 0.04


def test_names_run_through_the_blocks(crowd):
    _, maps = crowd
    whole = track_density(maps, size=SIZE, config=config(block_frames=1000)).tracks
    blocks = track_density(maps, size=SIZE, config=config(block_frames=8)).tracks
    assert abs(len(blocks.ids) - len(whole.ids)) <= 3
    spans = [np.ptp(blocks.frame[blocks.id == k]) for k in blocks.ids]
    assert max(spans) > 24, "somebody stays for three blocks"
    # If every block named its tracks anew there would be several times as many.
    anew = sum(
        len(track_density(maps[t : t + 8], size=SIZE, config=config()).tracks.ids)
        for t in range(0, 40, 8)
    )
    assert anew > 1.5 * len(blocks.ids)


def test_who_walks_alone_keeps_one_name_whatever_the_blocks():
    frame = np.arange(30)
    truth = Tracks.from_rows(frame, 1, x=5 + frame * 1.2, y=np.full(30, 20.0), length=30)
    maps = simulate_density(truth, SHAPE, size=SIZE, seed=0)
    for block, overlap in [(1, 0), (1, 3), (7, 0), (7, 4), (29, 1), (100, 0)]:
        settings = config(block_frames=block, overlap_frames=overlap)
        tracks = track_density(maps, size=SIZE, config=settings).tracks
        main = tracks.select(tracks.id == tracks.id[0])
        assert len(main) >= 25, (block, overlap)
        assert (np.hypot(main.x - (5 + main.frame * 1.2), main.y - 20) < 1.6).mean() > 0.9


@pytest.mark.parametrize("gap_frames", [1, 2, 4])
def test_an_object_unseen_at_the_border_of_two_blocks_keeps_its_name(gap_frames):
    frame = np.delete(
        np.arange(20), np.arange(10 - gap_frames // 2, 10 - gap_frames // 2 + gap_frames)
    )
    truth = Tracks.from_rows(frame, 1, x=5 + frame * 0.8, y=np.full(len(frame), 20.0), length=20)
    maps = np.zeros((20, *SHAPE), np.float32)
    maps[frame] = simulate_density(
        replace(truth, frame=np.arange(len(frame)), length=len(frame)), SHAPE, size=SIZE, seed=1
    )
    flow = FlowConfig(gap_frames=gap_frames, density=0.0, gap=0.05, reach=3.0)
    tracks = track_density(maps, size=SIZE, config=config(block_frames=10, flow=flow)).tracks
    assert tracks.ids.tolist() == [1]
    assert tracks.frame.tolist() == list(range(20))
    assert np.flatnonzero(tracks.interpolated).tolist() == sorted(
        set(range(20)) - set(frame.tolist())
    )
    cut = FlowConfig(gap_frames=0, density=0.0, reach=3.0)
    assert (
        len(track_density(maps, size=SIZE, config=config(block_frames=10, flow=cut)).tracks.ids)
        == 2
    )


def test_long_gap_edges_never_continue_one_track_twice():
    random = np.random.default_rng(5)
    for seed in range(4):
        truth = simulate_crowd(24, SHAPE, size=SIZE, seed=seed, config=CrowdConfig(people=10))
        maps = simulate_density(truth, SHAPE, size=SIZE, seed=seed)
        maps[random.random(24) < 0.3] *= 0.1  # many gaps
        flow = FlowConfig(gap_frames=4, density=0.0, gap=0.02, reach=3.0)
        tracks = track_density(
            maps, size=SIZE, config=config(block_frames=4, overlap_frames=3, flow=flow)
        ).tracks
        assert len(tracks)  # a name that occurs twice in a frame would have been refused


def test_exact_solvers_work_in_blocks_and_report_their_bounds(crowd):
    truth, maps = crowd
    result = track_density(
        maps[:16],
        size=SIZE,
        config=config(
            block_frames=8, overlap_frames=3, solver=SolverConfig(solver="highs", gap=0.02)
        ),
    )
    assert [(b.start, b.stop) for b in result.blocks] == [(0, 8), (8, 16)]
    for block in result.blocks:
        assert block.solver == "highs"
        assert block.proven
        assert block.bound is not None
        assert block.gap is not None
        assert block.bound <= block.objective
        assert 0 <= block.gap <= 0.02 + 1e-6
    assert evaluate_points(truth.between(0, 16), result.tracks, distance=4.0).mota > 0.75


def test_deep_windows_work_in_blocks_whatever_is_left_for_the_last():
    truth = simulate_crowd(17, SHAPE, size=SIZE, seed=1, config=CrowdConfig(people=4))
    maps = simulate_density(truth, SHAPE, size=SIZE, seed=1)
    deep = config(
        windows=WindowConfig(pixels=5, stride=0.6, depth=3),
        solver=SolverConfig(solver="highs", gap=0.1),
        block_frames=8,
        overlap_frames=0,
    )
    assert track_density(maps, size=SIZE, config=deep).tracks.length == 17
    maps[14:] = 0
    maps[:8] = 0  # nobody to continue, one frame left
    assert track_density(maps, size=SIZE, config=deep).tracks.length == 17
    with pytest.raises(ValueError, match="3 frames are deeper than the video of 2"):
        track_density(maps[:2], size=SIZE, config=deep)


def test_the_block_objective_counts_open_ends_once(crowd):
    _, maps = crowd
    solver = BlockSolver(SIZE, config())
    objectives = []
    for context, start, stop, part, last in split_into_blocks(maps[:24], solver.config):
        block = solver.settle(part, context=context, start=start, stop=stop, last=last)
        objectives.append(block.report.objective)
        assert (block.frame >= start).all()
        assert (block.frame < stop).all()
        assert len(block.map_counts) == stop - start
    assert all(value > 0 for value in objectives), (
        "what settled ends saved must not make it negative"
    )


def test_look_here_points_at_the_middle_of_the_window_that_disagrees():
    frame = np.arange(6)
    truth = Tracks.from_rows(frame, 1, x=np.full(6, 20.0), y=np.full(6, 12.0), length=6)
    maps = simulate_density(truth, SHAPE, size=SIZE, seed=0)
    # A presence that nobody pays: the whole object is missing from the tracks.
    blind = config(
        flow=FlowConfig(presence=50.0, density=0.0), windows=WindowConfig(pixels=7, stride=0.6)
    )
    result = track_density(maps, size=SIZE, config=blind)
    assert len(result.tracks) == 0
    place = result.look_here[0]
    assert place.objects > 0.35
    inside = maps[
        place.frame,
        round(place.y) - 3 : round(place.y) + 4,
        round(place.x) - 3 : round(place.x) + 4,
    ]
    assert inside.sum() == pytest.approx(place.objects, abs=1e-4)
