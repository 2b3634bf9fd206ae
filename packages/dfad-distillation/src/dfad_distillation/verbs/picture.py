"""`sample` and `plot`: what a generator paints, and figures of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tenfold_shared.commands import Options, emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from torch import nn

Kind = Literal[
    "samples", "losses", "progress", "balance", "confusion", "comparison", "strips", "calibration"
]


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
class Plot(Options):
    """Settings of `plot`."""

    kind: Annotated[Kind, tyro.conf.Positional]
    """What to draw."""

    run: Path | None = None
    """Run folder of `distill`; all but `comparison`, `strips` and `calibration` read it."""

    teacher: Path | None = None
    """Teacher: a file of `train`, .pt2 or TorchScript, for `balance`, `confusion`, `strips` and `calibration`."""

    student: Path | None = None
    """Student file of `distill`, for `confusion`, `strips` and `calibration`."""

    constructor: str | None = None
    """What builds the student, where it is code of yours."""

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

    teacher, _ = _network(config, "teacher")
    student, space = _network(config, "student")
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
    from dfad_distillation.run_files import open_run

    if config.kind == "comparison":
        return figures.comparison_bars(_rows(_needed(config, "table")))
    if config.kind == "calibration":
        from dfad_distillation.fidelity import reliability

        teacher, _ = _network(config, "teacher")
        student, space = _network(config, "student")
        networks = {"teacher": teacher, "student": student}
        return reliability(networks, _labeled(config, space), space)
    run = open_run(_needed(config, "run"))
    match config.kind:
        case "losses":
            return figures.losses(run)
        case "progress":
            return figures.progress(run)
        case "balance":
            return figures.class_balance(run, _network(config, "teacher")[0])
    teacher, student = (_network(config, name)[0] for name in ("teacher", "student"))
    return figures.confusion_on_samples(run, teacher, student)


def _needed(config: Plot, name: str) -> Path:
    """Return a path that this kind of figure cannot do without."""
    path = getattr(config, name)
    if path is None:
        raise ValueError(f"plot {config.kind} needs --{name}")
    return path


def _network(config: Plot, name: str) -> "tuple[nn.Module, Any]":
    """Return a network from its file, and what it reads, if its file says so."""
    path = _needed(config, name)
    if path.suffix != ".safetensors":
        from dfad_distillation.model_sources import load_model

        return load_model(str(path)), None
    from dfad_distillation.pairing import open_saved

    built_by = config.constructor if name == "student" else None
    saved = open_saved(path, constructor=built_by)
    return saved.module, saved.input


def _labeled(config: Plot, space: Any) -> Any:
    """Return the labeled pictures."""
    from dfad_distillation.data import open_labeled

    if config.test is None:
        raise ValueError(f"plot {config.kind} needs --test")
    channels, *size = space.shape
    return open_labeled(config.test, "test", size=tuple(size), channels=channels, data=config.data)


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
