"""Scores of tracked points against true ones: CLEAR-MOT, identity, HOTA and counting.

Definitions: Bernardin and Stiefelhagen 2008 (MOTA, MOTP), Ristani et al. 2016 (IDF1), Luiten et al.
2021 (HOTA). A predicted point matches a true one at most `distance` pixels away. `PointScores` holds
sums, so several sequences are scored together by adding (`pool_scores`), never by averaging ratios.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import cast

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.hota import LEVELS, hota_sums
from tbc_tracking.point_matching import (
    SWITCH_RULES,
    CandidatePairs,
    SwitchRule,
    candidate_pairs,
    heaviest_matching,
    match_over_time,
)
from tbc_tracking.tracks import Tracks

MOSTLY_TRACKED = 0.8
"""Share of its frames in which a mostly tracked target is matched, at least."""
MOSTLY_LOST = 0.2
"""Share of its frames in which a mostly lost target is matched, less than."""

REPORTED = (
    "mota", "motp", "idf1", "idp", "idr", "hota", "deta", "assa", "loca",
    "recall", "precision", "switches", "fragmentations", "false_positives", "misses",
    "mostly_tracked", "partially_tracked", "mostly_lost", "count_mae", "count_bias",
)  # fmt: skip
"""Names of the figures in the order of a results table."""


@dataclass(frozen=True, kw_only=True)
class PointScores:
    """Sums over one or more sequences, and the scores that are ratios of them.

    A score is NaN where nothing was counted that it could be a ratio of.
    """

    frames: int
    """Frames evaluated."""
    objects: int
    """True points."""
    predictions: int
    """Predicted points."""
    matches: int
    """True points with a matched predicted point."""
    switches: int
    """Matches whose predicted id differs from the one that the target had at its last match."""
    fragmentations: int
    """Times a target was lost and found again."""
    matched_distance: float
    """Sum of the distances of the matches, in pixels."""
    mostly_tracked: int
    """Targets matched in at least 80 % of their frames."""
    partially_tracked: int
    """Targets matched in at least 20 % and less than 80 % of their frames."""
    mostly_lost: int
    """Targets matched in less than 20 % of their frames."""
    identity_matches: int
    """Points that agree under the best one-to-one assignment of whole tracks (IDTP)."""
    count_error: int
    """Sum over frames of how many points there are too many or too few."""
    hota_matches: tuple[float, ...]
    """Matches at each level of HOTA."""
    hota_association: tuple[float, ...]
    """Sum of association scores at each level of HOTA."""
    hota_similarity: tuple[float, ...]
    """Sum of similarities at each level of HOTA."""

    @property
    def false_positives(self) -> int:
        """Predicted points without a true one."""
        return self.predictions - self.matches

    @property
    def misses(self) -> int:
        """True points without a predicted one."""
        return self.objects - self.matches

    @property
    def mota(self) -> float:
        """1 - (misses + false positives + switches) / true points."""
        return 1.0 - _ratio(self.misses + self.false_positives + self.switches, self.objects)

    @property
    def motp(self) -> float:
        """Mean distance of the matches in pixels (smaller is better)."""
        return _ratio(self.matched_distance, self.matches)

    @property
    def recall(self) -> float:
        """Share of the true points that are matched."""
        return _ratio(self.matches, self.objects)

    @property
    def precision(self) -> float:
        """Share of the predicted points that are matched."""
        return _ratio(self.matches, self.predictions)

    @property
    def idf1(self) -> float:
        """2 IDTP / (true points + predicted points)."""
        return _ratio(2 * self.identity_matches, self.objects + self.predictions)

    @property
    def idp(self) -> float:
        """Identity precision: IDTP / predicted points."""
        return _ratio(self.identity_matches, self.predictions)

    @property
    def idr(self) -> float:
        """Identity recall: IDTP / true points."""
        return _ratio(self.identity_matches, self.objects)

    @property
    def hota(self) -> float:
        """Mean over the levels of sqrt(DetA * AssA)."""
        return float(np.sqrt(self._detection() * self._association()).mean())

    @property
    def deta(self) -> float:
        """Mean over the levels of TP / (TP + FN + FP)."""
        return float(self._detection().mean())

    @property
    def assa(self) -> float:
        """Mean over the levels of the mean association of matches; 0 at a level without any."""
        return float(self._association().mean())

    @property
    def loca(self) -> float:
        """Mean over the levels of the mean similarity of matches; 1 at a level without any.

        The 1 is what TrackEval counts.
        """
        matches = np.array(self.hota_matches)
        located = np.array(self.hota_similarity) / np.maximum(matches, 1)
        return float(np.where(matches > 0, located, 1.0).mean())

    @property
    def count_mae(self) -> float:
        """Mean over frames of how many points there are too many or too few."""
        return _ratio(self.count_error, self.frames)

    @property
    def count_bias(self) -> float:
        """Mean over frames of predicted points - true points (positive: too many)."""
        return _ratio(self.predictions - self.objects, self.frames)

    def as_dict(self) -> dict[str, float]:
        """Return every reported figure under its name, in the order of a results table."""
        return {name: getattr(self, name) for name in REPORTED}

    def _detection(self) -> NDArray[np.float64]:
        """Return DetA at each level."""
        matches = np.array(self.hota_matches)
        union = self.objects + self.predictions - matches
        return (
            matches / union if self.objects + self.predictions else np.full(len(LEVELS), math.nan)
        )

    def _association(self) -> NDArray[np.float64]:
        """Return AssA at each level."""
        return np.array(self.hota_association) / np.maximum(self.hota_matches, 1)


def evaluate_points(
    truth: Tracks, predicted: Tracks, *, distance: float, switch_rule: SwitchRule = "last"
) -> PointScores:
    """Score one sequence.

    Args:
        truth: true tracks.
        predicted: predicted tracks in the same pixels and frames.
        distance: largest distance in pixels at which two points match.
        switch_rule: "last" re-establishes a target's last pair across gaps (py-motmetrics);
            "previous" only the pair of the previous frame (TrackEval). A switch is counted against
            the last id in both.

    Raises:
        ValueError: if `distance` is not positive or `switch_rule` is unknown.
    """
    if not (math.isfinite(distance) and distance > 0):
        raise ValueError(f"distance must be a positive number of pixels, got {distance}")
    if switch_rule not in SWITCH_RULES:
        raise ValueError(
            f"switch_rule must be one of {', '.join(SWITCH_RULES)}, got {switch_rule!r}"
        )
    wide = candidate_pairs(truth, predicted, radius=2.0 * distance)
    pairs = wide.where(wide.distance <= distance)
    match = match_over_time(truth, predicted, pairs=pairs, radius=distance, switch_rule=switch_rule)
    matched = match >= 0
    levels = hota_sums(truth, predicted, pairs=wide, distance=distance)
    length = max(truth.length, predicted.length)
    errors = _counts(predicted, length) - _counts(truth, length)
    rows = np.flatnonzero(matched)
    offsets = np.hypot(
        truth.x[rows] - predicted.x[match[rows]], truth.y[rows] - predicted.y[match[rows]]
    )
    return PointScores(
        frames=length,
        objects=len(truth),
        predictions=len(predicted),
        matches=int(matched.sum()),
        matched_distance=float(offsets.sum()),
        identity_matches=_identity_matches(truth, predicted, pairs=pairs),
        count_error=int(np.abs(errors).sum()),
        hota_matches=tuple(levels.matches.tolist()),
        hota_association=tuple(levels.association.tolist()),
        hota_similarity=tuple(levels.similarity.tolist()),
        **_continuity(truth, predicted, match=match),
    )


def pool_scores(scores: Sequence[PointScores]) -> PointScores:
    """Return the scores of several sequences taken together: their sums added, identities kept apart.

    Raises:
        ValueError: if `scores` is empty.
    """
    if not scores:
        raise ValueError("pool_scores needs at least one sequence, got none")
    totals = {}
    for name in (entry.name for entry in fields(PointScores)):
        values = [getattr(score, name) for score in scores]
        by_level = isinstance(values[0], tuple)
        totals[name] = tuple(np.sum(values, axis=0).tolist()) if by_level else sum(values)
    return PointScores(**totals)


def _ratio(numerator: float, denominator: float) -> float:
    """Return numerator / denominator, NaN when there is nothing to divide by."""
    return numerator / denominator if denominator else math.nan


def _counts(tracks: Tracks, length: int) -> NDArray[np.int64]:
    """Return the points per frame, shape (length,)."""
    return cast("NDArray[np.int64]", np.bincount(tracks.frame, minlength=length))


def _identity_matches(truth: Tracks, predicted: Tracks, *, pairs: CandidatePairs) -> int:
    """Return IDTP: the most frames within reach that a one-to-one assignment of whole tracks can cover."""
    names = np.stack([truth.id[pairs.truth], predicted.id[pairs.predicted]])
    tracks, frames = np.unique(names, axis=1, return_counts=True)
    chosen = heaviest_matching(tracks[0], tracks[1], gain=frames.astype(np.float64))
    return int(frames[chosen].sum())


def _continuity(truth: Tracks, predicted: Tracks, *, match: NDArray[np.int64]) -> dict[str, int]:
    """Return how targets were followed: switches, fragmentations, and targets by share."""
    order = np.lexsort((truth.frame, truth.id))
    match, target = match[order], np.unique(truth.id, return_inverse=True)[1][order]
    found = np.flatnonzero(match >= 0)
    same_target = np.diff(target[found]) == 0
    name = predicted.id[match[found]]
    share = np.bincount(target, match >= 0) / np.bincount(target)
    mostly_tracked = int((share >= MOSTLY_TRACKED).sum())
    mostly_lost = int((share < MOSTLY_LOST).sum())
    return {
        "switches": int((same_target & (np.diff(name) != 0)).sum()),
        "fragmentations": int((same_target & (np.diff(found) > 1)).sum()),
        "mostly_tracked": mostly_tracked,
        "mostly_lost": mostly_lost,
        "partially_tracked": len(share) - mostly_tracked - mostly_lost,
    }
