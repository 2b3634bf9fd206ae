"""A folder with frames and points, as people have them: what is where."""

from pathlib import Path
from typing import NamedTuple

from tenfold_shared.errors import UserError

POINT_FILES = ("points.csv", "gt/gt.txt", "gt.csv", "truth.csv", "tracks.csv", "man_track.txt")
"""Names under which the points of a sequence are looked for, in this order."""
VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg")


class Sequence(NamedTuple):
    """Where frames and points of one sequence lie."""

    frames: Path
    """Folder of images or a video."""
    points: Path
    """File or folder with points."""


def find_sequence(data: Path, *, points: Path | None = None) -> Sequence:
    """Return where frames and points are, in a folder or given one by one.

    Args:
        data: folder with frames (in img1, frames or itself, or one video) and a file of points; or only
            the frames, if `points` is given.
        points: file or folder with points.

    Raises:
        UserError: if something is missing.
    """
    if not data.exists():
        raise UserError(f"{data} does not exist; check the path.")
    return Sequence(_find_frames(data), points or _find_points(data))


def _find_frames(data: Path) -> Path:
    """Return the video in a folder without pictures, else the folder or file itself."""
    if not data.is_dir() or any((data / name).is_dir() for name in ("img1", "frames")):
        return data
    videos = [file for file in sorted(data.iterdir()) if file.suffix.lower() in VIDEO_SUFFIXES]
    if len(videos) > 1:
        raise UserError(f"{data} holds {len(videos)} videos; name one of them, and pass --points.")
    return videos[0] if videos else data


def _find_points(data: Path) -> Path:
    """Return the file of points in a folder."""
    if not data.is_dir():
        raise UserError(f"{data} comes without points; pass them with --points.")
    for name in POINT_FILES:
        if (data / name).exists():
            return data if "/" in name or name == "man_track.txt" else data / name
    tables = sorted(data.glob("*.csv"))
    if len(tables) == 1:
        return tables[0]
    raise UserError(
        f"{data} holds no points under a known name ({', '.join(POINT_FILES)}); pass them with --points."
    )
