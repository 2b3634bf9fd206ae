"""Folders of small pictures and a VGG file of few channels, for trainings within a second."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny_vgg import tiny_vgg

from din_style.config import LossConfig, NetworkConfig, TrainingConfig
from tenfold_shared import write_image
from tenfold_shared.testing import tiny_image

NETWORK = NetworkConfig(width=8, stem=8, blocks=1, code_hidden=8, style_numbers=32)
"""The moments of four layers of four channels."""


def write_tiny_vgg(path: Path) -> Path:
    """Write a file in the layout of the offline VGG-16, whose layers have four channels."""
    tensors = {}
    for name, weight, bias in tiny_vgg().layers():
        tensors[f"conv{name}.weight"] = weight / (255 if name == "1_1" else 1)
        tensors[f"conv{name}.bias"] = bias
        tensors[f"relu{name}.mean_act"] = torch.full((4,), 0.3)
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


def write_pictures(folder: Path, *, count: int, seed: int) -> Path:
    """Write `count` pictures of 40 x 48 pixels."""
    folder.mkdir(parents=True)
    for i in range(count):
        write_image(folder / f"{i}.png", tiny_image(40, 48, seed=seed + i))
    return folder


def tiny_training(folder: Path, **changes: object) -> tuple[TrainingConfig, dict[str, Path]]:
    """Return settings of a training of a few steps, and its pictures, made in `folder`."""
    if not (folder / "vgg.safetensors").exists():
        write_tiny_vgg(folder / "vgg.safetensors")
        write_pictures(folder / "contents", count=6, seed=0)
        write_pictures(folder / "styles", count=6, seed=100)
    settings: dict[str, object] = {
        "network": NETWORK,
        "loss": LossConfig(),
        "size": 32,
        "crop": 32,
        "style_crop": 32,
        "content_crops": 8,
        "batch": 2,
        "pixel_batch": 2,
        "pixel_steps": 3,
        "steps": 5,
        "validation_share": 3,
        "checkpoint_every": 2,
        "vgg": folder / "vgg.safetensors",
    }
    config = TrainingConfig(**{**settings, **changes})  # type: ignore[arg-type]
    return config, {"contents": folder / "contents", "styles": folder / "styles"}
