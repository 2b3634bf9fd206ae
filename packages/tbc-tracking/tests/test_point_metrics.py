"""Scores against py-motmetrics, invariances, and cases that can be counted by hand."""

import dataclasses
import math

import motmetrics
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbc_tracking.point_metrics import evaluate_points, pool_scores
from tbc_tracking.tracks import Tracks

SAME_FIGURES = {
    "mota": "mota", "motp": "motp", "idf1": "idf1", "idp": "idp", "idr": "idr", "recall": "recall",
    "precision": "precision", "num_switches": "switches", "num_fragmentations": "fragmentations",
    "num_false_positives": "false_positives", "num_misses": "misses", "mostly_tracked": "mostly_tracked",
    "partially_tracked": "partially_tracked", "mostly_lost": "mostly_lost",
}  # fmt: skip


def crowd(seed, *, frames=60, people=12, side=60.0, noise=1.0, lost=0.1, swaps=0.02, false=0.1):
    """Return true random walks and a tracker's version of them: noisy, with holes, swaps, cuts and false points."""
    random = np.random.default_rng(seed)
    start, speed = random.random((people, 2)) * side, random.normal(size=(people, 2)) * 0.7
    paths = (
        start
        + speed * np.arange(frames)[:, None, None]
        + random.normal(size=(frames, people, 2)).cumsum(0) * 0.4
    ) % side
    lives = np.sort(random.integers(0, frames, (people, 2)), axis=1)
    time = np.arange(frames)[:, None]
    alive = (time >= lives[:, 0]) & (time <= lives[:, 1] + 5)
    frame, person = np.nonzero(alive)
    truth = Tracks.from_rows(
        frame, person + 1, x=paths[alive][:, 0], y=paths[alive][:, 1], length=frames
    )

    names = np.tile(np.arange(people) + 100, (frames, 1))
    for t, a in zip(*np.nonzero(random.random((frames, people)) < swaps), strict=True):
        b = random.integers(people)
        names[t:, [a, b]] = (
            names[t:, [b, a]] if random.random() < 0.7 else names[t:, [a, b]] + 50 * people
        )
    seen = alive & (random.random(alive.shape) > lost)
    found = paths[seen] + random.normal(size=(int(seen.sum()), 2)) * noise
    extra = random.random(int(frames * people * false)) * frames
    ghosts = random.random((len(extra), 2)) * side
    predicted = Tracks.from_rows(
        np.concatenate([np.nonzero(seen)[0], extra.astype(int)]),
        np.concatenate([names[seen], 10_000_000 + np.arange(len(extra))]),
        x=np.concatenate([found[:, 0], ghosts[:, 0]]),
        y=np.concatenate([found[:, 1], ghosts[:, 1]]),
        length=frames,
    )
    return truth, predicted


