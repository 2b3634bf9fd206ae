"""`distill`: a smaller network from a teacher, without its data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dfad_distillation.config import DistillationConfig
from dfad_distillation.presets import DISTILLATIONS
from dfad_distillation.verbs.networks import (
    Student,
    Teacher,
    TeacherOptions,
    open_student,
    open_teacher,
    with_input,
)
from tenfold_shared.commands import emit
from tenfold_shared.presets import Presets
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from dfad_distillation.distillation import DistillationResult

PRESETS = Presets(DISTILLATIONS, default="standard")
Preset = Literal[
    "standard", "digits", "paper", "paper-cifar", "paper-caltech101", "paper-camvid", "paper-nyuv2"
]


@dataclass(frozen=True, kw_only=True)
class Distill(TeacherOptions):
    """Settings of `distill`."""

    student: str = "half"
    """`half` (a smaller network of the teacher's kind), a name that `info` lists, or what --teacher takes."""

    student_arguments: str = "{}"
    """JSON for the student's constructor, such as '{"width": 16}'."""

    student_weights: Path | None = None
    """Weights to start from; random without them."""

    preset: Preset = "standard"
    """Settings that all other flags start from; `paper`: the paper's, slow."""

    test: str | None = None
    """Labeled pictures that are only looked at, for a curve and a score: mnist, fashion-mnist, digits,
    camvid, cifar10-subset, or a folder. They change nothing."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""

    check: bool = False
    """Only two rounds, then tell shapes, ranges, gradients and the expected time."""

    settings: Annotated[DistillationConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings of the game; --input.* are known where the teacher is a file of `train`."""


@refuses
def distill(config: Distill) -> None:
    """Teach a smaller network what a trained one does, without data, or go on with an interrupted run.

    --out is the run folder (default: run); the student is run/student.safetensors.
    """
    from tenfold_shared.seeds import seed_global_state

    teacher = open_teacher(config, config.settings.input)
    settings = with_input(config.settings, teacher.input)
    seed_global_state(config.seed, "student")
    student = _student(config, teacher, settings)
    if config.check:
        from dfad_distillation.checking import check_distillation

        rows = check_distillation(
            settings, teacher.module, student.module, seed=config.seed, device=config.device
        )
        emit(rows, json=config.json)
        return
    emit(_run(config, settings, teacher, student), json=config.json)


def _student(config: Distill, teacher: Teacher, settings: DistillationConfig) -> Student:
    """Return the student that was named, for what the teacher answers."""
    from dfad_distillation.checking import look_at_teacher

    kind = look_at_teacher(settings, teacher.module, seed=config.seed)
    return open_student(
        config.student,
        config.student_arguments,
        config.student_weights,
        teacher=teacher,
        classes=kind.classes,
        task=kind.task,
    )


def _run(
    config: Distill, settings: DistillationConfig, teacher: Teacher, student: Student
) -> list[dict[str, Any]]:
    """Distill, write the student and return the report."""
    from dfad_distillation.compression import compression_report
    from dfad_distillation.distillation import distill as play
    from dfad_distillation.model_files import STUDENT_FILE
    from dfad_distillation.watching import AccuracyCurve

    folder = config.out or Path("run")
    curve = None
    if config.test is not None:
        curve = AccuracyCurve(
            folder, config.test, input=settings.input, data=config.data, device=config.device
        )
    result = play(
        settings,
        folder,
        teacher=teacher.module,
        student=student.module,
        seed=config.seed,
        device=config.device,
        watch=curve,
    )
    trained = result.student.cpu()
    path = folder / STUDENT_FILE
    _save(path, config, settings, teacher, student._replace(module=trained), result)
    rows: list[dict[str, Any]] = [{"name": "student", "value": str(path)}]
    rows += [{"name": "rounds", "value": result.chosen}]
    agreement = next((one.agreement for one in result.table if one.round == result.chosen), None)
    if agreement is not None:
        rows.append({"name": "agreement on generated pictures", "value": agreement})
    if curve is not None:
        rows += curve.report(teacher.module.cpu(), trained)
    return rows + compression_report(teacher.module.cpu(), trained, settings.input.shape)


def _save(
    path: Path,
    config: Distill,
    settings: DistillationConfig,
    teacher: Teacher,
    student: Student,
    result: "DistillationResult",
) -> None:
    """Write the student; its bytes depend on nothing but teacher, settings and seed."""
    from dfad_distillation.model_files import save_model

    classes = teacher.opened.classes or tuple(map(str, range(_outputs(student, settings))))
    scores = {one.round: one for one in result.table}
    about: dict[str, Any] = {"rounds": result.chosen, "seed": config.seed}
    if result.chosen in scores:
        about["agreement"] = scores[result.chosen].agreement
    save_model(
        path,
        student.module,
        source=student.source,
        arguments=student.arguments,
        input=settings.input,
        classes=classes,
        about=about,
    )


def _outputs(student: Student, settings: DistillationConfig) -> int:
    """Return the number of classes."""
    import torch

    with torch.no_grad():
        return student.module(torch.zeros(2, *settings.input.shape)).shape[1]
