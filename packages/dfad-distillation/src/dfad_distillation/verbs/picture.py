"""`sample` and `plot`: what a generator paints, and figures of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dfad_distillation.verbs.networks import (
    ConstructorOptions,
    TeacherOptions,
    open_finished,
    parse_arguments,
)
from tenfold_shared.commands import Options, emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import nn

    from dfad_distillation.config import InputSpace
    from dfad_distillation.data import LabeledPictures
    from dfad_distillation.pairing import Teacher

Kind = Literal[
    "samples", "losses", "progress", "balance", "confusion", "comparison", "strips", "calibration"
]

_SAME = 1e-3
"""Of the largest logit: how far answers may be from those of another machine."""


@dataclass(frozen=True, kw_only=True)
class Sample(Options):
    """Settings of `sample`."""

    run: Annotated[Path, tyro.conf.Positional]
    """Run folder of `distill`."""

    count: int = 64
    """Pictures to paint."""

    round: int | None = None
    """The generator that was kept after this round; the latest without it."""

    raw: bool = False
    """Write the teacher's normalized values as a safetensors file (tensor `pictures`) instead of a picture."""


@refuses
def sample(config: Sample) -> None:
    """Paint pictures with the generator of a run: --out grid.png, or samples.safetensors with --raw.

    They show what the student was taught with; they are no pictures of the teacher's data.
    """
    from dfad_distillation.memory import check_samples
    from dfad_distillation.run_files import load_generator, open_run, paint

    run = open_run(config.run)
    check_samples(run.config, config.count)
    pictures = paint(load_generator(run, config.round), config.count, seed=config.seed)
    out = config.out or Path("samples.safetensors" if config.raw else "samples.png")
    if config.raw:
        from safetensors.torch import save

        from tenfold_shared.files import write_atomically

        if out.suffix != ".safetensors":
            raise ValueError(f"raw samples end in .safetensors, got {out.name!r}")
        write_atomically(out, save({"pictures": pictures.contiguous()}))
    else:
        from dfad_distillation.figures import as_arrays
        from tenfold_shared.images import image_grid, write_image

        write_image(out, image_grid(as_arrays(pictures, run.config.input)))
    emit([{"file": str(out), "pictures": len(pictures)}], json=config.json)


@dataclass(frozen=True, kw_only=True)
class Plot(TeacherOptions, ConstructorOptions):
    """Settings of `plot`."""

    kind: Annotated[Kind, tyro.conf.Positional]
    """What to draw."""

    run: Path | None = None
    """Run folder of `distill`; all but `comparison`, `strips` and `calibration` read it."""

    teacher: str | None = None  # pyright: ignore[reportIncompatibleVariableOverride]
    """For `balance`, `confusion`, `strips` and `calibration`: what `distill` takes; with --run that run's own."""

    student: Path | None = None
    """Student file or run folder of `distill`, for `confusion`, `strips` and `calibration`."""

    table: Path | None = None
    """`comparison`: what `evaluate --json` printed."""

    test: str | None = None
    """`strips`, `calibration`: labeled pictures."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""

    count: int = 6
    """`samples`: pictures in a row; `strips`: rows."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")


@refuses
def plot(config: Plot) -> None:
    """Draw a figure; --out is its file (.png, .pdf or .svg; default: <kind>.png).

    samples: the same noise painted by the generators of all rounds. losses: both players. progress: the data-free
    measure beside the real score. balance: classes that the teacher sees in samples. confusion: teacher and student
    on samples. comparison: the table of evaluate. strips: pictures, labels and answers of a segmentation pair.
    calibration: confidence against accuracy.
    """
    from tenfold_shared.plots import save_figure

    out = config.out or Path(f"{config.kind}.png")
    if config.kind in ("samples", "strips"):
        from tenfold_shared.images import write_image

        if out.suffix.lower() not in (".png", ".jpg"):
            raise ValueError(
                f"{config.kind} are pictures and end in .png or .jpg, got {out.name!r}"
            )
        write_image(out, _picture(config))
    else:
        if out.suffix.lower() not in (".png", ".pdf", ".svg"):
            raise ValueError(f"figures end in .png, .pdf or .svg, got {out.name!r}")
        save_figure(_figure(config), out)
    emit([{"figure": config.kind, "file": str(out)}], json=config.json)


def _picture(config: Plot) -> "NDArray[np.float32]":
    """Return a picture made of pixels."""
    from dfad_distillation import figures
    from dfad_distillation.run_files import open_run

    if config.kind == "samples":
        return figures.sample_rows(
            open_run(_needed(config, "run")), count=config.count, seed=config.seed
        )
    from dfad_distillation.data import normalize

    teacher, student, space = _pair(config)
    pictures = _labeled(config, space)
    if pictures.task != "segmentation":
        raise ValueError(
            f"strips need labels of pixels, and {pictures.name} has labels of pictures"
        )
    few = pictures.images[: config.count]
    return figures.strips(
        normalize(few, space), pictures.labels[: config.count], [teacher, student], space
    )