def reference(truth, predicted, distance):
    """Return py-motmetrics' figures."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame in range(truth.length):
        a, b = np.flatnonzero(truth.frame == frame), np.flatnonzero(predicted.frame == frame)
        apart = np.hypot(truth.x[a][:, None] - predicted.x[b], truth.y[a][:, None] - predicted.y[b])
        accumulator.update(truth.id[a], predicted.id[b], np.where(apart <= distance, apart, np.nan))
    summary = motmetrics.metrics.create().compute(
        accumulator, metrics=list(SAME_FIGURES), return_dataframe=False
    )
    return {ours: summary[theirs] for theirs, ours in SAME_FIGURES.items()}


@pytest.mark.parametrize("distance", [1.5, 4.0])
@pytest.mark.parametrize("seed", range(4))
def test_fourteen_figures_equal_py_motmetrics_on_a_crowd(seed, distance):
    truth, predicted = crowd(seed)
    expected = reference(truth, predicted, distance)
    assert expected["switches"] > 5, "test invalid: the crowd is too easy"
    assert expected["fragmentations"] > 5, "test invalid: the crowd is too easy"
    scores = evaluate_points(truth, predicted, distance=distance).as_dict()
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_fourteen_figures_equal_py_motmetrics_on_points_without_any_motion_model(seed):
    truth, predicted = (
        crowd(2 * seed + k, side=12.0, people=8, noise=3.0, frames=40)[k] for k in range(2)
    )
    expected = reference(truth, predicted, 3.0)
    scores = evaluate_points(truth, predicted, distance=3.0).as_dict()
    assert {name: scores[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_the_two_switch_rules_differ_where_a_target_was_lost():
    truth = Tracks.from_rows([0, 1, 2], [1, 1, 1], x=[0, 0, 0], y=[0, 0, 0])
    predicted = Tracks.from_rows([0, 2, 2], [10, 10, 11], x=[1, 2, 1], y=[0, 0, 0])
    last, previous = (
        evaluate_points(truth, predicted, distance=5, switch_rule=rule)
        for rule in ("last", "previous")
    )
    assert (last.switches, previous.switches) == (0, 1)
    assert (last.motp, previous.motp) == (1.5, 1.0)


def test_counts_of_a_scene_small_enough_to_count_by_hand():
    truth = Tracks.from_rows(
        [0, 0, 1, 1, 2], [1, 2, 1, 2, 1], x=[0, 50, 0, 50, 0], y=np.zeros(5), length=4
    )
    predicted = Tracks.from_rows(
        [0, 1, 1, 1, 3], [7, 7, 8, 9, 9], x=[1, 80, 2, 51, 0], y=np.zeros(5), length=4
    )
    scores = evaluate_points(truth, predicted, distance=5.0)
    assert (scores.matches, scores.misses, scores.false_positives, scores.switches) == (3, 2, 2, 1)
    assert scores.mota == pytest.approx(1 - 5 / 5)
    assert scores.motp == pytest.approx((1 + 2 + 1) / 3)
    assert (scores.count_mae, scores.count_bias) == ((1 + 1 + 1 + 1) / 4, 0.0)


def test_pooling_adds_sequences_and_keeps_their_identities_apart():
    parts = [crowd(seed, frames=30) for seed in range(3)]
    pooled = pool_scores([evaluate_points(*part, distance=3.0) for part in parts])
    shifted = [
        [
            dataclasses.replace(side, frame=side.frame + 30 * k, id=side.id + 10**9 * k)
            for side in part
        ]
        for k, part in enumerate(parts)
    ]
    joined = [
        Tracks.from_rows(*(np.concatenate([getattr(part[side], name) for part in shifted]) for name in ("frame", "id")),
            x=np.concatenate([part[side].x for part in shifted]), y=np.concatenate([part[side].y for part in shifted]),
            length=90)
        for side in range(2)
    ]  # fmt: skip
    assert pooled.as_dict() == pytest.approx(
        evaluate_points(*joined, distance=3.0).as_dict(), abs=1e-9
    )
    one_identity = [dataclasses.replace(side, id=side.id % 10**9) for side in joined]
    assert evaluate_points(*one_identity, distance=3.0).idf1 != pytest.approx(pooled.idf1), (
        "test invalid"
    )


def test_perfect_tracks_score_one_whatever_their_names():
    truth, _ = crowd(0)
    renamed = dataclasses.replace(truth, id=truth.id + 500)
    scores = evaluate_points(truth, renamed, distance=0.5)
    for name in (
        "mota",
        "idf1",
        "idp",
        "idr",
        "hota",
        "deta",
        "assa",
        "loca",
        "recall",
        "precision",
    ):
        assert getattr(scores, name) == pytest.approx(1.0), name
    assert (scores.motp, scores.switches, scores.fragmentations, scores.count_mae) == (
        0.0,
        0,
        0,
        0.0,
    )
    assert scores.mostly_tracked == len(truth.ids)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), shift=st.integers(0, 50), move=st.floats(-1000, 1000),
    rule=st.sampled_from(["last", "previous"]),
)  # fmt: skip
def test_scores_do_not_depend_on_names_first_frame_or_origin(seed, shift, move, rule):
    truth, predicted = crowd(seed, frames=15, people=6, side=20.0)
    scores = evaluate_points(truth, predicted, distance=3.0, switch_rule=rule)
    random = np.random.default_rng(seed)
    # Among true ids only the order matters (ties of two targets over one identity), so it is kept.
    names = {name: new for new, name in enumerate(random.permutation(predicted.ids).tolist())}
    moved = [
        Tracks.from_rows(
            side.frame + shift, ids, x=side.x + move, y=side.y - move, length=side.length + shift
        )
        for side, ids in (
            (truth, truth.id * 3 + 4),
            (predicted, [names[name] for name in predicted.id.tolist()]),
        )
    ]
    again = evaluate_points(moved[0], moved[1], distance=3.0, switch_rule=rule)
    for name, value in scores.as_dict().items():
        if name not in ("count_mae", "count_bias"):  # the empty frames in front count as frames
            assert getattr(again, name) == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_nothing_found_and_nothing_there():
    truth, _ = crowd(1)
    nothing = Tracks.from_rows([], [], x=[], y=[], length=truth.length)
    missed = evaluate_points(truth, nothing, distance=3.0)
    assert (missed.mota, missed.idf1, missed.hota, missed.recall) == (0.0, 0.0, 0.0, 0.0)
    assert (missed.misses, missed.mostly_lost) == (len(truth), len(truth.ids))
    assert math.isnan(missed.precision)
    invented = evaluate_points(nothing, truth, distance=3.0)
    assert (invented.false_positives, invented.hota) == (len(truth), 0.0)
    assert math.isnan(invented.mota)
    empty = evaluate_points(nothing, nothing, distance=3.0)
    assert all(math.isnan(getattr(empty, name)) for name in ("mota", "idf1", "hota", "motp"))
    assert empty.count_mae == 0.0


@pytest.mark.parametrize("distance", [0.0, -1.0, math.nan, math.inf])
def test_a_distance_that_matches_nothing_is_refused(distance):
    with pytest.raises(ValueError, match="distance must be a positive"):
        evaluate_points(*crowd(0, frames=3), distance=distance)


def test_an_unknown_switch_rule_and_an_empty_pool_are_refused():
    with pytest.raises(ValueError, match="switch_rule must be one of last, previous"):
        evaluate_points(*crowd(0, frames=3), distance=1.0, switch_rule="first")
    with pytest.raises(ValueError, match="at least one sequence"):
        pool_scores([])
