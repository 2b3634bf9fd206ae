"""Teacher and student as the command line names them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dfad_distillation.config import DistillationConfig
from dfad_distillation.presets import preset
from tenfold_shared.commands import Options

if TYPE_CHECKING:
    from dfad_distillation.pairing import Teacher


@dataclass(frozen=True, kw_only=True)
class TeacherOptions(Options):
    """Which teacher."""

    teacher: Annotated[str, tyro.conf.Positional]
    """File of `train`, .pt2, TorchScript, torchvision:NAME, timm:NAME, package.module:factory or file.py:factory."""

    teacher_weights: Path | None = None
    """safetensors or state dictionary, for teachers that are named."""

    teacher_arguments: str = "{}"
    """JSON for the teacher's constructor, such as '{"classes": 10}'."""

    teacher_outputs: str = "logits"
    """`logits`, `probabilities`, `log_probabilities`, or the name of one of several outputs."""


def open_named_teacher(
    options: TeacherOptions, settings: DistillationConfig, name: str
) -> "tuple[Teacher, DistillationConfig]":
    """Return the teacher that was named, and the settings for what it reads.

    Args:
        options: What the command line says.
        settings: All of the game.
        name: Of the preset that they started from: where they still have its input, the teacher's file
            knows better.
    """
    from dfad_distillation.pairing import open_teacher

    teacher = open_teacher(
        options.teacher,
        arguments=parse_arguments(options.teacher_arguments, "teacher-arguments"),
        weights=options.teacher_weights,
        outputs=options.teacher_outputs,
        input=settings.input,
        default=preset(name).input,
    )
    return teacher, replace(settings, input=teacher.input)


def parse_arguments(text: str, flag: str) -> dict[str, Any]:
    """Return a JSON object that was given on the command line."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--{flag} must be a JSON object such as '{{}}', got {text!r}") from error
    if not isinstance(values, dict):
        raise ValueError(f"--{flag} must be a JSON object such as '{{}}', got {text!r}")
    return values
