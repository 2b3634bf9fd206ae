"""Teacher and student as the command line names them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import tyro

from dfad_distillation.config import DistillationConfig, InputSpace
from tenfold_shared.commands import Options
from tenfold_shared.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from dfad_distillation.model_sources import OpenedModel


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


class Teacher(NamedTuple):
    """A teacher and what it reads."""

    opened: "OpenedModel"
    input: InputSpace

    @property
    def module(self) -> "nn.Module":
        """The network, which answers logits."""
        return self.opened.module


class Student(NamedTuple):
    """A student with random weights, and how to build it again."""

    module: "nn.Module"
    source: str
    arguments: dict[str, Any]


def open_teacher(options: TeacherOptions, space: InputSpace) -> Teacher:
    """Return the teacher that was named.

    Args:
        options: What the command line says.
        space: What it says that the teacher reads; its file knows better where nothing was said.
    """
    from dfad_distillation.model_sources import open_model

    opened = open_model(
        options.teacher,
        arguments=parse_arguments(options.teacher_arguments, "teacher-arguments"),
        weights=options.teacher_weights,
        outputs=options.teacher_outputs,
        shape=space.shape,
    )
    known = opened.input is not None and space == InputSpace()
    return Teacher(opened, opened.input if known and opened.input else space)


def open_student(
    source: str, arguments: str, weights: Path | None, *, teacher: Teacher, classes: int, task: str
) -> Student:
    """Return the student that was named, with random weights unless a file has others.

    Args:
        source: As for the teacher, or `half`.
        arguments: JSON for its constructor.
        weights: File to start from.
        teacher: What it will learn from.
        classes: Number of outputs.
        task: `classification` or `segmentation`.
    """
    from dfad_distillation.model_sources import open_model
    from dfad_distillation.registry import NAMES
    from dfad_distillation.students import HALF, half_student

    given = parse_arguments(arguments, "student-arguments")
    if source == HALF:
        choice = half_student(
            teacher.opened.source,
            shape=teacher.input.shape,
            classes=classes,
            task=task,  # pyright: ignore[reportArgumentType]
            arguments=teacher.opened.arguments,
            parameters=sum(p.numel() for p in teacher.module.parameters()),
        )
        source, given = choice.name, {**choice.arguments, **given}
    built = {"classes": classes, **given} if source in NAMES else given
    opened = open_model(source, arguments=built, weights=weights, shape=teacher.input.shape)
    if not any(p.requires_grad for p in opened.module.parameters()):
        raise UserError(f"the student {source} has no weights to train; name a constructor.")
    return Student(opened.module, opened.source, given)


def parse_arguments(text: str, flag: str) -> dict[str, Any]:
    """Return a JSON object that was given on the command line."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--{flag} must be a JSON object such as '{{}}', got {text!r}") from error
    if not isinstance(values, dict):
        raise ValueError(f"--{flag} must be a JSON object such as '{{}}', got {text!r}")
    return values


def with_input(settings: DistillationConfig, space: InputSpace) -> DistillationConfig:
    """Return settings for what the teacher reads."""
    return settings if settings.input == space else replace(settings, input=space)
