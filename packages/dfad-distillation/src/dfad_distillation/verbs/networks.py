"""Teacher and student as the command line names them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dfad_distillation.config import DistillationConfig
from dfad_distillation.presets import preset
from tenfold_shared.commands import Options
from tenfold_shared.errors import UserError

if TYPE_CHECKING:
    from dfad_distillation.model_files import SavedModel
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


@dataclass(frozen=True, kw_only=True)
class ConstructorOptions(Options):
    """What builds the networks of files that hold code of a user."""

    constructor: str | None = None
    """What builds the network of a file, where it is code of yours."""

    constructor_arguments: str | None = None
    """JSON for it, instead of the arguments that the file says it was trained with."""


def open_finished(options: ConstructorOptions, path: Path) -> "SavedModel":
    """Return the network of a file of `train` or `distill`, built by what the command line names.

    Raises:
        UserError: See `open_saved`.
        ValueError: The arguments are no JSON.
    """
    from dfad_distillation.pairing import open_saved

    given = options.constructor_arguments
    arguments = None if given is None else parse_arguments(given, "constructor-arguments")
    return open_saved(path, constructor=options.constructor, arguments=arguments)


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
    from dfad_distillation.memory import check_game
    from dfad_distillation.pairing import open_teacher

    default = preset(name).input
    teacher = open_teacher(
        options.teacher,
        arguments=parse_arguments(options.teacher_arguments, "teacher-arguments"),
        weights=options.teacher_weights,
        outputs=options.teacher_outputs,
        input=settings.input,
        default=default,
        # Defaults that no flag touches are handed through; what was typed is another object.
        said=settings.input.shape is not default.shape,
    )
    settings = replace(settings, input=teacher.input)
    check_game(settings)
    return teacher, settings


def refuse_overwriting(out: Path, *inputs: str | Path | None) -> None:
    """Refuse a result that would replace or fill what it is made from.

    Raises:
        UserError: The sentence names the input.
    """
    place = out.resolve()
    for one in inputs:
        if one is not None and Path(one).exists() and place == Path(one).resolve():
            raise UserError(f"--out {out} would write over the input {one}; choose another place.")


def refuse_full_folder(out: Path, state: str) -> None:
    """Refuse to fill the folder that the command is called in, which is also what an empty --out means.

    Args:
        out: The run folder.
        state: File by which a run is known; one may go on where it is.

    Raises:
        UserError: There are other files.
    """
    if out == Path() and any(out.iterdir()) and not (out / state).exists():
        raise UserError(
            f"--out names the present folder, {out.resolve()}, which holds other files; choose one of its own, such "
            "as run."
        )


def parse_arguments(text: str, flag: str) -> dict[str, Any]:
    """Return a JSON object that was given on the command line."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--{flag} must be a JSON object such as '{{}}', got {text!r}") from error
    if not isinstance(values, dict):
        raise ValueError(f"--{flag} must be a JSON object such as '{{}}', got {text!r}")
    return values
