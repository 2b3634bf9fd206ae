"""Candidate detections: peaks of the deconvolved maps, copied to the neighboring frames where density allows.

A peak says "an object may be here"; the copies let tracking help detection: where an object was found a frame
earlier or later and the map still has density, it may be present although it makes no peak of its own
(specification 4.1: recall 0.86 -> 0.97 on S2L2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, uniform_filter

from tbc_tracking.config import CandidateConfig
from tbc_tracking.deconvolution import RowGaussian
from tbc_tracking.object_size import ObjectSize


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Places where an object may be, sorted by frame."""

    frame: NDArray[np.int64]
    """Frame of each candidate, shape (candidates,)."""
    x: NDArray[np.float64]
    """Column in map pixels, below pixel accuracy."""
    y: NDArray[np.float64]
    """Row in map pixels, below pixel accuracy."""
    sigma: NDArray[np.float64]
    """Gaussian width of an object at that place, in map pixels."""
    copied: NDArray[np.int64]
    """How many frames away the peak is that this candidate was copied from; 0 for a peak of its own."""
    length: int
    """Number of frames."""

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.frame)

    @property
    def starts(self) -> NDArray[np.int64]:
        """First candidate of each frame, shape (length + 1,)."""
        return np.searchsorted(self.frame, np.arange(self.length + 1))


def find_peaks(
    image: NDArray[np.float32], gaussian: RowGaussian, config: CandidateConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return x, y and mass of the objects that the deconvolved map shows.

    A peak is a 3x3 maximum whose 3x3 mass exceeds `config.peak_mass`; its place is the centroid of that mass.
    """
    sharp = gaussian.deconvolve(image, iterations=config.iterations)
    mass = 9 * uniform_filter(sharp, 3, mode="constant")
    peak = (sharp >= maximum_filter(sharp, 3, mode="constant")) & (mass > config.peak_mass)
    rows, columns = np.nonzero(peak)
    padded = np.pad(sharp, 1)
    offsets = np.arange(-1, 2)
    patch = padded[
        rows[:, None, None] + offsets[:, None] + 1, columns[:, None, None] + offsets + 1
    ].astype(np.float64)
    total = np.maximum(patch.sum(axis=(1, 2)), 1e-12)
    x = columns + (patch.sum(axis=1) * offsets).sum(axis=1) / total
    y = rows + (patch.sum(axis=2) * offsets).sum(axis=1) / total
    return x, y, mass[rows, columns].astype(np.float64)


def find_candidates(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    *,
    size: ObjectSize,
    config: CandidateConfig,
) -> Candidates:
    """Return the candidates of all frames: peaks first, then their copies in neighboring frames.

    Args:
        maps: density maps, shape (frames, height, width).
        size: sigma of the objects over the rows.
        config: thresholds.
    """
    shape = maps[0].shape
    gaussian = RowGaussian((shape[0], shape[1]), size)
    peaks = [find_peaks(image, gaussian, config) for image in maps]
    points = [np.stack([x, y, np.zeros_like(x)], axis=1) for x, y, _ in peaks]
    for distance in range(1, config.copy_frames + 1):
        points = _copy_to_neighbors(points, maps, size, config, distance)
    frame = np.repeat(np.arange(len(points)), [len(p) for p in points])
    table = np.concatenate(points) if points else np.zeros((0, 3))
    return Candidates(
        frame=frame,
        x=table[:, 0],
        y=table[:, 1],
        sigma=size.at(table[:, 1]),
        copied=table[:, 2].astype(np.int64),
        length=len(points),
    )


def _copy_to_neighbors(
    points: list[NDArray[np.float64]],
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    size: ObjectSize,
    config: CandidateConfig,
    distance: int,
) -> list[NDArray[np.float64]]:
    """Copy every candidate one frame back and one forward where there is density and no candidate yet."""
    result = []
    for frame, own in enumerate(points):
        kept = own
        for other in (frame - 1, frame + 1):
            if 0 <= other < len(points):
                fresh = without_neighbors(points[other], kept, size, config.copy_separation)
                fresh = fresh[_dense_enough(fresh, maps[frame], size, config.copy_density)].copy()
                fresh[:, 2] = distance
                kept = np.concatenate([kept, fresh])
        result.append(kept)
    return result


def without_neighbors(
    points: NDArray[np.float64], present: NDArray[np.float64], size: ObjectSize, separation: float
) -> NDArray[np.float64]:
    """Return the points (x, y, ...) that are farther than `separation` sigma from all present ones."""
    if not len(points) or not len(present):
        return points
    gap = np.hypot(points[:, None, 0] - present[:, 0], points[:, None, 1] - present[:, 1])
    return points[gap.min(axis=1) > separation * size.at(points[:, 1])]


def _dense_enough(
    points: NDArray[np.float64], image: NDArray[np.float32], size: ObjectSize, share: float
) -> NDArray[np.bool_]:
    """Return where the map exceeds `share` of the peak 1 / (2 pi sigma^2) of one object."""
    rows = np.clip(np.rint(points[:, 1]).astype(int), 0, image.shape[0] - 1)
    columns = np.clip(np.rint(points[:, 0]).astype(int), 0, image.shape[1] - 1)
    return image[rows, columns] > share / (2 * np.pi * size.at(points[:, 1]) ** 2)
