r"""Counting windows: the density in a window is a count, and the chosen candidates have to explain it.

For a window r the program compares n_r, the sum of the density map over r, with sum_v W_rv x_v (specification
1.3). `hard` windows are the paper's: W_rv = 1 when candidate v lies inside r. `kernel` windows use the exact
forward model: W_rv is the share of v's own Gaussian that falls into r, so the truth leaves no residual on a
noise-free map.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tbc_tracking.candidates import Candidates
from tbc_tracking.config import WindowConfig
from tbc_tracking.density import interval_mass

SMALLEST_WEIGHT = 1e-3
"""Kernel weights below this share of an object are left out of the program."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CountingWindows:
    """The count rows of the program."""

    weights: csr_array
    """W, shape (candidates, windows): share of each candidate in each window."""
    counts: NDArray[np.float64]
    """n, the density mass in each window, shape (windows,)."""
    frame: NDArray[np.int64]
    """First frame of each window, shape (windows,)."""
    top: NDArray[np.int64]
    """First row of each window, may lie outside the frame."""
    left: NDArray[np.int64]
    """First column of each window, may lie outside the frame."""
    extent: int
    """Side of every window in pixels."""
    depth: int
    """Frames that every window spans."""
    coverage: float
    """In how many windows a pixel lies: the penalty of a window is divided by it."""


