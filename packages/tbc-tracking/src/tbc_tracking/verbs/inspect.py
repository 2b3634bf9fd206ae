"""`info` and `data`: what is in a checkpoint, and in a folder of data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tbc_tracking.verbs.sequences import find_sequence
from tenfold_shared.commands import Options, emit, flat
from tenfold_shared.refusals import refuses

PACKAGE = "tbc-tracking"
FORMAT = """\
A folder that `train` and `evaluate` read:

  frames/ or img1/    pictures (png, jpg, tif, bmp) in the order of the numbers in their names; or one video
  points.csv          one line per object and frame: frame,id,x,y and, where known, w,h
                      (or gt/gt.txt, man_track.txt, TrackMate, Fiji or napari files with --points)

x to the right, y down, in pixels with centers at integers; frames from 0. Frames without points count
as not annotated, unless --empty names them. The id is not needed for training.
"""


@dataclass(frozen=True, kw_only=True)
class Info(Options):
    """Settings of `info`."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Network or state of a training (.safetensors), or the folder of a training."""


@refuses
def info(config: Info) -> None:
    """Tell what is in a checkpoint: the network, its object size, its calibration, what it learned from."""
    from tbc_tracking.verbs.sources import NETWORK_NAME
    from tenfold_shared.checkpoints import load_checkpoint

    path = config.checkpoint
    path = path / NETWORK_NAME if path.is_dir() else path
    checkpoint = load_checkpoint(path, package=PACKAGE)
    rows = [{"name": name, "value": value} for name, value in flat(checkpoint.metadata)]
    rows += [
        {"name": f"parameters of {name}", "value": sum(tensor.numel() for tensor in model.values())}
        for name, model in checkpoint.models.items()
    ]
    emit(rows, json=config.json)


@dataclass(frozen=True, kw_only=True)
class Data(Options):
    """Settings of `data`."""

    data: Annotated[Path | None, tyro.conf.Positional] = None
    """Folder with frames and points, or only the frames; without it the format is shown."""

    points: Path | None = None
    """Points or tracks, where they lie elsewhere."""


@refuses
def data(config: Data) -> None:
    """Check a folder of data before training, or show its format.

    Every frame is read; points outside the frames are counted.
    """
    if config.data is None:
        rows = [{"line": line} for line in FORMAT.splitlines()]
        emit(rows if config.json else [{FORMAT.rstrip(): ""}], json=config.json)
        return
    import numpy as np

    from tbc_tracking.formats import read_tracks, recognize_format
    from tbc_tracking.frames import open_frames

    place = find_sequence(config.data, points=config.points)
    frames = open_frames(place.frames)
    length = sum(1 for _ in frames)
    tracks = read_tracks(place.points, size=frames.size, length=length)
    counts = tracks.counts()
    annotated = int((counts > 0).sum())
    row = {
        "frames": length,
        "width": frames.size[0],
        "height": frames.size[1],
        "frame_interval": frames.frame_interval,
        "format": recognize_format(place.points),
        "points": len(tracks),
        "tracks": len(tracks.ids),
        "annotated_frames": annotated,
        "points_a_frame": len(tracks) / annotated if annotated else None,
        "boxes": int(np.isfinite(tracks.height).sum()),
        "divisions": len(set(tracks.parents.values())),
    }
    emit([{"name": name, "value": value} for name, value in row.items()], json=config.json)
