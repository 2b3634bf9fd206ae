"""Counting for people who ask for numbers: lines crossed and regions filled, per frame and interval."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.tracks import Tracks

Point = tuple[float, float]
"""x and y in pixels of the frames."""


class Steps(NamedTuple):
    """Straight moves between consecutive points of the same track, gaps included."""

    start: NDArray[np.float64]
    """x and y before, shape (steps, 2)."""
    stop: NDArray[np.float64]
    """x and y after, shape (steps, 2)."""
    frame: NDArray[np.int64]
    """Frame of arrival, shape (steps,)."""


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """A sequence cut into intervals of equal length; the last one may be shorter."""

    first_frame: NDArray[np.int64]
    """First frame of each interval, shape (intervals,)."""
    frames: NDArray[np.int64]
    """Frames in each interval, shape (intervals,)."""
    frame_interval: float | None
    """Seconds between frames, where known."""

    def per_minute(self, counts: NDArray) -> NDArray[np.float64]:
        """Return counts of events per interval as rates.

        Raises:
            ValueError: if the seconds between frames are unknown.
        """
        if self.frame_interval is None:
            raise ValueError("rates need frame_interval, the seconds between frames, in the tracks")
        return 60.0 * counts / (self.frames * self.frame_interval)


@dataclass(frozen=True, kw_only=True)
class LineCrossings(Intervals):
    """How many tracks crossed a line in each interval."""

    to_right: NDArray[np.int64]
    """Crossings to the right-hand side of somebody who looks from the line's start to its end."""
    to_left: NDArray[np.int64]
    """Crossings to the left-hand side."""

    @property
    def net(self) -> NDArray[np.int64]:
        """Crossings to the right minus crossings to the left."""
        return self.to_right - self.to_left


@dataclass(frozen=True, kw_only=True)
class RegionCounts(Intervals):
    """How many tracks were in a region in each frame, and moved in or out in each interval."""

    per_frame: NDArray[np.int64]
    """Tracks in the region, shape (frames of the sequence,)."""
    mean: NDArray[np.float64]
    """Mean of `per_frame` over each interval."""
    entered: NDArray[np.int64]
    """Tracks that moved in; one that begins inside does not count."""
    left: NDArray[np.int64]
    """Tracks that moved out; one that ends inside does not count."""


def count_crossings(
    tracks: Tracks, start: Point, end: Point, *, interval: int | None = None
) -> LineCrossings:
    """Count crossings of the segment from `start` to `end`.

    A crossing belongs to the frame in which the track is beyond the line. Somebody who walks to and
    fro counts every time, in both directions; the net is what remains. A point exactly on the line
    counts as on its right, and of two segments that share an end, one is crossed there.

    Args:
        tracks: tracks.
        start: x and y of the segment's start.
        end: x and y of its end.
        interval: frames per interval; None takes the whole sequence.

    Raises:
        ValueError: if the segment has no length or `interval` is below 1.
    """
    along = np.subtract(end, start).astype(np.float64)
    if not np.isfinite(along).all() or not along.any():
        raise ValueError(f"a line needs two different points, got {start} and {end}")
    steps = _steps(tracks)
    before, after = (_side(points, start, along) for points in (steps.start, steps.stop))
    changed = (before >= 0) != (after >= 0)
    before, after = before[changed], after[changed]
    move = before / (before - after)
    meeting = steps.start[changed] + move[:, None] * (steps.stop - steps.start)[changed]
    share = (meeting - start) @ along / (along @ along)
    crossed = (share >= 0) & (share < 1)
    frame, right = steps.frame[changed][crossed], after[crossed] >= 0
    cut = _intervals(tracks, interval)
    return LineCrossings(
        to_right=_per_interval(frame[right], cut),
        to_left=_per_interval(frame[~right], cut),
        **vars(cut),
    )


