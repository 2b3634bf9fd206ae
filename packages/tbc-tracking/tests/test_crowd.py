"""The simulated crowd: people who walk through the frame at their speed, as many as were asked for."""

import numpy as np
import pytest

from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.object_size import ObjectSize

SIZE = ObjectSize(intercept=2.0)
SHAPE = (60, 80)


def test_everybody_stays_in_the_frame_and_walks_without_holes():
    tracks = simulate_crowd(80, SHAPE, size=SIZE, seed=0)
    assert tracks.length == 80
    assert ((tracks.x > -0.5) & (tracks.x < 79.5) & (tracks.y > -0.5) & (tracks.y < 59.5)).all()
    for name in tracks.ids:
        assert (np.diff(tracks.frame[tracks.id == name]) == 1).all()


def test_speeds_are_those_that_were_asked_for():
    config = CrowdConfig(speed=(0.3, 0.6), sway=0.0, people=20)
    tracks = simulate_crowd(80, SHAPE, size=SIZE, seed=1, config=config)
    for name in tracks.ids:
        mine = tracks.id == name
        steps = np.stack([np.diff(tracks.x[mine]), np.diff(tracks.y[mine])])
        if steps.size:
            speed = np.hypot(*steps) / 2.0
            assert speed.min() >= 0.3 - 1e-9
            assert speed.max() <= 0.6 + 1e-9
            np.testing.assert_allclose(
                steps, steps[:, :1] @ np.ones((1, steps.shape[1])), atol=1e-9
            )
    swaying = simulate_crowd(80, SHAPE, size=SIZE, seed=1, config=CrowdConfig(people=20, sway=0.1))
    longest = swaying.ids[np.argmax([(swaying.id == k).sum() for k in swaying.ids])]
    assert np.ptp(np.diff(swaying.x[swaying.id == longest])) > 1e-3


@pytest.mark.parametrize("people", [6, 24])
def test_the_frame_holds_about_as_many_as_asked_from_the_first_frame_on(people):
    counts = np.array(
        [
            simulate_crowd(
                100, SHAPE, size=SIZE, seed=s, config=CrowdConfig(people=people)
            ).counts()
            for s in range(12)
        ]
    )
    assert counts.mean() == pytest.approx(people, rel=0.3)
    assert counts[:, :10].mean() == pytest.approx(people, rel=0.45)


def test_companions_walk_side_by_side():
    def closest(companions):
        config = CrowdConfig(people=10, companions=companions, distance=1.6, sway=0.0)
        tracks = simulate_crowd(40, SHAPE, size=SIZE, seed=3, config=config)
        near = 0
        for t in range(40):
            here = tracks.frame == t
            gap = np.hypot(
                tracks.x[here][:, None] - tracks.x[here], tracks.y[here][:, None] - tracks.y[here]
            )
            near += int((np.abs(gap - 3.2) < 1e-6).sum())
        return near

    assert closest(0.8) > 20
    assert closest(0.0) == 0


def test_the_seed_decides():
    one, same, other = (simulate_crowd(20, SHAPE, size=SIZE, seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.x, same.x)
    assert len(one) != len(other) or not np.allclose(one.x, other.x)


def test_nobody_may_come():
    tracks = simulate_crowd(3, SHAPE, size=SIZE, seed=0, config=CrowdConfig(people=0.01))
    assert len(tracks) == 0
    assert tracks.length == 3


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"people": 0.0}, "people must be positive, got 0.0"),
        ({"speed": (0.0, 1.0)}, r"0 < slowest <= fastest, got \(0.0, 1.0\)"),
        ({"speed": (2.0, 1.0)}, "slowest <= fastest"),
    ],
)
def test_impossible_crowds_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        CrowdConfig(**given)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (0, 5)])
def test_a_frame_too_small_to_walk_through_is_refused(shape):
    with pytest.raises(ValueError, match="at least 2 x 2 pixels"):
        simulate_crowd(1, shape, size=SIZE, seed=0)


def test_the_smallest_frame_is_no_reason_to_warn():
    assert simulate_crowd(3, (2, 2), size=SIZE, seed=0).length == 3
