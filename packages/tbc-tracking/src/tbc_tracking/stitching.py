"""Identities after the program: velocity relink and stitching (specification 6.1), both by assignment.

The program chooses the points; its first-order links know nothing of inertia. `relink_by_velocity` keeps the
points and reassigns each pair of frames with the cost (|p + v - q| + |q - w - p|) / 2, where v is the velocity
before p and w that after q: the specification has the first term alone. `stitch` joins a track that ends to one that
begins a few frames later where its velocity would have carried it, and fills the gap in between.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tbc_tracking.config import LinkConfig
from tbc_tracking.point_matching import heaviest_matching
from tbc_tracking.tracks import Tracks

FORBIDDEN = 1e6


def assign_within(
    cost: NDArray[np.float64], limit: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs of the cheapest assignment in which staying alone costs `limit` for a pair.

    Args:
        cost: shape (rows, columns); entries above `limit` are never chosen.
        limit: the price of leaving a row and a column unmatched.
    """
    if not cost.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    kept = cost[rows, columns] < limit
    return rows[kept], columns[kept]


def relink_by_velocity(tracks: Tracks, *, sigma: NDArray[np.float64], config: LinkConfig) -> Tracks:
    """Reassign consecutive frames by the velocities before and after, in sigma; the points and gaps stay.

    Args:
        tracks: points with identities.
        sigma: object size at each point, shape (points,).
        config: number of passes and the reach.
    """
    preceding = preceding_points(tracks)
    for _ in range(config.relink_passes):
        preceding = _relink_pass(tracks, preceding, sigma, config)
    return _renumber(tracks, preceding)


def preceding_points(tracks: Tracks) -> NDArray[np.int64]:
    """Return the row of the same identity's previous point, -1 for the first, shape (points,)."""
    order = np.lexsort((tracks.frame, tracks.id))
    same = tracks.id[order[1:]] == tracks.id[order[:-1]]
    preceding = np.full(len(tracks), -1, np.int64)
    preceding[order[1:][same]] = order[:-1][same]
    return preceding


def _relink_pass(
    tracks: Tracks, preceding: NDArray[np.int64], sigma: NDArray[np.float64], config: LinkConfig
) -> NDArray[np.int64]:
    points = np.stack([tracks.x, tracks.y], axis=1)
    result = preceding.copy()
    starts = np.searchsorted(tracks.frame, np.arange(tracks.length + 1))
    for frame in range(tracks.length - 1):
        there = np.arange(starts[frame + 1], starts[frame + 2])
        old = result[there]
        direct = (old >= 0) & (tracks.frame[old] == frame)
        there, sources = there[direct], old[direct]
        if len(there) < 2:
            continue
        velocity = _velocity(points, tracks.frame, result, sources, config.velocity_frames)
        ahead = _velocity_ahead(points, tracks.frame, preceding, there, config)
        predicted = points[sources] + velocity
        back = points[there] - ahead
        cost = np.hypot(*(predicted[:, None] - points[there]).transpose(2, 0, 1))
        cost += np.hypot(*(back[None, :] - points[sources][:, None]).transpose(2, 0, 1))
        cost /= 2
        moved = np.hypot(*(points[sources][:, None] - points[there]).transpose(2, 0, 1))
        scale = (sigma[sources][:, None] + sigma[there]) / 2
        cost = np.where(moved / scale <= config.reach, cost / scale, FORBIDDEN)
        rows, columns = linear_sum_assignment(cost)
        if (cost[rows, columns] < FORBIDDEN).all():
            result[there[columns]] = sources[rows]
    return result


def _velocity(
    points: NDArray[np.float64],
    frame: NDArray[np.int64],
    preceding: NDArray[np.int64],
    rows: NDArray[np.int64],
    steps: int,
) -> NDArray[np.float64]:
    """Return the mean velocity of the last `steps` links before each row, zero where there is none."""
    origin = rows.copy()
    for _ in range(steps):
        origin = np.where(preceding[origin] >= 0, preceding[origin], origin)
    elapsed = np.maximum(frame[rows] - frame[origin], 1)
    return (points[rows] - points[origin]) / elapsed[:, None]


def _velocity_ahead(
    points: NDArray[np.float64],
    frame: NDArray[np.int64],
    preceding: NDArray[np.int64],
    rows: NDArray[np.int64],
    config: LinkConfig,
) -> NDArray[np.float64]:
    """Return the mean velocity of the next links after each row, zero where there is none."""
    following = np.full(len(points), -1, np.int64)
    linked = np.flatnonzero(preceding >= 0)
    following[preceding[linked]] = linked
    goal = rows.copy()
    for _ in range(config.velocity_frames):
        goal = np.where(following[goal] >= 0, following[goal], goal)
    elapsed = np.maximum(frame[goal] - frame[rows], 1)
    return (points[goal] - points[rows]) / elapsed[:, None]


