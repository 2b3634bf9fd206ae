"""HOTA against a slow version in loops and dense matrices, written from the paper's definitions."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from tbc_tracking.hota import LEVELS
from tbc_tracking.point_metrics import evaluate_points, pool_scores
from tbc_tracking.tracks import Tracks


def similarities(truth, predicted, distance):
    """Return of each frame the indices of its ids and the matrix of similarities."""
    for frame in range(max(truth.length, predicted.length)):
        rows = np.flatnonzero(truth.frame == frame)
        columns = np.flatnonzero(predicted.frame == frame)
        similarity = np.zeros((len(rows), len(columns)))
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                x, y = truth.x[row] - predicted.x[column], truth.y[row] - predicted.y[column]
                similarity[i, j] = max(0.0, 1 - np.sqrt(x * x + y * y) / (2 * distance))
        true_names = [truth.ids.tolist().index(i) for i in truth.id[rows]]
        predicted_names = [predicted.ids.tolist().index(i) for i in predicted.id[columns]]
        yield true_names, predicted_names, similarity


def slow_hota(truth, predicted, distance):
    """Return HOTA, DetA, AssA and LocA as TrackEval computes them, with dense matrices."""
    true_count = np.array([[(truth.id == i).sum()] for i in truth.ids], dtype=float)
    predicted_count = np.array([[(predicted.id == j).sum() for j in predicted.ids]], dtype=float)
    frames = list(similarities(truth, predicted, distance))
    potential = np.zeros((len(truth.ids), len(predicted.ids)))
    for a, b, similarity in frames:
        for i, j in np.argwhere(similarity > 0):
            union = similarity[i].sum() + similarity[:, j].sum() - similarity[i, j]
            potential[a[i], b[j]] += similarity[i, j] / union
    alignment = potential / (true_count + predicted_count - potential)
    levels = [
        slow_level(frames, alignment, true_count + predicted_count, alpha) for alpha in LEVELS
    ]
    return np.mean(levels, axis=0)


def slow_level(frames, alignment, lengths, alpha):
    """Return HOTA, DetA, AssA and LocA at one level; each point of a track counts once."""
    common = np.zeros_like(alignment)
    located = 0.0
    for a, b, similarity in frames:
        chosen = linear_sum_assignment(-alignment[np.ix_(a, b)] * similarity)
        for i, j in zip(*chosen, strict=True):
            if similarity[i, j] >= alpha - 1e-15:
                common[a[i], b[j]] += 1
                located += similarity[i, j]
    matches = common.sum()
    points = sum(len(a) + len(b) for a, b, _ in frames)
    association = (common * common / np.maximum(1, lengths - common)).sum() / max(1, matches)
    detection = matches / (points - matches)
    location = located / matches if matches else 1.0
    return np.sqrt(detection * association), detection, association, location


@pytest.mark.parametrize("seed", range(6))
def test_hota_equals_the_slow_definition(seed):
    random = np.random.default_rng(seed)

    def scene(points, ids):
        rows = np.array(
            [(frame, name) for frame in range(12) for name in random.permutation(ids)[:points]]
        )
        return Tracks.from_rows(
            rows[:, 0], rows[:, 1], x=random.random(len(rows)) * 30, y=random.random(len(rows)) * 30
        )

    truth, predicted = scene(7, 9), scene(6, 11)
    scores = evaluate_points(truth, predicted, distance=6.0)
    expected = slow_hota(truth, predicted, 6.0)
    assert 0.05 < expected[0] < 0.9, "test invalid: the scene is trivial"
    np.testing.assert_allclose(
        [scores.hota, scores.deta, scores.assa, scores.loca], expected, rtol=0, atol=1e-9
    )


def test_hota_of_a_track_cut_in_halves_is_known_by_hand():
    # Every point is found exactly (DetA 1), but each match shares its identity with half of the target: AssA 1/2.
    truth = Tracks.from_rows(np.arange(8), np.zeros(8), x=np.arange(8), y=np.zeros(8))
    cut = Tracks.from_rows(np.arange(8), np.arange(8) // 4, x=np.arange(8), y=np.zeros(8))
    scores = evaluate_points(truth, cut, distance=1.0)
    assert (scores.deta, scores.assa, scores.loca) == pytest.approx((1.0, 0.5, 1.0))
    assert scores.hota == pytest.approx(np.sqrt(0.5))


def test_pooled_hota_is_that_of_the_sequences_laid_end_to_end():
    random = np.random.default_rng(0)
    parts = [
        [
            Tracks.from_rows(
                np.repeat(np.arange(9), 4),
                np.tile(np.arange(4), 9),
                x=random.random(36) * 9,
                y=np.zeros(36),
            )
            for _ in range(2)
        ]
        for _ in range(2)
    ]
    joined = [
        Tracks.from_rows(
            np.concatenate([a.frame, b.frame + 9]), np.concatenate([a.id, b.id + 4]),
            x=np.concatenate([a.x, b.x]), y=np.concatenate([a.y, b.y]),
        )
        for a, b in zip(*parts, strict=True)
    ]  # fmt: skip
    pooled = pool_scores([evaluate_points(*part, distance=1.0) for part in parts])
    assert pooled.as_dict() == pytest.approx(
        evaluate_points(*joined, distance=1.0).as_dict(), abs=1e-12
    )
