"""`count`: how many objects there are, in regions and across lines, per interval."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from tbc_tracking.verbs.tables import write_rows
from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from tbc_tracking.density_maps import DensityMaps
    from tbc_tracking.line_counts import Intervals
    from tbc_tracking.tracks import Tracks

logger = logging.getLogger(__name__)

COLUMNS = (
    "what", "first_frame", "frames", "mean", "map_mean", "entered", "left", "to_right", "to_left", "net",
    "per_minute",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Count(Options):
    """Settings of `count`."""

    tracks: Annotated[Path, tyro.conf.Positional]
    """Tracks in any format that is read."""

    pixel_size: float | None = None
    """Micrometers per pixel, for tables with physical positions (TrackMate, Fiji)."""

    lines: tuple[str, ...] = ()
    """Lines as x0,y0,x1,y1: who crosses one, in which direction (its right is seen from 0 to 1)."""

    regions: tuple[str, ...] = ()
    """Polygons as x0,y0,x1,y1,x2,y2,...: who is inside, comes in and goes out."""

    maps: Path | None = None
    """Density maps of the same frames: what they count in the frame and in regions, beside the tracks."""

    map_stride: float = 1.0
    """Frame pixels per map pixel."""

    interval: int | None = None
    """Frames per interval; the whole sequence if missing."""

    frame_interval: float | None = None
    """Seconds between frames, for crossings per minute; that of the tracks if they tell."""


@refuses
def count(config: Count) -> None:
    """Count tracks in the frame, in regions and across lines, per interval of time.

    --out also writes the table as CSV (counts.csv in a folder).
    """
    from tbc_tracking.formats import read_tracks

    lines = [_points(text, least=2, most=2) for text in config.lines]
    regions = [_points(text, least=3, most=1000) for text in config.regions]
    out = config.out
    if out is not None and out.suffix.lower() != ".csv":
        if out.suffix and not out.is_dir():
            raise ValueError(f"the table must end in .csv, or go into a folder, got {out.name!r}")
        out = out / "counts.csv"
    tracks = read_tracks(
        config.tracks, frame_interval=config.frame_interval, pixel_size=config.pixel_size
    )
    maps = _open_maps(config, length=tracks.length) if config.maps else None
    told = tracks.length or (len(maps) if maps else 0)
    if not len(tracks):
        logger.warning("%s holds no points, so all counts are 0", config.tracks)
        tracks = replace(tracks, length=max(told, 1))
    rows = [*_present(tracks, config.interval)]
    for text, corners in zip(config.regions, regions, strict=True):
        rows += _region(f"region {text}", tracks, corners, config.interval)
    if maps is not None:
        _add_map_means(rows, maps, [None, *regions], scale=1 / config.map_stride)
    if lines and len(tracks) and len(tracks.ids) == len(tracks):
        logger.warning(
            "every track of %s has one point, so nobody crosses a line: track without --preset per-frame",
            config.tracks,
        )
    for text, ends in zip(config.lines, lines, strict=True):
        rows += _line(f"line {text}", tracks, ends, config.interval)
    if not told:  # neither points nor maps tell how many frames there were
        rows = [{**row, "frames": 0} for row in rows]
    if out is not None:
        write_rows(out, COLUMNS, rows)
    emit(rows, json=config.json)


def _points(text: str, *, least: int, most: int) -> list[tuple[float, float]]:
    """Return the points of x0,y0,x1,y1,..."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) % 2 or not least <= len(numbers) // 2 <= most:
        wanted = "x0,y0,x1,y1" if most == 2 else "x0,y0,x1,y1,x2,y2,..."
        raise ValueError(f"expected {wanted}, got {text!r}")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _present(tracks: "Tracks", interval: int | None) -> Iterator[dict[str, Any]]:
    """Yield how many tracks there are on average in each interval."""
    import numpy as np

    counts, step = tracks.counts(), tracks.length if interval is None else interval
    if step < 1 <= tracks.length:
        raise ValueError(f"interval must be at least 1 frame, got {interval}")
    for first in range(0, tracks.length, max(step, 1)):
        part = counts[first : first + step]
        yield {
            "what": "frame", "first_frame": first, "frames": len(part), "mean": float(np.mean(part))
        }  # fmt: skip


def _region(
    name: str, tracks: "Tracks", corners: Sequence[tuple[float, float]], interval: int | None
) -> Iterator[dict[str, Any]]:
    """Yield what happened in a region."""
    from tbc_tracking.line_counts import count_in_region

    found = count_in_region(tracks, corners, interval=interval)
    for index, row in enumerate(_intervals(name, found)):
        yield {
            **row,
            "mean": float(found.mean[index]),
            "entered": int(found.entered[index]),
            "left": int(found.left[index]),
        }


def _open_maps(config: Count, *, length: int) -> "DensityMaps":
    """Open the maps, of which there must be one for each frame of the tracks."""
    from tbc_tracking.density_maps import open_density
    from tenfold_shared.errors import UserError

    assert config.maps is not None
    if not 0 < config.map_stride < float("inf"):
        raise ValueError(f"map_stride must be positive, got {config.map_stride}")
    maps = open_density(config.maps)
    if len(maps) < length:
        raise UserError(f"{config.maps} has {len(maps)} maps for {length} frames of tracks.")
    return maps


def _add_map_means(
    rows: Sequence[dict[str, Any]],
    maps: "DensityMaps",
    places: Sequence[Sequence[tuple[float, float]] | None],
    *,
    scale: float,
) -> None:
    """Add what the maps count to the rows of the frame (None) and of the regions, which come in order."""
    import numpy as np

    from tbc_tracking.line_counts import density_in_region

    sums = [
        np.array([image.sum(dtype=np.float64) for image in maps])
        if corners is None
        else density_in_region(maps, corners, scale=scale)
        for corners in places
    ]
    per_place = len(rows) // len(places)
    for index, row in enumerate(rows):
        first = row["first_frame"]
        part = sums[index // per_place][first : first + row["frames"]]
        row["map_mean"] = float(part.mean())


def _line(
    name: str, tracks: "Tracks", ends: Sequence[tuple[float, float]], interval: int | None
) -> Iterator[dict[str, Any]]:
    """Yield who crossed a line."""
    from tbc_tracking.line_counts import count_crossings

    found = count_crossings(tracks, ends[0], ends[1], interval=interval)
    crossings = found.to_right + found.to_left
    rates = found.per_minute(crossings) if tracks.frame_interval else None
    for index, row in enumerate(_intervals(name, found)):
        yield {
            **row,
            "to_right": int(found.to_right[index]),
            "to_left": int(found.to_left[index]),
            "net": int(found.net[index]),
            "per_minute": None if rates is None else float(rates[index]),
        }


def _intervals(name: str, found: "Intervals") -> Iterator[dict[str, Any]]:
    """Yield the columns that all rows have."""
    for first, frames in zip(found.first_frame.tolist(), found.frames.tolist(), strict=True):
        yield {"what": name, "first_frame": first, "frames": frames}
