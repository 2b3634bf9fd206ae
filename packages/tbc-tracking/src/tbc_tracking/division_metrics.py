"""How many divisions were found: events of one target that ends and at least two that begin.

An event lies where its daughters first appear (the mean of their first points) and in the frame in
which the first of them appears. A predicted event counts as found when a true one is near in space
and time; identities play no part, they are scored by `tbc_tracking.point_metrics`.
"""

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.point_matching import heaviest_matching
from tbc_tracking.tracks import Tracks


@dataclass(frozen=True, kw_only=True)
class DivisionScores:
    """Counts of divisions; ratios are NaN where there is nothing to count."""

    true: int
    """Divisions in the truth."""
    predicted: int
    """Divisions in the prediction."""
    found: int
    """Pairs of a true and a predicted division that agree."""

    @property
    def precision(self) -> float:
        """Share of the predicted divisions that are true."""
        return self.found / self.predicted if self.predicted else math.nan

    @property
    def recall(self) -> float:
        """Share of the true divisions that were found."""
        return self.found / self.true if self.true else math.nan

    @property
    def f1(self) -> float:
        """2 found / (true + predicted)."""
        events = self.true + self.predicted
        return 2 * self.found / events if events else math.nan


def division_scores(
    truth: Tracks, predicted: Tracks, *, distance: float, frames: int = 1
) -> DivisionScores:
    """Match divisions one to one, the most pairs first and then the nearest.

    Args:
        truth: true tracks with their parents.
        predicted: predicted tracks with their parents.
        distance: largest distance of two events in pixels.
        frames: largest difference of their frames.

    Raises:
        ValueError: if `distance` is not positive or `frames` is negative.
    """
    if not (math.isfinite(distance) and distance > 0):
        raise ValueError(f"distance must be a positive number of pixels, got {distance}")
    if frames < 0:
        raise ValueError(f"frames must be at least 0, got {frames}")
    true_events, predicted_events = _events(truth), _events(predicted)
    offset = true_events[:, None] - predicted_events[None]
    apart = np.hypot(offset[..., 1], offset[..., 2])
    rows, columns = np.nonzero((apart <= distance) & (np.abs(offset[..., 0]) <= frames))
    gain = 1.0 + min(len(true_events), len(predicted_events)) - apart[rows, columns] / distance
    found = heaviest_matching(rows, columns, gain=gain)
    return DivisionScores(true=len(true_events), predicted=len(predicted_events), found=len(found))


def _events(tracks: Tracks) -> NDArray[np.float64]:
    """Return frame, x and y of each division, shape (events, 3)."""
    # Points are sorted by frame, so the first row of each id is its first point.
    ids, first = np.unique(tracks.id, return_index=True)
    birth = dict(zip(ids.tolist(), first.tolist(), strict=True))
    daughters = defaultdict(list)
    for child, parent in tracks.parents.items():
        if child in birth:
            daughters[parent].append(birth[child])
    events = [
        (tracks.frame[rows].min(), tracks.x[rows].mean(), tracks.y[rows].mean())
        for rows in daughters.values()
        if len(rows) > 1
    ]
    return np.array(events, dtype=np.float64).reshape(-1, 3)
