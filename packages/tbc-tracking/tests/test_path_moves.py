"""Moves of the path search: what they say they changed is what changed, and what does not pay is put back."""

import numpy as np
import pytest
from test_path_kernels import (
    VARIANTS,
    assert_consistent,
    objective_in,
    random_states,
    state_of,
    tracks_in,
)
from tiny_programs import candidates_at, render, tiny_program

from tbc_tracking import path_moves
from tbc_tracking.config import FlowConfig, WindowConfig
from tbc_tracking.path_moves import exchange_tails, reroute, search
from tbc_tracking.tracking_program import build_program


@pytest.mark.parametrize("name", VARIANTS)
def test_exchanged_tails_change_the_objective_as_they_say(name):
    moved = 0
    for program, problem, state in random_states(name, number=25):
        used = state.used.copy()
        before = objective_in(program, state)
        change = exchange_tails(problem, state)
        assert objective_in(program, state) - before == pytest.approx(change, abs=1e-8)
        assert change <= 0
        np.testing.assert_array_equal(state.used, used)
        moved += change < -1e-6
    assert moved >= 3


def test_crossed_links_are_uncrossed():
    points = [(t, x, y) for t in range(4) for x, y in ((6.0, 5.0), (6.0, 7.0))]
    program = build_program(
        render(points, frames=4),
        candidates_at(points),
        windows=WindowConfig(pixels=3, stride=0.7),
        flow=FlowConfig(move=0.1, reach=3.0, gap_frames=0, density=0.0),
    )
    crossed = np.array([-1, -1, 0, 1, 3, 2, 4, 5])
    straight = np.array([-1, -1, 0, 1, 2, 3, 4, 5])
    everything = np.ones(8, bool)
    assert program.objective(everything, crossed) > program.objective(everything, straight) + 0.1
    problem, state = state_of(program, everything, crossed)
    exchange_tails(problem, state)
    np.testing.assert_array_equal(tracks_in(state)[1], straight)


@pytest.mark.parametrize("shaken", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_rerouting_pays_or_leaves_everything_as_it_was(name, shaken):
    random = np.random.default_rng(1)
    paid = kept = 0
    for program, problem, state in random_states(name):
        nodes = len(state.used)
        for _ in range(10):
            used, preceding = tracks_in(state)
            firsts = random.permutation(np.flatnonzero(used & (preceding < 0)))
            if not len(firsts):
                break
            second = firsts[1] if len(firsts) > 1 and random.random() < 0.5 else -1
            before = objective_in(program, state)
            state.jitter[:] = random.normal(0, 0.3, nodes) if shaken else 0.0
            change = reroute(problem, state, firsts[0], second, shaken, -1e-9)
            assert change <= 0
            assert objective_in(program, state) - before == pytest.approx(change, abs=1e-8)
            assert_consistent(program, state)
            paid += change < 0
            if change == 0:
                kept += 1
                np.testing.assert_array_equal(tracks_in(state)[0], used)
                np.testing.assert_array_equal(tracks_in(state)[1], preceding)
    assert paid
    assert kept


@pytest.mark.parametrize("heat", [0.0, 0.6, 1e6])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_search_knows_its_objective(name, heat):
    for seed in range(3):
        program = tiny_program(seed, objects=4, frames=7, decoys=2, limit=60, **VARIANTS[name])
        nodes = len(program.candidates)
        nothing = np.zeros(nodes, bool)
        problem, state = state_of(program, nothing, np.full(nodes, -1))
        change = search(problem, state, 100, 3, heat, seed)
        assert program.empty_cost() + change == pytest.approx(
            objective_in(program, state), abs=1e-7
        )
        assert change < -1
        assert_consistent(program, state)


@pytest.mark.parametrize("name", VARIANTS)
def test_annealing_ends_in_the_best_tracks_it_met(name, monkeypatch):
    monkeypatch.setattr(
        path_moves, "COOLING", 1e9
    )  # hot to the end, so that it leaves the best again
    monkeypatch.setattr(path_moves, "_try_anywhere", path_moves._try_anywhere.py_func)
    left_the_best = 0
    for program, problem, state in random_states(name, number=12, limit=30):
        before, met = objective_in(program, state), []

        def watched(*arguments, state=state, program=program, met=met):
            change = reroute(*arguments)
            met.append(program.objective(*tracks_in(state)))
            return change

        monkeypatch.setattr(path_moves, "reroute", watched)
        np.random.seed(0)  # noqa: TID251 - what numba calls when it does not compile
        change = path_moves.anneal.py_func(problem, state, 40, 0.6)
        assert change <= min(before, *met) - before + 1e-8
        assert objective_in(program, state) - before == pytest.approx(change, abs=1e-8)
        assert_consistent(program, state)
        left_the_best += min(met) < min(before, met[-1]) - 1e-6
    assert left_the_best


def test_annealing_tidies_after_trials_that_found_nothing_to_try(monkeypatch):
    program = tiny_program(0, objects=2, frames=4)
    problem, state = state_of(program, *[np.full(len(program.candidates), v) for v in (False, -1)])
    tidied = []
    monkeypatch.setattr(path_moves, "_try_anywhere", lambda *_: 0.0)
    monkeypatch.setattr(path_moves, "_tidy", lambda *_: tidied.append(1) or 0.0)
    assert path_moves.anneal.py_func(problem, state, 2 * path_moves.TIDY_EVERY, 0.6) == 0.0
    assert len(tidied) == 3


@pytest.mark.parametrize("division", [0.1, 2.0])
def test_a_cell_that_divides_is_one_family_where_that_is_cheaper_than_an_entry(division):
    points = [(t, 9.0, 8.0) for t in range(3)]
    points += [(3 + t, 9.0 + side * (1.2 + t), 8.0) for t in range(4) for side in (-1, 1)]
    program = build_program(
        render(points, frames=7),
        candidates_at(points),
        windows=WindowConfig(pixels=3, stride=0.7),
        flow=FlowConfig(
            move=0.1, reach=2.5, entry=0.8, gap_frames=0, density=0.0, division=division
        ),
    )
    nodes = len(points)
    problem, state = state_of(program, np.zeros(nodes, bool), np.full(nodes, -1))
    change = search(problem, state, 50, 3, 0.6, 0)
    assert state.used.all()
    assert program.empty_cost() + change == pytest.approx(objective_in(program, state), abs=1e-7)
    daughters = np.flatnonzero(state.parent >= 0)
    if division < 0.8:
        assert program.candidates.frame[daughters].tolist() == [3]
        assert program.candidates.frame[state.parent[daughters]].tolist() == [2]
    else:
        assert not len(daughters)
