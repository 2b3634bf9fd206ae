"""A simulated crowd: people who cross a place from border to border, alone or in small groups."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.object_size import ObjectSize
from tbc_tracking.tracks import Tracks

MOST_PEOPLE = 10_000
"""More than this in one frame is a mistake: they would stand on one another."""


@dataclass(frozen=True, kw_only=True)
class CrowdConfig:
    """How many people walk where, and how steadily."""

    people: float = 24.0
    """Mean number of people in the frame."""
    speed: tuple[float, float] = (0.25, 0.65)
    """Slowest and fastest walk, in sigma per frame."""
    sway: float = 0.02
    """Standard deviation of the change of velocity per frame, as a share of the speed."""
    companions: float = 0.35
    """Probability that somebody walks beside the last person."""
    distance: float = 1.6
    """Distance between companions, in sigma."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not self.people > 0:
            raise ValueError(f"people must be positive, got {self.people}")
        if self.people > MOST_PEOPLE:
            raise ValueError(f"people must be at most {MOST_PEOPLE}, got {self.people}")
        if not 0 < self.speed[0] <= self.speed[1]:
            raise ValueError(f"speed needs 0 < slowest <= fastest, got {self.speed}")


def simulate_crowd(
    length: int,
    shape: tuple[int, int],
    *,
    size: ObjectSize,
    seed: int,
    config: CrowdConfig | None = None,
) -> Tracks:
    """Return the exact tracks of a crowd that crosses a frame of `shape` = (height, width) map pixels.

    The place is populated from the first frame on: people who started earlier are on their way.

    Raises:
        ValueError: if the frame is less than 2 pixels high or wide.
    """
    if min(shape) < 2:
        raise ValueError(
            f"a crowd needs a frame of at least 2 x 2 pixels to walk through, got {shape[1]} x {shape[0]}"
        )
    config = config or CrowdConfig()
    random = np.random.default_rng(seed)
    sigma = float(size.at(shape[0] / 2))
    mean_speed = sigma * (config.speed[0] + config.speed[1]) / 2
    crossing = 0.8 * (shape[0] + shape[1]) / 2 / mean_speed
    arrivals = round(config.people * (length + crossing) / crossing)
    walks = []
    last: tuple[int, NDArray[np.float64], NDArray[np.float64]] | None = None
    for _ in range(arrivals):
        if last is not None and random.random() < config.companions:
            start, origin, velocity = last
            aside = np.array([-velocity[1], velocity[0]]) / np.hypot(*velocity)
            origin = origin + aside * config.distance * sigma * random.choice([-1, 1])
        else:
            start = int(random.integers(-round(crossing), length))
            origin, velocity = _enter(shape, sigma, config, random)
        last = (start, origin, velocity)
        walks.append(_walk(start, origin, velocity, length, shape, config, random))
    return _collect(walks, length)


def _enter(
    shape: tuple[int, int], sigma: float, config: CrowdConfig, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a place on the border and a velocity towards a place on another side."""
    extent = np.array([shape[1] - 1.0, shape[0] - 1.0])
    sides = random.permutation(4)[:2]
    places = random.uniform(0.1, 0.9, (2, 2)) * extent
    for place, side in zip(places, sides, strict=True):
        place[side % 2] = 0.0 if side < 2 else extent[side % 2]
    direction = places[1] - places[0]
    speed = sigma * random.uniform(*config.speed)
    return places[0], speed * direction / np.hypot(*direction)


def _walk(
    start: int,
    origin: NDArray[np.float64],
    velocity: NDArray[np.float64],
    length: int,
    shape: tuple[int, int],
    config: CrowdConfig,
    random: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return frames and places of one person while inside the frame and the video."""
    steps = np.arange(max(start, 0) - start, length - start)
    number = len(steps) + steps[0] if len(steps) else 0
    sway = config.sway * np.hypot(*velocity) * random.standard_normal((number, 2)).cumsum(axis=0)
    places = origin + (velocity + sway).cumsum(axis=0) - velocity
    places = places[number - len(steps) :]
    inside = (
        (places > -0.5).all(axis=1)
        & (places[:, 0] < shape[1] - 0.5)
        & (places[:, 1] < shape[0] - 0.5)
    )
    return (steps + start)[inside], places[inside]


def _collect(walks: list[tuple[NDArray[np.int64], NDArray[np.float64]]], length: int) -> Tracks:
    walks = [walk for walk in walks if len(walk[0])]
    frames = np.concatenate([np.zeros(0, np.int64), *(frames for frames, _ in walks)])
    places = np.concatenate([np.zeros((0, 2)), *(places for _, places in walks)])
    identity = np.repeat(np.arange(1, len(walks) + 1), [len(frames) for frames, _ in walks])
    return Tracks.from_rows(frames, identity, x=places[:, 0], y=places[:, 1], length=length)