@dataclass(frozen=True)
class _Grid:
    """Positions of windows along one axis; they overhang both ends so that every pixel is covered alike."""

    first: int
    stride: int
    number: int
    extent: int

    @classmethod
    def over(cls, size: int, extent: int, stride: int) -> "_Grid":
        first = stride - extent
        return cls(first, stride, (size - 1 - first) // stride + 1, extent)

    def starts(self) -> NDArray[np.int64]:
        return self.first + self.stride * np.arange(self.number)


def window_extent(sigma: float, config: WindowConfig) -> int:
    """Return the side of a window in pixels: `config.extent` sigmas, odd, at least 3."""
    return max(3, 2 * round((config.extent * sigma - 1) / 2) + 1)


def build_windows(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    candidates: Candidates,
    config: WindowConfig,
    *,
    sigma: float | None = None,
) -> CountingWindows:
    """Lay windows over all frames and weigh every candidate in them.

    Args:
        maps: density maps, shape (frames, height, width).
        candidates: places where an object may be.
        config: kind, extent, stride, depth.
        sigma: what the windows' side is measured in, in map pixels; the median of the candidates by default.

    Raises:
        ValueError: if windows are larger than the frame or deeper than the video, or if a hard window is
            narrower than 4.5 sigma.
    """
    frames, height, width = len(maps), maps[0].shape[0], maps[0].shape[1]
    if sigma is None:
        sigma = float(np.median(candidates.sigma)) if len(candidates) else 1.0
    extent = config.pixels or window_extent(sigma, config)
    stride = min(max(1, round(config.stride * extent)), extent)
    _check_extent(extent, sigma, (frames, height, width), config)
    rows, columns = _Grid.over(height, extent, stride), _Grid.over(width, extent, stride)
    times = _Grid.over(frames, config.depth, 1)
    counts = _window_sums(maps, times, rows, columns)
    weights = _weights(candidates, times, rows, columns, config, (height, width))
    frame, top, left = np.meshgrid(times.starts(), rows.starts(), columns.starts(), indexing="ij")
    return CountingWindows(
        weights=weights,
        counts=counts.ravel(),
        frame=frame.ravel(),
        top=top.ravel(),
        left=left.ravel(),
        extent=extent,
        depth=config.depth,
        coverage=config.depth * (extent / stride) ** 2,
    )


def _check_extent(
    extent: int, sigma: float, shape: tuple[int, int, int], config: WindowConfig
) -> None:
    frames, height, width = shape
    if extent > min(height, width):
        raise ValueError(
            f"a window of {extent} pixels does not fit into frames of {width}x{height}: check sigma, {sigma:g}, "
            "or choose a smaller window extent"
        )
    if config.depth > frames:
        raise ValueError(
            f"windows of {config.depth} frames are deeper than the video of {frames}: choose a smaller depth"
        )
    if config.kind == "hard" and extent < 4.5 * sigma:
        raise ValueError(
            f"hard windows must be at least 4.5 sigma = {4.5 * sigma:.1f} pixels wide, got {extent}: narrower ones "
            "hold less than half of a centered object, and zero detections win; widen them or use kernel windows"
        )


def _window_sums(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    times: _Grid,
    rows: _Grid,
    columns: _Grid,
) -> NDArray[np.float64]:
    """Return the mass in each window, shape (times, rows, columns), by running sums."""
    height, width = maps[0].shape
    top, bottom = (np.clip(rows.starts() + shift, 0, height) for shift in (0, rows.extent))
    left, right = (np.clip(columns.starts() + shift, 0, width) for shift in (0, columns.extent))
    flat = np.empty((len(maps), rows.number, columns.number))
    for frame, image in enumerate(maps):
        integral = np.zeros((height + 1, width + 1))
        integral[1:, 1:] = np.asarray(image, np.float64).cumsum(axis=0).cumsum(axis=1)
        strips = integral[bottom] - integral[top]
        flat[frame] = strips[:, right] - strips[:, left]
    running = np.concatenate([np.zeros((1, *flat.shape[1:])), flat.cumsum(axis=0)])
    first, last = (np.clip(times.starts() + shift, 0, len(maps)) for shift in (0, times.extent))
    return running[last] - running[first]


def _weights(
    candidates: Candidates,
    times: _Grid,
    rows: _Grid,
    columns: _Grid,
    config: WindowConfig,
    shape: tuple[int, int],
) -> csr_array:
    """Return W as a sparse matrix, candidates by windows, built from one outer product per candidate."""
    row_index, row_weight = _axis_weights(candidates.y, candidates.sigma, rows, config, shape[0])
    column_index, column_weight = _axis_weights(
        candidates.x, candidates.sigma, columns, config, shape[1]
    )
    time_index = candidates.frame[:, None] - times.first - np.arange(times.extent)
    index = (
        time_index[:, :, None, None] * rows.number + row_index[:, None, :, None]
    ) * columns.number + column_index[:, None, None, :]
    weight = row_weight[:, :, None] * column_weight[:, None, :]
    weight = np.broadcast_to(weight[:, None], index.shape)
    kept = weight >= SMALLEST_WEIGHT
    pointers = np.concatenate([[0], kept.sum(axis=(1, 2, 3)).cumsum()])
    windows = times.number * rows.number * columns.number
    return csr_array((weight[kept], index[kept], pointers), shape=(len(candidates), windows))


def _axis_weights(
    center: NDArray[np.float64],
    sigma: NDArray[np.float64],
    grid: _Grid,
    config: WindowConfig,
    size: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return, for each candidate, indices of the windows near it along one axis and its share in each.

    The share is the mass between the window's edges, cut at the frame's and divided by the mass inside the
    frame: density targets count a cut object as one.
    """
    reach = 4.0 * float(sigma.max(initial=0.0)) if config.kind == "kernel" else 0.5
    near = int(np.ceil((grid.extent + 2 * reach) / grid.stride)) + 1
    lowest = np.floor((center - reach - grid.extent - grid.first) / grid.stride).astype(np.int64)
    index = lowest[:, None] + np.arange(near + 1)
    start = grid.first + grid.stride * index - 0.5
    valid = (index >= 0) & (index < grid.number)
    lower, upper = np.clip(start, -0.5, size - 0.5), np.clip(start + grid.extent, -0.5, size - 0.5)
    middle = center[:, None]
    if config.kind == "hard":
        clipped = np.clip(middle, -0.5, size - 0.5 - 1e-9)
        share = ((clipped >= lower) & (clipped < upper)).astype(np.float64)
    else:
        inside = interval_mass(-0.5, size - 0.5, middle, sigma[:, None])
        share = interval_mass(lower, upper, middle, sigma[:, None]) / np.maximum(inside, 1e-6)
    return np.where(valid, index, 0), np.where(valid, share, 0.0)
