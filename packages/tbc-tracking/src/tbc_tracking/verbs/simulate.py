"""`simulate`: density maps with known truth, of a simulated crowd or of given tracks."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from tbc_tracking.object_size import ObjectSize
    from tbc_tracking.tracks import Tracks


MOST_PIXELS = 2**31
"""Map pixels that are simulated at once."""


@dataclass(frozen=True, kw_only=True)
class Simulate(Options):
    """Settings of `simulate`."""

    tracks: Path | None = None
    """Tracks to render; without them a crowd is simulated."""

    frames: int = 100
    """Length of the simulated crowd."""

    people: float = 24.0
    """Mean number of people in the simulated frame."""

    width: int = 120
    """Width of the maps in pixels."""

    height: int = 90
    """Height of the maps in pixels."""

    scale: float = 1.0
    """Map pixels per pixel of the given tracks."""

    sigma: float | None = None
    """Gaussian width of one object in map pixels; from the boxes of the tracks if missing, else 2."""

    exact: bool = False
    """Render exact maps instead of what an imperfect counter would make of the crowd."""


@refuses
def simulate(config: Simulate) -> None:
    """Make density maps of a simulated crowd, or of given tracks, with the truth beside them.

    --out is a folder (default: simulated), which gets maps.npy and truth.csv.
    """
    import numpy as np

    from tbc_tracking.formats import write_tracks
    from tbc_tracking.simulation import MapNoise, simulate_density
    from tbc_tracking.verbs.density import write_maps

    if min(config.frames, config.width, config.height) < 1:
        raise ValueError("frames, width and height must be at least 1")
    if config.frames * config.width * config.height > MOST_PIXELS:
        raise ValueError(
            f"frames x width x height must be at most {MOST_PIXELS:,}, which fill 8 GiB, "
            f"got {config.frames} x {config.width} x {config.height}"
        )
    shape = (config.height, config.width)
    truth, size = _truth(config, shape)
    size.refuse_misfit(shape)
    still = MapNoise(
        gain=0, jitter=0, blur=0, fade_rate=0, occluded_mass=1, bump_rate=0, veil=0, pixel_noise=0
    )
    noise = still if config.exact else None
    maps = simulate_density(truth, shape, size=size, seed=config.seed, noise=noise)
    out = config.out or Path("simulated")
    counts = write_maps(out / "maps.npy", maps, length=len(maps))
    write_tracks(out / "truth.csv", truth)
    row = {
        "frames": len(maps),
        "tracks": len(truth.ids),
        "points": len(truth),
        "mean_count": float(truth.counts().mean()),
        "mean_map_sum": float(np.mean(counts)),
        "sigma": float(np.mean(size.at(np.arange(config.height)))),
        "out": str(out),
    }
    emit([row], json=config.json)


def _truth(config: Simulate, shape: tuple[int, int]) -> "tuple[Tracks, ObjectSize]":
    """Return the motion in map pixels, and the size of an object."""
    from tbc_tracking.crowd import CrowdConfig, simulate_crowd
    from tbc_tracking.object_size import ObjectSize, fit_object_size

    if config.sigma is not None and not 0 < config.sigma < float("inf"):
        raise ValueError(f"sigma must be positive, got {config.sigma}; it is in map pixels")
    fixed = ObjectSize.constant(2.0 if config.sigma is None else config.sigma)
    if config.tracks is None:
        crowd = CrowdConfig(people=config.people)
        return simulate_crowd(
            config.frames, shape, size=fixed, seed=config.seed, config=crowd
        ), fixed
    truth = _scaled_tracks(config, shape)
    import numpy as np

    boxes = np.isfinite(truth.height).any()
    return truth, fit_object_size(truth.y, truth.height) if boxes and not config.sigma else fixed


def _scaled_tracks(config: Simulate, shape: tuple[int, int]) -> "Tracks":
    """Return the given tracks in map pixels, without what lies outside."""
    import numpy as np

    from tbc_tracking.formats import read_tracks
    from tenfold_shared.errors import UserError

    if not 0 < config.scale < float("inf"):
        raise ValueError(f"scale must be positive, got {config.scale}")
    assert config.tracks is not None
    tracks = read_tracks(config.tracks)
    moved = replace(
        tracks,
        x=(tracks.x + 0.5) * config.scale - 0.5,
        y=(tracks.y + 0.5) * config.scale - 0.5,
        width=tracks.width * config.scale,
        height=tracks.height * config.scale,
    )
    height, width = shape
    kept = (np.abs(2 * moved.x + 1 - width) <= width) & (np.abs(2 * moved.y + 1 - height) <= height)
    if not kept.any():
        raise UserError(
            f"{config.tracks} has no point on a map of {width} x {height} pixels; check --scale, --width "
            "and --height."
        )
    return moved.select(kept)
