"""Which predicted point belongs to which true point: candidate pairs and matchings of them.

Everything here works on lists of candidate pairs instead of dense distance matrices, so that
thousands of identities and long sequences cost what their neighborhoods cost.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from tbc_tracking.tracks import Tracks

SwitchRule = Literal["last", "previous"]
"""Which pair a target keeps: that of its last match, however long ago, or of the frame before."""

SWITCH_RULES: tuple[SwitchRule, ...] = ("last", "previous")
DENSE_LIMIT = 40_000
"""Entries up to which a dense assignment is faster than a sparse one (measured, one thread)."""


class CandidatePairs(NamedTuple):
    """Pairs of a true and a predicted point of one frame, sorted by true, then predicted row."""

    truth: NDArray[np.int64]
    """Row in the true tracks, shape (pairs,)."""
    predicted: NDArray[np.int64]
    """Row in the predicted tracks, shape (pairs,)."""
    distance: NDArray[np.float64]
    """Euclidean distance in pixels, shape (pairs,)."""

    def where(self, mask: NDArray[np.bool_] | slice) -> "CandidatePairs":
        """Return the pairs of a slice, or those where `mask` (shape (pairs,)) is true."""
        return CandidatePairs(self.truth[mask], self.predicted[mask], self.distance[mask])


def candidate_pairs(truth: Tracks, predicted: Tracks, *, radius: float) -> CandidatePairs:
    """Return all pairs of points of the same frame that lie at most `radius` pixels apart."""
    if not len(truth) or not len(predicted):
        nothing = np.zeros(0, dtype=np.int64)
        return CandidatePairs(nothing, nothing, np.zeros(0))
    # Frames become layers further apart than the radius: one search serves the whole sequence.
    layer = 4.0 * radius
    trees = [
        KDTree(np.stack([part.x, part.y, part.frame * layer], axis=1))
        for part in (truth, predicted)
    ]
    # The search runs a little wide and the exact distance decides: a pair at `radius` counts.
    reach = radius * (1 + 1e-9)
    found = trees[0].sparse_distance_matrix(trees[1], reach, output_type="coo_matrix")
    rows, columns = found.row.astype(np.int64), found.col.astype(np.int64)
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    distance = np.hypot(truth.x[rows] - predicted.x[columns], truth.y[rows] - predicted.y[columns])
    return CandidatePairs(rows, columns, distance).where(distance <= radius)


def heaviest_matching(
    rows: NDArray[np.int64], columns: NDArray[np.int64], *, gain: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the indices of the pairs of the one-to-one matching with the largest total gain, ascending.

    Args:
        rows: left side of each candidate pair, shape (pairs,); any integers.
        columns: right side, shape (pairs,). A pair may be listed once.
        gain: what choosing the pair brings, >= 0, shape (pairs,).
    """
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    row_names, row = np.unique(rows, return_inverse=True)
    column_names, column = np.unique(columns, return_inverse=True)
    # Pairs whose two sides know nobody else need no solver; in most scenes these are nearly all.
    alone = (np.bincount(row)[row] == 1) & (np.bincount(column)[column] == 1)
    contested = np.flatnonzero(~alone)
    if not len(contested):
        return np.flatnonzero(alone)
    if len(contested) < len(rows):
        inner = heaviest_matching(row[contested], column[contested], gain=gain[contested])
        chosen = contested[inner]
    elif len(row_names) * len(column_names) <= DENSE_LIMIT:
        chosen = _dense_matching(row, column, gain)
    else:
        chosen = _sparse_matching(row, column, gain)
    return np.sort(np.concatenate([np.flatnonzero(alone), chosen]))


def most_then_nearest(pairs: CandidatePairs, *, radius: float) -> NDArray[np.int64]:
    """Return the indices of a matching with the most pairs and, of those, the least distance."""
    most = min(len(np.unique(pairs.truth)), len(np.unique(pairs.predicted)))
    # One more pair gains at least `most`; fewer distances of one radius each cannot outweigh it.
    return heaviest_matching(
        pairs.truth, pairs.predicted, gain=most + 1.0 - pairs.distance / radius
    )


def match_over_time(
    truth: Tracks,
    predicted: Tracks,
    *,
    pairs: CandidatePairs,
    radius: float,
    switch_rule: SwitchRule,
) -> NDArray[np.int64]:
    """Return the row of the predicted point of each true point or -1, shape (true points,).

    The matching of CLEAR-MOT: in each frame a target first keeps the identity it was matched to (see
    `SwitchRule`) if that is still within `radius`; the others are matched by `most_then_nearest`.
    `last` is the rule of py-motmetrics, `previous` that of TrackEval. Where two targets claim one
    identity, the smaller true id keeps it.
    """
    true_ids, true_id = np.unique(truth.id, return_inverse=True)
    _, predicted_id = np.unique(predicted.id, return_inverse=True)
    match = np.full(len(truth), -1, dtype=np.int64)
    taken = np.zeros(len(predicted), dtype=np.bool_)
    remembered = np.full(len(true_ids), -1, dtype=np.int64)
    starts = np.searchsorted(truth.frame[pairs.truth], np.arange(truth.length + 1))
    for start, stop in pairwise(starts.tolist()):
        here = pairs.where(slice(start, stop))
        keep = np.flatnonzero(remembered[true_id[here.truth]] == predicted_id[here.predicted])
        keep = keep[np.unique(here.predicted[keep], return_index=True)[1]]
        match[here.truth[keep]] = here.predicted[keep]
        taken[here.predicted[keep]] = True
        rest = here.where((match[here.truth] < 0) & ~taken[here.predicted])
        chosen = most_then_nearest(rest, radius=radius)
        match[rest.truth[chosen]] = rest.predicted[chosen]
        if switch_rule == "previous":
            remembered[:] = -1
        matched = np.concatenate([here.truth[keep], rest.truth[chosen]])
        remembered[true_id[matched]] = predicted_id[match[matched]]
    return match


def _dense_matching(
    row: NDArray[np.int64], column: NDArray[np.int64], gain: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Solve one small matching; the entries of `row` and `column` count from 0 without holes."""
    shape = (int(row.max()) + 1, int(column.max()) + 1)
    gains = np.zeros(shape)
    gains[row, column] = gain
    index = np.full(shape, -1, dtype=np.int64)
    index[row, column] = np.arange(len(row))
    chosen = index[linear_sum_assignment(gains, maximize=True)]
    return chosen[chosen >= 0]


def _sparse_matching(
    row: NDArray[np.int64], column: NDArray[np.int64], gain: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Solve one large matching; each row may also choose a column of its own that gains nothing."""
    rows, columns = int(row.max()) + 1, int(column.max()) + 1
    # A full matching has one edge per row: the constant that makes costs positive changes nothing.
    top = float(gain.max()) + 1.0
    own = np.arange(rows)
    # scipy before 1.14 keeps 64-bit indices, which its solver then refuses.
    ends = (
        np.concatenate([row, own]).astype(np.int32),
        np.concatenate([column, columns + own]).astype(np.int32),
    )
    costs = csr_array(
        (np.concatenate([top - gain, np.full(rows, top)]), ends), shape=(rows, columns + rows)
    )
    partner = np.full(rows, -1, dtype=np.int64)
    solved_rows, solved_columns = min_weight_full_bipartite_matching(costs)
    partner[solved_rows] = solved_columns
    return np.flatnonzero(partner[row] == column)
