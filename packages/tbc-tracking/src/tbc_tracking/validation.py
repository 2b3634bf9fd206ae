"""How well maps count: mean absolute error, bias and map error on annotated frames."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.data import AnnotatedFrames
from tbc_tracking.density_network import DensityNetwork


class FrameSums(NamedTuple):
    """What is kept of a predicted map and its target; ignored places are zero in both."""

    predicted: NDArray[np.float64]
    """Sum of each row of the map."""
    target: NDArray[np.float64]
    """Sum of each row of the target."""
    squared_error: float
    """Mean squared error of a pixel."""


class DensityScores(NamedTuple):
    """Errors of density maps on annotated frames."""

    count_mae: float
    """Mean absolute error of the count of a frame, in objects."""
    count_bias: float
    """Mean error of the count, in objects; positive where too many are counted."""
    map_mse: float
    """Mean squared error of a map pixel, times 10,000."""


class CountErrors(NamedTuple):
    """What a count is off by on validation frames, mean absolute error in objects."""

    calibrated: float
    """Of the finished network; a little too good, since its factor was fitted on the same frames."""
    constant: float
    """Of always answering the mean count of the frames that were learned from: no network at all."""


def compare_maps(
    network: DensityNetwork, frames: AnnotatedFrames, *, batch: int = 4
) -> Iterator[FrameSums]:
    """Yield the sums of the network's map and of the target of each frame."""
    images = (image.astype(np.float32) / np.float32(65535) for image in frames.images)
    maps = network.predict(images, batch=batch, statistics=frames.statistics)
    for index, density in enumerate(maps):
        predicted, target = density * frames.weights, frames.target(index) * frames.weights
        yield FrameSums(
            predicted.sum(axis=1, dtype=np.float64),
            target.sum(axis=1, dtype=np.float64),
            float(np.square(predicted - target).mean()),
        )


def score_frames(frames: Iterable[FrameSums]) -> DensityScores:
    """Return the errors over all frames.

    Raises:
        ValueError: if there is no frame.
    """
    errors = [(sums.predicted.sum() - sums.target.sum(), sums.squared_error) for sums in frames]
    if not errors:
        raise ValueError("scores need at least one annotated frame, got none")
    counts, squares = np.array(errors).T
    return DensityScores(
        float(np.abs(counts).mean()), float(counts.mean()), float(squares.mean() * 1e4)
    )


def count_errors(
    frames: Sequence[FrameSums], *, factors: NDArray[np.float64], constant: float
) -> CountErrors:
    """Return the errors after calibration, and of a constant.

    Args:
        frames: sums of the uncalibrated maps.
        factors: what each row of the map is multiplied by, shape (height,).
        constant: the count that is always answered.
    """
    targets = np.array([sums.target.sum() for sums in frames])
    counts = np.array([sums.predicted @ factors for sums in frames])
    return CountErrors(
        float(np.abs(counts - targets).mean()), float(np.abs(constant - targets).mean())
    )
