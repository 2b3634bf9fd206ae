"""`track`: from frames or density maps to tracks."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tbc_tracking.config import TrackConfig
from tbc_tracking.verbs.presets import PRESETS, Preset
from tbc_tracking.verbs.sources import MapSource, SourceOptions, open_source
from tbc_tracking.verbs.tables import write_rows
from tenfold_shared.commands import emit
from tenfold_shared.files import check_destination
from tenfold_shared.refusals import blamed_on, refuses

if TYPE_CHECKING:
    from tbc_tracking.formats import Format
    from tbc_tracking.inference import TrackingResult

VIDEOS = (".mp4", ".mkv", ".mov", ".gif")
COUNT_COLUMNS = ("frame", "map", "tracks")
BLOCK_COLUMNS = ("start", "stop", "objective", "bound", "gap", "solver", "proven")
LOOK_COLUMNS = ("frame", "x", "y", "objects")
_NAMES = {"mot": "tracks.txt", "ctc": "."}


@dataclass(frozen=True, kw_only=True)
class Track(SourceOptions):
    """Settings of `track`."""

    input: Annotated[Path, tyro.conf.Positional]
    """Video, folder of images, or density maps (.npy, .tif, or a folder of them)."""

    preset: Preset = "default"
    """What all other flags start from: ours, `paper` (hard windows, integer program, no velocity), or `per-frame`
    (places and counts in each frame, without identities)."""

    solver: Literal["paths", "highs", "scipy", "pulp-cbc", "pulp-highs"] | None = None
    """Who solves the program; short for --solver.solver."""

    certify: bool = False
    """After the path search, let HiGHS prove a bound; short for --solver.certify."""

    fixed: Path | None = None
    """Corrected tracks or points: they stay as they are, and the rest is solved around them."""

    format: Literal["auto", "csv", "mot", "ctc", "trackmate", "fiji", "napari"] = "auto"
    """Format of the tracks; auto goes by the ending of --out (.csv, or .txt for MOTChallenge)."""

    pixel_size: float | None = None
    """Micrometers per pixel, for positions in micrometers beside those in pixels."""

    frame_interval: float | None = None
    """Seconds between frames; a video tells its own."""

    overlay: Path | None = None
    """Also write a video (.mp4, .mkv, .mov, .gif) of the tracks over the frames or maps."""

    counts: Path | None = None
    """Also write the counts per frame (CSV): of the maps and of the tracks."""

    look_here: Path | None = None
    """Also write the places where maps and tracks disagree most (CSV), strongest first."""

    settings: Annotated[TrackConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings from maps to tracks."""


@refuses
def track(config: Track) -> None:
    """Track the objects of a video or of density maps.

    --out names a file (tracks.csv), or a folder that gets the tracks, the counts, the list of places
    to look at, and what each time block came to.
    """
    from tbc_tracking.inference import track_density

    source = open_source(config.input, config)
    folder, path, format = _destination(config)
    for extra in (config.counts, config.look_here):
        if extra is not None and extra.suffix.lower() != ".csv":
            raise ValueError(f"tables end in .csv, got {extra.name!r}")
    if config.overlay is not None and config.overlay.suffix.lower() not in VIDEOS:
        raise ValueError(f"overlay must end in {', '.join(VIDEOS)}, got {config.overlay.name!r}")
    if format != "ctc":
        check_destination(path)
    for extra in filter(None, (config.overlay, config.counts, config.look_here)):
        check_destination(extra)
    interval = _positive(config.frame_interval, "frame_interval") or source.frame_interval
    fixed = None
    if config.fixed is not None:
        from tbc_tracking.formats import read_tracks

        fixed = read_tracks(config.fixed, size=source.frame_size, pixel_size=config.pixel_size)
    with blamed_on(config.input, package="tbc_tracking"):
        result = track_density(
            source.maps,
            size=source.size,
            config=_settings(config),
            seed=config.seed,
            stride=source.stride,
            fixed=fixed,
        )
    pixel = _positive(config.pixel_size, "pixel_size")
    tracks = replace(result.tracks, pixel_size=pixel, frame_interval=interval)
    result = replace(result, tracks=tracks)
    _write(config, source, result, folder=folder, path=path, format=format)
    emit([_summary(result, path if folder is None else folder)], json=config.json)


