"""What a density network sees of a video: gray values in a known range, and how far the background is."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.training_config import Background, Normalization
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream

PERCENTILES = (0.5, 99.5)
"""Gray values that become 0 and 1; the tails are dead pixels and reflections."""
_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """How frames become input channels; part of every checkpoint."""

    background: Background = "median"
    """`median` of the given video, or `none`."""
    background_frames: int = 60
    """Frames sampled from a video."""
    normalization: Normalization = "none"
    """Whose percentiles become 0 and 1: nobody's, each `video`'s, or the `training` video's."""
    low: float = 0.0
    """Gray value of the training video that becomes 0."""
    high: float = 1.0
    """Gray value of the training video that becomes 1."""

    def __post_init__(self) -> None:
        """Check the range of values."""
        if not -np.inf < self.low < self.high < np.inf:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return 2 if self.background == "median" else 1


@dataclass(frozen=True, kw_only=True)
class VideoStatistics:
    """What one pass over a video tells about all of its frames."""

    low: float
    """Gray value that becomes 0."""
    high: float
    """Gray value that becomes 1."""
    background: NDArray[np.float32] | None
    """Median frame in the normalized range, (height, width), or None."""
    length: int
    """Number of frames."""

    def normalize(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return gray values with `low` at 0 and `high` at 1; values beyond stay beyond."""
        return ((image - np.float32(self.low)) / np.float32(self.high - self.low)).astype(
            np.float32
        )


def measure_video(
    frames: Iterable[NDArray[np.float32]], config: InputConfig, *, seed: int = 0
) -> VideoStatistics:
    """Read a video once and estimate its range and background from at most `background_frames` frames.

    The frames are a uniform sample (reservoir sampling), so that the length need not be known; they are
    all that is held in memory.

    Args:
        frames: gray frames (height, width) in [0, 1].
        config: what to estimate.
        seed: of the sample.

    Raises:
        UserError: if there is no frame.
    """
    sample, length = _sample(frames, config.background_frames, seed=seed)
    if not length:
        raise UserError("The video holds no frame; check that it is complete.")
    low, high = 0.0, 1.0
    if config.normalization == "video":
        low, high = value_range(sample)
    elif config.normalization == "training":
        low, high = config.low, config.high
    statistics = VideoStatistics(low=low, high=high, background=None, length=length)
    if config.background == "none":
        return statistics
    median = np.concatenate(
        [
            np.median(np.stack([image[row : row + _ROWS] for image in sample]), axis=0)
            for row in range(0, len(sample[0]), _ROWS)
        ]
    ).astype(np.float32)
    return VideoStatistics(
        low=low, high=high, background=statistics.normalize(median), length=length
    )


def value_range(sample: Iterable[NDArray[np.float32]]) -> tuple[float, float]:
    """Return the gray values at `PERCENTILES` over some frames, the second always larger."""
    bounds = np.mean([np.percentile(image, PERCENTILES) for image in sample], axis=0)
    low, high = float(bounds[0]), float(bounds[1])
    return low, max(high, low + 1e-4)  # a constant video has no range


def stack_channels(
    gray: NDArray[np.float32], background: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return the input channels of one normalized frame, (channels, height, width)."""
    if background is None:
        return np.ascontiguousarray(gray[None], dtype=np.float32)
    return np.stack([gray, np.abs(gray - background)]).astype(np.float32)


def _sample(
    frames: Iterable[NDArray[np.float32]], count: int, *, seed: int
) -> tuple[list[NDArray[np.float32]], int]:
    """Return a uniform sample of frames and the number of frames."""
    random = numpy_stream(seed, "background sample")
    sample: list[NDArray[np.float32]] = []
    length = 0
    for length, image in enumerate(frames, start=1):
        if length <= count:
            sample.append(image)
            continue
        place = int(random.integers(length))
        if place < count:
            sample[place] = image
    return sample, length
