r"""The integer program of tracking by counting (specification 1.3).

With x_v in {0, 1} for the candidates, f_e >= 0 for the edges and residuals u+_r, u-_r >= 0 for the windows:

    minimize  lambda sum_r (u+_r + u-_r) + sum_e c_e f_e + sum_v c_en (x_v - in_v) + c_ex (x_v - out_v) + c_v x_v
    subject to  in_v = sum of f over the edges into v <= x_v        (the rest begins there)
                out_v = sum of f over the edges out of v <= x_v     (the rest ends there)
                sum_v W_rv x_v + u-_r - u+_r = n_r                  for every window r

With divisions (specification 6.3) a candidate may send out a second unit: out_v <= x_v + d_v, d_v <= x_v, at
the cost c_div d_v.

Entry and exit flows are eliminated: they are what conservation leaves over. Only x is integral; with x fixed
the flow is integral by itself. Declaring only f integral would not do (specification 1.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.candidates import Candidates
from tbc_tracking.config import FlowConfig, WindowConfig
from tbc_tracking.counting_windows import CountingWindows, build_windows
from tbc_tracking.flow_graph import FlowGraph, build_graph


@dataclass(frozen=True, kw_only=True, eq=False)
class TrackingProgram:
    """One instance: candidates, count rows, flow, and the weight between them."""

    candidates: Candidates
    windows: CountingWindows
    graph: FlowGraph
    node_cost: NDArray[np.float64]
    """Cost c_v of choosing each candidate beside what the windows say, shape (candidates,)."""
    penalty: float
    """lambda: cost of one unit of residual in one window."""
    turn: float
    """Cost of a change of velocity of one sigma per frame."""
    division: float | None = None
    """Cost of a division, None where there are none."""
    constant: float = 0.0
    """What is paid anyway: the open ends of settled tracks, until somebody goes on from them."""

    def empty_cost(self) -> float:
        """Return the objective of no tracks at all: every count is unexplained."""
        return self.constant + self.penalty * float(np.abs(self.windows.counts).sum())

    def objective(
        self,
        chosen: NDArray[np.bool_],
        preceding: NDArray[np.int64],
        parent: NDArray[np.int64] | None = None,
    ) -> float:
        """Return the objective of a set of tracks.

        Args:
            chosen: x, shape (candidates,).
            preceding: the candidate before each one on its track, -1 where a track begins.
            parent: the candidate that a beginning track divided from, -1 where it entered; none by default.

        Raises:
            ValueError: if a link is no edge of the graph.
        """
        residual = self.windows.counts - self.windows.weights.T @ chosen.astype(np.float64)
        nodes = np.flatnonzero(chosen)
        linked = nodes[preceding[nodes] >= 0]
        born = nodes[parent[nodes] >= 0] if parent is not None else nodes[:0]
        entered = np.setdiff1d(np.setdiff1d(nodes, linked), born)
        ended = np.setdiff1d(nodes, preceding[linked])
        total = self.constant + self.penalty * float(np.abs(residual).sum())
        total += float(self.node_cost[nodes].sum())
        total += float(self.graph.entry[entered].sum() + self.graph.exit[ended].sum())
        total += self._link_costs(preceding[linked], linked) + self._turn_costs(preceding, linked)
        if parent is not None and len(born):
            total += self._link_costs(parent[born], born) + len(born) * (self.division or 0.0)
        return total

    def _link_costs(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> float:
        count = len(self.candidates)
        keys = self.graph.target * count + self.graph.source
        wanted = target * count + source
        index = np.searchsorted(keys, wanted)
        if len(wanted) and (index.max() >= len(keys) or (keys[index] != wanted).any()):
            raise ValueError("every link of a solution must be an edge of the graph")
        return float(self.graph.cost[index].sum())

    def _turn_costs(self, preceding: NDArray[np.int64], linked: NDArray[np.int64]) -> float:
        last = linked[preceding[preceding[linked]] >= 0]
        middle = preceding[last]
        first = preceding[middle]
        return float(self.turn_cost(first, middle, last).sum())

    def turn_cost(
        self, first: NDArray[np.int64], middle: NDArray[np.int64], last: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the cost of the change of velocity at each `middle`, shape (corners,)."""
        points = self.scaled_points()
        frame = self.candidates.frame
        after = (points[last] - points[middle]) / (frame[last] - frame[middle])[:, None]
        before = (points[middle] - points[first]) / (frame[middle] - frame[first])[:, None]
        return self.turn * np.hypot(*(after - before).T)

    def scaled_points(self) -> NDArray[np.float64]:
        """Return positions in units of the median sigma, shape (candidates, 2)."""
        points = np.stack([self.candidates.x, self.candidates.y], axis=1)
        return points / (np.median(self.candidates.sigma) if len(points) else 1.0)

    def neighbors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which candidates share windows, as pointers and indices (each one is its own neighbor)."""
        overlap = self.windows.weights @ self.windows.weights.T
        overlap.sort_indices()
        return overlap.indptr.astype(np.int64), overlap.indices.astype(np.int64)


def build_program(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    candidates: Candidates,
    *,
    windows: WindowConfig,
    flow: FlowConfig,
) -> TrackingProgram:
    """Build the program over density maps (frames, height, width) and their candidates."""
    rows = build_windows(maps, candidates, windows)
    return TrackingProgram(
        candidates=candidates,
        windows=rows,
        graph=build_graph(candidates, (maps[0].shape[0], maps[0].shape[1]), flow),
        node_cost=node_costs(maps, candidates, flow),
        penalty=flow.count / rows.coverage,
        turn=flow.turn,
        division=flow.division,
    )


def node_costs(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    candidates: Candidates,
    flow: FlowConfig,
) -> NDArray[np.float64]:
    """Return the cost of choosing each candidate beside what the windows say."""
    if flow.density == 0:
        return np.full(len(candidates), flow.presence)
    return flow.presence - flow.density * _relative_density(maps, candidates)


def _relative_density(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32], candidates: Candidates
) -> NDArray[np.float64]:
    """Return the density at each candidate as a share of the peak of one object, at most 1."""
    height, width = maps[0].shape
    rows = np.clip(np.rint(candidates.y).astype(int), 0, height - 1)
    columns = np.clip(np.rint(candidates.x).astype(int), 0, width - 1)
    density = np.array(
        [maps[t][r, c] for t, r, c in zip(candidates.frame, rows, columns, strict=True)]
    )
    return np.minimum(density * 2 * np.pi * candidates.sigma**2, 1.0)
