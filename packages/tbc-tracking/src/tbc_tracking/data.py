"""Annotated frames: images in memory, density targets rendered on demand, and where nobody cares.

Map convention: pixel i of a map with stride s covers the frame's pixels [i s, (i + 1) s), so that a point
at x lies at (x + 0.5) / s - 0.5 on the map.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tbc_tracking.density import density_from_points
from tbc_tracking.inputs import InputConfig, VideoStatistics, measure_video
from tbc_tracking.object_size import SIGMA_PER_HEIGHT, ObjectSize, fit_object_size
from tbc_tracking.tracks import Tracks
from tbc_tracking.training_config import FrameRange, TrainingConfig, parse_blocks
from tenfold_shared.errors import UserError
from tenfold_shared.images import read_image

logger = logging.getLogger(__name__)

_TOP = 65535
"""Frames are kept as 16-bit numbers: half the memory, and no loss for any file that holds integers."""


def to_map(pixel: ArrayLike, *, stride: int) -> NDArray[np.float64]:
    """Return where frame coordinates lie on a map."""
    return (np.asarray(pixel, np.float64) + 0.5) / stride - 0.5


def to_frame(pixel: ArrayLike, *, stride: int) -> NDArray[np.float64]:
    """Return where map coordinates lie in the frame: the inverse of `to_map`."""
    return (np.asarray(pixel, np.float64) + 0.5) * stride - 0.5


@dataclass(frozen=True, kw_only=True)
class AnnotatedFrames:
    """Frames of one video whose objects are all known, outside of what is ignored."""

    images: NDArray[np.uint16]
    """Gray values of 0 to 65,535 for 0 to 1, (frames, height, width)."""
    numbers: NDArray[np.int64]
    """Number of each frame in the video, ascending."""
    points: tuple[NDArray[np.float64], ...]
    """Objects of each frame as (x, y) rows on the map."""
    weights: NDArray[np.float32]
    """1 where annotations count and 0 where nobody cares, (map_height, map_width)."""
    statistics: VideoStatistics
    """Range and background of the whole video."""
    size: ObjectSize
    """Gaussian width of an object, in map pixels."""
    stride: int
    """Frame pixels per map pixel."""

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.images)

    def gray(self, index: int) -> NDArray[np.float32]:
        """Return a frame in the normalized range, (height, width)."""
        return self.statistics.normalize(self.images[index].astype(np.float32) / np.float32(_TOP))

    def target(self, index: int) -> NDArray[np.float32]:
        """Return the density map of a frame, (map_height, map_width); it sums to the count."""
        x, y = self.points[index].T
        height, width = self.weights.shape
        return density_from_points((height, width), x=x, y=y, sigma=self.size.at(y))

    def select(self, numbers: NDArray[np.int64]) -> "AnnotatedFrames":
        """Return the frames of the video with these numbers."""
        chosen = np.flatnonzero(np.isin(self.numbers, numbers))
        return replace(
            self,
            images=self.images[chosen],
            numbers=self.numbers[chosen],
            points=tuple(self.points[index] for index in chosen),
        )


class TrainingData(NamedTuple):
    """Annotated frames by their purpose, and how frames become inputs."""

    fit: AnnotatedFrames
    """To learn from."""
    validate: AnnotatedFrames
    """To validate and calibrate on; may be empty."""
    inputs: InputConfig
    """With the range of the training video filled in."""


def read_training_data(
    frames: Iterable[NDArray[np.float32]],
    tracks: Tracks,
    *,
    config: TrainingConfig,
    stride: int,
    seed: int = 0,
) -> TrainingData:
    """Read what the configuration names: one pass for the statistics, one for the annotated frames.

    Args:
        frames: gray frames (height, width) in [0, 1]; iterated twice.
        tracks: the points; identities are not used.
        config: blocks, object size and input.
        stride: frame pixels per map pixel of the network.
        seed: of the sample for the statistics.

    Raises:
        ValueError: if an object would be larger than the frame.
        UserError: if a block lies outside of the video, no annotated frame is left to fit, frames are
            smaller than 8 pixels, or there are no boxes to take the object size from.
    """
    inputs = InputConfig(
        background=config.background,
        background_frames=config.background_frames,
        normalization=config.normalization,
    )
    if inputs.normalization == "training":
        low, high = _training_range(frames, inputs, seed=seed)
        inputs = replace(inputs, low=low, high=high)
    statistics = measure_video(frames, inputs, seed=seed)
    fit, validate = split_frames(tracks, config, length=statistics.length)
    wanted = np.union1d(fit, validate)
    images = _keep(frames, wanted)
    height, width = images.shape[1:]
    if min(height, width) < 8:
        raise UserError(f"Frames must be at least 8 x 8 pixels, got {width} x {height}.")
    inside = tracks.select(
        (np.abs(2 * tracks.x + 1 - width) <= width) & (np.abs(2 * tracks.y + 1 - height) <= height)
    )
    if len(inside) < len(tracks):
        logger.warning("dropped %d points outside of the frames", len(tracks) - len(inside))
    weights = _read_weights(config, (height, width), stride=stride)
    size = choose_size(inside.select(np.isin(inside.frame, fit)), config, stride=stride)
    size.refuse_misfit((weights.shape[0], weights.shape[1]))
    everything = AnnotatedFrames(
        images=images,
        numbers=wanted,
        points=_points_on_map(inside, wanted, stride=stride),
        weights=weights,
        statistics=statistics,
        size=size,
        stride=stride,
    )
    return TrainingData(everything.select(fit), everything.select(validate), inputs)


def split_frames(
    tracks: Tracks, config: TrainingConfig, *, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the annotated frames to fit and to validate on.

    A frame is annotated if it has a point or lies in one of the blocks `empty`.

    Raises:
        UserError: if a block lies outside of the video, or nothing is left to fit.
    """
    for name in ("fit", "validate", "empty"):
        for start, stop in parse_blocks(getattr(config, name)):
            if stop > length:
                raise UserError(
                    f"The block {start}:{stop} of `{name}` ends beyond the video, which has {length} "
                    "frames; correct it."
                )
    known = np.union1d(tracks.frame[tracks.frame < length], _frames_of(parse_blocks(config.empty)))
    validate = np.intersect1d(known, _frames_of(parse_blocks(config.validate)))
    fit = np.setdiff1d(known, validate)
    if config.fit:
        fit = np.intersect1d(fit, _frames_of(parse_blocks(config.fit)))
    if not len(fit):
        raise UserError(
            f"No frame to learn from: none of the {length} frames has points"
            + (f" in the blocks {', '.join(config.fit)}" if config.fit else "")
            + "; check the frame numbers of the points (they start at 0)."
        )
    return _thin(fit, config.frames_limit), _thin(validate, config.frames_limit)