def _renumber(tracks: Tracks, preceding: NDArray[np.int64]) -> Tracks:
    identity = np.zeros(len(tracks), np.int64)
    number = 0
    for row in range(len(tracks)):
        if preceding[row] >= 0:
            identity[row] = identity[preceding[row]]
        else:
            number += 1
            identity[row] = number
    return Tracks.from_rows(
        tracks.frame,
        identity,
        x=tracks.x,
        y=tracks.y,
        confidence=tracks.confidence,
        interpolated=tracks.interpolated,
        width=tracks.width,
        height=tracks.height,
        length=tracks.length,
        pixel_size=tracks.pixel_size,
        frame_interval=tracks.frame_interval,
    )


def stitch(tracks: Tracks, *, sigma: NDArray[np.float64], config: LinkConfig) -> Tracks:
    """Join tracks over gaps: end (p, t, v) to start (q, t + g) where |p + g v - q| <= reach, 2 <= g <= limit.

    One assignment over all such pairs; the missing points are interpolated on a line and flagged.

    Args:
        tracks: points with identities.
        sigma: object size at each point, shape (points,).
        config: longest gap, reach, frames of the velocity.
    """
    preceding = preceding_points(tracks)
    points = np.stack([tracks.x, tracks.y], axis=1)
    first = np.flatnonzero(preceding < 0)
    last = np.setdiff1d(np.arange(len(tracks)), preceding)
    row, column = _within_gap(tracks.frame[last], tracks.frame[first], config.stitch_frames)
    end, start = last[row], first[column]
    gap = tracks.frame[start] - tracks.frame[end]
    velocity = _velocity(points, tracks.frame, preceding, end, config.velocity_frames)
    predicted = points[end] + config.inertia * gap[:, None] * velocity
    missed = np.hypot(*(predicted - points[start]).T) / ((sigma[end] + sigma[start]) / 2)
    near = missed <= config.stitch_reach
    gain = 2 * config.stitch_reach + config.stitch_frames - missed[near] - 0.1 * gap[near]
    pairs = heaviest_matching(end[near], start[near], gain=gain)
    joined = preceding.copy()
    joined[start[near][pairs]] = end[near][pairs]
    return fill_gaps(_renumber(tracks, joined))


def _within_gap(
    ends: NDArray[np.int64], begins: NDArray[np.int64], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs with 2 <= begin - end <= longest, as positions in both (ascending) lists."""
    low, high = (
        np.searchsorted(begins, ends + 2),
        np.searchsorted(begins, ends + longest, side="right"),
    )
    number = np.maximum(high - low, 0)
    row = np.repeat(np.arange(len(ends)), number)
    rank = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return row, low[row] + rank


def fill_gaps(tracks: Tracks, *, longest: int | None = None) -> Tracks:
    """Return the tracks with a flagged point on the straight line in every frame that a track skips.

    Args:
        tracks: points with identities.
        longest: frames between two points of a track beyond which the gap stays open; None fills all.
    """
    preceding = preceding_points(tracks)
    after = np.flatnonzero(preceding >= 0)
    if longest is not None:
        after = after[tracks.frame[after] - tracks.frame[preceding[after]] <= longest]
    before = preceding[after]
    missing = tracks.frame[after] - tracks.frame[before] - 1
    link = np.repeat(np.arange(len(after)), missing)
    if not len(link):
        return tracks
    step = 1 + np.arange(len(link)) - np.repeat(np.cumsum(missing) - missing, missing)
    share = step / (missing[link] + 1)
    a, b = before[link], after[link]

    def along(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([values, values[a] + share * (values[b] - values[a])])

    return Tracks.from_rows(
        np.concatenate([tracks.frame, tracks.frame[a] + step]),
        np.concatenate([tracks.id, tracks.id[a]]),
        x=along(tracks.x),
        y=along(tracks.y),
        confidence=along(tracks.confidence),
        interpolated=np.concatenate([tracks.interpolated, np.ones(len(link), np.bool_)]),
        width=along(tracks.width),
        height=along(tracks.height),
        length=tracks.length,
        parents=tracks.parents,
        pixel_size=tracks.pixel_size,
        frame_interval=tracks.frame_interval,
    )
