"""Divisions that can be counted by hand, moved in space and time."""

import math

import pytest

from tbc_tracking.division_metrics import division_scores
from tbc_tracking.tracks import Tracks


def dividing(*, frame=3, x=10.0, names=(1, 2, 3)):
    """Return a target that divides at `frame` into two, 4 pixels apart, around `x`."""
    parent, left, right = names
    return Tracks.from_rows(
        [frame - 1, frame, frame, frame + 1, frame + 1],
        [parent, left, right, left, right],
        x=[x, x - 2, x + 2, x - 3, x + 3],
        y=[0, 0, 0, 0, 0],
        parents={left: parent, right: parent},
    )


@pytest.mark.parametrize(
    ("late", "aside", "found"), [(0, 0.0, 1), (1, 0.0, 1), (2, 0.0, 0), (0, 3.0, 1), (0, 3.5, 0)]
)
def test_a_division_is_found_within_the_tolerances(late, aside, found):
    scores = division_scores(
        dividing(), dividing(frame=3 + late, x=10 + aside, names=(7, 9, 8)), distance=3.0, frames=1
    )
    assert (scores.true, scores.predicted, scores.found) == (1, 1, found)
    assert scores.f1 == found


def test_one_predicted_division_serves_one_true_division():
    truth = dividing()
    twice = Tracks.from_rows(
        [2, 2, 3, 3, 3, 3],
        [1, 2, 3, 4, 5, 6],
        x=[10, 11, 8, 12, 9, 13],
        y=[0] * 6,
        parents={3: 1, 4: 1, 5: 2, 6: 2},
    )
    scores = division_scores(twice, truth, distance=3.0)
    assert (scores.true, scores.predicted, scores.found) == (2, 1, 1)
    assert (scores.precision, scores.recall, scores.f1) == (1.0, 0.5, pytest.approx(2 / 3))


def test_a_single_daughter_is_no_division_and_nothing_divides_by_zero():
    one = Tracks.from_rows([0, 1], [1, 2], x=[0, 0], y=[0, 0], parents={2: 1})
    scores = division_scores(one, one, distance=3.0)
    assert (scores.true, scores.predicted, scores.found) == (0, 0, 0)
    assert all(math.isnan(value) for value in (scores.f1, scores.precision, scores.recall))


@pytest.mark.parametrize(("distance", "frames"), [(0.0, 1), (math.nan, 1), (3.0, -1)])
def test_tolerances_that_match_nothing_are_refused(distance, frames):
    with pytest.raises(ValueError, match="must be"):
        division_scores(dividing(), dividing(), distance=distance, frames=frames)
