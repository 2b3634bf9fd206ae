"""The counting part of the objective, rewritten: equal for every choice, and tighter than absolute values."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import csr_array
from tiny_programs import tiny_program

from tbc_tracking.count_terms import count_terms
from tbc_tracking.counting_windows import CountingWindows


def windows_of(weights, counts):
    place = np.zeros(len(counts), np.int64)
    return CountingWindows(
        weights=csr_array(np.asarray(weights, float)),
        counts=np.asarray(counts, float),
        frame=place,
        top=place,
        left=place,
        extent=3,
        depth=1,
        coverage=1.0,
    )


def by_definition(weights, counts, chosen):
    return sum(
        abs(counts[r] - sum(weights[v][r] * chosen[v] for v in range(len(chosen))))
        for r in range(len(counts))
    )


def rewritten(terms, chosen):
    return (
        terms.constant
        + terms.linear @ chosen
        + terms.cost @ terms.overshoot(np.array(chosen, bool))
    )


@pytest.mark.parametrize("seed", range(12))
def test_every_choice_costs_what_the_absolute_values_say(seed):
    random = np.random.default_rng(seed)
    weights = random.uniform(0.05, 1.2, (6, 25)) * (random.random((6, 25)) < 0.5)
    counts = random.uniform(-0.3, 2.5, 25) * (random.random(25) < 0.9)
    terms = count_terms(windows_of(weights, counts))
    for chosen in product((0, 1), repeat=6):
        assert rewritten(terms, chosen) == pytest.approx(
            by_definition(weights, counts, chosen), abs=1e-9
        )


def test_whole_weights_as_hard_windows_have_them():
    weights = np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1], [0, 1, 0]])
    counts = np.array([0.4, 1.7, 2.2])
    terms = count_terms(windows_of(weights, counts))
    for chosen in product((0, 1), repeat=4):
        assert rewritten(terms, chosen) == pytest.approx(
            by_definition(weights, counts, chosen), abs=1e-12
        )


def test_windows_that_cannot_be_overfilled_have_no_term():
    weights = np.array([[0.3, 0.9, 0.0], [0.4, 0.0, 0.0]])
    terms = count_terms(windows_of(weights, [0.8, 0.5, 0.7]))
    assert terms.shares.shape == (
        0,
        2,
    )  # the second is too full with its one candidate: a cost of that one
    assert terms.linear[0] == pytest.approx(-0.3 + (0.4 - 0.5))
    assert terms.constant == pytest.approx(2.0)


def test_windows_of_the_same_two_candidates_are_one_term():
    weights = np.array([[0.6, 0.8, 0.5], [0.7, 0.9, 0.2], [0.0, 0.0, 0.6]])
    terms = count_terms(windows_of(weights, [1.0, 1.2, 0.9]))
    np.testing.assert_allclose(terms.shares.toarray()[0], [1, 1, 0])
    assert len(terms.cost) == 2
    assert terms.cost[0] == pytest.approx(2 * (0.3 + 0.5))
    assert terms.limit[0] == pytest.approx(1)


def test_the_relaxation_is_tighter_than_that_of_absolute_values():
    tighter = 0
    for seed in range(6):
        program = tiny_program(seed, objects=3, decoys=3, limit=24)
        windows, terms = program.windows, count_terms(program.windows)
        weights = windows.weights.toarray()
        nodes, rows, number = len(weights), len(windows.counts), len(terms.cost)
        slack = linprog(
            np.concatenate([np.zeros(nodes), np.ones(2 * rows)]),
            A_eq=np.hstack([weights.T, np.eye(rows), -np.eye(rows)]),
            b_eq=windows.counts,
            bounds=[(0, 1)] * nodes + [(0, None)] * (2 * rows),
        ).fun
        reduced = (
            terms.constant
            + linprog(
                np.concatenate([terms.linear, terms.cost]),
                A_ub=np.hstack([terms.shares.toarray(), -np.eye(number)]),
                b_ub=terms.limit,
                bounds=[(0, 1)] * (nodes + number),
            ).fun
        )
        assert reduced >= slack - 1e-7
        tighter += reduced > slack + 1e-3
    assert tighter >= 4
