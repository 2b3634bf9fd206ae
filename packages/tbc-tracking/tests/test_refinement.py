"""Positions below pixel accuracy: a mixture of Gaussians shared among the objects of a frame."""

import numpy as np
import pytest
from tiny_programs import render

from tbc_tracking.density import density_from_points
from tbc_tracking.refinement import refine_positions


def refine(image, x, y, *, sigma=1.8, steps=8, leash=1.0):
    return refine_positions(
        image[None],
        frame=np.zeros(len(x), np.int64),
        x=np.array(x, float),
        y=np.array(y, float),
        sigma=np.full(len(x), sigma),
        steps=steps,
        leash=leash,
    )


def test_a_lone_object_moves_to_its_place():
    image = density_from_points((24, 24), x=[12.3], y=[10.6], sigma=1.8)
    x, y, mass = refine(image, [11.5], [11.5])
    assert np.hypot(x[0] - 12.3, y[0] - 10.6) < 0.05
    assert mass[0] == pytest.approx(1, abs=0.02)


def test_neighbors_share_what_lies_between_them():
    image = density_from_points((24, 30), x=[12.0, 15.0], y=[12.0, 12.0], sigma=1.8)
    # Each for itself would move to the common centroid.
    alone, _, _ = refine(image, [11.5], [12.0], leash=9.0, steps=40)
    assert alone[0] > 12.7
    x, y, mass = refine(image, [11.5, 15.6], [12.3, 11.8], steps=40)
    np.testing.assert_allclose(x, [12.0, 15.0], atol=0.25)
    np.testing.assert_allclose(y, [12.0, 12.0], atol=0.1)
    np.testing.assert_allclose(mass, 1, atol=0.1)


def test_the_first_step_is_the_centroid_of_the_own_share():
    image = density_from_points((20, 20), x=[8.0, 11.0], y=[9.0, 10.0], sigma=1.8, mass=[1.0, 0.6])
    start_x, start_y = [7.6, 11.5], [9.4, 9.7]
    rows, columns = np.mgrid[:20, :20]
    own = [
        np.exp(-((columns - a) ** 2 + (rows - b) ** 2) / (2 * 1.8**2)) / (2 * np.pi * 1.8**2)
        for a, b in zip(start_x, start_y, strict=True)
    ]
    total = own[0] + own[1] + 1e-6
    x, y, _ = refine(image, start_x, start_y, steps=1)
    _, _, mass = refine(image, start_x, start_y, steps=0)
    for k in range(2):
        part = image * own[k] / total
        assert mass[k] == pytest.approx(part.sum(), rel=0.01)
        assert x[k] == pytest.approx((part * columns).sum() / part.sum(), abs=0.03)
        assert y[k] == pytest.approx((part * rows).sum() / part.sum(), abs=0.03)


def test_no_steps_leave_the_places_alone_and_the_input_untouched():
    image = density_from_points((20, 20), x=[9.0], y=[9.0], sigma=1.8)
    x0, y0 = np.array([7.5]), np.array([8.5])
    x, y, mass = refine(image, x0, y0, steps=0)
    assert (x[0], y[0]) == (7.5, 8.5)
    assert 0.3 < mass[0] < 1
    refine(image, x0, y0, steps=5)
    assert (x0[0], y0[0]) == (7.5, 8.5)


def test_nobody_strays_further_than_the_leash():
    image = density_from_points((24, 24), x=[15.0], y=[12.0], sigma=1.8)
    free, _, _ = refine(image, [11.0], [12.0], leash=9.0, steps=40)
    assert free[0] > 14.5
    x, y, _ = refine(image, [11.0], [12.0], leash=0.5, steps=40)
    assert np.hypot(x[0] - 11, y[0] - 12) == pytest.approx(0.9, abs=1e-6)


def test_without_density_an_object_stays_and_weighs_nothing():
    x, _, mass = refine(np.zeros((20, 20), np.float32), [9.0], [9.0])
    assert x[0] == 9.0
    assert mass[0] == 0


def test_frames_are_refined_apart():
    maps = render([(0, 8.0, 8.0), (2, 9.0, 7.0)], frames=3, sigma=1.8, shape=(20, 20))
    x, y, mass = refine_positions(
        maps,
        frame=np.array([0, 1, 2]),
        x=np.array([8.5, 8.5, 8.5]),
        y=np.array([7.5, 7.5, 7.5]),
        sigma=np.full(3, 1.8),
        steps=10,
    )
    np.testing.assert_allclose(x, [8.0, 8.5, 9.0], atol=0.05)
    np.testing.assert_allclose(y, [8.0, 7.5, 7.0], atol=0.05)
    np.testing.assert_allclose(mass, [1, 0, 1], atol=0.02)


@pytest.mark.parametrize("place", [(0.4, 12.0), (0.0, 0.0), (23.3, 10.0), (12.0, 22.6)])
def test_the_border_does_not_pull_objects_inwards(place):
    image = density_from_points((24, 24), x=[place[0]], y=[place[1]], sigma=1.8)
    columns = np.arange(24)
    centroid = (image.sum(axis=0) * columns).sum(), (image.sum(axis=1) * columns).sum()
    assert np.hypot(centroid[0] - place[0], centroid[1] - place[1]) > 0.5, "the bait"
    x, y, _ = refine(image, [place[0]], [place[1]], steps=8)
    assert np.hypot(x[0] - place[0], y[0] - place[1]) < 0.1
    inside = np.clip(np.array(place), 1.0, 22.0)
    x, y, _ = refine(image, [inside[0]], [inside[1]], steps=30)
    assert np.hypot(x[0] - place[0], y[0] - place[1]) < 0.25
