"""`plot`: pictures of maps, tracks, counts and programs."""

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tbc_tracking.config import TrackConfig
from tbc_tracking.verbs.presets import PRESETS, Preset
from tbc_tracking.verbs.render import open_pictures, pick_frame
from tbc_tracking.verbs.tables import read_numbers
from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import blamed_on, refuses

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from tbc_tracking.object_size import ObjectSize
    from tbc_tracking.tracks import Tracks

logger = logging.getLogger(__name__)

Kind = Literal[
    "density", "tracks", "space-time", "counts", "residuals", "blocks", "bounds", "timeline"
]


@dataclass(frozen=True, kw_only=True)
class Plot(Options):
    """Settings of `plot`."""

    kind: Annotated[Kind, tyro.conf.Positional]
    """What is drawn; density, residuals, bounds and counts need --maps, blocks --blocks, the others --tracks."""

    tracks: Path | None = None
    """Tracks in any format that is read."""

    truth: Path | None = None
    """True tracks."""

    maps: Path | None = None
    """Density maps."""

    frames: Path | None = None
    """Video, folder of images, or density maps (.npy)."""

    blocks: Path | None = None
    """blocks.csv that `track` wrote."""

    pixel_size: float | None = None
    """Micrometers per pixel, for tables with physical positions (TrackMate, Fiji)."""

    frame: int = 0
    """Frame that is shown; the first one for bounds."""

    length: int = 20
    """Frames of the program whose bounds are shown."""

    time_limit: float | None = None
    """Seconds that HiGHS may take for bounds; short for --solver.time-limit."""

    gap: float | None = None
    """Relative gap at which HiGHS stops, for bounds; short for --solver.gap."""

    tail: int = 15
    """Frames back that paths are shown."""

    axis: Literal["x", "y"] = "x"
    """Coordinate that is drawn over time."""

    sigma: float | None = None
    """Gaussian width of one object in map pixels, for residuals and bounds."""

    map_stride: float = 1.0
    """Frame pixels per map pixel."""

    distance: float | None = None
    """Largest distance of a match in pixels, for the timeline and for colors of space-time."""

    preset: Preset = "default"
    """What the settings of the program start from, for bounds; as in `track`."""

    settings: Annotated[TrackConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings of the program, for bounds; as in `track`."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.tail < 0:
            raise ValueError(f"tail must not be negative, got {self.tail}")
        if self.distance is not None and not 0 < self.distance < float("inf"):
            raise ValueError(f"distance must be positive, got {self.distance}")


@refuses
def plot(config: Plot) -> None:
    """Draw a picture: density, tracks, space-time, counts, residuals, blocks, bounds or timeline.

    --out ends in .png (default: the kind), .pdf or .svg.
    """
    from tenfold_shared.plots import save_figure

    out = config.out or Path(f"{config.kind}.png")
    if out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"figures end in .png, .pdf or .svg, got {out.name!r}")
    draw = {
        "density": _density,
        "tracks": _tracks,
        "space-time": _space_time,
        "counts": _counts,
        "residuals": _residuals,
        "blocks": _blocks,
        "bounds": _bounds,
        "timeline": _timeline,
    }[config.kind]
    save_figure(draw(config), out)
    emit([{"kind": config.kind, "out": str(out)}], json=config.json)


def _needed(config: Plot, name: str) -> Path:
    """Return the path of an input that this kind of picture needs."""
    path = getattr(config, name)
    if path is None:
        raise ValueError(f"a picture of {config.kind} needs --{name}")
    return path


def _read(path: Path, config: Plot) -> "Tracks":
    """Read tracks."""
    from tbc_tracking.formats import read_tracks

    return read_tracks(path, pixel_size=config.pixel_size)


def _map_and_points(
    config: Plot,
) -> "tuple[NDArray[np.float32], NDArray[np.float64] | None, NDArray[np.float64] | None]":
    """Return one map, the tracked and the true points on it."""
    from tbc_tracking.density_maps import open_density

    path = _needed(config, "maps")
    density = pick_frame(open_density(path), config.frame, path)
    points, truth = (
        None if file is None else _on_map(_read(file, config), config)
        for file in (config.tracks, config.truth)
    )
    return density, points, truth


def _on_map(tracks: "Tracks", config: Plot) -> "NDArray[np.float64]":
    """Return the points of the shown frame in map pixels."""
    import numpy as np

    if not 0 < config.map_stride < float("inf"):
        raise ValueError(f"map_stride must be positive, got {config.map_stride}")
    here = tracks.frame == config.frame
    points = np.stack([tracks.x[here], tracks.y[here]], axis=1)
    return (points + 0.5) / config.map_stride - 0.5


