"""Tracks from and to files: plain CSV, MOTChallenge, Cell Tracking Challenge, TrackMate, Fiji, napari.

| format | what | read | written |
|---|---|---|---|
| csv | frame,id,x,y[,w,h,...] | yes | yes |
| mot | MOTChallenge folder, gt.txt or result file | yes | result file |
| ctc | Cell Tracking Challenge folder with label images | yes | folder |
| trackmate | CSV of spots, versions before and since 7 | yes | yes |
| fiji | results table of the multi-point tool, no identities | yes | yes |
| napari | points CSV | yes | yes |
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from tbc_tracking.formats.annotations import read_fiji, read_napari, write_fiji, write_napari
from tbc_tracking.formats.cell_tracking_challenge import find_lineage, read_ctc, write_ctc
from tbc_tracking.formats.mot_challenge import is_mot_folder, read_mot, write_mot
from tbc_tracking.formats.point_rows import ANCHORS, Anchor, PointRows, assemble
from tbc_tracking.formats.tables import read_csv, write_csv
from tbc_tracking.formats.text_table import read_header
from tbc_tracking.formats.trackmate import read_trackmate, write_trackmate
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError

Format = Literal["csv", "mot", "ctc", "trackmate", "fiji", "napari"]
FORMATS: tuple[Format, ...] = get_args(Format)

__all__ = ["FORMATS", "Anchor", "Format", "read_tracks", "recognize_format", "write_tracks"]


def read_tracks(
    path: Path | str,
    *,
    format: Format | Literal["auto"] = "auto",
    anchor: Anchor = "center",
    size: tuple[int, int] | None = None,
    length: int | None = None,
    pixel_size: float | None = None,
    frame_interval: float | None = None,
) -> Tracks:
    """Read points and identities.

    Points outside the frames (see `size` and `length`) are dropped, counted and warned about. A format
    without identities gives every point one of its own, with a warning.

    Args:
        path: file or folder.
        format: one of `FORMATS`, or "auto" to recognize it.
        anchor: "center" of a box or "bottom", the middle of its lower edge (feet).
        size: width and height of the frames, where known; formats that tell it need no hint.
        length: number of frames, where known.
        pixel_size: micrometers per pixel. TrackMate and Fiji give physical positions, which it turns
            into pixels; other formats only carry it along.
        frame_interval: seconds between frames.

    Raises:
        UserError: if the file is missing, damaged, of no known format, or gives an id twice in a frame.
        ValueError: if an argument is none of its choices or not positive.
    """
    path = Path(path)
    if anchor not in ANCHORS:
        raise ValueError(f"anchor must be one of {', '.join(ANCHORS)}, got {anchor!r}")
    for name, value in (("pixel_size", pixel_size), ("frame_interval", frame_interval)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive, got {value}")
    if not path.exists():
        raise UserError(f"{path} does not exist; check the path.")
    readers: dict[str, Callable[[], PointRows]] = {
        "csv": lambda: read_csv(path),
        "mot": lambda: read_mot(path),
        "ctc": lambda: read_ctc(path),
        "trackmate": lambda: read_trackmate(path, pixel_size=pixel_size),
        "fiji": lambda: read_fiji(path, pixel_size=pixel_size),
        "napari": lambda: read_napari(path),
    }
    chosen = recognize_format(path) if format == "auto" else format
    if chosen not in readers:
        raise ValueError(f"format must be auto or one of {', '.join(FORMATS)}, got {format!r}")
    tracks = assemble(readers[chosen](), anchor=anchor, size=size, length=length)
    return replace(
        tracks,
        pixel_size=pixel_size or tracks.pixel_size,
        frame_interval=frame_interval or tracks.frame_interval,
    )


def write_tracks(
    path: Path | str,
    tracks: Tracks,
    *,
    format: Format = "csv",
    size: tuple[int, int] | None = None,
    radius: float = 3.0,
) -> None:
    """Write tracks; a file appears whole or not at all.

    Args:
        path: file, or folder for "ctc".
        tracks: what to write.
        format: one of `FORMATS`.
        size: width and height of the frames, needed for "ctc".
        radius: of the discs of "ctc" and of the boxes of "mot" where points have none, in pixels.

    Raises:
        UserError: if it cannot be written.
        ValueError: if an argument is none of its choices, not positive or missing.
    """
    path = Path(path)
    if not (math.isfinite(radius) and radius > 0):
        raise ValueError(f"radius must be a positive number of pixels, got {radius}")
    if format == "ctc":
        if size is None:
            raise ValueError("the format ctc needs size=(width, height) of the frames")
        write_ctc(path, tracks, size=size, radius=radius)
    elif format == "mot":
        write_mot(path, tracks, radius=radius)
    else:
        writers = {
            "csv": write_csv,
            "trackmate": write_trackmate,
            "fiji": write_fiji,
            "napari": write_napari,
        }
        if format not in writers:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
        writers[format](path, tracks)


def recognize_format(path: Path) -> Format:
    """Return the format of a file or folder by its names and its first line.

    Raises:
        UserError: if it is none of `FORMATS`.
    """
    if path.is_dir():
        if is_mot_folder(path):
            return "mot"
        if find_lineage(path):
            return "ctc"
        raise UserError(
            f"{path} holds neither gt/gt.txt (MOTChallenge) nor man_track.txt or res_track.txt "
            "(Cell Tracking Challenge); give the file or folder with the points."
        )
    if path.name in ("man_track.txt", "res_track.txt"):
        return "ctc"
    header = read_header(path)
    if all(map(_is_number, header)) and len(header) >= 6:
        return "mot"
    names = set(header)
    if {"track_id", "position_x", "frame"} <= names:
        return "trackmate"
    if {"axis-0", "axis-1"} <= names:
        return "napari"
    if {"frame", "x", "y"} <= names and "slice" not in names and (header[0] or "id" in names):
        return "csv"
    if {"x", "y"} <= names:
        return "fiji"
    raise UserError(
        f"{path} is of no known format: its first line should name the columns frame,id,x,y (csv), "
        "TRACK_ID,POSITION_X,POSITION_Y,FRAME (TrackMate), X,Y,Slice (Fiji) or axis-0,axis-1,axis-2 "
        "(napari), or be a line of MOTChallenge."
    )


def _is_number(cell: str) -> bool:
    """Return whether a cell holds a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
