"""Model files: a network with what is needed to use it, in one safetensors file."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from dfad_distillation.config import InputSpace
from dfad_distillation.registry import NAMES, build_network
from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.errors import UserError

PACKAGE = "dfad-distillation"
TEACHER_FILE = "teacher.safetensors"
"""The finished teacher in a run folder."""
STUDENT_FILE = "student.safetensors"
"""The finished student in a run folder."""
_NAME = "model"


class SavedModel(NamedTuple):
    """What a model file holds."""

    module: nn.Module
    """In evaluation mode, on the CPU."""
    source: str
    """Name in the registry, or where its constructor was."""
    arguments: dict[str, Any]
    """Of the constructor, beside classes and channels."""
    input: InputSpace
    """What it reads."""
    classes: tuple[str, ...]
    about: dict[str, Any]
    """What else was stored: training, scores."""


def save_model(
    path: Path,
    module: nn.Module,
    *,
    source: str,
    arguments: Mapping[str, Any],
    input: InputSpace,
    classes: tuple[str, ...],
    about: Mapping[str, Any],
) -> None:
    """Write a network.

    Args:
        path: The file.
        module: Any network; tensors in channels_last are stored plainly.
        source: Name in the registry, or `package.module:factory`.
        arguments: JSON values for the constructor.
        input: What the network reads.
        classes: Names of its outputs.
        about: What else a user should know: JSON values.

    Raises:
        UserError: The file cannot be written.
        ValueError: Arguments or `about` are not JSON.
    """
    metadata = {
        "source": source,
        "arguments": dict(arguments),
        "input": dataclasses.asdict(input),
        "classes": list(classes),
        "about": dict(about),
    }
    save_checkpoint(Path(path), models={_NAME: module}, metadata=metadata, package=PACKAGE)


def load_saved(path: Path, *, module: nn.Module | None = None) -> SavedModel:
    """Read a network that `save_model` wrote.

    Args:
        path: The file.
        module: A network of the same kind to fill; needed if its constructor is not one of the
            registry, because a file must not choose which code runs.

    Raises:
        UserError: The file is missing, damaged or something else, or names foreign code.
    """
    checkpoint = load_checkpoint(Path(path), package=PACKAGE)
    stored = checkpoint.metadata
    try:
        source, arguments = str(stored["source"]), dict(stored["arguments"])
        space = InputSpace(**{name: tuple(values) for name, values in stored["input"].items()})
        classes = tuple(map(str, stored["classes"]))
        about = dict(stored["about"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is no model file but a state of a training; pass the finished {TEACHER_FILE} "
            f"or {STUDENT_FILE} beside it."
        ) from error
    if module is None:
        if source not in NAMES:
            raise UserError(
                f"{path} holds a network that {source} builds; name that constructor as the source "
                "and this file as its weights."
            )
        module = build_network(
            source, classes=len(classes), channels=space.shape[0], arguments=arguments
        )
    checkpoint.restore(models={_NAME: module})
    for name, tensor in module.state_dict().items():
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} is not finite; train again with a lower rate.")
    return SavedModel(module.eval(), source, arguments, space, classes, about)
