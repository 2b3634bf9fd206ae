"""Did a method help? Differences of the same seeds, with an interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class PairedDifference(NamedTuple):
    """Of two methods over the same seeds."""

    mean: float
    low: float
    """Of the 95 % interval of the mean by Student's t; NaN with a single seed."""
    high: float
    better: int
    """Seeds in which the first method was better."""
    pairs: int
    """Seeds."""

    @property
    def verdict(self) -> str:
        """Say in words what the interval allows to say."""
        if self.pairs < 2:
            return "one seed says nothing"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no significant difference"


def paired_difference(ours: Sequence[float], others: Sequence[float]) -> PairedDifference:
    """Compare two methods whose numbers belong to the same seeds, splits and first weights.

    Args:
        ours: Scores of one method, by seed.
        others: Of the other, in the same order.

    Raises:
        ValueError: They are not equally many, or none.
    """
    if len(ours) != len(others) or not len(ours):
        raise ValueError(
            f"paired numbers must be equally many and at least one, got {len(ours)} and {len(others)}"
        )
    differences = np.asarray(ours, float) - np.asarray(others, float)
    count, mean = len(differences), float(differences.mean())
    half = float("nan")
    if count > 1:
        error = float(differences.std(ddof=1)) / count**0.5
        half = float(stats.t.ppf(0.975, count - 1)) * error
    return PairedDifference(mean, mean - half, mean + half, int((differences > 0).sum()), count)
