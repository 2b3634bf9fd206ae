"""The best solution only gets better, the bound only rises, and both end where the solver ends."""

import numpy as np
import pytest
from tiny_programs import candidates_at

from tbc_tracking.bound_trace import trace_bounds
from tbc_tracking.candidates import find_candidates
from tbc_tracking.config import SolverConfig, TrackConfig
from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.figures import bound_trace_picture
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.simulation import simulate_density
from tbc_tracking.solvers import solve_program
from tbc_tracking.tracking_program import build_program

SIZE, SHAPE = ObjectSize(intercept=2.0), (48, 60)


@pytest.fixture(scope="module")
def program():
    truth = simulate_crowd(10, SHAPE, size=SIZE, seed=0, config=CrowdConfig(people=8))
    maps = simulate_density(truth, SHAPE, size=SIZE, seed=0)
    config = TrackConfig()
    candidates = find_candidates(maps, size=SIZE, config=config.candidates)
    return build_program(maps, candidates, windows=config.windows, flow=config.flow)


def test_bounds_approach_each_other_and_meet(program):
    config = SolverConfig(solver="highs", gap=1e-6, warm_start=False)
    trace = trace_bounds(program, config)
    assert len(trace.seconds) > 2, "test invalid: there is nothing to follow"
    assert (np.diff(trace.seconds) >= 0).all()
    assert (np.diff(trace.objective) <= 1e-6).all()
    assert (np.diff(trace.bound) >= -1e-6).all()
    assert (trace.bound <= trace.objective + 1e-6).all()
    best = solve_program(program, config).objective
    assert trace.objective[-1] == pytest.approx(best, rel=1e-5)
    assert trace.bound[-1] == pytest.approx(best, rel=1e-5)
    plot = bound_trace_picture(trace).axes[0]
    assert plot.get_title() == "gap at the end: 0.00%"
    np.testing.assert_array_equal(plot.lines[1].get_ydata(), trace.bound)


def test_the_first_solution_is_at_least_as_good_as_the_path_search(program):
    config = SolverConfig(gap=1e-6)
    first = solve_program(program, SolverConfig(), seed=3).objective
    assert trace_bounds(program, config, seed=3).objective[0] <= first + 1e-6


def test_nothing_to_follow_is_refused(program):
    with pytest.raises(ValueError, match="raise the time limit"):
        trace_bounds(program, SolverConfig(time_limit=1e-9, warm_start=False))
    empty = candidates_at([], length=2)
    maps = np.zeros((2, *SHAPE), np.float32)
    config = TrackConfig()
    nothing = build_program(maps, empty, windows=config.windows, flow=config.flow)
    with pytest.raises(ValueError, match="no bounds to follow"):
        trace_bounds(nothing, SolverConfig())
