"""Cell Tracking Challenge: label images and the lineage, man_track.txt (truth) or res_track.txt (results).

A line of the lineage is id, first frame, last frame, parent (0 = none); frames count from 0. The challenge
demands that an id be present in every frame of its interval, so gaps are filled by interpolation on writing.
"""

import logging
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tbc_tracking.formats.label_discs import draw_label_discs
from tbc_tracking.formats.point_rows import PointRows
from tbc_tracking.formats.text_table import read_table
from tbc_tracking.frames import list_files
from tbc_tracking.tiff import open_pages, page_values
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path, write_atomically

LINEAGE_NAMES = ("man_track.txt", "res_track.txt")
LABEL_NAME = re.compile(r"(?:man_track|mask)([0-9]{1,7})\.tiff?", re.IGNORECASE)
LARGEST_LABEL = 65535
"""Label images hold 16 bits."""

_logger = logging.getLogger(__name__)


def find_lineage(path: Path) -> Path | None:
    """Return the lineage file of a folder or of its subfolder TRA, or None."""
    places = (folder / name for folder in (path, path / "TRA") for name in LINEAGE_NAMES)
    return next((file for file in places if file.is_file()), None)


def read_ctc(path: Path) -> PointRows:
    """Read the centroids of the labels and the lineage.

    Args:
        path: folder with man_track.txt or res_track.txt (or its parent, of the subfolder TRA), or
            that file; the label images man_track000.tif or mask000.tif stand beside it.

    Raises:
        UserError: if something is missing or damaged, or images and lineage contradict each other.
    """
    lineage = path if path.is_file() else find_lineage(path)
    if lineage is None:
        raise UserError(f"{path} holds neither {' nor '.join(LINEAGE_NAMES)}; check the path.")
    images = {
        int(match[1]): file
        for file in list_files(lineage.parent, frozenset({".tif", ".tiff"}))
        if (match := LABEL_NAME.fullmatch(file.name))
    }
    if not images:
        raise UserError(f"{lineage.parent} holds no label images such as mask000.tif.")
    intervals, parents = read_lineage(lineage)
    frames, labels, centers = [], [], []
    size: tuple[int, int] | None = None
    for frame, file in sorted(images.items()):
        values = _read_labels(file)
        if size not in (None, values.shape[::-1]):
            raise UserError(f"{file} differs in size from the label images before it.")
        size = (values.shape[1], values.shape[0])
        found, points = _centroids(values)
        for label in found.tolist():
            first, last = intervals.get(label, (1, 0))
            if not first <= frame <= last:
                raise UserError(f"{file} has label {label}, which {lineage} does not list there.")
        frames.append(np.full(len(found), frame))
        labels.append(found)
        centers.append(points)
    x, y = np.concatenate(centers).T
    frame = np.concatenate(frames)
    return PointRows(
        path=path,
        frame=frame,
        id=np.concatenate(labels),
        x=x,
        y=y,
        place=lambda row: f"{images[int(frame[row])]}",
        parents=parents,
        size=size,
        length=max(images) + 1,
    )


def read_lineage(path: Path) -> tuple[dict[int, tuple[int, int]], dict[int, int]]:
    """Return the first and last frame of each id, and the parents, of man_track.txt or res_track.txt.

    Raises:
        UserError: if a line is damaged, repeats an id or has its frames in the wrong order.
    """
    table = read_table(path, names=("id", "first frame", "last frame", "parent"))
    table.require("id", "first frame", "last frame", "parent")
    columns = [table.integers(name).tolist() for name in list(table.columns)[:4]]
    intervals, parents = {}, {}
    for row, (name, first, last, parent) in enumerate(zip(*columns, strict=True)):
        if name in intervals or not 0 < name <= LARGEST_LABEL or not 0 <= first <= last:
            raise table.complaint(row, "ids must be new and in 1..65535, frames in order from 0")
        intervals[name] = (first, last)
        if parent > 0:
            parents[name] = parent
    return intervals, parents


