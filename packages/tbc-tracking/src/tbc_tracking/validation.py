"""How well maps count: mean absolute error, bias and map error on annotated frames."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.data import AnnotatedFrames
from tbc_tracking.density_network import DensityNetwork

MapPair = tuple[NDArray[np.float32], NDArray[np.float32]]
"""A predicted map and its target, both without what is ignored."""


class DensityScores(NamedTuple):
    """Errors of density maps on annotated frames."""

    count_mae: float
    """Mean absolute error of the count of a frame, in objects."""
    count_bias: float
    """Mean error of the count, in objects; positive where too many are counted."""
    map_mse: float
    """Mean squared error of a map pixel, times 10,000."""


def predict_pairs(
    network: DensityNetwork, frames: AnnotatedFrames, *, batch: int = 4
) -> Iterator[MapPair]:
    """Yield the network's map and the target of each frame, zero where nobody cares."""
    images = (image.astype(np.float32) / np.float32(65535) for image in frames.images)
    maps = network.predict(images, batch=batch, statistics=frames.statistics)
    for index, density in enumerate(maps):
        yield density * frames.weights, frames.target(index) * frames.weights


def score_pairs(pairs: Iterable[MapPair]) -> DensityScores:
    """Return the errors over all frames.

    Raises:
        ValueError: if there is no frame.
    """
    errors = [
        (float(density.sum() - target.sum()), float(np.square(density - target).mean()))
        for density, target in pairs
    ]
    if not errors:
        raise ValueError("scores need at least one annotated frame, got none")
    counts, squares = np.array(errors).T
    return DensityScores(
        float(np.abs(counts).mean()), float(counts.mean()), float(squares.mean() * 1e4)
    )
