"""Corrections by hand: points that the user has settled stay where they are when the program is solved again."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.anchors import HEAD, HEAD_AFTER, TAIL, TAIL_BEFORE, Anchors
from tbc_tracking.candidates import Candidates
from tbc_tracking.config import WindowConfig
from tbc_tracking.counting_windows import build_windows
from tbc_tracking.density import density_from_points
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.tracks import Tracks


@dataclass(frozen=True, kw_only=True, eq=False)
class FixedPoints:
    """Settled points, sorted by frame."""

    frame: NDArray[np.int64]
    x: NDArray[np.float64]
    """Column in map pixels."""
    y: NDArray[np.float64]
    """Row in map pixels."""
    track: NDArray[np.int64]
    """Identity that the user gave."""

    @classmethod
    def none(cls) -> "FixedPoints":
        """Return no points."""
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(frame=whole, x=real, y=real, track=whole)

    @classmethod
    def of(cls, tracks: Tracks) -> "FixedPoints":
        """Return the points of tracks in map pixels; ids must be positive."""
        if len(tracks) and tracks.id.min() < 1:
            raise ValueError(f"ids of corrected tracks must be at least 1, got {tracks.id.min()}")
        return cls(frame=tracks.frame, x=tracks.x, y=tracks.y, track=tracks.id)

    def between(self, start: int, stop: int) -> "FixedPoints":
        """Return the points of the frames start <= t < stop, counted from `start`."""
        kept = (self.frame >= start) & (self.frame < stop)
        return FixedPoints(
            frame=self.frame[kept] - start, x=self.x[kept], y=self.y[kept], track=self.track[kept]
        )

    def anchors(self) -> Anchors:
        """Return the ends of the settled pieces."""
        return ends_of_tracks(self.frame, self.x, self.y, self.track)

    def displace(self, candidates: Candidates, size: ObjectSize) -> Candidates:
        """Return the candidates that are not within one sigma of a settled point of their frame."""
        if not len(self.frame):
            return candidates
        free = np.ones(len(candidates), np.bool_)
        for frame in np.unique(self.frame):
            here, settled = np.flatnonzero(candidates.frame == frame), self.frame == frame
            gap = np.hypot(
                candidates.x[here][:, None] - self.x[settled],
                candidates.y[here][:, None] - self.y[settled],
            )
            free[here] = (gap >= size.at(candidates.y[here])[:, None]).all(axis=1)
        columns = {
            name: getattr(candidates, name)[free] for name in ("frame", "x", "y", "sigma", "copied")
        }
        return replace(candidates, **columns)


def ends_of_tracks(
    frame: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    track: NDArray[np.int64],
) -> Anchors:
    """Return the ends of every unbroken piece of track, each with the point behind it.

    A piece ends where its identity is missing from the next frame.
    """
    order = np.lexsort((frame, track))
    names = track[order]
    breaks = np.ones(len(order), np.bool_)
    breaks[1:] = (names[1:] != names[:-1]) | (np.diff(frame[order]) > 1)
    piece = np.cumsum(breaks) - 1
    parts = []
    for role, partner, ends, step in (
        (HEAD, HEAD_AFTER, breaks, 1),
        (TAIL, TAIL_BEFORE, np.roll(breaks, -1), -1),
    ):
        place = np.flatnonzero(ends)
        behind = place + step
        behind = behind[(behind >= 0) & (behind < len(order))]
        behind = behind[piece[behind] == piece[behind - step]]
        for rows, value in ((place, role), (behind, partner)):
            points = order[rows]
            parts.append(
                Anchors(
                    frame=frame[points],
                    x=x[points],
                    y=y[points],
                    role=np.full(len(rows), value),
                    track=track[points],
                    piece=piece[rows],
                )
            )
    joined = Anchors.join(parts)
    return replace(joined, piece=np.concatenate([part.piece for part in parts]))


def explained_by(
    fixed: FixedPoints,
    maps: NDArray[np.float32],
    shift: int,
    size: ObjectSize,
    config: WindowConfig,
) -> NDArray[np.float64] | float:
    """Return how much of each window's count the settled points explain, shape (windows,)."""
    if not len(fixed.frame):
        return 0.0
    settled = Candidates(
        frame=fixed.frame + shift,
        x=fixed.x,
        y=fixed.y,
        sigma=size.at(fixed.y),
        copied=np.zeros_like(fixed.frame),
        length=len(maps),
    )
    sigma = float(size.at(maps.shape[1] / 2))
    return build_windows(maps, settled, config, sigma=sigma).weights.sum(axis=0)


def without_settled(
    fixed: FixedPoints, maps: NDArray[np.float32], size: ObjectSize
) -> NDArray[np.float32]:
    """Return the maps (frames, height, width) without the density of the settled points, not below zero."""
    if not len(fixed.frame):
        return maps
    left = maps.copy()
    for frame in np.unique(fixed.frame[fixed.frame < len(maps)]):
        here = fixed.frame == frame
        left[frame] -= density_from_points(
            (maps.shape[1], maps.shape[2]),
            x=fixed.x[here],
            y=fixed.y[here],
            sigma=size.at(fixed.y[here]),
        )
    return np.maximum(left, 0)
