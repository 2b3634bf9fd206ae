"""Trainings of the benchmarks: kept in runs/benchmarks and resumed, so that a second run only reads them."""

import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tbc_tracking.density_network import DensityNetwork
from tbc_tracking.tracks import Tracks
from tbc_tracking.training import train
from tbc_tracking.training_config import TrainingConfig

RUNS = Path("runs/benchmarks")
CONFIGS = Path(__file__).parents[2] / "packages/tbc-tracking/configs"


def trained(
    data: str, stage: str, seed: int, *, frames: Iterable[np.ndarray], tracks: Tracks
) -> tuple[DensityNetwork, np.ndarray]:
    """Return a network and its maps of the whole video.

    Args:
        data: name of the settings in packages/tbc-tracking/configs.
        stage: `choose` as the settings say, calibrated on their validation frames; `final` learns from the
            validation frames too and is not calibrated.
        seed: of the training.
        frames: the video.
        tracks: its points.
    """
    settings = tomllib.loads((CONFIGS / f"{data}.toml").read_text("utf-8"))
    if stage == "final":
        settings["fit"] = [*settings["fit"], *settings.pop("validate")]
        settings["calibration"] = "none"
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    folder = RUNS / f"{data}_{stage}_seed{seed}"
    start = time.process_time()
    network = train(
        TrainingConfig(**settings), folder, frames=frames, tracks=tracks, seed=seed, device="cpu"
    ).network
    print(f"{folder}: {time.process_time() - start:.0f} CPU s", file=sys.stderr)
    saved = folder / "maps.npy"
    if not saved.exists():
        np.save(saved, network.predict_all(frames))
    return network, np.load(saved)
