"""The matrix form: what is a set of tracks satisfies its rows, costs what it costs, and cannot be beaten by halves."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from test_tracking_program import random_solution
from tiny_programs import best_by_force, candidates_at, render, tiny_program

from tbc_tracking.config import FlowConfig, SolverConfig, WindowConfig
from tbc_tracking.integer_program import column_values, formulate, read_solution
from tbc_tracking.path_search import best_links
from tbc_tracking.solution import Solution
from tbc_tracking.solvers import solve_program
from tbc_tracking.tracking_program import build_program


def as_solution(program, chosen, preceding):
    return Solution(
        chosen=chosen,
        preceding=preceding,
        objective=program.objective(chosen, preceding),
        bound=None,
        solver="test",
        proven=False,
    )


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_sets_of_tracks_are_feasible_and_cost_their_objective(turn):
    random = np.random.default_rng(0)
    program = replace(tiny_program(8, turn=turn, gap_frames=1, density=0.2, limit=20), constant=1.5)
    matrix = formulate(program)
    for _ in range(20):
        solution = as_solution(program, *random_solution(program, random))
        values = column_values(program, matrix, solution)
        rows = matrix.matrix @ values
        assert (rows <= matrix.upper + 1e-9).all()
        assert (rows >= matrix.lower - 1e-9).all()
        assert ((values >= matrix.least) & (values <= matrix.most)).all()
        assert matrix.cost @ values == pytest.approx(solution.objective, abs=1e-9)
        back = read_solution(program, matrix, values, bound=None, solver="test", gap=0.0)
        np.testing.assert_array_equal(back.chosen, solution.chosen)
        links = solution.preceding if turn else best_links(program, solution.chosen)
        np.testing.assert_array_equal(back.preceding, np.where(solution.chosen, links, -1))
        assert back.objective == pytest.approx(program.objective(solution.chosen, links))


def test_a_mixture_of_optimal_flows_loses_no_links():
    points = [(t, 8.0, y) for t in range(2) for y in (7.0, 9.0)]  # straight or crossed: costs alike
    program = build_program(
        render(points, frames=2),
        candidates_at(points),
        windows=WindowConfig(pixels=3, stride=0.7),
        flow=FlowConfig(move=0.0, reach=3.0, gap_frames=0, density=0.0),
    )
    matrix, chosen = formulate(program), np.ones(4, bool)
    mixtures = [
        column_values(program, matrix, as_solution(program, chosen, np.array([-1, -1, *links])))
        for links in ([0, 1], [1, 0])
    ]
    values = np.mean(mixtures, axis=0)
    rows = matrix.matrix @ values
    assert (rows <= matrix.upper + 1e-9).all(), "test invalid: halves are no flow"
    assert (values[4 : 4 + len(program.graph)] == 0.5).all()
    back = read_solution(program, matrix, values, bound=None, solver="test", gap=0.0)
    assert sorted(back.preceding[2:]) == [0, 1]
    assert back.objective == pytest.approx(matrix.cost @ values)


def test_what_is_no_set_of_tracks_is_infeasible():
    program = tiny_program(8, limit=20)
    matrix = formulate(program)
    graph = program.graph
    source = int(np.bincount(graph.source).argmax())
    both = graph.target[graph.source == source][:2]
    assert len(both) == 2
    nodes = len(program.candidates)
    chosen = np.zeros(nodes, bool)
    chosen[[source, *both]] = True
    preceding = np.full(nodes, -1)
    preceding[both] = source  # one track that becomes two
    solution = Solution(
        chosen=chosen, preceding=preceding, objective=0.0, bound=None, solver="test", proven=False
    )
    values = column_values(program, matrix, solution)
    assert (matrix.matrix @ values > matrix.upper + 0.5).any()
    chosen[source] = False  # and one that comes out of nothing
    assert (matrix.matrix @ column_values(program, matrix, solution) > matrix.upper + 0.5).any()


def optimum(matrix, integral):
    result = milp(
        matrix.cost,
        integrality=integral.astype(int),
        bounds=Bounds(matrix.least, matrix.most),
        constraints=LinearConstraint(matrix.matrix, matrix.lower, matrix.upper),
        options={"mip_rel_gap": 0.0},
    )
    return result.fun


def test_only_whole_candidates_make_the_program_whole():
    below = 0
    for seed in range(4):
        program = tiny_program(seed, decoys=2, limit=10)
        matrix = formulate(program)
        best = best_by_force(program)
        nodes = len(program.candidates)
        assert optimum(matrix, matrix.integral) == pytest.approx(best, abs=1e-6)
        assert matrix.integral.sum() == nodes
        flows = np.zeros_like(matrix.integral)
        flows[nodes : nodes + len(program.graph)] = True
        below += optimum(matrix, flows) < best - 1e-3
    assert below, "integral flows alone leave fractions of objects"


def test_the_last_column_pays_for_what_no_choice_changes():
    program = replace(tiny_program(8), constant=1.5)
    matrix = formulate(program)
    assert matrix.cost[-1] == pytest.approx(program.empty_cost())
    assert matrix.cost[-1] > 2
    assert (matrix.least[-1], matrix.most[-1]) == (1, 1)


def test_an_infinite_bound_is_none():
    program = tiny_program(8)
    solution = solve_program(program, SolverConfig(solver="scipy"))
    values = column_values(program, formulate(program), solution)
    back = read_solution(program, formulate(program), values, bound=-np.inf, solver="x", gap=0.1)
    assert back.bound is None
    assert not back.proven
