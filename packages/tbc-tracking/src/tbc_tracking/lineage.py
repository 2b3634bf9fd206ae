"""Lineage: which tracks began by division, and the naming that goes with it (the parent ends, two daughters begin)."""

from dataclasses import replace

import numpy as np

from tbc_tracking.config import FlowConfig
from tbc_tracking.point_matching import heaviest_matching
from tbc_tracking.stitching import preceding_points
from tbc_tracking.tracks import Tracks


def name_divisions(
    tracks: Tracks, *, config: FlowConfig, sigma: np.ndarray, shape: tuple[int, int]
) -> Tracks:
    """Return the tracks with parents, by the division term of the program with points and links fixed.

    A track that begins inside the frame is a daughter where c_div + c_move * distance is less than an entry; one
    assignment gives every point at most one further daughter. The branch that went on under the parent's name
    becomes the other daughter, as the Cell Tracking Challenge writes it.

    Args:
        tracks: tracks in map pixels.
        config: costs; nothing happens where `division` is None.
        sigma: object size at each point, shape (points,).
        shape: (height, width) of the map.
    """
    if config.division is None or not len(tracks):
        return tracks
    preceding = preceding_points(tracks)
    born = np.flatnonzero((preceding < 0) & (tracks.frame > 0))
    goes_on = np.zeros(len(tracks), np.bool_)
    goes_on[preceding[preceding >= 0]] = True
    entry = np.minimum(
        config.entry,
        np.where(_at_border(tracks, sigma, shape, config), config.border_entry, np.inf),
    )
    starts = np.searchsorted(tracks.frame, np.arange(tracks.length + 1))
    rows, columns, gains = [], [], []
    for child in born:
        before = np.arange(starts[tracks.frame[child] - 1], starts[tracks.frame[child]])
        before = before[goes_on[before]]
        moved = (
            np.hypot(tracks.x[before] - tracks.x[child], tracks.y[before] - tracks.y[child])
            / sigma[child]
        )
        gain = entry[child] - config.division - config.move * moved
        pays = (moved <= config.reach) & (gain > 0)
        rows.append(before[pays])
        columns.append(np.full(pays.sum(), child))
        gains.append(gain[pays])
    if not rows:
        return tracks
    parent, child, gain = np.concatenate(rows), np.concatenate(columns), np.concatenate(gains)
    chosen = heaviest_matching(parent, child, gain=gain)
    return _split_parents(tracks, parent[chosen], child[chosen])


def _at_border(
    tracks: Tracks, sigma: np.ndarray, shape: tuple[int, int], config: FlowConfig
) -> np.ndarray:
    inside = np.minimum.reduce(
        [tracks.x, tracks.y, shape[1] - 1 - tracks.x, shape[0] - 1 - tracks.y]
    )
    return inside < config.border * sigma


def _split_parents(tracks: Tracks, parent: np.ndarray, child: np.ndarray) -> Tracks:
    """End each parent's identity at its division; its further points become a daughter of their own."""
    identity = tracks.id.copy()
    parents = dict(tracks.parents)
    next_id = int(identity.max()) + 1
    for dividing, daughter in sorted(zip(parent.tolist(), child.tolist(), strict=True)):
        name, frame = int(identity[dividing]), tracks.frame[dividing]
        later = (identity == name) & (tracks.frame > frame)
        for known, ancestor in list(parents.items()):
            # Daughters of the part that is renamed now belong to the new name.
            if ancestor == name and tracks.frame[identity == known].min() > frame + 1:
                parents[known] = next_id
        identity[later] = next_id
        parents[next_id] = parents[int(identity[daughter])] = name
        next_id += 1
    order = np.lexsort((identity, tracks.frame))
    columns = {
        name: getattr(tracks, name)[order]
        for name in ("frame", "x", "y", "confidence", "interpolated", "width", "height")
    }
    return replace(tracks, id=identity[order], parents=parents, **columns)
