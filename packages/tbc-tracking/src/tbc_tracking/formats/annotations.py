"""Points that people clicked: results of Fiji's multi-point tool, and napari's points CSV.

Neither has identities, unless a column was added: Track for Fiji, id or track_id for napari.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.formats.point_rows import PointRows
from tbc_tracking.formats.text_table import TextTable, read_table
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically


def read_fiji(path: Path, *, pixel_size: float | None = None) -> PointRows:
    """Read X, Y and Frame or Slice (both from 1) of a results table.

    ImageJ's pixel 0 reaches from 0 to 1, ours from -0.5 to 0.5: half a pixel is subtracted, unless all
    positions are integers, which name pixels.

    Args:
        path: the CSV file.
        pixel_size: micrometers per pixel if the picture was calibrated in micrometers; the table does
            not tell its unit.

    Raises:
        UserError: if X or Y is missing or a cell is no number.
    """
    table = read_table(path)
    table.require("x", "y")
    x, y = (table.numbers(name) / (pixel_size or 1.0) for name in ("x", "y"))
    if not all(np.array_equal(values, np.round(values)) for values in (x, y)):
        x, y = x - 0.5, y - 0.5
    return PointRows(
        path=path,
        frame=_fiji_frames(table),
        id=table.integers("track") if "track" in table.columns else None,
        x=x,
        y=y,
        place=_places(table),
        pixel_size=pixel_size,
    )


def write_fiji(path: Path, tracks: Tracks) -> None:
    """Write a results table with the columns X, Y, Slice and Track in pixels, atomically."""
    columns = (tracks.x + 0.5, tracks.y + 0.5, tracks.frame + 1, tracks.id)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [
        f"{number},{x:.4f},{y:.4f},{frame},{name}\n"
        for number, (x, y, frame, name) in enumerate(rows, start=1)
    ]
    write_atomically(path, " ,X,Y,Slice,Track\n" + "".join(lines))


def read_napari(path: Path) -> PointRows:
    """Read axis-0, axis-1, axis-2 (frame, y, x) or, of a single picture, axis-0, axis-1 (y, x).

    Raises:
        UserError: if axes are missing, there are more than three, or a cell is no number.
    """
    table = read_table(path)
    table.require("axis-0", "axis-1")
    if "axis-3" in table.columns:
        raise UserError(f"{path} has four axes; only frame, y and x can be tracked.")
    movie = "axis-2" in table.columns
    y, x = ("axis-1", "axis-2") if movie else ("axis-0", "axis-1")
    name = table.first_of("id", "track_id")
    return PointRows(
        path=path,
        frame=table.integers("axis-0") if movie else np.zeros(len(table), dtype=np.int64),
        id=table.integers(name) if name else None,
        x=table.numbers(x),
        y=table.numbers(y),
        place=_places(table),
    )


def write_napari(path: Path, tracks: Tracks) -> None:
    """Write a points CSV with the further column track_id, atomically."""
    columns = (tracks.frame, tracks.y, tracks.x, tracks.id)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [
        f"{number},{frame},{y:.4f},{x:.4f},{name}\n"
        for number, (frame, y, x, name) in enumerate(rows)
    ]
    write_atomically(path, "index,axis-0,axis-1,axis-2,track_id\n" + "".join(lines))


def _fiji_frames(table: TextTable) -> NDArray[np.int64]:
    """Return frames from 0, of Frame or Slice, whichever varies more: time is often saved as slices."""
    columns = [table.integers(name) for name in ("frame", "slice") if name in table.columns]
    frames = max(columns, key=lambda column: len(np.unique(column)), default=None)
    if frames is None or not frames.any():  # 0 throughout: a single picture
        return np.zeros(len(table), dtype=np.int64)
    return frames - 1


def _places(table: TextTable) -> Callable[[int], str]:
    """Return what says where a row stands."""
    return lambda row: f"Line {table.lines[row]} of {table.path}"
