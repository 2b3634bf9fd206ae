"""Density maps from points: one Gaussian of unit mass per object, so that a map sums to the count."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr


def interval_mass(
    lower: ArrayLike, upper: ArrayLike, center: ArrayLike, sigma: ArrayLike
) -> NDArray[np.float64]:
    """Return the mass of a one-dimensional Gaussian between two edges; arguments broadcast.

    A pixel with index i spans [i - 0.5, i + 0.5].
    """
    scale = 1.0 / np.asarray(sigma, np.float64)
    return ndtr((upper - np.asarray(center)) * scale) - ndtr((lower - np.asarray(center)) * scale)


def pixel_masses(
    size: int, center: ArrayLike, sigma: ArrayLike, *, complete: bool = True
) -> NDArray[np.float64]:
    """Return each object's mass in each of `size` pixels of one axis, shape (objects, size).

    `complete` divides by the mass inside the frame, so that an object cut by the border still counts as one
    (specification 1.2).
    """
    edges = np.arange(size + 1) - 0.5
    center, sigma = np.asarray(center, np.float64)[:, None], np.asarray(sigma, np.float64)[:, None]
    cumulative = ndtr((edges - center) / sigma)
    masses = np.diff(cumulative, axis=1)
    if complete:
        masses /= np.maximum(cumulative[:, -1:] - cumulative[:, :1], 1e-6)
    return masses


def density_from_points(
    shape: tuple[int, int],
    *,
    x: ArrayLike,
    y: ArrayLike,
    sigma: ArrayLike,
    mass: ArrayLike = 1.0,
    complete: bool = True,
) -> NDArray[np.float32]:
    """Render points as a density map: D(p) = sum_k mass_k * N(p; mu_k, sigma_k^2 I), integrated over pixels.

    Args:
        shape: (height, width) of the map.
        x: columns of the objects, shape (objects,).
        y: rows of the objects, shape (objects,).
        sigma: Gaussian width of each object in pixels, a scalar or shape (objects,).
        mass: mass of each object, a scalar or shape (objects,).
        complete: renormalize objects that the border cuts.

    Returns:
        The map, float32, shape (height, width); with `complete` it sums to the sum of the masses.
    """
    columns = np.atleast_1d(np.asarray(x, np.float64))
    sigmas = np.broadcast_to(np.asarray(sigma, np.float64), columns.shape)
    vertical = pixel_masses(shape[0], np.atleast_1d(y), sigmas, complete=complete)
    horizontal = pixel_masses(shape[1], columns, sigmas, complete=complete)
    weights = np.broadcast_to(np.asarray(mass, np.float64), columns.shape)
    return ((vertical * weights[:, None]).T @ horizontal).astype(np.float32)
