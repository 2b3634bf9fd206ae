"""The spatio-temporal graph: candidates as nodes, possible moves as edges, costs in units of sigma."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from tbc_tracking.candidates import Candidates
from tbc_tracking.config import FlowConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowGraph:
    """Edges sorted by target and then by source, with the costs of the flow."""

    source: NDArray[np.int64]
    """Earlier candidate of each edge, shape (edges,)."""
    target: NDArray[np.int64]
    """Later candidate of each edge, shape (edges,)."""
    cost: NDArray[np.float64]
    """Cost of each edge, shape (edges,)."""
    entry: NDArray[np.float64]
    """Cost of a track that begins at a candidate, shape (candidates,)."""
    exit: NDArray[np.float64]
    """Cost of a track that ends at a candidate, shape (candidates,)."""
    pointers: NDArray[np.int64]
    """First incoming edge of each candidate, shape (candidates + 1,)."""

    def __len__(self) -> int:
        """Return the number of edges."""
        return len(self.source)


def build_graph(candidates: Candidates, shape: tuple[int, int], config: FlowConfig) -> FlowGraph:
    """Connect candidates of consecutive frames (and over gaps) within reach.

    Args:
        candidates: the nodes.
        shape: (height, width) of the map.
        config: costs and reach.
    """
    entry, leave = entry_and_exit(candidates, shape, config, first=0)
    return assemble_graph(*nearby_edges(candidates, config), entry=entry, leave=leave)


def entry_and_exit(
    candidates: Candidates, shape: tuple[int, int], config: FlowConfig, *, first: int | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the costs of beginning and of ending at each candidate.

    Args:
        candidates: the nodes.
        shape: (height, width) of the map.
        config: costs.
        first: frame in which tracks begin for nothing, None when there is none. Ending in the last frame
            is always free.
    """
    inside = np.minimum.reduce(
        [candidates.x, candidates.y, shape[1] - 1 - candidates.x, shape[0] - 1 - candidates.y]
    )
    at_border = inside < config.border * candidates.sigma
    entry = np.where(at_border, min(config.border_entry, config.entry), config.entry)
    leave = np.where(at_border, min(config.border_entry, config.exit), config.exit)
    if first is not None:
        entry = np.where(candidates.frame == first, 0.0, entry)
    return entry, np.where(candidates.frame == candidates.length - 1, 0.0, leave)


def assemble_graph(
    source: NDArray[np.int64],
    target: NDArray[np.int64],
    cost: NDArray[np.float64],
    *,
    entry: NDArray[np.float64],
    leave: NDArray[np.float64],
) -> FlowGraph:
    """Return the graph with its edges sorted by target and then by source."""
    order = np.lexsort((source, target))
    target = target[order]
    pointers = np.searchsorted(target, np.arange(len(entry) + 1))
    return FlowGraph(
        source=source[order],
        target=target,
        cost=cost[order],
        entry=entry,
        exit=leave,
        pointers=pointers,
    )


def nearby_edges(
    candidates: Candidates, config: FlowConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return source, target and cost of all moves within reach, gaps included."""
    parts = [_edges_over(candidates, step, config) for step in range(1, config.gap_frames + 2)]
    source, target, cost = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return source, target, cost


def _edges_over(
    candidates: Candidates, step: int, config: FlowConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return source, target and cost of the edges that span `step` frames.

    The reach grows with the square root of the time, as a random walk does; the cost counts the mean speed.
    """
    starts = candidates.starts
    points = np.stack([candidates.x, candidates.y], axis=1)
    widest = config.reach * np.sqrt(step) * float(candidates.sigma.max(initial=0.0))
    trees = [KDTree(points[a:b]) if b > a else None for a, b in pairwise(starts)]
    sources, targets = [], []
    for frame in range(candidates.length - step):
        here, there = trees[frame], trees[frame + step]
        if here is None or there is None:
            continue
        pairs = here.sparse_distance_matrix(there, widest, output_type="ndarray")
        sources.append(pairs["i"] + starts[frame])
        targets.append(pairs["j"] + starts[frame + step])
    if not sources:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    source, target = (
        np.concatenate(sources).astype(np.int64),
        np.concatenate(targets).astype(np.int64),
    )
    scale = (candidates.sigma[source] + candidates.sigma[target]) / 2
    moved = np.hypot(*(points[target] - points[source]).T) / scale
    near = moved <= config.reach * np.sqrt(step)
    cost = config.move * moved[near] / np.sqrt(step) + config.gap * (step - 1)
    return source[near], target[near], cost
