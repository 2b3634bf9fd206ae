"""The blur and its adjoint against loops; Richardson-Lucy keeps mass, raises the likelihood, parts neighbors."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from tbc_tracking.deconvolution import RowGaussian, _blur, _blur_adjoint
from tbc_tracking.density import density_from_points
from tbc_tracking.object_size import ObjectSize

PERSPECTIVE = ObjectSize(intercept=0.8, slope=0.08)
NARROW = (9, 4)
"""A frame that is narrower than the reach of its widest Gaussian."""


def forward(gaussian, image):
    between, target = np.empty_like(image), np.empty_like(image)
    _blur(image, gaussian.taps, between, target)
    return target


def adjoint(gaussian, image):
    between, target = np.empty_like(image), np.empty_like(image)
    _blur_adjoint(image, gaussian.taps, between, target)
    return target


def blur_by_loops(gaussian, image):
    height, width = image.shape
    result = np.zeros((height, width))
    radius = gaussian.radius
    for y in range(height):
        for x in range(width):
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        taps = gaussian.taps[y]
                        result[y + dy, x + dx] += (
                            image[y, x] * float(taps[dy + radius]) * float(taps[dx + radius])
                        )
    return result  # fmt: skip


@pytest.mark.parametrize("shape", [(14, 11), NARROW, (3, 30), (1, 1)])
def test_the_blur_is_the_one_of_the_loops_and_the_adjoint_its_transpose(shape):
    random = np.random.default_rng(1)
    size = PERSPECTIVE if shape != NARROW else ObjectSize(intercept=3.5)
    gaussian = RowGaussian(shape, size)
    for _ in range(3):
        x, y = random.random((2, *shape), np.float32)
        blurred = forward(gaussian, x)
        np.testing.assert_allclose(blurred, blur_by_loops(gaussian, x), rtol=1e-4, atol=1e-6)
        assert np.vdot(blurred, y) == pytest.approx(np.vdot(x, adjoint(gaussian, y)), rel=1e-5)
    assert not np.allclose(forward(gaussian, y), adjoint(gaussian, y)) or shape != (14, 11)


def test_taps_are_the_gaussian_of_their_row():
    gaussian = RowGaussian((20, 10), PERSPECTIVE)
    np.testing.assert_allclose(gaussian.taps.sum(axis=1), 1, rtol=1e-6)
    offsets = np.arange(-gaussian.radius, gaussian.radius + 1)
    spread = np.sqrt((gaussian.taps * offsets**2).sum(axis=1))
    # A pixel adds 1 / 12 to the variance; the cut at three sigma takes a little away.
    np.testing.assert_allclose(
        spread, np.sqrt(PERSPECTIVE.at(np.arange(20)) ** 2 + 1 / 12), rtol=0.04
    )


def crowded():
    x, y = [3.0, 6.2, 15.0, 0.0], [5.0, 5.0, 11.0, 0.0]
    image = density_from_points((16, 20), x=x, y=y, sigma=PERSPECTIVE.at(y))
    return image * np.random.default_rng(0).uniform(0.9, 1.1, image.shape).astype(np.float32)


def test_richardson_lucy_keeps_the_mass_that_the_frame_sees():
    image = crowded()
    gaussian = RowGaussian(image.shape, PERSPECTIVE)
    seen = adjoint(gaussian, np.ones_like(image))
    assert seen.min() < 0.5, "the border must matter"
    for iterations in (1, 5, 20):
        sharp = gaussian.deconvolve(image, iterations=iterations)
        assert (sharp >= 0).all()
        assert (seen * sharp).sum() == pytest.approx(image.sum(), rel=1e-3)


def test_richardson_lucy_raises_the_likelihood():
    image = crowded()
    gaussian = RowGaussian(image.shape, PERSPECTIVE)

    def likelihood(sharp):
        expected = np.maximum(forward(gaussian, sharp).astype(float), 1e-12)
        return float((image * np.log(expected) - expected).sum())

    values = [likelihood(gaussian.deconvolve(image, iterations=k)) for k in (1, 2, 4, 8, 16, 32)]
    assert (np.diff(values) > 0).all(), values
    assert values[0] > likelihood(image)


def test_acceleration_gains_a_multiple_of_the_plain_iterations():
    image = crowded()
    gaussian = RowGaussian(image.shape, PERSPECTIVE)
    plain = image + np.float32(1e-6)
    seen = adjoint(gaussian, np.ones_like(image))
    for _ in range(40):
        ratio = image / np.maximum(forward(gaussian, plain), 1e-9)
        plain = plain * adjoint(gaussian, ratio.astype(np.float32)) / seen
    assert gaussian.deconvolve(image, iterations=20).max() > plain.max()


def test_deconvolution_parts_what_the_map_melts():
    image = density_from_points((20, 30), x=[12.0, 15.2], y=[10.0, 10.0], sigma=2.0)

    def peaks(values):
        return int(((values == maximum_filter(values, 3)) & (values > 0.3 * values.max())).sum())

    assert peaks(image) == 1
    gaussian = RowGaussian(image.shape, ObjectSize(intercept=2.0))
    assert peaks(gaussian.deconvolve(image, iterations=20)) == 2


def test_an_object_wider_than_the_frame_stays_in_it():
    # Taps that reach beyond the frame once wrote outside the array.
    gaussian = RowGaussian((6, 5), ObjectSize(intercept=4.0))
    assert gaussian.radius > 6
    sharp = gaussian.deconvolve(np.full((6, 5), 0.05, np.float32), iterations=20)
    assert np.isfinite(sharp).all()
    assert not forward(gaussian, np.zeros((6, 5), np.float32)).any()


def test_an_empty_map_stays_empty():
    gaussian = RowGaussian((8, 8), ObjectSize(intercept=1.5))
    assert gaussian.deconvolve(np.zeros((8, 8), np.float32), iterations=20).max() < 1e-5
