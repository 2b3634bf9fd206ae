"""MOTChallenge: folders with img1, gt/gt.txt and seqinfo.ini, and result files.

A line is frame,id,left,top,width,height,confidence,... Frames and pixels start at 1, so the center in our
pixels is left + width / 2 - 1. In gt.txt a confidence of 0 marks boxes that are not evaluated.
"""

import configparser
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tbc_tracking.formats.point_rows import PointRows
from tbc_tracking.formats.text_table import read_table
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

COLUMNS = ("frame", "id", "left", "top", "w", "h", "confidence")


class SequenceFacts(NamedTuple):
    """What seqinfo.ini says."""

    size: tuple[int, int] | None = None
    """Width and height of the frames."""
    length: int | None = None
    """Number of frames."""
    frame_interval: float | None = None
    """Seconds between frames."""


def is_mot_folder(path: Path) -> bool:
    """Return whether a folder has the truth of a MOTChallenge sequence."""
    return (path / "gt" / "gt.txt").is_file()


def read_mot(path: Path) -> PointRows:
    """Read the truth of a sequence folder, or a file of truth or results.

    Raises:
        UserError: if the file is missing or damaged, or counts frames from 0.
    """
    facts = SequenceFacts()
    if path.is_dir():
        if not is_mot_folder(path):
            raise UserError(f"{path} holds no gt/gt.txt; give a MOTChallenge folder or file.")
        path, facts = path / "gt" / "gt.txt", _read_facts(path / "seqinfo.ini")
    elif path.parent.name == "gt":
        facts = _read_facts(path.parent.parent / "seqinfo.ini")
    table = read_table(path, names=COLUMNS)
    table.require(*COLUMNS[:6])
    confidence = np.ones(len(table))
    if "confidence" in table.columns:
        confidence = table.numbers("confidence")
        if path.name == "gt.txt":
            table = table.where(confidence != 0)
            confidence = np.ones(len(table))
    frame, ids = table.integers("frame"), table.integers("id")
    if len(frame) and frame.min() < 1:
        row = int(np.argmin(frame))
        raise table.complaint(row, f"frames of MOTChallenge start at 1, got {frame[row]}")
    width, height = table.numbers("w"), table.numbers("h")
    return PointRows(
        path=path,
        frame=frame - 1,
        id=None if len(ids) and (ids == -1).all() else ids,
        x=table.numbers("left") + width / 2 - 1,
        y=table.numbers("top") + height / 2 - 1,
        width=width,
        height=height,
        # Scores are not bound to [0, 1], and -1 means that there is none.
        confidence=np.where(confidence < 0, 1.0, np.minimum(confidence, 1.0)),
        place=lambda row: f"Line {table.lines[row]} of {path}",
        **facts._asdict(),
    )


def write_mot(path: Path, tracks: Tracks, *, radius: float) -> None:
    """Write a result file atomically; points without a box get one of 2 * `radius` pixels.

    Raises:
        UserError: if the file cannot be written.
    """
    width, height = (
        np.where(np.isnan(side), 2 * radius, side) for side in (tracks.width, tracks.height)
    )
    left, top = tracks.x - width / 2 + 1, tracks.y - height / 2 + 1
    columns = (tracks.frame + 1, tracks.id, left, top, width, height, tracks.confidence)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    lines = [
        f"{frame},{name},{x:.3f},{y:.3f},{w:.3f},{h:.3f},{score:.4f},-1,-1,-1\n"
        for frame, name, x, y, w, h, score in rows
    ]
    write_atomically(path, "".join(lines))


def _read_facts(path: Path) -> SequenceFacts:
    """Return what seqinfo.ini says; nothing when there is none."""
    if not path.is_file():
        return SequenceFacts()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_bytes().decode("utf-8-sig"))
        section = parser["Sequence"]
        rate = section.getfloat("frameRate")
        size = section.getint("imWidth"), section.getint("imHeight")
        length = section.getint("seqLength")
    except (configparser.Error, KeyError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read ({reason}); correct or remove it.") from error
    numbers = [value for value in (rate, *size, length) if value is not None]
    if not all(0 < value < np.inf for value in numbers):
        raise UserError(f"{path} has a size, length or rate that is not positive; correct it.")
    return SequenceFacts(
        size=(size[0], size[1]) if size[0] and size[1] else None,
        length=length,
        frame_interval=1 / rate if rate else None,
    )