def count_in_region(
    tracks: Tracks, polygon: Sequence[Point], *, interval: int | None = None
) -> RegionCounts:
    """Count tracks inside a polygon.

    Args:
        tracks: tracks.
        polygon: corners in order; it closes itself, and may cross itself (even-odd rule).
        interval: frames per interval; None takes the whole sequence.

    Raises:
        ValueError: if the polygon has fewer than three corners or `interval` is below 1.
    """
    inside = points_in_polygon(np.stack([tracks.x, tracks.y], axis=1), polygon)
    per_frame = np.bincount(tracks.frame[inside], minlength=tracks.length)
    steps = _steps(tracks)
    was, now = (points_in_polygon(points, polygon) for points in (steps.start, steps.stop))
    cut = _intervals(tracks, interval)
    sums = np.add.reduceat(per_frame, cut.first_frame) if tracks.length else per_frame
    return RegionCounts(
        per_frame=per_frame,
        mean=sums / cut.frames,
        entered=_per_interval(steps.frame[now & ~was], cut),
        left=_per_interval(steps.frame[was & ~now], cut),
        **vars(cut),
    )


def density_in_region(
    maps: Iterable[NDArray[np.float32]], polygon: Sequence[Point], *, scale: float = 1.0
) -> NDArray[np.float64]:
    """Return the sum of each density map over a polygon, which is the count there, shape (frames,).

    Args:
        maps: maps of one size (height, width), taken one at a time.
        polygon: corners in pixels of the frames.
        scale: pixels of a map per pixel of a frame (0.5 for maps of half the size).

    Raises:
        ValueError: if the polygon has fewer than three corners or `scale` is not positive.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be positive, got {scale}")
    mask: NDArray[np.bool_] | None = None
    sums = []
    for density in maps:
        if mask is None:
            y, x = np.indices(density.shape)
            # Pixel centers are at integers in both, so corners meet at -0.5.
            pixels = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
            centers = (pixels + 0.5) / scale - 0.5
            mask = points_in_polygon(centers, polygon).reshape(density.shape)
        sums.append(float(density[mask].sum(dtype=np.float64)))
    return np.array(sums, dtype=np.float64)


def points_in_polygon(points: NDArray[np.float64], polygon: Sequence[Point]) -> NDArray[np.bool_]:
    """Return which points, shape (points, 2), lie inside a polygon (even-odd rule).

    Raises:
        ValueError: if it has fewer than three corners or one is not finite.
    """
    corners = np.asarray(polygon, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError(f"a region needs three or more corners (x, y), got {polygon}")
    if not np.isfinite(corners).all():
        raise ValueError(f"the corners of a region must be finite, got {polygon}")
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        spans = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):  # horizontal edges span nothing
            inside ^= spans & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside


def _steps(tracks: Tracks) -> Steps:
    """Return the moves of all tracks."""
    order = np.lexsort((tracks.frame, tracks.id))
    points = np.stack([tracks.x, tracks.y], axis=1)[order]
    same = np.diff(tracks.id[order]) == 0
    return Steps(points[:-1][same], points[1:][same], tracks.frame[order][1:][same])


def _side(points: NDArray[np.float64], start: Point, along: NDArray[np.float64]) -> NDArray:
    """Return on which side of a line points lie: positive on the right, since y points down."""
    return along[0] * (points[:, 1] - start[1]) - along[1] * (points[:, 0] - start[0])


def _intervals(tracks: Tracks, interval: int | None) -> Intervals:
    """Return the intervals of a sequence."""
    if interval is not None and interval < 1:
        raise ValueError(f"interval must be at least 1 frame, got {interval}")
    first = np.arange(0, tracks.length, interval or max(tracks.length, 1))
    frames = np.diff(first, append=tracks.length)
    return Intervals(first_frame=first, frames=frames, frame_interval=tracks.frame_interval)


def _per_interval(frames: NDArray[np.int64], cut: Intervals) -> NDArray[np.int64]:
    """Return how many of the frames fall into each interval."""
    index = np.searchsorted(cut.first_frame, frames, side="right") - 1
    return np.bincount(index, minlength=len(cut.first_frame))
