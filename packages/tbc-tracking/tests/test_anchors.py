"""Anchors: a block that begins with settled tracks costs what it would cost inside the whole."""

from dataclasses import replace

import numpy as np
import pytest
from test_solvers import EXACT
from tiny_programs import SHAPE, best_by_force, objective_by_hand, render, tiny_program

from tbc_tracking.anchors import (
    FREE,
    HEAD,
    HEAD_AFTER,
    TAIL,
    TAIL_BEFORE,
    Anchors,
    anchored_graph,
    with_anchors,
)
from tbc_tracking.candidates import Candidates
from tbc_tracking.config import FlowConfig, SearchConfig, SolverConfig, TrackConfig, WindowConfig
from tbc_tracking.corrections import FixedPoints, ends_of_tracks
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.solvers import solve_program
from tbc_tracking.time_blocks import BlockSolver
from tbc_tracking.tracking_program import build_program

SIZE = ObjectSize(intercept=1.2)
WINDOWS = WindowConfig(kind="kernel", pixels=3, stride=0.7)
CUT, FRAMES = 3, 7
COSTS = {
    "plain": {"gap_frames": 0},
    "gap edges": {"gap_frames": 2, "gap": 0.1},
    "turns": {"gap_frames": 0, "turn": 0.3},
    "dear ends": {"gap_frames": 1, "entry": 0.9, "exit": 1.1, "border_entry": 0.4},
}


def flow_config(name):
    costs = {"move": 0.1, "reach": 2.5, "entry": 0.3, "exit": 0.4, "density": 0.0}
    return FlowConfig(**(costs | COSTS[name]))


def columns(candidates, mask, **changed):
    names = ("frame", "x", "y", "sigma", "copied")
    return {name: getattr(candidates, name)[mask] for name in names} | changed


def whole_video(seed, *, limit=45):
    """Return maps and candidates of a short video."""
    candidates = tiny_program(seed, objects=3, frames=FRAMES, decoys=1, limit=limit).candidates
    random = np.random.default_rng(seed + 100)
    points = zip(candidates.frame, candidates.x, candidates.y, strict=True)
    kept = [p for p in points if random.random() < 0.7]
    return render(kept, frames=FRAMES), candidates


def second_block(maps, candidates, settled, flow):
    """Return the program of the frames from CUT on, given the settled tracks (frame, x, y, track) before."""
    solver = BlockSolver(SIZE, TrackConfig(windows=WINDOWS, flow=flow))
    ends = {k: settled[k] for k in ("frame", "x", "y", "track")}
    solver.anchors = solver._anchors_at(ends, CUT)
    later = candidates.frame >= CUT
    rest = Candidates(
        **columns(candidates, later, frame=candidates.frame[later] - CUT), length=FRAMES - CUT
    )
    anchored = with_anchors(rest, solver.anchors, SIZE)
    program, _ = solver._program(maps[CUT:], anchored, FixedPoints.none(), first=False)
    return program, anchored


@pytest.mark.parametrize("name", COSTS)
def test_the_second_block_completes_the_first_to_the_cost_of_the_whole(name):
    flow = flow_config(name)
    credited = 0
    for seed in range(4):
        maps, candidates = whole_video(seed)
        whole = build_program(maps, candidates, windows=WINDOWS, flow=flow)
        best = solve_program(whole, SolverConfig(solver="highs", gap=0.0))
        identity = best.identities()
        early = best.chosen & (candidates.frame < CUT)
        settled = {
            "frame": candidates.frame[early],
            "x": candidates.x[early],
            "y": candidates.y[early],
            "track": identity[early],
        }
        program, anchored = second_block(maps, candidates, settled, flow)
        credited += int((anchored.role == TAIL).sum())
        # What is settled: counts, nodes, entries and links of the early frames; of the exits only those of
        # tracks that ended too early to be continued.
        open_frames = CUT - 1 - flow.gap_frames
        first = Candidates(**columns(candidates, candidates.frame < CUT), length=CUT + 1)
        padded = np.concatenate([maps[:CUT], np.zeros((1, *SHAPE), np.float32)])
        prefix = build_program(padded, first, windows=WINDOWS, flow=flow)
        number = candidates.starts[CUT]
        cost = objective_by_hand(prefix, best.chosen[:number], best.preceding[:number])
        for track in np.unique(settled["track"]):
            end = np.flatnonzero((identity == track) & early)[-1]
            if candidates.frame[end] >= open_frames:
                cost -= prefix.graph.exit[end]
        rest = solve_program(program, SolverConfig(solver="highs", gap=0.0))
        assert cost + rest.objective == pytest.approx(best.objective, abs=1e-6)
        # Without anchors the cut costs more.
        alone = {k: v[:0] for k, v in settled.items()}
        without, _ = second_block(maps, candidates, alone, flow)
        paid = (
            program.constant
            + solve_program(without, SolverConfig(solver="highs", gap=0.0)).objective
        )
        assert paid >= rest.objective - 1e-6
        credited += paid > rest.objective + 0.1
    assert credited > 4


