"""Simulated density maps of known motion: what an imperfect counting network makes of a crowd (specification 6.2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.density import density_from_points
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.tracks import Tracks


@dataclass(frozen=True, kw_only=True)
class MapNoise:
    """How a density map differs from the truth; the defaults are the numbers of specification 6.2."""

    correlation: float = 0.8
    """AR(1) coefficient from frame to frame of gain, jitter and blur."""
    gain: float = 0.20
    """Standard deviation of an object's mass around 1; the mass never falls below `gain_floor`."""
    gain_floor: float = 0.2
    """Smallest mass of an object that has not faded."""
    jitter: float = 0.35
    """Standard deviation of an object's position, in map pixels."""
    blur: float = 0.12
    """Standard deviation of an object's sigma, as a share of it."""
    fade_rate: float = 0.015
    """Probability per object and frame that a fade begins."""
    fade_frames: int = 4
    """Longest fade, in frames; the length is drawn from 1 to this."""
    fade_mass: float = 0.25
    """Share of the mass that a fade leaves."""
    occluded_mass: float = 0.85
    """Share of the mass that is left when somebody nearer stands within two sigma."""
    bump_rate: float = 0.012
    """False bumps that appear per object and frame."""
    bump_mass: tuple[float, float] = (0.25, 0.7)
    """Smallest and largest mass of a false bump."""
    bump_survival: float = 0.7
    """Probability that a false bump stays for another frame."""
    veil: float = 0.01
    """Mass spread evenly over the frame, as a share of the whole."""
    pixel_noise: float = 0.10
    """Standard deviation of the multiplicative noise of a pixel."""


@dataclass
class _Drift:
    """Slowly varying errors of each object: AR(1) with unit variance, columns gain, x, y, blur."""

    state: NDArray[np.float64]
    fade_left: NDArray[np.int64]

    @classmethod
    def start(cls, objects: int, random: np.random.Generator) -> "_Drift":
        return cls(random.standard_normal((objects, 4)), np.zeros(objects, np.int64))

    def advance(self, noise: MapNoise, random: np.random.Generator) -> None:
        innovation = np.sqrt(1 - noise.correlation**2)
        self.state = noise.correlation * self.state + innovation * random.standard_normal(
            self.state.shape
        )
        begins = random.random(len(self.fade_left)) < noise.fade_rate
        lengths = random.integers(1, noise.fade_frames + 1, len(self.fade_left))
        self.fade_left = np.where(
            begins & (self.fade_left == 0), lengths, np.maximum(self.fade_left - 1, 0)
        )


def simulate_density(
    tracks: Tracks,
    shape: tuple[int, int],
    *,
    size: ObjectSize,
    seed: int,
    noise: MapNoise | None = None,
) -> NDArray[np.float32]:
    """Render tracks as the noisy density maps of an imperfect counter.

    Args:
        tracks: the motion, in pixels of the map.
        shape: (height, width) of the map.
        size: sigma of the objects over the rows.
        seed: of all noise; the same seed gives the same maps.
        noise: its strengths; the default is specification 6.2.

    Returns:
        Maps of shape (tracks.length, height, width), float32, not negative.
    """
    noise = noise or MapNoise()
    random = np.random.default_rng(seed)
    ids = tracks.ids
    drift = _Drift.start(len(ids), random)
    bumps = np.zeros((0, 3))  # x, y, mass
    maps = np.empty((tracks.length, *shape), np.float32)
    for frame in range(tracks.length):
        drift.advance(noise, random)
        rows = tracks.frame == frame
        present = np.searchsorted(ids, tracks.id[rows])
        x, y = tracks.x[rows], tracks.y[rows]
        bumps = _advance_bumps(bumps, len(x), shape, noise, random)
        maps[frame] = _render_frame(x, y, drift, present, bumps, shape, size, noise, random)
    return maps


def _advance_bumps(
    bumps: NDArray[np.float64],
    objects: int,
    shape: tuple[int, int],
    noise: MapNoise,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    kept = bumps[random.random(len(bumps)) < noise.bump_survival]
    count = random.poisson(noise.bump_rate * objects)
    fresh = np.stack(
        [
            random.uniform(0, shape[1] - 1, count),
            random.uniform(0, shape[0] - 1, count),
            random.uniform(*noise.bump_mass, count),
        ],
        axis=1,
    )
    return np.concatenate([kept, fresh])


def _render_frame(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    drift: _Drift,
    present: NDArray[np.int64],
    bumps: NDArray[np.float64],
    shape: tuple[int, int],
    size: ObjectSize,
    noise: MapNoise,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    state = drift.state[present]
    sigma = size.at(y)
    mass = np.maximum(1 + noise.gain * state[:, 0], noise.gain_floor)
    mass = np.where(drift.fade_left[present] > 0, mass * noise.fade_mass, mass)
    mass = np.where(_occluded(x, y, sigma), mass * noise.occluded_mass, mass)
    image = density_from_points(
        shape,
        x=np.append(x + noise.jitter * state[:, 1], bumps[:, 0]),
        y=np.append(y + noise.jitter * state[:, 2], bumps[:, 1]),
        sigma=np.append(
            sigma * np.maximum(1 + noise.blur * state[:, 3], 0.3), size.at(bumps[:, 1])
        ),
        mass=np.append(mass, bumps[:, 2]),
    )
    image = (
        image * (1 + noise.pixel_noise * random.standard_normal(shape)) + noise.veil * image.mean()
    )
    return np.maximum(image, 0).astype(np.float32)


def _occluded(x: NDArray, y: NDArray, sigma: NDArray) -> NDArray[np.bool_]:
    """Return who has somebody nearer to the camera (further down in the picture) within two sigma."""
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    return ((distance < 2 * sigma[:, None]) & (y[None, :] > y[:, None])).any(axis=1)