def _figure(config: Plot) -> "Figure":
    """Return a figure with axes."""
    from dfad_distillation import figures
    from dfad_distillation.pairing import one_value
    from dfad_distillation.run_files import open_run

    if config.kind == "comparison":
        return figures.comparison_bars(_rows(_needed(config, "table")))
    if config.kind == "calibration":
        from dfad_distillation.fidelity import reliability_diagram

        teacher, student, space = _pair(config)
        networks = {"teacher": teacher, "student": student}
        return reliability_diagram(networks, _labeled(config, space), space)
    run = open_run(_needed(config, "run"))
    match config.kind:
        case "losses":
            return figures.losses(run)
        case "progress":
            return figures.progress(run)
        case "balance":
            return figures.class_balance(run, _teacher(config, one_value(run.config.input)).module)
    teacher, student, _ = _pair(config)
    return figures.confusion_on_samples(run, teacher, student)


def _needed(config: Plot, name: str) -> Path:
    """Return a path that this kind of figure cannot do without."""
    path = getattr(config, name)
    if path is None:
        raise ValueError(f"plot {config.kind} needs --{name}")
    return Path(path)


def _pair(config: Plot) -> "tuple[nn.Module, nn.Module, InputSpace]":
    """Return teacher, student and what both read: what the student's file, the run or the teacher's file says."""
    from dfad_distillation.model_files import STUDENT_FILE
    from dfad_distillation.model_sources import load_model
    from dfad_distillation.pairing import one_value
    from dfad_distillation.run_files import open_run

    _, path = (_needed(config, name) for name in ("teacher", "student"))
    path = path / STUDENT_FILE if path.is_dir() else path
    space = one_value(open_run(config.run).config.input) if config.run else None
    if path.suffix == ".safetensors":
        saved = open_finished(config, path)
        student, space = saved.module, saved.input
    else:
        student = load_model(str(path))
    teacher = _teacher(config, space)
    return teacher.module, student, teacher.input


def _teacher(config: Plot, space: "InputSpace | None") -> "Teacher":
    """Return the teacher, which is that of the run, if there is one.

    Args:
        config: What the command line says.
        space: What the student reads, if that is known.

    Raises:
        UserError: It cannot be opened, or is another.
        ValueError: None is named, or nobody knows what it reads.
    """
    from dfad_distillation.config import InputSpace
    from dfad_distillation.pairing import open_teacher

    knows = _needed(config, "teacher").suffix == ".safetensors"
    if space is None and not knows:
        raise ValueError(
            f"plot {config.kind} must know what networks read; pass --run, or a file of distill as --student"
        )
    wanted = space or InputSpace()
    teacher = open_teacher(
        str(config.teacher),
        arguments=parse_arguments(config.teacher_arguments, "teacher-arguments"),
        weights=config.teacher_weights,
        outputs=config.teacher_outputs,
        input=wanted,
        default=wanted if knows else None,
    )
    if space is not None and teacher.input != space:
        raise UserError(
            f"{config.teacher} reads {teacher.input.shape} with mean {teacher.input.mean} and std {teacher.input.std}, "
            f"its student {space.shape}, {space.mean} and {space.std}; pass its own teacher."
        )
    if config.run is not None:
        _refuse_another(config.run, teacher)
    return teacher


def _refuse_another(folder: Path, teacher: "Teacher") -> None:
    """Refuse a teacher that is not the one of a run: other weights, or the same with other answers.

    Raises:
        UserError: It is another, or the note of the run is damaged.
    """
    import json

    import torch

    from dfad_distillation.pairing import PAIR

    path = folder / PAIR
    if not path.exists():
        return  # a run of Python's `distill`, which knows no sources
    try:
        kept = json.loads(path.read_text("utf-8"))
        same = kept["teacher"] == teacher.fingerprint()
        if same:
            known, mine = torch.tensor(kept["answers"]), torch.tensor(teacher.answers())
            same = known.shape == mine.shape and torch.allclose(
                known, mine, rtol=0, atol=_SAME * float(mine.abs().max())
            )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged; draw another run.") from error
    if not same:
        raise UserError(
            f"{folder} holds a run with another teacher than {teacher.source}; pass its own, with its "
            "--teacher-weights and --teacher-arguments."
        )


def _labeled(config: Plot, space: "InputSpace") -> "LabeledPictures":
    """Return the labeled pictures."""
    from dfad_distillation.data import open_labeled

    if config.test is None:
        raise ValueError(f"plot {config.kind} needs --test")
    channels, *size = space.shape
    return open_labeled(config.test, "test", size=tuple(size), channels=channels, data=config.data)  # pyright: ignore[reportArgumentType]


def _rows(path: Path) -> list[dict[str, Any]]:
    """Read the lines that `evaluate --json` printed."""
    import json

    try:
        lines = path.read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        good = bool(rows) and all({"name", "value"} <= row.keys() for row in rows)
        good = good and all(isinstance(row["value"], int | float) for row in rows)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        good, rows = False, []
    if not good:
        raise UserError(f"{path} is no table; write it with: evaluate ... --json > {path.name}")
    return rows
