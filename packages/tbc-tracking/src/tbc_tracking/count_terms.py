r"""The counting part of the objective with as few rows as it needs, and as tight as they can be alone.

For windows r with counts n and weights W, and x in {0, 1}:

    |n - w . x| = n - w . x + 2 (w . x - n)^+                                                        (1)
    (w . x - n)^+ = sum_i (w_i - n)^+ x_i + (w' . x - n)^+,    w'_i = min(w_i, n)                     (2)
    (w' . x - n)^+ = e (s . x - (sum_i s_i - 1))^+,    e = sum_i w'_i - n,  s_i = min(w'_i / e, 1)   (3)

(1) leaves only what is counted too much; the rest is a cost per candidate. (2) takes out what one candidate counts
too much by itself. In (3) all candidates of a window together overshoot by e; one that would leave no overshoot
without it (w'_i > e) is as good as one of share 1. A window that its candidates cannot overfill needs no row, and
those of two candidates all say e (x_i + x_j - 1)^+: one row for every such pair, whatever the number of windows.
The equations are checked by brute force in the tests; they are ours, not the paper's.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tbc_tracking.counting_windows import CountingWindows

_NOTHING = 1e-9
"""Overshoots and shares below this are rounding."""


class CountTerms(NamedTuple):
    """sum_r |n_r - (W^T x)_r| = constant + linear . x + sum_k cost_k (shares_k . x - limit_k)^+."""

    constant: float
    linear: NDArray[np.float64]
    """Shape (candidates,)."""
    shares: csr_array
    """Shape (terms, candidates), in (0, 1]."""
    limit: NDArray[np.float64]
    """Sum of the shares of a term less 1, shape (terms,)."""
    cost: NDArray[np.float64]
    """Largest overshoot of each term, twice; shape (terms,)."""

    def overshoot(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (shares . x - limit)^+ of each term, in [0, 1]."""
        return np.clip(self.shares @ chosen.astype(np.float64) - self.limit, 0.0, 1.0)


def count_terms(windows: CountingWindows) -> CountTerms:
    """Return the counting part of the objective in the form (3), without its penalty."""
    weights = windows.weights.tocoo()
    candidate, window = weights.coords
    candidates, counts = weights.shape[0], windows.counts.astype(np.float64)
    weight, room = weights.data.astype(np.float64), np.maximum(counts, 0.0)
    kept = np.minimum(weight, room[window])
    linear = np.where(room[window] > 0, weight - 2 * kept, weight)
    most = np.bincount(window, kept, minlength=len(counts)) - room
    share = np.minimum(kept / np.maximum(most[window], _NOTHING), 1.0)
    counted = (most[window] > _NOTHING) & (room[window] > 0) & (share > _NOTHING)
    terms, row = np.unique(window[counted], return_inverse=True)
    shares = csr_array((share[counted], (row, candidate[counted])), shape=(len(terms), candidates))
    shares.sort_indices()
    shares, cost = _merge_pairs(shares, 2 * most[terms])
    return CountTerms(
        constant=float(np.abs(counts).sum()),
        linear=np.bincount(candidate, linear, minlength=candidates),
        shares=shares,
        limit=shares.sum(axis=1) - 1.0,
        cost=cost,
    )


def _merge_pairs(
    shares: csr_array, cost: NDArray[np.float64]
) -> tuple[csr_array, NDArray[np.float64]]:
    """Return the terms with those of the same two candidates added up."""
    pairs = np.flatnonzero(np.diff(shares.indptr) == 2)
    begin = shares.indptr[pairs].astype(np.int64)
    key = shares.indices[begin].astype(np.int64) * shares.shape[1] + shares.indices[begin + 1]
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    merged = cost.copy()
    merged[pairs[first]] = np.bincount(which, cost[pairs], minlength=len(first))
    stays = np.ones(len(cost), np.bool_)
    stays[pairs] = False
    stays[pairs[first]] = True
    return csr_array(shares[stays]), merged[stays]
