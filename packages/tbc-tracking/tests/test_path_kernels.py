"""The compiled kernels against loops: marginal costs, shortest paths over all paths, moves that can be taken back."""

import numpy as np
import pytest
from test_tracking_program import random_solution
from tiny_programs import objective_by_hand, tiny_program, turn_by_hand

from tbc_tracking.path_kernels import (
    ALONE,
    JOINING,
    cut_track,
    extend_tracks,
    lay_path,
    shortest_path,
    take_path,
    toggle,
    update_marginal,
)
from tbc_tracking.path_search import _empty_state, _flatten

VARIANTS = {
    "plain": {},
    "gap edges": {"gap_frames": 2, "gap": 0.1},
    "turns": {"turn": 0.3, "gap_frames": 1, "gap": 0.1},
    "reward for density": {"density": 0.5, "presence": 0.1},
}


def state_of(program, chosen, preceding):
    """Return the problem, and the state that holds a set of tracks."""
    problem, state = _flatten(program), _empty_state(program)
    for node in range(len(chosen)):
        update_marginal(problem, state, node)
    for node in np.flatnonzero(chosen):
        toggle(problem, state, node)
        before = preceding[node]
        state.preceding[node] = before
        if before >= 0:
            state.following[before] = node
    return problem, state


def tracks_in(state):
    """Return chosen and preceding of a state whose links are consistent."""
    preceding = np.where(state.used, state.preceding, -1)
    for node in np.flatnonzero(state.used):
        if preceding[node] >= 0:
            assert state.used[preceding[node]]
            assert state.following[preceding[node]] == node
        if state.following[node] >= 0:
            assert preceding[state.following[node]] == node
    return state.used.copy(), preceding


def objective_in(program, state):
    return objective_by_hand(program, *tracks_in(state), np.where(state.used, state.parent, -1))


def assert_consistent(program, state):
    """Check residuals and the marginal cost of every unused candidate against their definitions."""
    weights = program.windows.weights.toarray()
    residual = program.windows.counts - state.used.astype(float) @ weights
    np.testing.assert_allclose(state.residual, residual, atol=1e-9)
    for node in np.flatnonzero(~state.used):
        change = np.abs(residual - weights[node]).sum() - np.abs(residual).sum()
        expected = program.node_cost[node] + program.penalty * change
        assert state.marginal[node] == pytest.approx(expected, abs=1e-9)


def random_states(name, *, number=8, limit=14):
    """Yield programs with random sets of tracks, as problem and state."""
    for seed in range(number):
        random = np.random.default_rng(seed)
        program = tiny_program(seed, limit=limit, frames=5, **VARIANTS[name])
        chosen, preceding = random_solution(program, random)
        chosen &= random.random(len(chosen)) < 0.6
        linked = chosen & (preceding >= 0) & chosen[preceding]
        problem, state = state_of(program, chosen, np.where(linked, preceding, -1))
        yield program, problem, state


@pytest.mark.parametrize("name", VARIANTS)
def test_toggling_keeps_residuals_and_marginals_and_can_be_taken_back(name):
    for program, problem, state in random_states(name, number=4):
        assert_consistent(program, state)
        before = state.residual.copy()
        for node in range(len(state.used)):
            there = toggle(problem, state, node)
            assert_consistent(program, state)
            back = toggle(problem, state, node)
            assert there == pytest.approx(-back, abs=1e-9)
        np.testing.assert_allclose(state.residual, before, atol=1e-9)


def steps_from(program, state, before, node):
    """Yield the next node, the price of going there, and whether a track begins there."""
    graph = program.graph
    for k in np.flatnonzero(graph.source == node):
        after = int(graph.target[k])
        price = graph.cost[k]
        if program.turn and before >= 0:
            price += turn_by_hand(program, before, node, after)
        if not state.used[after]:
            yield after, price + state.marginal[after], False
        elif state.preceding[after] < 0:
            behind = state.following[after]
            corner = (
                turn_by_hand(program, node, after, behind) if program.turn and behind >= 0 else 0
            )
            yield after, price + corner - graph.entry[after], True


def cheapest_path(program, state, *, joining):
    """Return the least change of the objective by one more path, over all paths."""

    def cheapest_rest(before, node):
        best = np.inf if state.used[node] else program.graph.exit[node]
        for after, price, begins in steps_from(program, state, before, node):
            if not begins:
                best = min(best, price + cheapest_rest(node, after))
            elif joining and not state.used[node]:
                best = min(best, price)
        return best

    best = 0.0
    for node in range(len(state.used)):
        if not state.used[node]:
            price = program.graph.entry[node] + state.marginal[node]
            best = min(best, price + cheapest_rest(-1, node))
        elif joining and state.following[node] < 0:
            before = int(state.preceding[node])
            best = min(best, cheapest_rest(before, node) - program.graph.exit[node])
    return best


@pytest.mark.parametrize("joining", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_shortest_path_is_the_shortest_of_all_paths(name, joining):
    paid = 0
    for program, problem, state in random_states(name):
        nodes = len(state.used)
        expected = cheapest_path(program, state, joining=joining)
        mode = JOINING if joining else ALONE
        cost, node, edge, join = shortest_path(problem, state, 0, nodes, np.zeros(nodes), mode)
        assert cost == pytest.approx(expected, abs=1e-8)
        if node < 0:
            continue
        paid += 1
        before = objective_in(program, state)
        change, _ = lay_path(problem, state, node, edge, join)
        assert change == pytest.approx(cost, abs=1e-8)
        assert objective_in(program, state) - before == pytest.approx(change, abs=1e-8)
        assert_consistent(program, state)
    assert paid >= 3


@pytest.mark.parametrize("name", VARIANTS)
def test_a_path_taken_away_is_worth_what_it_cost(name):
    for program, problem, state in random_states(name):
        firsts = np.flatnonzero(state.used & (np.where(state.used, state.preceding, 0) < 0))
        for first in firsts:
            before = objective_in(program, state)
            change = take_path(problem, state, first)
            assert objective_in(program, state) - before == pytest.approx(change, abs=1e-8)
        assert not state.used.any()
        assert objective_in(program, state) == pytest.approx(program.empty_cost())


@pytest.mark.parametrize("name", VARIANTS)
def test_extending_and_cutting_tell_the_true_change_and_never_harm(name):
    moved = 0
    for program, problem, state in random_states(name, number=12):
        before = objective_in(program, state)
        change = extend_tracks(problem, state, np.zeros(len(state.used)), JOINING)
        after = objective_in(program, state)
        assert after - before == pytest.approx(change, abs=1e-8)
        assert change <= 1e-9
        moved += change < -1e-6
        for first in range(len(state.used)):
            if state.used[first] and state.preceding[first] < 0:
                before = objective_in(program, state)
                change = cut_track(problem, state, first, 12)
                assert objective_in(program, state) - before == pytest.approx(change, abs=1e-8)
                assert change <= 1e-9
                moved += change < -1e-6
        assert_consistent(program, state)
    assert moved >= 5


def test_cutting_drops_what_explains_nothing():
    program = tiny_program(0, limit=12)
    nodes = len(program.candidates)
    nobody = np.full(nodes, -1)
    alone = [program.objective(np.arange(nodes) == node, nobody) for node in range(nodes)]
    worst = int(np.argmax(alone))
    assert alone[worst] > program.empty_cost()
    problem, state = state_of(program, np.arange(nodes) == worst, nobody)
    change = cut_track(problem, state, worst, 12)
    assert change == pytest.approx(program.empty_cost() - alone[worst])
    assert not state.used.any()
