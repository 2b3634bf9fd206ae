"""Reading a finished or interrupted run: its settings, its generators, its curves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dfad_distillation.config import (
    DistillationConfig,
    GeneratorConfig,
    InputSpace,
    RegularizerConfig,
)
from dfad_distillation.distillation import PROGRESS
from dfad_distillation.generators import Generator
from dfad_distillation.progress import PACKAGE, STATES, StateScore, restore_state
from dfad_distillation.watching import read_curve
from tenfold_shared.checkpoints import load_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.runs import CHECKPOINT_NAME
from tenfold_shared.seeds import torch_stream

_PARTS = {"input": InputSpace, "generator": GeneratorConfig, "regularizers": RegularizerConfig}


class Run(NamedTuple):
    """A run folder of `distill`."""

    folder: Path
    config: DistillationConfig
    rounds: int
    """Rounds that were played."""
    snapshots: tuple[int, ...]
    """Rounds whose generator was kept."""


def open_run(folder: Path) -> Run:
    """Read what a run folder says of itself.

    Raises:
        UserError: It is none, or damaged.
    """
    path = folder / CHECKPOINT_NAME
    if not path.exists():
        raise UserError(f"{folder} is no run folder of distill: it has no {CHECKPOINT_NAME}.")
    checkpoint = load_checkpoint(path, package=PACKAGE)
    if "generator" not in checkpoint.models:
        raise UserError(f"{path} is no state of a distillation; pass the folder of distill.")
    config = _settings(checkpoint.metadata["config"], path)
    rounds = int(checkpoint.metadata["step"])
    kept = sorted((folder / STATES).glob("generator-*.safetensors"))
    numbers = tuple(int(one.stem.rpartition("-")[2]) for one in kept)
    return Run(folder, config, rounds, tuple(n for n in numbers if n <= rounds))


def _settings(values: Mapping[str, Any], path: Path) -> DistillationConfig:
    """Return the settings that were stored as JSON."""

    def plain(stored: Mapping[str, Any]) -> dict[str, Any]:
        return {n: tuple(v) if isinstance(v, list) else v for n, v in stored.items()}

    try:
        parts = {name: kind(**plain(values[name])) for name, kind in _PARTS.items()}
        return DistillationConfig(**(plain(values) | parts))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} holds settings that do not fit this version: {error}.") from error


def load_generator(run: Run, number: int | None = None) -> Generator:
    """Return the generator that was kept after a round, or the latest.

    Raises:
        UserError: None was kept then.
    """
    generator = Generator(run.config.generator, run.config.input)
    if number is None:
        checkpoint = load_checkpoint(run.folder / CHECKPOINT_NAME, package=PACKAGE)
        generator.load_state_dict(checkpoint.models["generator"])  # copies into float32
        return generator
    if number not in run.snapshots:
        kept = ", ".join(map(str, run.snapshots)) or "none"
        raise UserError(f"{run.folder} kept no generator after round {number}; there are: {kept}.")
    restore_state(run.folder, "generator", number, generator)
    return generator


@torch.no_grad()
def paint(generator: Generator, count: int, *, seed: int = 0) -> Float[Tensor, "count c h w"]:
    """Return generated pictures in the teacher's normalized space.

    The generator normalizes with the statistics of the batch, as in training, and is left as it was.

    Raises:
        ValueError: Fewer than two pictures, whose statistics mean nothing.
    """
    if count < 2:
        raise ValueError(f"count must be at least 2, got {count}")
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    noise = torch.randn(count, generator.latent, generator=torch_stream(seed, "samples"))
    pictures = generator.train()(noise).contiguous()  # all networks read the plain layout
    generator.load_state_dict(before)
    return pictures


def read_progress(run: Run) -> list[StateScore]:
    """Return the measure of the students that were kept; empty while the run is not finished.

    Raises:
        UserError: The file is damaged.
    """
    path = run.folder / PROGRESS
    if not path.exists():
        return []
    try:
        states = json.loads(path.read_text("utf-8"))["states"]
        return [
            StateScore(int(one["round"]), float(one["agreement"]), float(one["distance"]))
            for one in states
        ]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged; run distill again to write it anew.") from error


def read_accuracy(run: Run) -> dict[int, float]:
    """Return the score on real pictures by round, where the run was given some."""
    return read_curve(run.folder)
