"""`train`: a density network from points on some frames."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tbc_tracking.training_config import TrainingConfig
from tbc_tracking.verbs.sequences import find_sequence
from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Train(TrainingConfig, Options):
    """Settings of `train`."""

    data: Annotated[Path, tyro.conf.Positional]
    """Folder with frames and points (see `data`), or only the frames if --points is given."""

    points: Path | None = None
    """Points or tracks: CSV, MOTChallenge, Cell Tracking Challenge, TrackMate, Fiji or napari."""

    anchor: Literal["center", "bottom"] = "center"
    """Which point of a box counts: its center, or the middle of its lower edge (feet)."""

    def __post_init__(self) -> None:
        """Check the settings of both parents."""
        TrainingConfig.__post_init__(self)
        Options.__post_init__(self)


@refuses
def train(config: Train) -> None:
    """Train a density network from points on some or all frames of a video.

    --out is the run folder (default: run); the network is run/density.safetensors. Running the same
    command again goes on with a training that was interrupted.
    """
    from tbc_tracking.density_network import NETWORK_NAME
    from tbc_tracking.formats import read_tracks
    from tbc_tracking.frames import open_frames
    from tbc_tracking.training import train as train_network

    place = find_sequence(config.data, points=config.points)
    frames = open_frames(place.frames)
    tracks = read_tracks(place.points, anchor=config.anchor, size=frames.size, length=frames.length)
    out = config.out or Path("run")
    settings = {field.name: getattr(config, field.name) for field in fields(TrainingConfig)}
    result = train_network(
        TrainingConfig(**settings),
        out,
        frames=frames,
        tracks=tracks,
        seed=config.seed,
        device=config.device,
    )
    about = result.network.description
    last_row = -(-frames.size[1] // about.stride) - 1
    row = {
        "network": str(out / NETWORK_NAME),
        "frames": about.data.get("frames"),
        "points": about.data.get("points"),
        "count_mae": result.counts.calibrated if result.counts else None,
        "count_mae_of_constant": result.counts.constant if result.counts else None,
        "uncalibrated_mae": result.scores.count_mae if result.scores else None,
        "uncalibrated_bias": result.scores.count_bias if result.scores else None,
        "calibration": about.calibration.at(0),
    }
    if about.calibration.slope:
        row["calibration_of_last_row"] = about.calibration.at(last_row)
    emit([row], json=config.json)
