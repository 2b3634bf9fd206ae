"""Make what the demonstration ships: a crop of real colloids, its reference points, and small weights.

    TENFOLD_DATA=... python packages/tbc-tracking/tools/make_demo_assets.py [WORK_FOLDER]

The network learns from frames 0-31 outside the crop, is calibrated on frames 32-39 outside the crop, and is shown
frames 34-63 inside the crop, of which the first six only choose the baseline's threshold.
"""

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from tbc_tracking.formats import read_tracks, write_tracks
from tbc_tracking.frames import open_frames
from tbc_tracking.training import NETWORK_NAME, train
from tbc_tracking.training_config import TrainingConfig
from tenfold_shared.datasets import locate

ASSETS = Path(__file__).resolve().parents[1] / "src" / "tbc_tracking" / "assets"
LEFT, TOP, WIDTH, HEIGHT = 0, 80, 160, 128
"""The crop that is shown, in pixels of the data set's frames."""
MARGIN = 8
"""Strip around the crop that nothing is learned from either."""
FIRST, LAST = 34, 63
"""Frames that are shown."""
SEED = 0


def main(work: Path) -> None:
    """Write the three files."""
    folder = locate("tracking/colloids_water", hint="see the colloids in docs/how-to/real-data.md")
    frames = open_frames(folder / "frames")
    reference = read_tracks(folder / "silver.csv", size=frames.size, length=frames.length)
    write_crop(list(frames), reference)
    config = TrainingConfig(
        widths=(8, 16, 32),
        background="none",
        normalization="training",
        fit=("0:32",),
        validate=("32:40",),
        ignore=write_mask(work / "ignore.png", frames.size),
        sigma=1.3,
        steps=1500,
        crop=96,
        flips="both",
        average=0.99,
        checkpoint_every=500,
    )
    result = train(config, work / "run", frames=frames, tracks=reference, seed=SEED, device="cpu")
    sys.stdout.write(f"validation: {result.scores}\n")
    shutil.copyfile(work / "run" / NETWORK_NAME, ASSETS / "colloids.safetensors")


def write_crop(frames: list, reference) -> None:
    """Write the crop as a TIFF stack and the points inside it as CSV."""
    pages = [
        Image.fromarray(
            np.round(image[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH] * 255).astype(np.uint8)
        )
        for image in frames[FIRST : LAST + 1]
    ]
    pages[0].save(
        ASSETS / "colloids.tif",
        save_all=True,
        append_images=pages[1:],
        compression="tiff_adobe_deflate",
    )
    moved = replace(reference, x=reference.x - LEFT, y=reference.y - TOP)
    inside = (np.abs(2 * moved.x + 1 - WIDTH) <= WIDTH) & (
        np.abs(2 * moved.y + 1 - HEIGHT) <= HEIGHT
    )
    write_tracks(ASSETS / "colloids.csv", moved.select(inside).between(FIRST, LAST + 1))


def write_mask(path: Path, size: tuple[int, int]) -> Path:
    """Write the picture of what is not learned from."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[
        max(0, TOP - MARGIN) : TOP + HEIGHT + MARGIN, max(0, LEFT - MARGIN) : LEFT + WIDTH + MARGIN
    ] = 255
    Image.fromarray(mask).save(path)
    return path


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
