"""`distill`: a smaller network from a teacher, without its data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dfad_distillation.config import DistillationConfig
from dfad_distillation.presets import DISTILLATIONS
from dfad_distillation.verbs.networks import (
    TeacherOptions,
    open_named_teacher,
    parse_arguments,
    refuse_full_folder,
    refuse_overwriting,
)
from tenfold_shared.commands import emit
from tenfold_shared.presets import Presets
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from dfad_distillation.pairing import Student, Teacher

PRESETS = Presets(DISTILLATIONS, default="standard")
Preset = Literal[
    "quick",
    "standard",
    "long",
    "digits",
    "photographs",
    "camvid",
    "paper",
    "paper-cifar",
    "paper-caltech101",
    "paper-camvid",
    "paper-nyuv2",
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

    student_outputs: str = "logits"
    """As for the teacher."""

    preset: Preset = "standard"
    """Settings that all other flags start from; `paper`: the paper's, slow."""

    test: str | None = None
    """Labeled pictures that are only looked at, for a curve and a score: mnist, fashion-mnist, digits,
    camvid, cifar10-subset, or a folder. They change nothing."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""

    check: bool = False
    """Only a few rounds, then tell shapes, ranges, gradients and the expected time; without --test."""

    settings: Annotated[DistillationConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings of the game; --input.* are known where the teacher is a file of `train`."""

    def __post_init__(self) -> None:
        """Check what must fit together."""
        super().__post_init__()
        if self.check and self.test is not None:
            raise ValueError("check scores nothing; leave --test out")


@refuses
def distill(config: Distill) -> None:
    """Teach a smaller network what a trained one does, without data, or go on with an interrupted run.

    --out is the run folder (default: run); the student is run/student.safetensors.
    """
    from dfad_distillation.checking import check_distillation
    from dfad_distillation.compressing import prepare_student

    teacher, settings = open_named_teacher(config, config.settings, config.preset)
    student = prepare_student(
        settings,
        teacher,
        config.student,
        arguments=parse_arguments(config.student_arguments, "student-arguments"),
        weights=config.student_weights,
        outputs=config.student_outputs,
        seed=config.seed,
    )
    if config.check:
        rows = check_distillation(
            settings, teacher.module, student.module, seed=config.seed, device=config.device
        )
    else:
        rows = _run(config, settings, teacher, student)
    emit(rows, json=config.json)


def _run(
    config: Distill, settings: DistillationConfig, teacher: "Teacher", student: "Student"
) -> list[dict[str, Any]]:
    """Distill, write the student and return the report."""
    from dfad_distillation.compressing import teach
    from dfad_distillation.compression import compression_report
    from dfad_distillation.model_files import STUDENT_FILE
    from dfad_distillation.run_files import open_run
    from dfad_distillation.watching import AccuracyCurve
    from tenfold_shared.runs import CHECKPOINT_NAME

    folder = config.out or Path("run")
    refuse_full_folder(folder, CHECKPOINT_NAME)
    for name in (STUDENT_FILE, CHECKPOINT_NAME):
        refuse_overwriting(folder / name, config.teacher, config.teacher_weights)
    curve = None
    if config.test is not None:
        curve = AccuracyCurve(
            folder, config.test, input=settings.input, data=config.data, device=config.device
        )
        curve.check(teacher.module)
    result = teach(
        settings,
        folder,
        teacher,
        student,
        seed=config.seed,
        device=config.device,
        watch=curve,
    )
    rows: list[dict[str, Any]] = [
        {"name": "student", "value": str(folder / STUDENT_FILE)},
        {"name": "rounds", "value": open_run(folder).rounds},
        {"name": "state taken", "value": result.chosen},
    ]
    agreement = next((one.agreement for one in result.table if one.round == result.chosen), None)
    if agreement is not None:
        rows.append({"name": "agreement on generated pictures", "value": agreement})
    if curve is not None:
        rows += curve.report(teacher.module, result.student)
    return rows + compression_report(teacher.module, result.student, settings.input.shape)