def write_ctc(path: Path, tracks: Tracks, *, size: tuple[int, int], radius: float) -> None:
    """Write mask000.tif ... and res_track.txt into a folder, each file atomically, the lineage last.

    Labels are discs around the points (`draw_label_discs`). Gaps are filled by linear interpolation;
    ids are renumbered from 1 if they do not fit into 16 bits; a parent that does not end before its
    child begins is left out, as the challenge forbids it. What was changed is logged.

    Args:
        path: folder.
        tracks: what to write.
        size: width and height of the frames.
        radius: radius of the discs in pixels, about sigma of an object.

    Raises:
        UserError: if there are more than 65,535 ids, or the folder holds masks of a longer sequence.
    """
    names = {int(name): label for label, name in enumerate(tracks.ids, start=1)}
    if len(names) > LARGEST_LABEL:
        raise UserError(f"{path} can hold {LARGEST_LABEL} ids, but there are {len(names)}.")
    if all(0 < name <= LARGEST_LABEL for name in names):
        names = {name: name for name in names}
    digits = max(3, len(str(max(tracks.length - 1, 0))))
    files = [path / f"mask{frame:0{digits}d}.tif" for frame in range(tracks.length)]
    if path.is_dir():
        foreign = {file for file in path.iterdir() if LABEL_NAME.fullmatch(file.name)} - {*files}
        if foreign:
            raise UserError(f"{min(foreign)} belongs to other results; choose an empty folder.")
    filled = _fill_gaps(tracks)
    starts = np.searchsorted(filled.frame, np.arange(tracks.length + 1))
    for file, start, stop in zip(files, starts[:-1], starts[1:], strict=True):
        labels = np.array([names[name] for name in filled.id[start:stop].tolist()], dtype=np.uint16)
        points = np.stack([filled.x[start:stop], filled.y[start:stop]], axis=1)
        picture = draw_label_discs(points, labels, size=size, radius=radius)
        with atomic_path(file) as temporary:
            Image.fromarray(picture).save(temporary, format="TIFF", compression="tiff_lzw")
    write_atomically(path / "res_track.txt", _lineage_text(filled, names))


def _read_labels(file: Path) -> NDArray[np.int64]:
    """Return a label image."""
    values = page_values(next(open_pages(file, decode=True)), name=str(file))
    if not (values.min() >= 0 and values.max() <= LARGEST_LABEL):
        raise UserError(f"{file} has values outside 0 to {LARGEST_LABEL}; labels have 16 bits.")
    return values.astype(np.int64)


def _centroids(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the labels of a picture, ascending, and their centers (x, y)."""
    y, x = np.nonzero(labels)
    label = labels[y, x]
    area = np.bincount(label)
    found = np.flatnonzero(area)
    sums = [np.bincount(label, weights=values)[found] for values in (x, y)]
    return found, np.stack(sums, axis=1) / area[found, None]


def _fill_gaps(tracks: Tracks) -> Tracks:
    """Return tracks without holes: missing points lie on the line between their neighbors."""
    order = np.lexsort((tracks.frame, tracks.id))
    frame, name = tracks.frame[order], tracks.id[order]
    missing = np.where(np.diff(name) == 0, np.diff(frame) - 1, 0)
    if not missing.any():
        return tracks
    _logger.info("filled %d missing points by interpolation", missing.sum())
    before = np.repeat(np.arange(len(missing)), missing)
    step = np.arange(len(before)) - np.repeat(np.cumsum(missing) - missing, missing) + 1
    share = step / (missing[before] + 1)
    x, y = tracks.x[order], tracks.y[order]
    return Tracks.from_rows(
        np.concatenate([frame, frame[before] + step]),
        np.concatenate([name, name[before]]),
        x=np.concatenate([x, x[before] + share * (x[before + 1] - x[before])]),
        y=np.concatenate([y, y[before] + share * (y[before + 1] - y[before])]),
        length=tracks.length,
        parents=tracks.parents,
    )


def _lineage_text(tracks: Tracks, names: dict[int, int]) -> str:
    """Return the lines of res_track.txt."""
    ids, index = np.unique(tracks.id, return_inverse=True)
    first, last = np.full(len(ids), tracks.length), np.full(len(ids), -1)
    np.minimum.at(first, index, tracks.frame)
    np.maximum.at(last, index, tracks.frame)
    end = dict(zip(ids.tolist(), last.tolist(), strict=True))
    lines = []
    for name, start, stop in zip(ids.tolist(), first.tolist(), last.tolist(), strict=True):
        parent = tracks.parents.get(name)
        if parent is not None and end.get(parent, start) >= start:
            _logger.warning("id %d begins before its parent %d ends: written without", name, parent)
            parent = None
        lines.append(f"{names[name]} {start} {stop} {0 if parent is None else names[parent]}\n")
    return "".join(lines)
