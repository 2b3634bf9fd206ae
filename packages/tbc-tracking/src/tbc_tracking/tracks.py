"""Tracks: points with identities over time, the one table that every part of the package exchanges."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracks:
    """Points of tracked objects, one row per object and frame, sorted by frame and then by id.

    Coordinates are pixels of the frames: x to the right, y down, pixel centers at integers; frames count
    from 0. Build one with `Tracks.from_rows`, which sorts, fills in defaults and checks.
    """

    frame: NDArray[np.int64]
    """Frame of each point, shape (points,)."""
    id: NDArray[np.int64]
    """Identity of each point, shape (points,); an identity occurs at most once in a frame."""
    x: NDArray[np.float64]
    """Horizontal position in pixels, shape (points,)."""
    y: NDArray[np.float64]
    """Vertical position in pixels, shape (points,)."""
    confidence: NDArray[np.float64]
    """How sure the tracker is, in [0, 1], shape (points,); 1 for annotations."""
    interpolated: NDArray[np.bool_]
    """True where a point was filled in between two observations, shape (points,)."""
    width: NDArray[np.float64]
    """Box width in pixels where the source has one, else NaN, shape (points,)."""
    height: NDArray[np.float64]
    """Box height in pixels where the source has one, else NaN, shape (points,)."""
    length: int
    """Number of frames of the sequence (may exceed the last frame with a point)."""
    parents: Mapping[int, int] = field(default_factory=dict)
    """Lineage: the parent's id of each id that was born by division."""
    pixel_size: float | None = None
    """Length of one pixel in micrometers, when known."""
    frame_interval: float | None = None
    """Seconds between two frames, when known."""

    @classmethod
    def from_rows(
        cls,
        frame: ArrayLike,
        id: ArrayLike,
        *,
        x: ArrayLike,
        y: ArrayLike,
        confidence: ArrayLike = 1.0,
        interpolated: ArrayLike = False,
        width: ArrayLike = np.nan,
        height: ArrayLike = np.nan,
        length: int | None = None,
        parents: Mapping[int, int] | None = None,
        pixel_size: float | None = None,
        frame_interval: float | None = None,
    ) -> "Tracks":
        """Return sorted, checked tracks; scalars are repeated for every point.

        Raises:
            ValueError: if columns differ in length, a coordinate is not finite, a frame lies outside
                [0, length), or an id occurs twice in one frame.
        """
        frames = np.atleast_1d(np.asarray(frame, dtype=np.int64))
        columns = {
            "id": np.asarray(id, dtype=np.int64),
            "x": np.asarray(x, dtype=np.float64),
            "y": np.asarray(y, dtype=np.float64),
            "confidence": np.asarray(confidence, dtype=np.float64),
            "interpolated": np.asarray(interpolated, dtype=np.bool_),
            "width": np.asarray(width, dtype=np.float64),
            "height": np.asarray(height, dtype=np.float64),
        }
        for name, values in columns.items():
            if values.ndim and values.shape != frames.shape:
                raise ValueError(
                    f"every column must have {len(frames)} rows like frame, got {name} with shape {values.shape}"
                )
        columns = {name: np.broadcast_to(values, frames.shape) for name, values in columns.items()}
        order = np.lexsort((columns["id"], frames))
        frames = frames[order]
        columns = {name: np.ascontiguousarray(values[order]) for name, values in columns.items()}
        if length is None:
            length = int(frames[-1]) + 1 if len(frames) else 0
        _check(frames, columns, length)
        return cls(
            frame=frames,
            length=length,
            parents=dict(parents or {}),
            pixel_size=pixel_size,
            frame_interval=frame_interval,
            **columns,
        )

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.frame)

    @property
    def ids(self) -> NDArray[np.int64]:
        """The distinct identities, ascending."""
        return np.unique(self.id)

    def counts(self) -> NDArray[np.int64]:
        """Return the number of points in each frame, shape (length,)."""
        return np.bincount(self.frame, minlength=self.length)

    def select(self, mask: NDArray[np.bool_]) -> "Tracks":
        """Return the points where `mask` (shape (points,)) is true; parents of vanished ids are dropped."""
        kept = set(np.unique(self.id[mask]).tolist())
        return replace(
            self,
            **{name: getattr(self, name)[mask] for name in COLUMNS},
            parents={
                child: parent
                for child, parent in self.parents.items()
                if child in kept and parent in kept
            },
        )

    def between(self, start: int, stop: int) -> "Tracks":
        """Return the frames start <= frame < stop as a sequence of its own that begins at frame 0."""
        part = self.select((self.frame >= start) & (self.frame < stop))
        return replace(part, frame=part.frame - start, length=min(stop, self.length) - start)


COLUMNS = ("frame", "id", "x", "y", "confidence", "interpolated", "width", "height")
"""Names of the columns of `Tracks`, in the order in which tables are written."""


def _check(frames: NDArray[np.int64], columns: Mapping[str, NDArray], length: int) -> None:
    """Raise ValueError for what no part of the package can work with."""
    if not (np.isfinite(columns["x"]).all() and np.isfinite(columns["y"]).all()):
        raise ValueError("x and y must be finite: drop points without a position")
    if len(frames) and (frames[0] < 0 or frames[-1] >= length):
        raise ValueError(
            f"frames must lie in [0, {length}), got {frames[0]} to {frames[-1]}; pass length="
        )
    twice = (np.diff(frames) == 0) & (np.diff(columns["id"]) == 0)
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise ValueError(
            f"an id may occur once per frame, got id {columns['id'][row]} twice in frame {frames[row]}"
        )
