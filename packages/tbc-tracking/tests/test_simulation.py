"""The renderer of noisy maps: every kind of noise in the strength that it says, and none without being asked."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tbc_tracking.crowd import CrowdConfig, simulate_crowd
from tbc_tracking.density import density_from_points
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.simulation import MapNoise, simulate_density
from tbc_tracking.tracks import Tracks

SIZE = ObjectSize(intercept=1.3)
QUIET = MapNoise(
    gain=0.0, jitter=0.0, blur=0.0, fade_rate=0.0, occluded_mass=1.0, bump_rate=0.0, veil=0.0, pixel_noise=0.0,
)  # fmt: skip


def standing(frames, *, x=6.0, y=6.0):
    """Return one object that stands still."""
    return Tracks.from_rows(np.arange(frames), 1, x=np.full(frames, x), y=np.full(frames, y))


def rendered(frames, *, seed=0, **noise):
    return simulate_density(
        standing(frames), (13, 13), size=SIZE, seed=seed, noise=replace(QUIET, **noise)
    )


def test_without_noise_the_maps_are_the_exact_density():
    truth = simulate_crowd(4, (30, 40), size=SIZE, seed=1, config=CrowdConfig(people=6))
    maps = simulate_density(truth, (30, 40), size=SIZE, seed=0, noise=QUIET)
    for t in range(4):
        here = truth.frame == t
        exact = density_from_points((30, 40), x=truth.x[here], y=truth.y[here], sigma=1.3)
        np.testing.assert_allclose(maps[t], exact, atol=1e-6)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), truth.counts(), rtol=1e-4)


def test_the_seed_decides_everything():
    truth = standing(5)
    one, same, other = (simulate_density(truth, (13, 13), size=SIZE, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
    assert one.dtype == np.float32
    assert (one >= 0).all()


def test_the_gain_drifts_as_an_autoregression():
    mass = rendered(2500, gain=0.2).sum(axis=(1, 2))
    assert mass.mean() == pytest.approx(1, abs=0.03)
    assert mass.std() == pytest.approx(0.2, rel=0.1)
    assert np.corrcoef(mass[1:], mass[:-1])[0, 1] == pytest.approx(0.8, abs=0.05)
    assert rendered(500, gain=1.0, gain_floor=0.2).sum(axis=(1, 2)).min() == pytest.approx(
        0.2, abs=1e-3
    )


def test_jitter_and_blur_have_their_standard_deviations():
    maps = rendered(2000, jitter=0.35).astype(float)
    columns = np.arange(13)
    center = (maps.sum(axis=1) * columns).sum(axis=1) / maps.sum(axis=(1, 2))
    assert center.std() == pytest.approx(0.35, rel=0.1)
    assert center.mean() == pytest.approx(6.0, abs=0.06)
    maps = rendered(2000, blur=0.12).astype(float)
    variance = (maps.sum(axis=1) * (columns - 6) ** 2).sum(axis=1) / maps.sum(axis=(1, 2)) - 1 / 12
    assert np.sqrt(variance).std() == pytest.approx(0.12 * 1.3, rel=0.15)


def test_fades_begin_last_and_leave_as_much_as_they_say():
    mass = rendered(4000, fade_rate=0.05, fade_frames=4, fade_mass=0.25).sum(axis=(1, 2))
    faded = mass < 0.5
    np.testing.assert_allclose(mass[faded], 0.25, atol=1e-3)
    np.testing.assert_allclose(mass[~faded], 1, atol=1e-3)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], faded, [0]])))
    lengths = edges[1::2] - edges[::2]
    assert lengths.min() == 1
    # One fade may follow another at once; alone they last one to four frames.
    assert np.mean(lengths <= 4) > 0.9
    assert faded.mean() == pytest.approx(0.05 * 2.5 / (1 + 0.05 * 1.5), rel=0.2)


def test_somebody_nearer_takes_a_share_of_the_mass():
    rows = [(0, 1, 6.0, 5.0), (0, 2, 6.0, 7.0), (1, 1, 6.0, 3.0), (1, 2, 6.0, 9.0)]
    frame, name, x, y = np.array(rows).T
    truth = Tracks.from_rows(frame.astype(int), name.astype(int), x=x, y=y)
    maps = simulate_density(
        truth, (13, 13), size=SIZE, seed=0, noise=replace(QUIET, occluded_mass=0.5)
    )
    assert maps.sum(axis=(1, 2)) == pytest.approx([1.5, 2.0], abs=1e-3)
    assert maps[0, :6].sum() < maps[0, 7:].sum(), "the upper one is further away"


def test_false_bumps_come_stay_and_go():
    extra = rendered(4000, bump_rate=0.1, bump_survival=0.7).sum(axis=(1, 2)) - 1
    # On average rate / (1 - survival) bumps of mean mass 0.475.
    assert extra.mean() == pytest.approx(0.1 / 0.3 * 0.475, rel=0.25)
    assert extra.min() == pytest.approx(0, abs=1e-3)
    alone = extra[(extra > 0.1) & (extra < 0.71)]
    assert alone.min() == pytest.approx(0.25, abs=0.02)


def test_veil_and_pixel_noise():
    veiled = rendered(1, veil=0.01)[0]
    assert veiled.sum() == pytest.approx(1.01, abs=1e-4)
    assert veiled[0, 0] > 0.9 * 0.01 / 169
    noisy = rendered(2000, pixel_noise=0.1)[:, 6, 6]
    assert noisy.std() / noisy.mean() == pytest.approx(0.1, rel=0.1)


def test_the_defaults_are_those_of_the_specification():
    values = {f.name: f.default for f in fields(MapNoise)}
    assert values == {
        "correlation": 0.8, "gain": 0.20, "gain_floor": 0.2, "jitter": 0.35, "blur": 0.12,
        "fade_rate": 0.015, "fade_frames": 4, "fade_mass": 0.25, "occluded_mass": 0.85,
        "bump_rate": 0.012, "bump_mass": (0.25, 0.7), "bump_survival": 0.7, "veil": 0.01,
        "pixel_noise": 0.10,
    }  # fmt: skip
