"""The one result type of every solver: which candidates, linked how, at what cost, proven how far."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """A set of tracks over the candidates of a program."""

    chosen: NDArray[np.bool_]
    """x, shape (candidates,)."""
    preceding: NDArray[np.int64]
    """The candidate before each chosen one on its track, -1 where a track begins, shape (candidates,)."""
    objective: float
    """Value of the program's objective."""
    bound: float | None
    """Proven lower bound of the objective; None when the solver has none."""
    solver: str
    """Name of the solver: `paths`, `highs`, `scipy`, `pulp-cbc` or `pulp-highs`."""
    proven: bool
    """True when the bound proves the solution optimal within the gap that was asked for."""
    parent: NDArray[np.int64] | None = None
    """The candidate that a track's first one divided from, -1 for all others, shape (candidates,)."""

    @property
    def gap(self) -> float | None:
        """The relative gap (objective - bound) / objective, or None without a bound."""
        if self.bound is None:
            return None
        return max(0.0, self.objective - self.bound) / max(abs(self.objective), 1e-12)

    def identities(self) -> NDArray[np.int64]:
        """Return the track number of each candidate from 1 on, 0 where it is not chosen, shape (candidates,)."""
        identity = np.zeros(len(self.chosen), np.int64)
        number = 0
        for node in np.flatnonzero(self.chosen):
            before = self.preceding[node]
            if before >= 0:
                identity[node] = identity[before]
            else:
                number += 1
                identity[node] = number
        return identity
