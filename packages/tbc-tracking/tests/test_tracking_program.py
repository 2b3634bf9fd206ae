"""The objective of the program, recomputed term by term."""

import numpy as np
import pytest
from tiny_programs import candidates_at, objective_by_hand, render, tiny_program, turn_by_hand

from tbc_tracking.config import FlowConfig, WindowConfig
from tbc_tracking.tracking_program import build_program, node_costs


def random_solution(program, random):
    """Return a random set of tracks along edges of the graph."""
    nodes = len(program.candidates)
    chosen = random.random(nodes) < 0.7
    preceding = np.full(nodes, -1)
    taken = set()
    for k in random.permutation(len(program.graph)):
        v, w = int(program.graph.source[k]), int(program.graph.target[k])
        if chosen[v] and chosen[w] and preceding[w] < 0 and v not in taken:
            preceding[w] = v
            taken.add(v)
    return chosen, preceding


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_the_objective_is_the_sum_of_its_terms(turn):
    random = np.random.default_rng(2)
    program = tiny_program(7, turn=turn, gap_frames=1, density=0.3, presence=0.1, limit=20)
    linked = 0
    for _ in range(20):
        chosen, preceding = random_solution(program, random)
        linked += int((preceding >= 0).sum())
        assert program.objective(chosen, preceding) == pytest.approx(
            objective_by_hand(program, chosen, preceding), abs=1e-9
        )
    assert linked > 50


def test_nothing_costs_the_unexplained_counts():
    program = tiny_program(7)
    nothing = np.zeros(len(program.candidates), bool)
    assert program.objective(nothing, np.full(len(nothing), -1)) == pytest.approx(
        program.empty_cost()
    )
    assert program.empty_cost() == pytest.approx(
        program.penalty * sum(abs(n) for n in program.windows.counts)
    )


def test_lambda_makes_a_missed_object_cost_one():
    maps = render([(0, 9.0, 8.0)], frames=1)
    for stride in (0.35, 0.6, 1.0):
        program = build_program(
            maps,
            candidates_at([(0, 9.0, 8.0)]),
            windows=WindowConfig(pixels=5, stride=stride),
            flow=FlowConfig(count=1.0),
        )
        assert program.empty_cost() == pytest.approx(1.0, abs=0.35)


def test_a_link_that_is_no_edge_is_refused():
    program = tiny_program(7)
    everything = np.ones(len(program.candidates), bool)
    preceding = np.full(len(everything), -1)
    preceding[-1] = len(everything) - 1  # from itself
    with pytest.raises(ValueError, match="must be an edge"):
        program.objective(everything, preceding)


def test_turns_are_measured_per_frame_also_over_gaps():
    points = [(0, 4.0, 4.0), (1, 5.0, 4.0), (3, 7.0, 6.0)]
    program = build_program(
        np.zeros((4, 16, 18), np.float32),
        candidates_at(points, sigma=2.0, length=4),
        windows=WindowConfig(pixels=3),
        flow=FlowConfig(turn=0.5),
    )
    # From (1, 0) to (1, 1) pixels per frame is one pixel: half a sigma, at 0.5 per sigma.
    first, middle, last = (np.array([k]) for k in range(3))
    assert program.turn_cost(first, middle, last)[0] == pytest.approx(0.25)
    assert turn_by_hand(program, 0, 1, 2) == pytest.approx(0.25)


def test_the_reward_for_density_is_a_share_of_the_peak_of_one_object():
    points = [(0, 9.0, 8.0), (0, 3.0, 3.0), (0, 9.4, 8.0)]
    maps = render([(0, 9.0, 8.0)], frames=1, sigma=2.0)
    candidates = candidates_at(points, sigma=2.0)
    costs = node_costs(maps, candidates, FlowConfig(density=0.5, presence=0.2))
    by_place = dict(zip(zip(candidates.x, candidates.y, strict=True), costs, strict=True))
    assert by_place[9.0, 8.0] == pytest.approx(0.2 - 0.5, abs=0.02)
    assert by_place[9.4, 8.0] == by_place[9.0, 8.0]
    assert by_place[3.0, 3.0] == pytest.approx(0.2, abs=0.02)
    flat = node_costs(maps, candidates, FlowConfig(density=0.0, presence=0.2))
    assert flat.tolist() == [0.2, 0.2, 0.2]
    assert node_costs(100 * maps, candidates, FlowConfig(density=0.5)).min() == -0.5


def test_neighbors_are_those_who_share_a_window():
    program = tiny_program(3, limit=20)
    pointers, neighbors = program.neighbors()
    weights = program.windows.weights.toarray()
    for v in range(len(weights)):
        expected = [w for w in range(len(weights)) if (weights[v] * weights[w]).any()]
        assert neighbors[pointers[v] : pointers[v + 1]].tolist() == expected
    assert len(neighbors) < len(weights) ** 2
