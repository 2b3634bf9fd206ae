"""Teacher and student before a distillation: opened from where users have them, and told apart from others."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from dfad_distillation.config import DistillationConfig, InputSpace
from dfad_distillation.memory import check_network
from dfad_distillation.model_files import PACKAGE, SavedModel, load_saved
from dfad_distillation.model_sources import open_model
from dfad_distillation.registry import NAMES
from dfad_distillation.students import HALF, half_student
from tenfold_shared.checkpoints import load_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

LIBRARIES = ("torchvision:", "timm:")
"""Sources whose code is known, so that a file may name them."""
PAIR = "pair.json"
"""In a run folder: which teacher and student it belongs to."""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A teacher and what it reads."""

    module: nn.Module
    """Answers logits."""
    source: str
    """Where it came from."""
    arguments: dict[str, Any]
    """Of its constructor."""
    input: InputSpace
    """What it reads."""
    classes: tuple[str, ...] = ()
    """Names of its outputs, if they are known."""

    def fingerprint(self) -> str:
        """Return a SHA-256 of the weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(name.encode())
            plain = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            digest.update(plain.numpy().tobytes())
        return digest.hexdigest()


class Student(NamedTuple):
    """A student and how to build it again."""

    module: nn.Module
    source: str
    arguments: dict[str, Any]
    outputs: str = "logits"
    """What it answers, see `open_model`."""


def open_teacher(
    source: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    outputs: str = "logits",
    input: InputSpace,
    default: InputSpace | None = None,
) -> Teacher:
    """Return the teacher of a source.

    Args:
        source: See `open_model`.
        arguments: Of its constructor.
        weights: Its file.
        outputs: What it answers.
        input: What the settings say that it reads.
        default: What they say where the user said nothing: the teacher's own file then knows better; None: the
            user has said it.

    Raises:
        UserError: It cannot be opened, or reads pictures of another shape than the settings say.
    """
    opened = open_model(
        source, arguments=arguments, weights=weights, outputs=outputs, shape=input.shape
    )
    space = input
    if opened.input is not None and input == default:
        space = opened.input
    if opened.input is not None and space.shape != opened.input.shape:
        raise UserError(
            f"{source} reads pictures of shape {opened.input.shape}, but --input.shape says "
            f"{space.shape}; leave it out."
        )
    return Teacher(
        module=opened.module,
        source=opened.source,
        arguments=opened.arguments,
        input=space,
        classes=opened.classes,
    )


def open_student(
    source: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    weights: Path | None = None,
    outputs: str = "logits",
    teacher: Teacher,
    classes: int,
    task: str,
) -> Student:
    """Return a student with random weights, drawn from torch's global state, unless a file has others.

    Args:
        source: As for the teacher, or `half`.
        arguments: Of its constructor.
        weights: File to start from.
        outputs: What it answers.
        teacher: What it will learn from.
        classes: Number of outputs.
        task: `classification` or `segmentation`.

    Raises:
        UserError: It cannot be built, or nothing in it can be trained.
    """
    given = dict(arguments or {})
    if source == HALF:
        choice = half_student(
            teacher.source,
            shape=teacher.input.shape,
            classes=classes,
            task=task,  # pyright: ignore[reportArgumentType]
            arguments=teacher.arguments,
            parameters=sum(p.numel() for p in teacher.module.parameters()),
        )
        source, given = choice.name, {**choice.arguments, **given}
    channels = teacher.input.shape[0]
    if source in NAMES:
        check_network(source, classes=classes, channels=channels, arguments=given)
    if source in NAMES or source.startswith(LIBRARIES):
        given = {"classes": classes, **given}
    opened = open_model(
        source, arguments=given, weights=weights, outputs=outputs, shape=teacher.input.shape
    )
    if not any(p.requires_grad for p in opened.module.parameters()):
        raise UserError(f"the student {source} has no weights to train; name a constructor.")
    if any(opened.module is one for one in teacher.module.modules()):
        raise UserError(f"{source} is the teacher itself; name a constructor that builds another.")
    return Student(opened.module, opened.source, opened.arguments, outputs)


def open_saved(
    path: Path, *, constructor: str | None = None, arguments: Mapping[str, Any] | None = None
) -> SavedModel:
    """Return the network of a file of `train` or `distill`.

    Args:
        path: The file.
        constructor: Source that builds a network of a user's code, which a file must not choose by itself.
            Networks with a name and those of torchvision and timm are built without it.
        arguments: Of that constructor; those that the file says by default.

    Raises:
        UserError: The file is damaged or something else, or needs a constructor.
    """
    stored = load_checkpoint(path, package=PACKAGE).metadata
    source = str(stored.get("source"))
    builder = source if source.startswith(LIBRARIES) else constructor
    if source in NAMES or (builder is None and ":" not in source):
        return load_saved(path)
    if builder is None:
        raise UserError(
            f"{path} holds a network that {source} builds; name that code with --constructor, if you "
            "trust it."
        )
    shape = tuple(_table(stored, "input").get("shape", ()))
    module = open_model(
        builder,
        arguments=_table(stored, "arguments") if arguments is None else arguments,
        outputs=str(_table(stored, "about").get("outputs", "logits")),
        shape=shape if len(shape) == 3 else InputSpace().shape,  # pyright: ignore[reportArgumentType]
    ).module
    return load_saved(path, module=module)


def _table(stored: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a nested table of a file; an empty one where the file has something else."""
    found = stored.get(name)
    return found if isinstance(found, Mapping) else {}


def agree_on_pair(
    folder: Path, teacher: Teacher, student: Student, config: DistillationConfig
) -> None:
    """Note in a run folder which networks it belongs to; refuse to go on with others.

    Raises:
        UserError: The folder holds a run of other networks, or what it says is damaged.
    """
    size = sum(p.numel() for p in student.module.parameters())
    mine = {
        "teacher": teacher.fingerprint(),
        "student": f"{student.source} with {size} weights",
        "shape": list(config.input.shape),
    }
    path = folder / PAIR
    if path.exists():
        try:
            kept = json.loads(path.read_text("utf-8"))
            others = [name for name in mine if kept[name] != mine[name]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{path} is damaged; choose another --out, or delete the folder."
            ) from error
        if others:
            raise UserError(
                f"{folder} holds a run with another {others[0]}; choose another --out, or delete it."
            )
        return
    write_atomically(path, json.dumps(mine, indent=1) + "\n")
