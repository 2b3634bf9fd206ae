"""The heaviest matching against enumeration, the dense path against the sparse one, and the pairs against loops."""

import itertools

import numpy as np
import pytest

from tbc_tracking import point_matching
from tbc_tracking.point_matching import (
    CandidatePairs,
    candidate_pairs,
    heaviest_matching,
    match_over_time,
    most_then_nearest,
)
from tbc_tracking.tracks import Tracks


def best_by_enumeration(rows, columns, gain):
    best = 0.0
    for count in range(1, len(rows) + 1):
        for subset in itertools.combinations(range(len(rows)), count):
            picked = list(subset)
            if len(set(rows[picked])) == len(set(columns[picked])) == count:
                best = max(best, gain[picked].sum())
    return best


@pytest.mark.parametrize("limit", [0, 40_000], ids=["sparse", "dense"])
@pytest.mark.parametrize("seed", range(20))
def test_heaviest_matching_gains_what_enumeration_finds(seed, limit, monkeypatch):
    monkeypatch.setattr(point_matching, "DENSE_LIMIT", limit)
    random = np.random.default_rng(seed)
    cells = random.permutation(20)[:9]
    rows, columns = 3 * (cells // 5), 7 * (cells % 5) + 1
    gain = random.random(9)
    chosen = heaviest_matching(rows, columns, gain=gain)
    assert len(set(rows[chosen])) == len(set(columns[chosen])) == len(chosen)
    assert gain[chosen].sum() == pytest.approx(best_by_enumeration(rows, columns, gain))


def test_the_most_pairs_come_before_the_least_distance():
    # The nearest pair alone would leave the two others without partners.
    pairs = CandidatePairs(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.1, 4.9, 4.9]))
    assert most_then_nearest(pairs, radius=5.0).tolist() == [1, 2]


def test_candidate_pairs_equal_a_double_loop_and_include_the_radius_itself():
    random = np.random.default_rng(3)
    frame = np.repeat(np.arange(6), 8)
    first, second = (
        Tracks.from_rows(
            frame,
            np.tile(np.arange(8), 6),
            x=random.integers(0, 20, 48),
            y=random.integers(0, 20, 48),
        )
        for _ in range(2)
    )
    expected = [
        (i, j)
        for i in range(48)
        for j in range(48)
        if first.frame[i] == second.frame[j]
        and np.hypot(first.x[i] - second.x[j], first.y[i] - second.y[j]) <= 5
    ]
    pairs = candidate_pairs(first, second, radius=5.0)
    assert list(zip(pairs.truth.tolist(), pairs.predicted.tolist(), strict=True)) == expected
    assert (pairs.distance == 5.0).any(), "test invalid: no pair lies at exactly the radius"


def test_last_keeps_a_pair_across_a_gap_and_previous_does_not():
    # Target 1 is matched to 10, disappears from the predictions for a frame, and then 11 is a little nearer.
    truth = Tracks.from_rows([0, 1, 2], [1, 1, 1], x=[0, 0, 0], y=[0, 0, 0])
    predicted = Tracks.from_rows([0, 2, 2], [10, 10, 11], x=[1, 2, 1], y=[0, 0, 0])
    pairs = candidate_pairs(truth, predicted, radius=5.0)
    last, previous = (
        predicted.id[
            match_over_time(truth, predicted, pairs=pairs, radius=5.0, switch_rule=rule)[2]
        ]
        for rule in ("last", "previous")
    )
    assert (last, previous) == (10, 11)