@pytest.mark.parametrize("name", COSTS)
def test_backends_agree_with_brute_force_on_programs_with_anchors(name):
    flow = flow_config(name)
    for seed in (1, 3):
        maps, candidates = whole_video(seed)
        late = (candidates.frame >= CUT) & (candidates.frame < CUT + 2)
        early = np.flatnonzero(candidates.frame < CUT)[-3:]
        settled = {
            "frame": np.array([CUT - 2, CUT - 1, CUT - 1]),
            "x": candidates.x[early],
            "y": candidates.y[early],
            "track": np.array([4, 4, 9]),
        }
        kept = np.flatnonzero(late)[:7]
        few = Candidates(**columns(candidates, kept), length=FRAMES)
        program, anchored = second_block(maps, few, settled, flow)
        assert {TAIL, TAIL_BEFORE, FREE} <= set(anchored.role)
        assert program.constant == pytest.approx(
            sum(0.4 if name != "dear ends" else 1.1 for _ in range(2)), abs=0.8
        )
        best = best_by_force(program)
        for solver in EXACT:
            solution = solve_program(program, SolverConfig(solver=solver, gap=0.0))
            assert solution.objective == pytest.approx(best, abs=1e-6)
        paths = solve_program(program, SolverConfig(search=SearchConfig(trials=20.0)))
        assert best - 1e-9 <= paths.objective <= best * 1.02 + 1e-9
        assert paths.objective == pytest.approx(
            objective_by_hand(program, paths.chosen, paths.preceding)
        )


def test_pieces_have_two_ends_and_break_where_a_frame_is_missing():
    frame = np.array([5, 0, 1, 2, 4, 9])
    track = np.array([3, 3, 3, 3, 3, 8])
    ends = ends_of_tracks(frame, frame * 1.0, frame * 2.0, track)
    table = set(zip(ends.frame, ends.role, ends.track, strict=True))
    assert table == {
        (0, HEAD, 3), (1, HEAD_AFTER, 3), (2, TAIL, 3), (1, TAIL_BEFORE, 3),
        (4, HEAD, 3), (5, HEAD_AFTER, 3), (5, TAIL, 3), (4, TAIL_BEFORE, 3),
        (9, HEAD, 8), (9, TAIL, 8),
    }  # fmt: skip
    pieces = {int(p): set(ends.frame[ends.piece == p]) for p in np.unique(ends.piece)}
    assert sorted(map(sorted, pieces.values())) == [[0, 1, 2], [4, 5], [9]]


def test_joining_keeps_pieces_apart():
    one = ends_of_tracks(np.array([0, 1]), np.zeros(2), np.zeros(2), np.array([1, 1]))
    both = Anchors.join([one, one, Anchors.none(), one])
    assert len(np.unique(both.piece)) == 3
    assert len(both.frame) == 12


def test_settled_points_are_only_left_at_tails_and_reached_at_heads():
    frame, place = np.array([0, 1, 2, 5, 6, 7]), np.array([5.0, 5.5, 6.0, 7.0, 7.5, 8.0])
    ends = ends_of_tracks(frame, place, place, np.array([1, 1, 1, 2, 2, 2]))
    free = Candidates(
        frame=np.arange(8), x=np.linspace(5, 8, 8), y=np.linspace(5, 8, 8), sigma=np.full(8, 1.2),
        copied=np.zeros(8, np.int64), length=8,
    )  # fmt: skip
    anchored = with_anchors(free, ends, SIZE)
    assert (np.diff(anchored.nodes.frame) >= 0).all()
    graph = anchored_graph(anchored, SHAPE, FlowConfig(gap_frames=2, reach=9.0), free_start=True)
    roles = set(zip(anchored.role[graph.source], anchored.role[graph.target], strict=True))
    assert roles == {
        (FREE, FREE), (TAIL, FREE), (FREE, HEAD), (TAIL, HEAD), (TAIL_BEFORE, TAIL), (HEAD, HEAD_AFTER),
    }  # fmt: skip


def test_dear_ends_open_no_back_door():
    # Leaving at the point before the end once looked like a bargain when the exit cost more than the lock.
    flow = replace(flow_config("plain"), entry=40.0, exit=60.0, border=0.0)
    maps, candidates = whole_video(2)
    frame, place = np.array([CUT - 2, CUT - 1]), np.array([8.0, 8.0])
    settled = {"frame": frame, "x": place, "y": place, "track": np.array([1, 1])}
    few = Candidates(
        **columns(candidates, np.flatnonzero(candidates.frame >= CUT)[:6]), length=FRAMES
    )
    program, anchored = second_block(maps, few, settled, flow)
    solution = solve_program(program, SolverConfig(solver="highs", gap=0.0))
    before = solution.chosen & (anchored.role == TAIL_BEFORE)
    assert not (before & ~np.isin(np.arange(len(before)), solution.preceding)).any()
    assert solution.objective == pytest.approx(best_by_force(program), abs=1e-6)
    assert program.constant == 60.0
