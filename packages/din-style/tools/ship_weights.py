"""Write the weights of finished (or, for a first version, unfinished) trainings into the package, in half precision.

python packages/din-style/tools/ship_weights.py --fast RUN --mobile RUN --encoder RUN
"""

import argparse
from pathlib import Path
from typing import Any

from din_style.compact_encoder import load_encoder, save_encoder
from din_style.config import NetworkConfig
from din_style.encoder_training import ENCODER_FILE
from din_style.network_files import save_network
from din_style.networks import build_network
from tenfold_shared.checkpoints import load_checkpoint

ASSETS = Path(__file__).resolve().parents[1] / "src/din_style/assets"
PACKAGE = "din-style"


def ship_network(run: Path, path: Path) -> None:
    """Write the averaged weights of a training's latest checkpoint."""
    checkpoint = load_checkpoint(run / "checkpoint.safetensors", package=PACKAGE)
    config: dict[str, Any] = checkpoint.metadata["config"]
    numbers = checkpoint.models["average"]["codes.mean"].shape[0]
    network = build_network(NetworkConfig(**{**config["network"], "style_numbers": numbers}))
    checkpoint.restore(models={"average": network})
    about = {"steps": checkpoint.metadata["step"], "seed": checkpoint.metadata["seed"]}
    save_network(path, network, about={"training": about}, half=True)


def ship_encoder(run: Path, path: Path) -> None:
    """Write the encoder of a finished distillation."""
    save_encoder(path, load_encoder(run / ENCODER_FILE), half=True)


def main() -> None:
    """Write what was named."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("fast", "mobile", "encoder"):
        parser.add_argument(f"--{name}", type=Path)
    arguments = parser.parse_args()
    ASSETS.mkdir(exist_ok=True)
    for name, ship in (("fast", ship_network), ("mobile", ship_network), ("encoder", ship_encoder)):
        run = getattr(arguments, name)
        if run is not None:
            ship(run, ASSETS / f"{name}.safetensors")


if __name__ == "__main__":
    main()
