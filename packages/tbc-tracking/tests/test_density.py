"""Density maps from points: integrated Gaussians that sum to the count, at the border too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbc_tracking.density import density_from_points, interval_mass, pixel_masses


def gaussian(at, center, sigma):
    return np.exp(-0.5 * ((at - center) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def integrate(lower, upper, center, sigma, steps=2000):
    """Integrate a Gaussian by midpoints."""
    width = (upper - lower) / steps
    return sum(gaussian(lower + (k + 0.5) * width, center, sigma) for k in range(steps)) * width


def test_the_mass_of_an_interval_is_its_integral():
    for lower, upper, center, sigma in [(0, 1, 0.3, 0.5), (-2, 5, 4.0, 2.0), (3, 4, -1.0, 1.5)]:
        assert interval_mass(lower, upper, center, sigma) == pytest.approx(
            integrate(lower, upper, center, sigma), rel=1e-5
        )


def test_a_map_is_the_sum_of_its_objects_pixel_by_pixel():
    x, y, sigma, mass = [2.3, 6.0], [1.0, 4.4], [0.8, 1.5], [1.0, 0.5]
    image = density_from_points((7, 9), x=x, y=y, sigma=sigma, mass=mass, complete=False)
    assert image.dtype == np.float32
    for row, column in [(0, 0), (1, 2), (4, 6), (6, 8), (3, 4)]:
        expected = sum(
            m * integrate(column - 0.5, column + 0.5, a, s, 200) * integrate(row - 0.5, row + 0.5, b, s, 200)
            for a, b, s, m in zip(x, y, sigma, mass, strict=True)
        )  # fmt: skip
        assert image[row, column] == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_an_object_cut_by_the_border_still_counts_as_one():
    corner = {"x": [0.0], "y": [0.0], "sigma": 2.0}
    assert density_from_points((30, 30), **corner, complete=False).sum() < 0.4
    assert density_from_points((30, 30), **corner).sum() == pytest.approx(1, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-0.5, 19.5), st.floats(-0.5, 11.5), st.floats(0.4, 5), st.floats(0, 2)),
        max_size=8,
    )
)
def test_a_map_sums_to_the_masses_of_its_objects(objects):
    x, y, sigma, mass = np.array(objects, float).reshape(-1, 4).T
    image = density_from_points((12, 20), x=x, y=y, sigma=sigma, mass=mass)
    assert image.sum() == pytest.approx(mass.sum(), abs=1e-4)
    assert (image >= 0).all()


def test_one_axis_sums_to_one_with_or_without_pixels_for_it():
    masses = pixel_masses(10, [4.0, -0.5], [1.0, 3.0])
    np.testing.assert_allclose(masses.sum(axis=1), 1)
    assert pixel_masses(10, [-0.5], [3.0], complete=False).sum() == pytest.approx(0.5, abs=1e-3)
