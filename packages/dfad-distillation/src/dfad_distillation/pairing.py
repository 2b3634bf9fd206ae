"""Teacher and student before a distillation: opened from where users have them, and told apart from others."""

import hashlib
import json
import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from dfad_distillation.config import DistillationConfig, InputSpace
from dfad_distillation.memory import check_network
from dfad_distillation.model_files import PACKAGE, SavedModel, load_saved
from dfad_distillation.model_sources import open_model
from dfad_distillation.outputs import Outputs
from dfad_distillation.registry import NAMES
from dfad_distillation.students import HALF, half_student
from tenfold_shared.checkpoints import load_checkpoint, read_metadata
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically
from tenfold_shared.runs import CHECKPOINT_NAME
from tenfold_shared.seeds import torch_stream

LIBRARIES = ("torchvision:", "timm:")
"""Sources whose code is known, so that a file may name them."""
PAIR = "pair.json"
"""In a run folder: which teacher and student it belongs to."""
_ANSWERS = 32
"""Logits that are noted of a teacher."""
_SAME = 1e-3
"""Share of the largest logit by which machines may differ."""


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

    @torch.no_grad()
    def answers(self) -> list[float]:
        """Return a few logits on fixed pictures: weights alone do not tell what is computed with them."""
        pictures = torch.randn(2, *self.input.shape, generator=torch_stream(0, "pair"))
        logits = self.module.cpu()(pictures).flatten().double()
        few = torch.linspace(0, len(logits) - 1, min(_ANSWERS, len(logits))).long()
        return [float(f"{value:.6g}") for value in logits[few].tolist()]


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
    outputs: Outputs = "logits",
    input: InputSpace,
    default: InputSpace | None = None,
    said: bool = False,
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
        said: The user has said it, although it is what the settings say by themselves.

    Raises:
        UserError: It cannot be opened, has no weights but random ones, or nothing says what it reads; or it reads
            pictures of another shape than the settings say.
    """
    opened = open_model(
        source, arguments=arguments, weights=weights, outputs=outputs, shape=input.shape
    )
    if weights is None and (source in NAMES or source.startswith(LIBRARIES)):
        raise UserError(
            f"{source} is a network with random weights, which knows nothing to teach; pass its trained ones with "
            "--teacher-weights."
        )
    if opened.input is None and not said and input == default == InputSpace():
        raise UserError(
            f"nothing says which pictures {source} reads; pass --input.shape, such as 3 32 32, and --input.mean and "
            "--input.std if it normalizes."
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
        input=one_value(space),
        classes=opened.classes,
    )


def one_value(space: InputSpace) -> InputSpace:
    """Return the same space with one value where all channels have the same: 0.5 for 0.5 0.5 0.5."""
    if len(set(space.mean)) > 1 or len(set(space.std)) > 1:
        return space
    return replace(space, mean=space.mean[:1], std=space.std[:1])


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
        UserError: It cannot be built, or is the teacher itself.
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
    if source in NAMES or "source" not in stored:  # the latter are refused there
        return _told_once(load_saved(path))
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
    return _told_once(load_saved(path, module=module))


def _told_once(saved: SavedModel) -> SavedModel:
    """Return a network whose space can be compared with that of a teacher."""
    return saved._replace(input=one_value(saved.input))


def _table(stored: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a nested table of a file; an empty one where the file has something else."""
    found = stored.get(name)
    return found if isinstance(found, Mapping) else {}


def agree_on_pair(
    folder: Path, teacher: Teacher, student: Student, config: DistillationConfig
) -> None:
    """Note in a run folder which networks it belongs to; refuse to go on with others.

    A note without a checkpoint is that of an attempt which never began, and is replaced.

    Raises:
        UserError: The folder holds a run of other networks or of another verb, or what it says is damaged.
    """
    size = sum(p.numel() for p in student.module.parameters())
    mine = {
        "teacher": teacher.fingerprint(),
        "answers": teacher.answers(),
        "student": f"{student.source} with {size} weights",
        "shape": list(config.input.shape),
    }
    path = folder / PAIR
    if (folder / CHECKPOINT_NAME).exists():
        _refuse_other_verbs(folder)
        if path.exists():
            _refuse_others(path, mine)
            return
    write_atomically(path, json.dumps(mine, indent=1) + "\n")


@contextmanager
def belonging_to(
    folder: Path, teacher: Teacher, student: Student, config: DistillationConfig
) -> Generator[None]:
    """Agree on the pair of a run; an attempt that is refused before it moves anything takes its note away again.

    Raises:
        UserError: See `agree_on_pair`.
    """
    path, state = folder / PAIR, folder / CHECKPOINT_NAME
    noted, before = path.exists() and state.exists(), _moment(state)
    agree_on_pair(folder, teacher, student, config)
    try:
        yield
    except BaseException:
        if not noted and _moment(state) == before:
            path.unlink(missing_ok=True)
        raise


def _moment(path: Path) -> int | None:
    """Return when a file was written, None if there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def _refuse_other_verbs(folder: Path) -> None:
    """Refuse a folder in which something else than a distillation runs.

    Raises:
        UserError: The sentence says what.
    """
    about = read_metadata(folder / CHECKPOINT_NAME)
    owner = "train" if about["package"] == PACKAGE else about["package"]
    if about["package"] != PACKAGE or "generator" not in about["models"]:
        raise UserError(f"{folder} holds a run of {owner}; choose another --out.")


def _refuse_others(path: Path, mine: Mapping[str, Any]) -> None:
    """Refuse networks that are not those of a note.

    Raises:
        UserError: The sentence names what differs, or the note is damaged.
    """
    try:
        kept = json.loads(path.read_text("utf-8"))
        others = [name for name in ("teacher", "student", "shape") if kept[name] != mine[name]]
        same_answers = _are_close(kept["answers"], mine["answers"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is damaged; choose another --out, or delete the folder."
        ) from error
    if not others and not same_answers:
        others = ["teacher, of the same weights but with other answers"]
    if others:
        raise UserError(
            f"{path.parent} holds a run with another {others[0]}; choose another --out, or delete it."
        )


def _are_close(kept: list[float], mine: list[float]) -> bool:
    """Tell whether two lists of logits are the same but for rounding."""
    slack = _SAME * max(map(abs, mine))
    return len(kept) == len(mine) and all(
        math.isclose(*pair, rel_tol=0, abs_tol=slack) for pair in zip(kept, mine, strict=True)
    )