def _density(config: Plot) -> "Figure":
    """Draw a map with points and truth."""
    from tbc_tracking.figures import density_picture

    density, points, truth = _map_and_points(config)
    return density_picture(density, points=points, truth=truth)


def _residuals(config: Plot) -> "Figure":
    """Draw what is left of each window."""
    import numpy as np

    from tbc_tracking.figures import residual_picture

    _needed(config, "tracks")
    size = _size(config)
    density, points, _ = _map_and_points(config)
    points = np.zeros((0, 2)) if points is None else points
    with blamed_on(_needed(config, "maps"), package="tbc_tracking"):
        return residual_picture(density, points, size=size)


def _size(config: Plot) -> "ObjectSize":
    """Return the size of an object, which some kinds of picture need."""
    from tbc_tracking.object_size import ObjectSize

    if config.sigma is None or not 0 < config.sigma < float("inf"):
        raise ValueError(f"a picture of {config.kind} needs a positive --sigma, got {config.sigma}")
    return ObjectSize.constant(config.sigma)


def _bounds(config: Plot) -> "Figure":
    """Draw bound and best solution of the program of some frames over the time of HiGHS."""
    from tbc_tracking.bound_trace import trace_bounds
    from tbc_tracking.candidates import find_candidates
    from tbc_tracking.density_maps import open_density
    from tbc_tracking.figures import bound_trace_picture
    from tbc_tracking.tracking_program import build_program

    path, size, settings = _needed(config, "maps"), _size(config), config.settings
    short = {"gap": config.gap, "time_limit": config.time_limit}
    solver = replace(settings.solver, **{k: v for k, v in short.items() if v is not None})
    if config.length < 1:
        raise ValueError(f"length must be at least 1 frame, got {config.length}")
    maps = open_density(path)
    pick_frame(maps, config.frame, path)
    part = maps[config.frame : config.frame + config.length]
    size.refuse_misfit(part.shape[1:])
    with blamed_on(path, package="tbc_tracking"):
        candidates = find_candidates(part, size=size, config=settings.candidates)
        program = build_program(part, candidates, windows=settings.windows, flow=settings.flow)
    trace = trace_bounds(program, solver, seed=config.seed)
    if trace.gap > solver.gap + 1e-6:
        logger.warning(
            "the time limit of %g s stopped HiGHS at a gap of %.2g; a larger --time-limit goes on",
            solver.time_limit,
            trace.gap,
        )
    return bound_trace_picture(trace)


def _tracks(config: Plot) -> "Figure":
    """Draw tracks over a frame."""
    from tbc_tracking.figures import tracks_picture

    frames = _needed(config, "frames")
    pictures = open_pictures(frames, color="gray", map_stride=config.map_stride)
    image = pick_frame(pictures, config.frame, frames)
    return tracks_picture(
        image,
        _read(_needed(config, "tracks"), config),
        frame=config.frame,
        tail=config.tail,
        truth=_read(config.truth, config) if config.truth else None,
    )


def _space_time(config: Plot) -> "Figure":
    """Draw tracks over time."""
    from tbc_tracking.figures import space_time_picture

    tracks = _read(_needed(config, "tracks"), config)
    if config.truth is None:
        return space_time_picture({"tracks": tracks}, axis=config.axis)
    truth = _read(config.truth, config)
    return space_time_picture(
        {"truth": truth, "tracks": tracks},
        axis=config.axis,
        truth=truth if config.distance else None,
        distance=config.distance or 0.0,
    )


def _counts(config: Plot) -> "Figure":
    """Draw counts over time."""
    import numpy as np

    from tbc_tracking.density_maps import open_density
    from tbc_tracking.figures import counts_picture

    series: dict[str, NDArray[np.generic]] = {}
    interval = None
    for name, file in (("truth", config.truth), ("tracks", config.tracks)):
        if file is not None:
            tracks = _read(file, config)
            series[name], interval = tracks.counts(), tracks.frame_interval
    if config.maps is not None:
        series["sum of the map"] = np.array([image.sum() for image in open_density(config.maps)])
    if not series:
        raise ValueError("a picture of counts needs --tracks, --truth or --maps")
    return counts_picture(series, frame_interval=interval)


def _blocks(config: Plot) -> "Figure":
    """Draw objective and bound of the time blocks."""
    from tbc_tracking.figures import bounds_picture

    columns = ("start", "stop", "objective", "bound")
    return bounds_picture(read_numbers(_needed(config, "blocks"), columns))


def _timeline(config: Plot) -> "Figure":
    """Draw when each true object was found, and under which identity."""
    from tbc_tracking.figures import timeline_picture

    if config.distance is None:
        raise ValueError("a timeline needs a positive --distance, got none")
    truth, tracks = (
        _read(_needed(config, "truth"), config),
        _read(_needed(config, "tracks"), config),
    )
    return timeline_picture(truth, tracks, distance=config.distance)
