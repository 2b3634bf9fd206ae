"""What the method is compared with on the same maps: peaks or deconvolved peaks, linked frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from tbc_tracking.candidates import find_peaks
from tbc_tracking.config import CandidateConfig, LinkConfig
from tbc_tracking.deconvolution import RowGaussian
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.stitching import assign_within, stitch
from tbc_tracking.tracks import Tracks


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """A detector, its threshold, and a linker."""

    detector: Literal["peaks", "deconvolution"] = "peaks"
    """Local maxima of the map itself, or of the deconvolved map."""
    threshold: float = 0.5
    """Least density of a peak as a share of one object's, or least 3x3 mass after deconvolution."""
    reach: float = 2.5
    """Longest move in one frame, in sigma."""
    smoothing: float = 0.5
    """Gaussian smoothing of the map before peaks are taken, in sigma."""
    gap_frames: int = 0
    """Longest gap that the linear assignment closes; 0 is plain Hungarian linking."""


def detect(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    detector: Literal["peaks", "deconvolution"],
    *,
    size: ObjectSize,
    smoothing: float = 0.5,
) -> NDArray[np.float64]:
    """Return all points that a detector sees at any threshold, columns frame, x, y, score.

    The score is what `BaselineConfig.threshold` is compared with, so that many thresholds cost one pass.
    """
    shape = (maps[0].shape[0], maps[0].shape[1])
    gaussian = RowGaussian(shape, size)
    sigma = float(np.median(size.at(np.arange(shape[0]))))
    tables = []
    for frame, image in enumerate(maps):
        if detector == "peaks":
            x, y, score = _map_peaks(gaussian_filter(image, smoothing * sigma), size, smoothing)
        else:
            x, y, score = find_peaks(image, gaussian, CandidateConfig(peak_mass=0.02))
        tables.append(np.stack([np.full(len(x), float(frame)), x, y, score], axis=1))
    return np.concatenate(tables)


def _map_peaks(
    image: NDArray[Any], size: ObjectSize, smoothing: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return 3x3 maxima of the map with a parabola's place and their height in peaks of one object."""
    peaks = np.nonzero((image >= maximum_filter(image, 3, mode="constant")) & (image > 0))
    rows, columns = (axis.astype(np.int64) for axis in peaks)
    padded = np.pad(image.astype(np.float64), 1, mode="edge")

    def offset(before: NDArray, here: NDArray, after: NDArray) -> NDArray:
        curvature = before - 2 * here + after
        return np.where(
            curvature < 0,
            np.clip((before - after) / (2 * np.minimum(curvature, -1e-12)), -0.5, 0.5),
            0.0,
        )

    here = padded[rows + 1, columns + 1]
    x = columns + offset(padded[rows + 1, columns], here, padded[rows + 1, columns + 2])
    y = rows + offset(padded[rows, columns + 1], here, padded[rows + 2, columns + 1])
    return x, y, here * 2 * np.pi * (1 + smoothing**2) * size.at(y) ** 2


def link_detections(
    detections: NDArray[np.float64], length: int, *, size: ObjectSize, config: BaselineConfig
) -> Tracks:
    """Link the points above the threshold by one assignment per frame pair, then close gaps by another.

    Args:
        detections: columns frame, x, y, score.
        length: number of frames.
        size: sigma of the objects over the rows.
        config: threshold, reach and gap.
    """
    table = detections[detections[:, 3] > config.threshold]
    frame = table[:, 0].astype(np.int64)
    sigma = size.at(table[:, 2])
    identity = np.zeros(len(table), np.int64)
    starts = np.searchsorted(frame, np.arange(length + 1))
    number = 0
    for now in range(length):
        here = slice(starts[now], starts[now + 1])
        if now:
            before = slice(starts[now - 1], starts[now])
            gap = np.hypot(
                table[before, None, 1] - table[here, 1], table[before, None, 2] - table[here, 2]
            )
            scale = (sigma[before, None] + sigma[here]) / 2
            rows, columns = assign_within(gap / scale, config.reach)
            identity[starts[now] + columns] = identity[starts[now - 1] + rows]
        fresh = np.flatnonzero(identity[here] == 0) + starts[now]
        identity[fresh] = number + 1 + np.arange(len(fresh))
        number += len(fresh)
    tracks = Tracks.from_rows(frame, identity, x=table[:, 1], y=table[:, 2], length=length)
    if config.gap_frames:
        link = LinkConfig(
            stitch_frames=config.gap_frames + 1, stitch_reach=config.reach, inertia=0.0
        )
        tracks = stitch(tracks, sigma=size.at(tracks.y), config=link)
    return tracks
