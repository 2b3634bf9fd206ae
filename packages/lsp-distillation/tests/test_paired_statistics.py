"""Paired differences against the textbook."""

import math

import pytest

from lsp_distillation.paired_statistics import paired_difference


def test_the_interval_is_student_s() -> None:
    found = paired_difference([5, 7, 9], [4, 5, 6])
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt 3, t(0.975, 2) = 4.303.
    assert (found.mean, found.better, found.pairs) == (2, 3, 3)
    assert found.high - found.mean == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert found.low == pytest.approx(2 * found.mean - found.high)
    assert found.verdict == "no significant difference"


def test_verdicts() -> None:
    assert paired_difference([2.0, 2.1, 2.2], [1.0, 1.0, 1.0]).verdict == "better"
    assert paired_difference([1.0, 1.0, 1.0], [2.0, 2.1, 2.2]).verdict == "worse"
    single = paired_difference([2.0], [1.0])
    assert math.isnan(single.low)
    assert single.verdict == "one seed says nothing"


def test_unpaired_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="at least one"):
        paired_difference([], [])