def choose_size(tracks: Tracks, config: TrainingConfig, *, stride: int) -> ObjectSize:
    """Return the object size on the map: fixed, or fitted to the boxes of the tracks.

    Raises:
        UserError: if it has to be fitted and the points have no boxes.
    """
    if config.sigma is not None:
        return ObjectSize.constant(config.sigma)
    if not np.isfinite(tracks.height).any():
        raise UserError(
            "The points have no boxes to take the object size from; set `sigma`, the Gaussian width of "
            f"one object in map pixels (one map pixel is {stride} frame pixels)."
        )
    return fit_object_size(
        to_map(tracks.y, stride=stride),
        tracks.height / stride * (config.sigma_per_height / SIGMA_PER_HEIGHT),
        minimum=config.sigma_minimum,
        maximum=config.sigma_maximum,
    )


def _training_range(
    frames: Iterable[NDArray[np.float32]], inputs: InputConfig, *, seed: int
) -> tuple[float, float]:
    """Return the range of the training video, for all videos."""
    by_video = replace(inputs, normalization="video", background="none")
    statistics = measure_video(frames, by_video, seed=seed)
    return statistics.low, statistics.high


def _keep(frames: Iterable[NDArray[np.float32]], numbers: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Return some frames of a video as 16-bit numbers."""
    wanted = set(numbers.tolist())
    kept = [
        np.rint(np.clip(image, 0, 1) * _TOP).astype(np.uint16)
        for number, image in enumerate(frames)
        if number in wanted
    ]
    return np.stack(kept)


def _points_on_map(
    tracks: Tracks, numbers: NDArray[np.int64], *, stride: int
) -> tuple[NDArray[np.float64], ...]:
    """Return the points of each frame as (x, y) on the map."""
    places = np.stack([to_map(tracks.x, stride=stride), to_map(tracks.y, stride=stride)], axis=1)
    first = np.searchsorted(tracks.frame, numbers, side="left")
    last = np.searchsorted(tracks.frame, numbers, side="right")
    return tuple(places[start:stop] for start, stop in zip(first, last, strict=True))


def _read_weights(
    config: TrainingConfig, size: tuple[int, int], *, stride: int
) -> NDArray[np.float32]:
    """Return the map of what counts: 0 for a map pixel that touches an ignored pixel."""
    height, width = size
    rows, columns = -(-height // stride), -(-width // stride)
    if config.ignore is None:
        return np.ones((rows, columns), np.float32)
    mask = read_image(config.ignore, color="gray")[0] > 0
    if mask.shape != size:
        raise UserError(
            f"{config.ignore} has {mask.shape[1]} x {mask.shape[0]} pixels, the frames have {width} x "
            f"{height}; draw what is ignored on one of the frames."
        )
    padded = np.pad(mask, ((0, rows * stride - height), (0, columns * stride - width)))
    touched = padded.reshape(rows, stride, columns, stride).any(axis=(1, 3))
    if touched.all():
        raise UserError(f"{config.ignore} ignores the whole frame; leave something to learn from.")
    return np.where(touched, 0, 1).astype(np.float32)


def _frames_of(blocks: Sequence[FrameRange]) -> NDArray[np.int64]:
    """Return the numbers of all frames of some blocks."""
    return np.concatenate([np.arange(0), *(np.arange(start, stop) for start, stop in blocks)])


def _thin(numbers: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Return at most `limit` of the numbers, evenly spaced."""
    if len(numbers) <= limit:
        return numbers
    logger.warning("%d frames are annotated; using %d of them, evenly spaced", len(numbers), limit)
    return numbers[np.linspace(0, len(numbers) - 1, limit).round().astype(np.int64)]
