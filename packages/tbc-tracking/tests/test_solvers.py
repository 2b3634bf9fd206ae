"""Every backend against brute force; bounds are bounds; what cannot be solved is refused in one sentence."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from tiny_programs import best_by_force, candidates_at, objective_by_hand, render, tiny_program

from tbc_tracking import solvers
from tbc_tracking.config import FlowConfig, SearchConfig, SolverConfig, WindowConfig
from tbc_tracking.path_search import search_paths
from tbc_tracking.solvers import SOLVERS, available_solvers, certify, solve_program
from tbc_tracking.solvers.highs import solve_with_highs
from tbc_tracking.tracking_program import build_program

EXACT = [name for name in SOLVERS if name != "paths"]
HARD = WindowConfig(kind="hard", pixels=7, stride=0.5)
DEEP = WindowConfig(kind="kernel", pixels=3, stride=0.7, depth=2)
VARIANTS = {
    "plain": {},
    "gap edges": {"gap_frames": 2, "gap": 0.1},
    "turns": {"turn": 0.3},
    "turns and gap edges": {"turn": 0.2, "gap_frames": 1, "gap": 0.1},
    "hard windows": {"windows": HARD},
    "reward for density": {"density": 0.4, "presence": 0.05},
    "divisions": {
        "objects": 3,
        "division": 0.02,
        "entry": 0.9,
        "exit": 0.3,
        "reach": 4.0,
        "density": 0.3,
    },
    "divisions and gap edges": {
        "objects": 3,
        "division": 0.02,
        "entry": 0.9,
        "exit": 0.3,
        "reach": 4.0,
        "gap_frames": 1,
    },
    "dear ends": {"entry": 0.9, "exit": 0.9, "border_entry": 0.9},
}


def by_hand_of(program, solution):
    """Return the objective of a solution, term by term."""
    parent = getattr(solution, "parent", None)
    return objective_by_hand(program, solution.chosen, solution.preceding, parent)


@pytest.fixture(scope="module")
def instances():
    """Return programs and their optima by brute force, for every variant."""
    made = [
        (name, tiny_program(seed, limit=9, **flow))
        for name, flow in VARIANTS.items()
        for seed in (1, 2)
    ]
    return [(name, program, best_by_force(program)) for name, program in made]


def test_the_instances_are_worth_solving(instances):
    # Neither nothing nor everything is the answer, and turns matter where they cost.
    for name, program, best in instances:
        assert best < program.empty_cost() - 0.1, name
        everything = np.ones(len(program.candidates), bool)
        assert best < program.objective(everything, np.full(len(everything), -1)) - 0.1, name
    turning = [(p, b) for name, p, b in instances if name == "turns"]
    assert any(best_by_force(replace(p, turn=0.0)) < b - 1e-6 for p, b in turning)
    dividing = [p for name, p, _ in instances if name == "divisions"]
    assert any((solve_program(p, SolverConfig(solver="highs")).parent >= 0).any() for p in dividing)


@pytest.mark.parametrize("name", EXACT)
def test_exact_backends_find_the_optimum_of_brute_force(name, instances):
    for variant, program, best in instances:
        solution = solve_program(program, SolverConfig(solver=name, gap=0.0))
        assert solution.objective == pytest.approx(best, abs=1e-6), variant
        assert solution.solver == name
        assert solution.proven
        assert solution.bound == pytest.approx(best, abs=1e-5), variant
        by_hand = by_hand_of(program, solution)
        assert solution.objective == pytest.approx(by_hand, abs=1e-9)


def test_path_search_is_near_the_optimum_of_brute_force(instances):
    excess = []
    for variant, program, best in instances:
        solution = solve_program(program, SolverConfig(search=SearchConfig(trials=20.0)))
        assert solution.bound is None
        assert not solution.proven
        by_hand = by_hand_of(program, solution)
        assert solution.objective == pytest.approx(by_hand, abs=1e-9)
        assert solution.objective >= best - 1e-9, variant
        if variant.startswith("divisions"):  # these the search tries only at its end
            assert solution.objective <= 1.15 * best
        else:
            excess.append(solution.objective / best - 1)
    assert max(excess) < 0.03
    assert np.mean(excess) < 0.005


@pytest.mark.parametrize("name", EXACT)
def test_windows_deeper_than_one_frame_are_exact_too(name):
    program = tiny_program(5, windows=DEEP, limit=9)
    best = best_by_force(program)
    assert best < program.empty_cost() - 0.1
    solution = solve_program(program, SolverConfig(solver=name, gap=0.0))
    assert solution.objective == pytest.approx(best, abs=1e-6)


def test_exact_backends_agree_within_the_gap_and_their_bounds_hold():
    program = tiny_program(11, objects=5, frames=6, decoys=2, limit=60, gap_frames=1)
    optimum = solve_program(program, SolverConfig(solver="highs", gap=0.0)).objective
    gap = 0.05
    for name in EXACT:
        solution = solve_program(program, SolverConfig(solver=name, gap=gap))
        assert optimum - 1e-6 <= solution.objective <= optimum / (1 - gap) + 1e-6
        assert solution.bound is not None
        assert solution.bound <= optimum + 1e-6
        assert solution.gap is not None
        assert solution.gap <= gap + 1e-6
        assert solution.proven


def test_a_warm_start_changes_nothing_but_the_way():
    program = tiny_program(3, turn=0.2, gap_frames=1)
    for name in ("highs", "pulp-cbc"):
        cold, warm = (
            solve_program(program, SolverConfig(solver=name, gap=0.0, warm_start=start))
            for start in (False, True)
        )
        assert warm.objective == pytest.approx(cold.objective, abs=1e-6)


def test_a_start_is_what_highs_answers_when_it_has_no_time():
    program = tiny_program(12, objects=6, frames=8, decoys=3, limit=200)
    start = search_paths(program, SearchConfig())
    config = SolverConfig(solver="highs", time_limit=1e-9)
    assert solve_with_highs(program, config, None) is None, "test invalid: it needs no start"
    answer = solve_with_highs(program, config, start)
    assert answer is not None
    assert answer.solver == "highs"
    assert answer.objective == pytest.approx(start.objective)
    np.testing.assert_array_equal(answer.chosen, start.chosen)


def test_certify_gives_path_search_a_bound():
    program = tiny_program(4)
    found = search_paths(program, SearchConfig())
    assert found.bound is None
    assert found.gap is None
    certified = solve_program(program, SolverConfig(certify=True, gap=0.0))
    assert certified.bound == pytest.approx(best_by_force(program), abs=1e-5)
    assert certified.proven
    assert certified.objective <= found.objective + 1e-9
    assert certify(program, found, SolverConfig(gap=0.0)).bound == pytest.approx(certified.bound)


def test_the_gap_is_measured_on_the_whole_objective():
    # Half of the objective is a map that no candidate reaches: a solver that did not know of it would have to
    # prove four times as much.
    maps = render([(0, 2.0, 2.0), (1, 2.0, 2.0)], frames=2)
    candidates = candidates_at([(0, 14.0, 12.0), (1, 14.0, 12.0)])
    program = build_program(
        maps, candidates, windows=WindowConfig(pixels=3, stride=0.7), flow=FlowConfig(density=0.0)
    )
    for name in EXACT:
        solution = solve_program(program, SolverConfig(solver=name))
        assert not solution.chosen.any()
        assert solution.objective == pytest.approx(program.empty_cost())
        assert solution.bound is not None
        assert solution.objective * 0.99 - 1e-6 <= solution.bound <= solution.objective + 1e-6


def test_a_negative_objective_has_a_bound_below_it():
    # The reward for density makes the best objective negative; 1 % off a negative number is a smaller one.
    program = tiny_program(6, count=0.05, density=2.0, limit=9)
    best = best_by_force(program)
    assert best < -0.5
    for name in EXACT:
        solution = solve_program(program, SolverConfig(solver=name, gap=0.1))
        assert solution.bound is not None
        assert solution.bound <= best + 1e-6


@pytest.mark.parametrize("name", SOLVERS)
def test_no_candidates_are_solved_by_no_tracks(name):
    maps = render([(0, 8.0, 8.0)], frames=3)
    program = build_program(
        maps, candidates_at([], length=3), windows=WindowConfig(pixels=3), flow=FlowConfig()
    )
    solution = solve_program(program, SolverConfig(solver=name))
    assert not len(solution.chosen)
    assert solution.objective == pytest.approx(program.empty_cost())
    assert solution.proven == (name != "paths")
    assert solve_program(program, SolverConfig(certify=True)).proven


def test_highs_takes_another_number_of_threads_in_the_same_process():
    program = tiny_program(3)
    for threads in (1, 2, 1):
        solution = solve_program(program, SolverConfig(solver="highs", threads=threads))
        assert solution.solver == "highs", "fell back to the path search"


@pytest.mark.parametrize("name", ["highs", "scipy"])
def test_without_a_solution_in_time_the_path_search_answers_unproven(name):
    program = tiny_program(12, objects=6, frames=8, decoys=3, limit=200)
    config = SolverConfig(solver=name, time_limit=1e-9, warm_start=False)
    solution = solve_program(program, config)
    assert solution.solver == "paths"
    assert not solution.proven
    assert solution.objective == search_paths(program, config.search).objective


def test_solvers_are_listed_by_what_is_installed(monkeypatch):
    assert set(available_solvers()) == set(SOLVERS)
    assert all(available_solvers().values())
    monkeypatch.setattr(
        solvers, "find_spec", lambda name: None if name == "pulp" else find_spec(name)
    )
    assert available_solvers() == {
        "paths": True, "highs": True, "scipy": True, "pulp-cbc": False, "pulp-highs": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "config", "sentence"),
    [
        (
            "pulp",
            SolverConfig(solver="pulp-cbc"),
            "pulp-cbc needs pulp.*not installed: pip install pulp",
        ),
        ("highspy", SolverConfig(solver="highs"), "highs needs highspy.*pip install highspy"),
        (
            "highspy",
            SolverConfig(solver="pulp-highs"),
            "pulp-highs needs highspy.*pip install highspy",
        ),
        ("highspy", SolverConfig(certify=True), "highs needs highspy.*pip install highspy"),
    ],
)
def test_a_solver_that_is_not_installed_is_refused(missing, config, sentence, monkeypatch):
    monkeypatch.setattr(
        solvers, "find_spec", lambda name: None if name == missing else find_spec(name)
    )
    program = tiny_program(1)
    with pytest.raises(ValueError, match=sentence):
        solve_program(program, config)
    assert solve_program(program, SolverConfig()).solver == "paths"


def test_refusals_name_rule_value_and_fix():
    program = tiny_program(1)
    with pytest.raises(ValueError, match=r"solver must be one of paths, highs.*got 'gurobi'"):
        solve_program(program, SolverConfig(solver="gurobi"))
    for config in (
        SolverConfig(solver="highs", nonzero_limit=10),
        SolverConfig(certify=True, nonzero_limit=10),
    ):
        with pytest.raises(ValueError, match=r"nonzeros.*nonzero_limit = 10.*block_frames"):
            solve_program(program, config)
    deep = tiny_program(1, windows=DEEP)
    with pytest.raises(ValueError, match=r"one frame deep, got depth 2.*exact solver"):
        solve_program(deep, SolverConfig())
