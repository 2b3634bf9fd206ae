"""Candidates: peaks of the deconvolved map in their true places, and copies where another frame knows better."""

import numpy as np
import pytest
from tiny_programs import render

from tbc_tracking.candidates import find_candidates, find_peaks
from tbc_tracking.config import CandidateConfig
from tbc_tracking.deconvolution import RowGaussian
from tbc_tracking.density import density_from_points
from tbc_tracking.object_size import ObjectSize

SIZE = ObjectSize(intercept=1.5)
CONFIG = CandidateConfig(
    iterations=20, peak_mass=0.12, copy_frames=2, copy_density=0.15, copy_separation=0.75
)


@pytest.mark.parametrize("place", [(10.0, 8.0), (10.3, 8.4), (0.2, 0.0), (19.4, 14.6), (5.5, 0.0)])
def test_a_lone_object_is_found_where_it_is(place):
    image = density_from_points((16, 20), x=[place[0]], y=[place[1]], sigma=1.5)
    x, y, mass = find_peaks(image, RowGaussian((16, 20), SIZE), CONFIG)
    assert len(x) == 1
    assert abs(x[0] - place[0]) < 0.45
    assert abs(y[0] - place[1]) < 0.45
    assert mass[0] > 0.5


def test_a_fading_object_is_a_candidate_because_of_its_neighbors_in_time():
    # In frame 2 somebody stands so close that the faded object makes no peak of its own.
    points = [(t, x, 8.0) for t in range(5) for x in (8.0, 11.0)]
    maps = render(points, frames=5, sigma=1.5, shape=(16, 20))
    maps[2] = density_from_points(
        (16, 20), x=[8.0, 10.6], y=[8.0, 8.0], sigma=1.5, mass=[1.0, 0.15]
    )

    def near(candidates, frame):
        return candidates.copied[
            (candidates.frame == frame) & (np.hypot(candidates.x - 11, candidates.y - 8) < 1)
        ]

    alone = find_candidates(
        maps, size=SIZE, config=CandidateConfig(iterations=20, peak_mass=0.5, copy_frames=0)
    )
    assert not len(near(alone, 2)), "test invalid"
    copied = find_candidates(
        maps, size=SIZE, config=CandidateConfig(iterations=20, peak_mass=0.5, copy_frames=1, copy_density=0.05)
    )  # fmt: skip
    assert near(copied, 2).tolist() == [1]
    assert near(copied, 1).tolist() == [0]


def test_copies_keep_their_distance_and_need_density():
    random = np.random.default_rng(3)
    points = [(t, *random.uniform(2, 28, 2)) for t in range(6) for _ in range(6)]
    maps = render(points, frames=6, sigma=1.5, shape=(30, 30))
    found = find_candidates(maps, size=SIZE, config=CONFIG)
    assert set(found.copied) == {0, 1, 2}
    peak = 1 / (2 * np.pi * 1.5**2)
    for k in np.flatnonzero(found.copied):
        t, x, y = found.frame[k], found.x[k], found.y[k]
        assert maps[t, round(y), round(x)] > 0.15 * peak
        others = np.flatnonzero((found.frame == t) & (found.copied < found.copied[k]))
        assert (np.hypot(found.x[others] - x, found.y[others] - y) > 0.75 * 1.5).all()
        sources = np.flatnonzero(
            (np.abs(found.frame - t) == 1) & (found.copied == found.copied[k] - 1)
        )
        assert (np.hypot(found.x[sources] - x, found.y[sources] - y) < 1e-9).any()


def test_candidates_are_sorted_by_frame_and_know_where_frames_begin():
    maps = render([(1, 5.0, 5.0), (3, 9.0, 5.0)], frames=5, sigma=1.5, shape=(16, 20))
    found = find_candidates(maps, size=SIZE, config=CONFIG)
    assert found.length == 5
    assert found.frame.tolist() == [1, 3]
    assert found.starts.tolist() == [0, 0, 1, 1, 2, 2]


def test_sigma_follows_the_row():
    size = ObjectSize(intercept=1.0, slope=0.05)
    maps = render([(0, 10.0, 4.0), (0, 10.0, 25.0)], frames=1, sigma=1.5, shape=(30, 20))
    found = find_candidates(maps, size=size, config=CONFIG)
    np.testing.assert_allclose(found.sigma, size.at(found.y))
    assert np.ptp(found.sigma) > 0.5


def test_empty_maps_have_no_candidates():
    found = find_candidates(np.zeros((3, 12, 12), np.float32), size=SIZE, config=CONFIG)
    assert len(found) == 0
    assert found.length == 3
    assert found.starts.tolist() == [0, 0, 0, 0]
