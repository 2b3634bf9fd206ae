"""Positions below pixel accuracy: the chosen objects of a frame share its density among them.

Candidates come from a pixel grid, and copies carry the place of another frame. Once the program has said how
many objects there are, each frame is a mixture of Gaussians with known widths, and a few expectation
maximization steps move every object by as much as the centroid of the density that is its own lies beside the
centroid that its Gaussian should have: inside the frame that is the object's place, at the border it is not,
because the frame cuts the Gaussian.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tbc_tracking.deconvolution import KERNEL_REACH


def refine_positions(
    maps: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    *,
    frame: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    sigma: NDArray[np.float64],
    steps: int,
    leash: float = 1.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return refined x and y and the density mass that each object holds, each of shape (points,).

    Args:
        maps: density maps, shape (frames, height, width).
        frame: frame of each point, ascending.
        x: columns.
        y: rows.
        sigma: width of each object.
        steps: expectation maximization steps; 0 only measures the masses.
        leash: farthest that a point may move from where it was, in sigma.
    """
    columns, rows, mass = x.copy(), y.copy(), np.zeros(len(x))
    bounds = np.searchsorted(frame, np.arange(len(maps) + 1))
    for t, image in enumerate(maps):
        part = slice(bounds[t], bounds[t + 1])
        if bounds[t + 1] > bounds[t]:
            _share_density(
                np.asarray(image, np.float32),
                columns[part],
                rows[part],
                sigma[part],
                mass[part],
                steps,
                leash,
            )
    return columns, rows, mass


@njit(cache=True, nogil=True)
def _share_density(image, x, y, sigma, mass, steps, leash):  # pragma: no cover - compiled
    """Expectation maximization in one frame with fixed widths; `x`, `y` and `mass` are written in place."""
    height, width = image.shape
    home_x, home_y = x.copy(), y.copy()
    weight = np.ones(len(x))
    total = np.empty_like(image)
    for step in range(steps + 1):
        total[:] = 1e-6
        for k in range(len(x)):
            _stamp(total, x[k], y[k], sigma[k], weight[k])
        for k in range(len(x)):
            reach = KERNEL_REACH * sigma[k]
            scale = weight[k] / (2 * np.pi * sigma[k] ** 2)
            held, sum_x, sum_y = 0.0, 0.0, 0.0
            seen, seen_x, seen_y = 1e-12, 0.0, 0.0
            for row in range(max(0, int(y[k] - reach)), min(height, int(y[k] + reach) + 2)):
                for column in range(max(0, int(x[k] - reach)), min(width, int(x[k] + reach) + 2)):
                    square = (column - x[k]) ** 2 + (row - y[k]) ** 2
                    own = scale * np.exp(-0.5 * square / sigma[k] ** 2)
                    part = image[row, column] * own / total[row, column]
                    held += part
                    sum_x += part * (column - x[k])
                    sum_y += part * (row - y[k])
                    seen += own
                    seen_x += own * (column - x[k])
                    seen_y += own * (row - y[k])
            mass[k] = held
            if step < steps and held > 0.05:
                new_x = x[k] + sum_x / held - seen_x / seen
                new_y = y[k] + sum_y / held - seen_y / seen
                away = np.sqrt((new_x - home_x[k]) ** 2 + (new_y - home_y[k]) ** 2)
                back = min(1.0, leash * sigma[k] / max(away, 1e-9))
                x[k] = home_x[k] + back * (new_x - home_x[k])
                y[k] = home_y[k] + back * (new_y - home_y[k])
        weight = np.maximum(mass, 0.2)


@njit(cache=True, nogil=True)
def _stamp(total, x, y, sigma, weight):  # pragma: no cover - compiled
    """Add one Gaussian of mass `weight` to `total`."""
    height, width = total.shape
    reach = KERNEL_REACH * sigma
    scale = weight / (2 * np.pi * sigma**2)
    for row in range(max(0, int(y - reach)), min(height, int(y + reach) + 2)):
        for column in range(max(0, int(x - reach)), min(width, int(x + reach) + 2)):
            square = (column - x) ** 2 + (row - y) ** 2
            total[row, column] += scale * np.exp(-0.5 * square / sigma**2)
