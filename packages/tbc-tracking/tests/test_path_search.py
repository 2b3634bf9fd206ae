"""Path search: near the optimum, the same for the same seed, indifferent to the order of candidates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_tracking_program import random_solution
from tiny_programs import cheapest_links, objective_by_hand, tiny_program

from tbc_tracking.candidates import find_candidates
from tbc_tracking.config import (
    CandidateConfig,
    FlowConfig,
    SearchConfig,
    SolverConfig,
    WindowConfig,
)
from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.path_search import best_links, search_paths
from tbc_tracking.simulation import simulate_density
from tbc_tracking.solvers import solve_program
from tbc_tracking.tracking_program import build_program

THOROUGH = SearchConfig(rounds=4, trials=5.0)


def crowd(seed, **flow):
    return tiny_program(seed, objects=5, frames=8, decoys=2, limit=80, **flow)


@pytest.mark.parametrize("flow", [{}, {"gap_frames": 2}, {"turn": 0.2, "gap_frames": 1}])
def test_the_cost_is_within_two_percent_of_the_optimum(flow):
    found = optimum = 0.0
    for seed in range(3):
        program = crowd(seed, **flow)
        solution = search_paths(program, THOROUGH)
        assert solution.objective == pytest.approx(
            objective_by_hand(program, solution.chosen, solution.preceding)
        )
        found += solution.objective
        best = solve_program(program, SolverConfig(solver="highs", gap=0.0)).objective
        assert solution.objective >= best - 1e-6
        optimum += best
    assert found <= 1.02 * optimum


def test_searching_longer_is_never_worse_by_much_and_pays_in_the_sum():
    costs = [
        sum(
            search_paths(crowd(seed), SearchConfig(rounds=r, trials=t)).objective
            for seed in range(6)
        )
        for r, t in ((0, 0.0), (4, 0.0), (4, 10.0))
    ]
    assert costs[0] > costs[2] + 1e-6
    assert costs[0] >= costs[1] - 1e-9
    assert costs[1] >= costs[2] - 1e-9


def test_annealing_finds_better_tracks_with_the_same_number_of_attempts():
    size, shape, programs = ObjectSize(intercept=1.6), (50, 60), []
    for seed in range(2):
        people = CrowdConfig(people=18.0)
        truth = simulate_crowd(24, shape, size=size, seed=seed, config=people)
        maps = simulate_density(truth, shape, size=size, seed=seed)
        candidates = find_candidates(maps, size=size, config=CandidateConfig())
        programs.append(build_program(maps, candidates, windows=WindowConfig(), flow=FlowConfig()))

    def cost(heat):
        config = SearchConfig(trials=2.0, heat=heat)
        return sum(search_paths(p, config, seed=k).objective for p in programs for k in range(4))

    assert cost(0.6) < cost(0.0) - 0.5


def test_the_chosen_candidates_are_linked_as_well_as_can_be():
    improved = 0
    for seed in range(5):
        program = tiny_program(seed, objects=3, frames=4, decoys=1, limit=9, gap_frames=1)
        random = np.random.default_rng(seed)
        chosen, preceding = random_solution(program, random)
        incoming = [
            [
                (int(program.graph.source[k]), program.graph.cost[k])
                for k in range(program.graph.pointers[v], program.graph.pointers[v + 1])
            ]
            for v in range(len(chosen))
        ]
        ends = cheapest_links(program, np.flatnonzero(chosen), incoming, {})
        nobody = np.full(len(chosen), -1)
        alone = program.graph.entry[chosen].sum() + program.graph.exit[chosen].sum()
        expected = program.objective(chosen, nobody) - alone + ends
        linked = program.objective(chosen, best_links(program, chosen))
        assert linked == pytest.approx(expected, abs=1e-9)
        improved += linked < program.objective(chosen, preceding) - 1e-6
    assert improved


def test_the_same_seed_gives_the_same_tracks():
    program = crowd(3, gap_frames=1)
    one, two = (search_paths(program, THOROUGH, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one.chosen, two.chosen)
    np.testing.assert_array_equal(one.preceding, two.preceding)
    assert one.objective == two.objective


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.integers(0, 2**31))
def test_the_order_of_candidates_within_a_frame_does_not_matter(seed, shuffle):
    random = np.random.default_rng(seed)
    first = tiny_program(seed, objects=3, frames=6, decoys=1, limit=40)
    candidates = first.candidates
    order = np.lexsort((np.random.default_rng(shuffle).random(len(candidates)), candidates.frame))
    columns = {n: getattr(candidates, n)[order] for n in ("frame", "x", "y", "sigma", "copied")}
    maps = random.random((6, 16, 18), np.float32) * 0.03
    maps[:, 4:12, 4:12] += 0.05
    costs = [
        search_paths(
            build_program(
                maps,
                given,
                windows=WindowConfig(pixels=3, stride=0.7),
                flow=FlowConfig(move=0.1, gap_frames=1, density=0.0),
            ),
            SearchConfig(rounds=4, trials=20.0),
        ).objective
        for given in (candidates, replace(candidates, **columns))
    ]
    assert costs[1] == pytest.approx(costs[0], rel=0.02)


def test_mirrored_time_costs_the_same():
    # Entry and exit change places: the program has no preferred direction of time.
    def solved(backwards):
        random = np.random.default_rng(8)
        maps = random.random((5, 16, 18), np.float32) * 0.02
        maps[:, 5:9, 4:12] += 0.06
        candidates = tiny_program(8, frames=5, objects=3, limit=40).candidates
        if backwards:
            frame = 4 - candidates.frame
            order = np.argsort(frame, kind="stable")
            columns = {n: getattr(candidates, n)[order] for n in ("x", "y", "sigma", "copied")}
            candidates = replace(candidates, frame=frame[order], **columns)
            maps = maps[::-1]
        ends = {"entry": 0.2, "exit": 0.6} if backwards else {"entry": 0.6, "exit": 0.2}
        program = build_program(
            maps,
            candidates,
            windows=WindowConfig(pixels=3, stride=0.7),
            flow=FlowConfig(move=0.1, gap_frames=1, turn=0.1, density=0.0, border=0.0, **ends),
        )
        exact = solve_program(program, SolverConfig(solver="highs", gap=0.0)).objective
        return exact, search_paths(program, THOROUGH).objective

    (exact, found), (mirrored, found_mirrored) = solved(False), solved(True)
    assert mirrored == pytest.approx(exact, abs=1e-6)
    assert found_mirrored == pytest.approx(found, rel=0.02)
