"""Plain CSV: one line per point with the columns frame,id,x,y and, where known, w,h and more.

Pixels have their centers at integers, x to the right and y down; frames count from 0; x and y of a box are
its center. Without the column id every point gets an identity of its own.
"""

from pathlib import Path

import numpy as np

from tbc_tracking.formats.point_rows import PointRows
from tbc_tracking.formats.text_table import TextTable, read_table
from tbc_tracking.tracks import Tracks
from tenfold_shared.files import write_atomically

WIDTH, HEIGHT, CONFIDENCE = ("w", "width"), ("h", "height"), ("confidence", "conf", "score")
"""Names under which the optional columns are found."""


def read_csv(path: Path) -> PointRows:
    """Read points; columns may stand in any order, unknown ones are ignored.

    Raises:
        UserError: if a column is missing or a cell is no number.
    """
    table = read_table(path)
    table.require("frame", "x", "y")
    ids = table.integers("id") if "id" in table.columns else None
    width, height, confidence = (
        table.numbers(column, empty=empty) if (column := table.first_of(*names)) else empty
        for names, empty in ((WIDTH, np.nan), (HEIGHT, np.nan), (CONFIDENCE, 1.0))
    )
    filled = "interpolated" in table.columns
    return PointRows(
        path=path,
        frame=table.integers("frame"),
        id=ids,
        x=table.numbers("x"),
        y=table.numbers("y"),
        place=lambda row: f"Line {table.lines[row]} of {path}",
        width=width,
        height=height,
        confidence=confidence,
        interpolated=table.numbers("interpolated", empty=0) != 0 if filled else False,
        parents=_parents(table),
    )


def write_csv(path: Path, tracks: Tracks) -> None:
    """Write points atomically, positions with four decimals.

    After frame,id,x,y come w,h if there is a box; confidence; interpolated (0 or 1); parent if there
    were divisions (empty for others); x_um,y_um if the pixel size and time_s if the frame interval is
    known.

    Raises:
        UserError: if the file cannot be written.
    """
    columns = {
        "frame": tracks.frame.astype(str),
        "id": tracks.id.astype(str),
        "x": _decimals(tracks.x),
        "y": _decimals(tracks.y),
    }
    if np.isfinite(tracks.width).any():
        columns |= {"w": _decimals(tracks.width), "h": _decimals(tracks.height)}
    columns["confidence"] = _decimals(tracks.confidence)
    columns["interpolated"] = tracks.interpolated.astype(int).astype(str)
    if tracks.parents:
        columns["parent"] = np.array([str(tracks.parents.get(i, "")) for i in tracks.id.tolist()])
    if tracks.pixel_size is not None:
        columns["x_um"] = _decimals(tracks.x * tracks.pixel_size)
        columns["y_um"] = _decimals(tracks.y * tracks.pixel_size)
    if tracks.frame_interval is not None:
        columns["time_s"] = _decimals(tracks.frame * tracks.frame_interval)
    rows = zip(*(cells.tolist() for cells in columns.values()), strict=True)
    write_atomically(path, "\n".join([",".join(columns), *map(",".join, rows), ""]))


def _parents(table: TextTable) -> dict[int, int]:
    """Return the lineage that the optional column parent tells."""
    if not {"parent", "id"} <= set(table.columns):
        return {}
    rows = zip(table.integers("id").tolist(), table.numbers("parent", empty=np.nan), strict=True)
    return {child: int(parent) for child, parent in rows if not np.isnan(parent)}


def _decimals(values: np.ndarray) -> np.ndarray:
    """Return numbers as text with up to four decimals; NaN is an empty cell."""
    return np.array(["" if np.isnan(v) else f"{v:.4f}".rstrip("0").rstrip(".") for v in values])
