"""TrackMate (Fiji): the CSV of spots, in its old form and in that of version 7 with three more header lines.

Positions are physical; the unit stands in the fourth header line, older files do not tell it. TrackMate's
spot coordinates put pixel centers at integers, as ours do. Spots without a track are dropped with a warning,
unless no spot has one.
"""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.formats.point_rows import PointRows
from tbc_tracking.formats.text_table import TextTable, read_table
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

MICROMETERS = {
    "nm": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0,
    "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25_400.0,
}  # fmt: skip
"""Length of each unit that ImageJ writes, in micrometers; both letters mu occur."""
PIXELS = ("", "pixel", "pixels", "px")
SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3,
           "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0}  # fmt: skip

HEADER = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame
,,,(quality),({space}),({space}),({space}),({time}),
"""

_logger = logging.getLogger(__name__)


def read_trackmate(path: Path, *, pixel_size: float | None = None) -> PointRows:
    """Read the spots of tracks.

    Args:
        path: the CSV file.
        pixel_size: micrometers per pixel; needed when positions are physical. Positions of files that
            tell no unit are taken as micrometers when it is given and as pixels otherwise.

    Raises:
        UserError: if columns are missing, the unit is unknown, or the pixel size is needed.
    """
    table = read_table(path)
    table.require("track_id", "position_x", "position_y", "frame")
    table, units = _without_units(table)
    table = _of_tracks(table)
    scale = _micrometers(path, units.get("position_x"), pixel_size)
    x, y = (table.numbers(name) / scale for name in ("position_x", "position_y"))
    frame = table.integers("frame")
    known = any(table.columns["track_id"])
    quality = "quality" in table.columns
    return PointRows(
        path=path,
        frame=frame,
        id=table.integers("track_id") if known else None,
        x=x,
        y=y,
        confidence=np.clip(table.numbers("quality", empty=1.0), 0, 1) if quality else 1.0,
        place=lambda row: f"Line {table.lines[row]} of {path}",
        pixel_size=pixel_size,
        frame_interval=_frame_interval(table, frame, units.get("position_t")),
        duplicate_hint="a track that splits or merges has one TRACK_ID for all its branches: "
        "switch splitting and merging off, or export the tracks in another format",
    )


def write_trackmate(path: Path, tracks: Tracks) -> None:
    """Write the spots of tracks atomically, with the header of TrackMate 7.

    Raises:
        UserError: if the file cannot be written.
    """
    pixel, second = tracks.pixel_size or 1.0, tracks.frame_interval or 1.0
    columns = (tracks.id, tracks.confidence, tracks.x * pixel, tracks.y * pixel, tracks.frame)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [
        f"ID{spot},{spot},{name},{score:.4f},{x:.6g},{y:.6g},0,{frame * second:.6g},{frame}\n"
        for spot, (name, score, x, y, frame) in enumerate(rows)
    ]
    header = HEADER.format(
        space="micron" if tracks.pixel_size else "pixel",
        time="sec" if tracks.frame_interval else "frame",
    )
    write_atomically(path, header + "".join(lines))


def _without_units(table: TextTable) -> tuple[TextTable, dict[str, str]]:
    """Return the table without the header lines of version 7, and the unit of each column."""
    extra = 0
    for cell in table.columns["frame"][:3]:
        if _is_number(cell):
            break
        extra += 1
    units = {}
    if extra == 3:
        units = {name: cells[2].strip("()") for name, cells in table.columns.items()}
    return table.where(np.arange(len(table)) >= extra), units


def _of_tracks(table: TextTable) -> TextTable:
    """Return the spots that belong to a track; all spots if none does."""
    names = [
        cell if cell.lower() not in ("none", "null") else "" for cell in table.columns["track_id"]
    ]
    table.columns["track_id"] = names
    tracked = np.array([bool(name) for name in names], dtype=np.bool_)
    if tracked.all() or not tracked.any():
        return table
    _logger.warning("%s: dropped %d spots without a track", table.path, (~tracked).sum())
    return table.where(tracked)


def _micrometers(path: Path, unit: str | None, pixel_size: float | None) -> float:
    """Return what positions are divided by to become pixels."""
    if unit is None:
        return pixel_size or 1.0
    if unit.lower() in PIXELS:
        return 1.0
    if unit.lower() not in MICROMETERS:
        known = ", ".join(("pixel", *MICROMETERS))
        raise UserError(f"{path} has positions in {unit[:40]!r}, which is none of {known}.")
    if pixel_size is None:
        raise UserError(f"{path} has positions in {unit}; tell the pixel size in micrometers.")
    return pixel_size / MICROMETERS[unit.lower()]


def _frame_interval(table: TextTable, frame: NDArray[np.int64], unit: str | None) -> float | None:
    """Return the seconds between frames where times and their unit tell, else None."""
    if unit is None or unit.lower() not in SECONDS or "position_t" not in table.columns:
        return None
    time = table.numbers("position_t", empty=0.0)
    later = (frame > 0) & (time > 0)
    if not later.any():
        return None
    return float(np.median(time[later] / frame[later])) * SECONDS[unit.lower()]


def _is_number(cell: str) -> bool:
    """Return whether a cell holds a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
