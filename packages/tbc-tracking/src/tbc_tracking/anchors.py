"""Anchors: ends of tracks that are already settled, where the rest of the program may go on or arrive.

A settled piece of track (an earlier time block, a correction by hand) leaves the program: its counts are taken
from the windows, and its two ends stay as free places to leave from and to arrive at. Going on from an end saves
the exit that it has paid, arriving at a beginning saves its entry. This is exact for every solver and needs no
fixed variables. An end brings its last two points along, so that turns at it cost what they should.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.candidates import Candidates
from tbc_tracking.config import FlowConfig
from tbc_tracking.flow_graph import FlowGraph, assemble_graph, entry_and_exit, nearby_edges
from tbc_tracking.object_size import ObjectSize

CLOSED = 10.0
"""Cost, on top of the dearest entry and exit, of beginning or ending where a settled track does not."""

FREE, TAIL, TAIL_BEFORE, HEAD, HEAD_AFTER = range(5)
"""Roles of a node: a candidate; the last settled point, the one before it; the first one, the one after it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Anchors:
    """Settled points at the ends of tracks, in the frames of the block (they may lie before it)."""

    frame: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    role: NDArray[np.int64]
    """TAIL, TAIL_BEFORE, HEAD or HEAD_AFTER, shape (anchors,)."""
    track: NDArray[np.int64]
    """Identity of the track that the anchor belongs to, shape (anchors,)."""
    piece: NDArray[np.int64]
    """Number of the unbroken piece of that track, shape (anchors,)."""

    @classmethod
    def none(cls) -> "Anchors":
        """Return no anchors."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(frame=whole, x=real, y=real, role=whole, track=whole, piece=whole)

    @classmethod
    def join(cls, parts: list["Anchors"]) -> "Anchors":
        """Return the anchors of all parts."""
        names = ("frame", "x", "y", "role", "track")
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        before = np.cumsum([0, *(1 + part.piece.max(initial=0) for part in parts[:-1])])
        piece = np.concatenate(
            [part.piece + first for part, first in zip(parts, before, strict=True)]
        )
        return cls(**columns, piece=piece)

    def select(self, mask: NDArray[np.bool_]) -> "Anchors":
        """Return the anchors where `mask` is true."""
        names = ("frame", "x", "y", "role", "track", "piece")
        return Anchors(**{name: getattr(self, name)[mask] for name in names})


@dataclass(frozen=True, kw_only=True, eq=False)
class AnchoredNodes:
    """Candidates and anchors together, sorted by frame."""

    nodes: Candidates
    role: NDArray[np.int64]
    """FREE for candidates, shape (nodes,)."""
    track: NDArray[np.int64]
    """Identity of an anchor's track, 0 for candidates, shape (nodes,)."""
    piece: NDArray[np.int64]
    """Piece of an anchor, -1 for candidates, shape (nodes,)."""
    shift: int
    """Frames that were put before the block to hold its anchors."""


def with_anchors(candidates: Candidates, anchors: Anchors, size: ObjectSize) -> AnchoredNodes:
    """Merge candidates and anchors into one list of nodes, sorted by frame; frames are shifted to begin at 0."""
    shift = max(0, -int(anchors.frame.min(initial=0)))
    frame = np.concatenate([candidates.frame, anchors.frame]) + shift
    order = np.argsort(frame, kind="stable")
    y = np.concatenate([candidates.y, anchors.y])
    nodes = Candidates(
        frame=frame[order],
        x=np.concatenate([candidates.x, anchors.x])[order],
        y=y[order],
        sigma=size.at(y)[order],
        copied=np.concatenate([candidates.copied, np.zeros_like(anchors.frame)])[order],
        length=candidates.length + shift,
    )
    free = np.zeros(len(candidates), np.int64)
    return AnchoredNodes(
        nodes=nodes,
        role=np.concatenate([free, anchors.role])[order],
        track=np.concatenate([free, anchors.track])[order],
        piece=np.concatenate([free - 1, anchors.piece])[order],
        shift=shift,
    )


def anchored_graph(
    anchored: AnchoredNodes, shape: tuple[int, int], config: FlowConfig, *, free_start: bool
) -> FlowGraph:
    """Build the flow graph over candidates and anchors.

    Args:
        anchored: the nodes.
        shape: (height, width) of the map.
        config: costs and reach.
        free_start: the block begins with the video, where tracks begin for nothing.
    """
    nodes, role = anchored.nodes, anchored.role
    first = anchored.shift if free_start else None
    entry, leave = entry_and_exit(nodes, shape, config, first=first)
    tails, heads = _Ends.of(anchored, TAIL, TAIL_BEFORE), _Ends.of(anchored, HEAD, HEAD_AFTER)
    closed = CLOSED + config.entry + config.exit
    new_entry = np.where(role == FREE, entry, closed)
    new_leave = np.where(role == FREE, leave, closed)
    new_entry[tails.outer] = -leave[tails.inner]
    new_leave[tails.inner] = leave[tails.inner]
    new_leave[heads.outer] = -entry[heads.inner]
    new_entry[heads.inner] = entry[heads.inner]
    source, target, cost = nearby_edges(nodes, config)
    allowed = _allowed(anchored, source, target)
    return assemble_graph(
        np.concatenate([source[allowed], tails.outer[tails.paired], heads.inner[heads.paired]]),
        np.concatenate([target[allowed], tails.inner[tails.paired], heads.outer[heads.paired]]),
        np.concatenate([cost[allowed], np.zeros(tails.paired.sum() + heads.paired.sum())]),
        entry=new_entry,
        leave=new_leave,
    )


@dataclass(frozen=True, eq=False)
class _Ends:
    """One end of every settled track: the point at the end, and the one behind it where there is one."""

    inner: NDArray[np.int64]
    """Nodes with the role TAIL or HEAD."""
    outer: NDArray[np.int64]
    """Their partners, or they themselves."""
    paired: NDArray[np.bool_]

    @classmethod
    def of(cls, anchored: AnchoredNodes, role: int, partner: int) -> "_Ends":
        inner, partners = (np.flatnonzero(anchored.role == which) for which in (role, partner))
        partners = partners[np.argsort(anchored.piece[partners])]
        wanted = anchored.piece[inner]
        place = np.searchsorted(anchored.piece[partners], wanted)
        known = np.append(anchored.piece[partners], -1)[place] == wanted
        return cls(inner, np.where(known, np.append(partners, -1)[place], inner), known)


def _allowed(
    anchored: AnchoredNodes, source: NDArray[np.int64], target: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return the edges between candidates, out of tails and into heads; a piece does not meet itself."""
    before, after = anchored.role[source], anchored.role[target]
    leaves = (before == FREE) | (before == TAIL)
    arrives = (after == FREE) | (after == HEAD)
    settled = (before != FREE) & (after != FREE)
    return leaves & arrives & ~(settled & (anchored.piece[source] == anchored.piece[target]))
