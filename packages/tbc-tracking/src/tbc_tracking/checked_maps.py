"""The door of the tracker: density maps as they stream in, refused where no density can look like that."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.density_maps import NEGATIVE_LIMIT
from tbc_tracking.object_size import ObjectSize

LARGEST_DENSITY = 1000.0
"""Objects on one pixel above which a map has another scale, or is damaged."""


def checked_maps(
    maps: Iterable[NDArray[np.float32]], size: ObjectSize
) -> Iterator[NDArray[np.float32]]:
    """Yield the maps as float32 without their slightly negative values; refuse what is no density.

    Clearly negative is below 5 % of the largest value so far or of one object's peak, whichever is more.

    Raises:
        ValueError: if a map is not (height, width), differs in size, or has impossible values.
    """
    shape: tuple[int, ...] | None = None
    largest = 0.0
    for frame, given in enumerate(maps):
        image = np.asarray(given, np.float32)
        if image.ndim != 2 or not image.size:
            raise ValueError(
                f"a density map must be (height, width), got shape {image.shape} in frame {frame}: "
                "give one map per frame without further axes"
            )
        if shape is None:
            shape = image.shape
            largest = float((1 / (2 * np.pi * size.at(np.arange(shape[0])) ** 2)).max())
        if image.shape != shape:
            raise ValueError(
                f"all density maps must have one size, got {image.shape} in frame {frame} after {shape}: "
                "track sequences of different size apart"
            )
        largest = _check_values(image, frame, largest)
        yield np.maximum(image, 0)


def _check_values(image: NDArray[np.float32], frame: int, largest: float) -> float:
    """Return the largest value so far, this map's included; refuse values that no density has."""
    low, high = float(image.min()), float(image.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(
            f"density must be finite, got NaN or infinite values in frame {frame}: replace them"
        )
    if high > LARGEST_DENSITY:
        raise ValueError(
            f"density must be at most {LARGEST_DENSITY:g} objects on a pixel, got {high:g} in frame {frame}: "
            "scale the maps so that each sums to its count"
        )
    largest = max(largest, high)
    if low < -NEGATIVE_LIMIT * largest:
        raise ValueError(
            f"density must not be negative, got {low:g} in frame {frame} (largest value {largest:g}): "
            "clip the maps at 0 or check their scale"
        )
    return largest
