"""What a solution says of itself."""

import numpy as np
import pytest

from tbc_tracking.solution import Solution


def solution(**given):
    values = {
        "chosen": np.array([True, True, False, True, True, True]),
        "preceding": np.array([-1, -1, -1, 1, 0, 3]),
        "objective": 8.0,
        "bound": 6.0,
        "solver": "highs",
        "proven": False,
    }
    return Solution(**(values | given))


def test_the_gap_is_relative_to_the_objective():
    assert solution().gap == pytest.approx(0.25)
    assert solution(bound=None).gap is None
    assert solution(bound=8.0000001).gap == 0
    assert solution(objective=-4.0, bound=-5.0).gap == pytest.approx(0.25)


def test_identities_follow_the_links():
    assert solution().identities().tolist() == [1, 2, 0, 2, 1, 2]
    nothing = solution(chosen=np.zeros(6, bool))
    assert nothing.identities().tolist() == [0] * 6
