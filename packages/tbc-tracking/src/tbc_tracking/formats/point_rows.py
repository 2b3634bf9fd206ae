"""From the rows of any format to `Tracks`: anchor, points outside the frames, duplicates."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tbc_tracking.frames import LIMIT_FRAMES
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError

Anchor = Literal["center", "bottom"]
"""Which point of a box is tracked: its center, or the middle of its lower edge (the feet)."""
ANCHORS: tuple[Anchor, ...] = ("center", "bottom")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PointRows:
    """Points as a reader found them: pixels with centers at integers, frames from 0, boxes' centers."""

    path: Path
    """What was read."""
    frame: NDArray[np.int64]
    """Frame of each point, shape (points,)."""
    id: NDArray[np.int64] | None
    """Identity of each point, None where the format has none."""
    x: NDArray[np.float64]
    """Horizontal position, shape (points,)."""
    y: NDArray[np.float64]
    """Vertical position, shape (points,)."""
    place: Callable[[int], str]
    """Says where a row stands, for messages: "Line 7 of gt.csv"."""
    width: NDArray[np.float64] | float = np.nan
    """Box width or NaN, shape (points,)."""
    height: NDArray[np.float64] | float = np.nan
    """Box height or NaN, shape (points,)."""
    confidence: NDArray[np.float64] | float = 1.0
    """Confidence in [0, 1], shape (points,)."""
    interpolated: NDArray[np.bool_] | bool = False
    """Whether a point was filled in, shape (points,)."""
    parents: Mapping[int, int] = field(default_factory=dict)
    """Parent of each id born by division."""
    size: tuple[int, int] | None = None
    """Width and height of the frames, where the format tells."""
    length: int | None = None
    """Number of frames, where the format tells."""
    pixel_size: float | None = None
    """Micrometers per pixel, where the format tells."""
    frame_interval: float | None = None
    """Seconds between frames, where the format tells."""
    duplicate_hint: str = "remove one of them"
    """How to repair a format in which an id occurs twice in a frame."""


def assemble(
    rows: PointRows,
    *,
    anchor: Anchor = "center",
    size: tuple[int, int] | None = None,
    length: int | None = None,
) -> Tracks:
    """Return tracks; what the caller knows goes before what the format tells.

    Points outside the frames are dropped, counted and warned about. Points without identities get one
    each, with a warning, since only counts and detection scores mean something then.

    Raises:
        UserError: if an id occurs twice in a frame, a frame is impossible, or `anchor` needs boxes.
    """
    size = size or rows.size
    length = length if length is not None else rows.length
    y = _anchored(rows, anchor)
    inside = _inside(rows, y, size, length)
    ids = rows.id
    if ids is None:
        _logger.warning("%s has no identities: every point gets one of its own", rows.path)
        ids = np.arange(1, len(rows.frame) + 1)
    _refuse_duplicates(rows, ids)
    kept = set(ids[inside].tolist())
    parents = {c: p for c, p in rows.parents.items() if c in kept and p in kept}
    return Tracks.from_rows(
        rows.frame[inside],
        ids[inside],
        x=rows.x[inside],
        y=y[inside],
        **{
            name: np.broadcast_to(getattr(rows, name), inside.shape)[inside]
            for name in ("confidence", "interpolated", "width", "height")
        },
        length=length,
        parents=parents,
        pixel_size=rows.pixel_size,
        frame_interval=rows.frame_interval,
    )


def _anchored(rows: PointRows, anchor: Anchor) -> NDArray[np.float64]:
    """Return the vertical position of the tracked point of each box."""
    if anchor == "center":
        return rows.y
    height = np.broadcast_to(rows.height, rows.y.shape)
    without = np.flatnonzero(np.isnan(height))
    if len(without):
        raise UserError(
            f"{rows.place(int(without[0]))} has no box height, so there is no bottom to track; "
            "use the anchor center."
        )
    return rows.y + height / 2


def _inside(
    rows: PointRows, y: NDArray[np.float64], size: tuple[int, int] | None, length: int | None
) -> NDArray[np.bool_]:
    """Return which points lie in the frames, and warn about the others."""
    impossible = np.flatnonzero((rows.frame < 0) | (rows.frame >= LIMIT_FRAMES))
    if len(impossible):
        row = int(impossible[0])
        raise UserError(
            f"{rows.place(row)} has a point in frame {rows.frame[row]} (counted from 0), which "
            f"must be at least 0 and less than {LIMIT_FRAMES}."
        )
    inside = np.ones(len(y), dtype=np.bool_)
    if length is not None:
        inside &= rows.frame < length
    if size is not None:
        # Pixel centers are at integers, so the picture begins half a pixel before 0.
        inside &= (rows.x >= -0.5) & (rows.x < size[0] - 0.5) & (y >= -0.5) & (y < size[1] - 0.5)
    if not inside.all():
        _logger.warning(
            "%s: dropped %d of %d points that lie outside the frames (the first: %s)",
            rows.path,
            (~inside).sum(),
            len(inside),
            rows.place(int(np.argmin(inside))),
        )
    return inside


def _refuse_duplicates(rows: PointRows, ids: NDArray[np.int64]) -> None:
    """Refuse an identity that occurs twice in one frame, naming the first place."""
    order = np.lexsort((np.arange(len(ids)), ids, rows.frame))
    again = (np.diff(rows.frame[order]) == 0) & (np.diff(ids[order]) == 0)
    if again.any():
        row = int(order[1:][again].min())
        raise UserError(
            f"{rows.place(row)} gives id {ids[row]} a second time in one frame; "
            f"{rows.duplicate_hint}."
        )