def _settings(config: Track) -> TrackConfig:
    """Return the settings with the short flags worked in."""
    solver = replace(
        config.settings.solver,
        solver=config.solver or config.settings.solver.solver,
        certify=config.certify or config.settings.solver.certify,
    )
    return replace(config.settings, solver=solver)


def _positive(value: float | None, name: str) -> float | None:
    """Return a flag that must be positive if it is given."""
    if value is not None and not 0 < value < float("inf"):
        raise ValueError(f"{name} must be positive, got {value}")
    return value


def _destination(config: Track) -> "tuple[Path | None, Path, Format]":
    """Return the folder for everything (None if only tracks are written), their path and format."""
    out, wanted = config.out, config.format
    if out is None:
        out = Path("tracks_ctc" if wanted == "ctc" else _NAMES.get(wanted, "tracks.csv"))
    by_suffix: Mapping[str, Format] = {".csv": "csv", ".txt": "mot"}
    suffix = out.suffix.lower()
    if wanted == "ctc":
        return None, out, "ctc"
    if suffix in by_suffix and not out.is_dir():
        return None, out, by_suffix[suffix] if wanted == "auto" else wanted
    if suffix and not out.is_dir():
        raise ValueError(f"out must end in .csv or .txt, or be a folder, got {out.name!r}")
    format: Format = "csv" if wanted == "auto" else wanted
    return out, out / _NAMES.get(format, "tracks.csv"), format


def _write(
    config: Track,
    source: MapSource,
    result: "TrackingResult",
    *,
    folder: Path | None,
    path: Path,
    format: "Format",
) -> None:
    """Write everything that was asked for; the video comes first, since it takes longest to fail."""
    from tbc_tracking.formats import write_tracks

    radius = 2.0 * float(source.size.at(0)) * source.stride
    if config.overlay is not None:
        _write_overlay(config.overlay, source, result, radius=radius)
    write_tracks(path, result.tracks, format=format, size=source.frame_size, radius=radius)
    counts = config.counts or (folder / "counts.csv" if folder else None)
    look_here = config.look_here or (folder / "look_here.csv" if folder else None)
    if counts is not None:
        rows = zip(result.map_counts.tolist(), result.tracks.counts().tolist(), strict=True)
        write_rows(
            counts,
            COUNT_COLUMNS,
            ({"frame": t, "map": m, "tracks": n} for t, (m, n) in enumerate(rows)),
        )
    if look_here is not None:
        write_rows(look_here, LOOK_COLUMNS, map(vars, result.look_here))
    if folder is not None:
        blocks = [{**vars(block), "proven": int(block.proven)} for block in result.blocks]
        write_rows(folder / "blocks.csv", BLOCK_COLUMNS, blocks)


def _write_overlay(
    path: Path, source: MapSource, result: "TrackingResult", *, radius: float
) -> None:
    """Write the tracks over the frames, or over the maps where there are no frames."""
    from tbc_tracking.overlay import OverlayStyle, write_overlay
    from tbc_tracking.verbs.render import MapPictures

    pictures = source.frames or MapPictures(source.maps, stride=source.stride)
    zoom = max(1, min(4, 960 // source.frame_size[0]))
    style = OverlayStyle(radius=max(radius / 2, 1.0), zoom=zoom)
    write_overlay(path, pictures, result.tracks, style=style)


def _summary(result: "TrackingResult", out: Path) -> dict[str, object]:
    """Return what the user wants to know at once; costs add up to nothing where there are several blocks.

    Blocks share their overlap and go on from each other, so that sums of objectives or bounds belong to no program;
    the gap is the largest of a block, and proven means each block by itself.
    """
    blocks = result.blocks
    only = blocks[0] if len(blocks) == 1 else None
    gaps = [block.gap for block in blocks if block.gap is not None]
    return {
        "frames": result.tracks.length,
        "tracks": len(result.tracks.ids),
        "points": len(result.tracks),
        "mean_count": float(result.tracks.counts().mean()),
        "mean_map_sum": float(result.map_counts.mean()),
        "solver": blocks[0].solver,
        "blocks": len(blocks),
        "objective": only and only.objective,
        "bound": only and only.bound,
        "gap": max(gaps) if len(gaps) == len(blocks) else None,
        "proven": all(block.proven for block in blocks),
        "out": str(out),
    }
