"""HOTA: higher order tracking accuracy (Luiten et al., IJCV 2021), for points.

The similarity of two points is max(0, 1 - distance / (2 d)), so that the level 0.5 accepts pairs up
to d; it is the Euclidean similarity of TrackEval with zero_distance = 2 d.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.point_matching import CandidatePairs, heaviest_matching
from tbc_tracking.tracks import Tracks

LEVELS = np.arange(1, 20) * 0.05
"""Similarity levels (alpha) over which the measure is averaged."""


class HotaSums(NamedTuple):
    """Sums at each of the 19 levels, each of shape (19,); they add over sequences."""

    matches: NDArray[np.float64]
    """True positives."""
    association: NDArray[np.float64]
    """Sum over true positives of the association score of their pair of tracks."""
    similarity: NDArray[np.float64]
    """Sum over true positives of their similarity."""


def hota_sums(
    truth: Tracks, predicted: Tracks, *, pairs: CandidatePairs, distance: float
) -> HotaSums:
    """Return the sums that HOTA, DetA, AssA and LocA are ratios of.

    Args:
        truth: true tracks.
        predicted: predicted tracks.
        pairs: all pairs up to 2 * `distance`.
        distance: match distance d in pixels.
    """
    similarity = 1.0 - pairs.distance / (2.0 * distance)
    near = similarity > 0
    pairs, similarity = pairs.where(near), similarity[near]
    if not len(similarity):
        return HotaSums(*(np.zeros(len(LEVELS)) for _ in range(3)))
    true_id, true_frames = _lengths(truth)
    predicted_id, predicted_frames = _lengths(predicted)
    tracks, track_pair = np.unique(
        np.stack([true_id[pairs.truth], predicted_id[pairs.predicted]]), axis=1, return_inverse=True
    )
    track_pair = track_pair.reshape(-1)  # NumPy 2.0 alone returned it with two axes
    frames_of_both = (true_frames[tracks[0]] + predicted_frames[tracks[1]]).astype(np.float64)

    # Which tracks belong together is judged over the whole sequence before any frame is matched.
    share = similarity / (
        np.bincount(pairs.truth, similarity)[pairs.truth]
        + np.bincount(pairs.predicted, similarity)[pairs.predicted]
        - similarity
    )
    potential = np.bincount(track_pair, share)
    alignment = potential / (frames_of_both - potential)

    chosen = _match_frames(truth, pairs, gain=alignment[track_pair] * similarity)
    track_pair, similarity = track_pair[chosen], similarity[chosen]
    sums = np.zeros((3, len(LEVELS)))
    for level, alpha in enumerate(LEVELS):
        accepted = similarity >= alpha - np.finfo(np.float64).eps
        common = np.bincount(track_pair[accepted], minlength=len(frames_of_both)).astype(np.float64)
        sums[:, level] = (
            accepted.sum(),
            # TPA / (TPA + FNA + FPA), once per true positive
            (common * common / (frames_of_both - common)).sum(),
            similarity[accepted].sum(),
        )
    return HotaSums(*sums)


def _lengths(tracks: Tracks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the id of each point counted from 0, and the number of points of each id."""
    _, index, frames = np.unique(tracks.id, return_inverse=True, return_counts=True)
    return index, frames


def _match_frames(
    truth: Tracks, pairs: CandidatePairs, *, gain: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the indices of the pairs chosen by the heaviest matching of each frame."""
    starts = np.searchsorted(truth.frame[pairs.truth], np.arange(truth.length + 1))
    chosen = [
        start
        + heaviest_matching(
            pairs.truth[start:stop], pairs.predicted[start:stop], gain=gain[start:stop]
        )
        for start, stop in pairwise(starts.tolist())
        if start < stop
    ]
    return np.concatenate(chosen)
