"""Object size: the Gaussian width that one object has on a density map, fixed or growing with the row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIGMA_PER_HEIGHT = 0.144
"""Sigma of a standing person per pixel of body height (specification 1.2, measured on PETS)."""

SMALLEST = 0.1
"""Smallest sigma that makes a difference, in map pixels."""


@dataclass(frozen=True, kw_only=True)
class ObjectSize:
    """Sigma of an object as a linear function of its row: sigma(y) = intercept + slope * y, clipped.

    A slope of zero is one size everywhere; a positive slope is a camera that looks down at an angle.
    """

    intercept: float
    """Sigma at row 0, in pixels of the density map."""
    slope: float = 0.0
    """Growth of sigma per row of the density map."""
    minimum: float = 0.3
    """Smallest sigma, in pixels of the density map."""
    maximum: float = 100.0
    """Largest sigma, in pixels of the density map."""

    def __post_init__(self) -> None:
        if not np.isfinite([self.intercept, self.slope]).all():
            raise ValueError(f"sigma must be finite, got {self.intercept} + {self.slope} * row")
        if not 0 < self.minimum <= self.maximum:
            raise ValueError(
                f"sigma needs 0 < minimum <= maximum, got {self.minimum} and {self.maximum}"
            )

    @classmethod
    def constant(cls, sigma: float) -> "ObjectSize":
        """Return one sigma everywhere, however large or small."""
        return cls(intercept=sigma, minimum=sigma, maximum=sigma)

    def at(self, y: ArrayLike) -> NDArray[np.float64]:
        """Return sigma at rows `y` (any shape), in pixels of the density map."""
        return np.clip(
            self.intercept + self.slope * np.asarray(y, np.float64), self.minimum, self.maximum
        )

    def refuse_misfit(self, shape: tuple[int, int]) -> None:
        """Raise ValueError if sigma does not suit a map (height, width): it is in other pixels then."""
        sigma = self.at(np.arange(shape[0]))
        largest, smallest = float(sigma.max()), float(sigma.min())
        if smallest < SMALLEST:
            raise ValueError(
                f"sigma must be at least {SMALLEST:g} map pixels, got {smallest:g}: it is the Gaussian width of one "
                "object; below that an object is one pixel whatever its width"
            )
        if largest > min(shape) / 2:
            raise ValueError(
                f"sigma must be at most half of the map, got {largest:g} for maps of {shape[1]} x {shape[0]} "
                "pixels: it is the Gaussian width of one object in map pixels"
            )

    def scaled(self, factor: float) -> "ObjectSize":
        """Return the same size on a map whose sides are `factor` times as long."""
        return ObjectSize(
            intercept=self.intercept * factor,
            slope=self.slope,
            minimum=self.minimum * factor,
            maximum=self.maximum * factor,
        )


def fit_object_size(
    y: ArrayLike, height: ArrayLike, *, minimum: float = 1.3, maximum: float = 4.0
) -> ObjectSize:
    """Fit sigma = 0.144 * height by a line over the rows, from annotated boxes in map pixels.

    Args:
        y: rows of the box centers, shape (boxes,).
        height: heights of the boxes, shape (boxes,).
        minimum: smallest sigma to use: a narrower Gaussian is not sampled well.
        maximum: largest sigma to use.

    Raises:
        ValueError: if there is no box with a finite height.
    """
    rows, heights = np.asarray(y, np.float64), np.asarray(height, np.float64)
    known = np.isfinite(rows) & np.isfinite(heights) & (heights > 0)
    if not known.any():
        raise ValueError(
            "boxes with heights are needed to fit the perspective; give a fixed sigma instead"
        )
    rows, heights = rows[known], heights[known]
    slope = 0.0
    if np.ptp(rows) > 0:
        slope = float(np.polyfit(rows, heights, 1)[0])
    intercept = float(heights.mean() - slope * rows.mean())
    return ObjectSize(
        intercept=SIGMA_PER_HEIGHT * intercept,
        slope=SIGMA_PER_HEIGHT * slope,
        minimum=minimum,
        maximum=maximum,
    )
