"""`evaluate`: a student beside its teacher, and beside students that learned in other ways."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from dfad_distillation.config import DistillationConfig
from dfad_distillation.verbs.distill import PRESETS, Preset
from dfad_distillation.verbs.networks import (
    ConstructorOptions,
    TeacherOptions,
    open_finished,
    open_named_teacher,
    parse_arguments,
)
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dfad_distillation.data import LabeledPictures
    from dfad_distillation.pairing import Student, Teacher


@dataclass(frozen=True, kw_only=True)
class Evaluate(TeacherOptions, ConstructorOptions):
    """Settings of `evaluate`."""

    test: str
    """Labeled pictures whose test part is read: mnist, fashion-mnist, digits, camvid, cifar10-subset, a folder."""

    students: tuple[str, ...] = ()
    """Files or run folders of `distill` to be scored; without them students are trained, one by each method."""

    student: str = "half"
    """The student that all methods train, see `distill`."""

    student_arguments: str = "{}"
    """JSON for its constructor."""

    student_weights: Path | None = None
    """Weights that all methods start from; random without them."""

    student_outputs: str = "logits"
    """As for the teacher."""

    real: str | None = None
    """Pictures whose training part is the method's upper bound; by default those of --test."""

    related: str | None = None
    """Pictures of a similar kind, such as digits for mnist."""

    unrelated: str | None = None
    """Pictures of another kind, such as fashion-mnist for mnist."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Of the students."""

    seconds: float | None = None
    """CPU seconds of each rival (of the clock on the wall on accelerators); without it, what the method took."""

    preset: Preset = "standard"
    """Settings that all other flags start from."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""

    settings: Annotated[DistillationConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """Settings of the game."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if not self.seeds:
            raise ValueError("seeds must name at least one seed, got none")
        if min(self.seeds) < 0:
            raise ValueError(f"seeds must not be negative, got {min(self.seeds)}")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds must be positive and finite, got {self.seconds}")


@refuses
def evaluate(config: Evaluate) -> None:
    """Score students beside their teacher on labeled pictures.

    With --students: accuracy, agreement with the teacher, calibration. Without: the method and its rivals each
    train a student from the same first weights in the same seconds; --out keeps the method's runs, and what they
    took.
    """
    import torch

    from dfad_distillation.data import normalize
    from dfad_distillation.fidelity import check_labels

    teacher, settings = open_named_teacher(config, config.settings, config.preset)
    pictures = _pictures(config, config.test, "test", teacher)
    few = normalize(pictures.images[:2], teacher.input)
    with torch.no_grad():
        check_labels(pictures, teacher.module(few))
    if config.students:
        emit(_scores(config, teacher, pictures), json=config.json)
        return
    emit(_comparison(config, settings, teacher, pictures), json=config.json)


def _pictures(config: Evaluate, where: str, part: Any, teacher: "Teacher") -> "LabeledPictures":
    """Read labeled pictures in the size that the teacher reads."""
    from dfad_distillation.data import open_labeled

    channels, *size = teacher.input.shape
    return open_labeled(where, part, size=tuple(size), channels=channels, data=config.data)  # pyright: ignore[reportArgumentType]


def _scores(
    config: Evaluate, teacher: "Teacher", pictures: "LabeledPictures"
) -> list[dict[str, Any]]:
    """Return the scores of finished students."""
    from dfad_distillation.fidelity import compare_with_teacher
    from dfad_distillation.model_files import STUDENT_FILE
    from tenfold_shared.devices import choose_device

    device = choose_device(config.device)
    networks = {"teacher": teacher.module.to(device)}
    for name in config.students:
        path = Path(name) / STUDENT_FILE if Path(name).is_dir() else Path(name)
        saved = open_finished(config, path)
        if saved.input != teacher.input:
            raise UserError(
                f"{path} reads {saved.input.shape} with mean {saved.input.mean} and std {saved.input.std}, its "
                f"teacher {teacher.input.shape}, {teacher.input.mean} and {teacher.input.std}; pass its own teacher."
            )
        networks[name] = saved.module.to(device)
    return compare_with_teacher(networks, pictures, teacher.input, device=device)


def _comparison(
    config: Evaluate,
    settings: DistillationConfig,
    teacher: "Teacher",
    pictures: "LabeledPictures",
) -> list[dict[str, Any]]:
    """Train by all methods and return the table."""
    from dfad_distillation.comparison import compare, rivals, summarize
    from dfad_distillation.memory import refusing_exhaustion
    from dfad_distillation.metrics import evaluate as score_pictures
    from tenfold_shared.devices import choose_device

    device = choose_device(config.device)

    def score(network: "nn.Module") -> float:
        return score_pictures(network.to(device), pictures, teacher.input, device=device).main

    with refusing_exhaustion():
        outcomes = compare(
            settings,
            teacher=teacher,
            build_student=lambda seed: _student(config, settings, teacher, seed),
            score=score,
            methods=rivals(_teaching_pictures(config, teacher)),
            seeds=config.seeds,
            runs=config.out,
            seconds=config.seconds,
            device=str(device),
        )
        done = list(outcomes)
    clock = "cpu" if device.type == "cpu" else "wall"
    return summarize(done, reference=score(teacher.module), clock=clock)


def _student(
    config: Evaluate, settings: DistillationConfig, teacher: "Teacher", seed: int
) -> "Student":
    """Return the student that all methods of a seed start from."""
    from dfad_distillation.compressing import prepare_student

    return prepare_student(
        settings,
        teacher,
        config.student,
        arguments=parse_arguments(config.student_arguments, "student-arguments"),
        weights=config.student_weights,
        outputs=config.student_outputs,
        seed=seed,
    )


def _teaching_pictures(config: Evaluate, teacher: "Teacher") -> "dict[str, Tensor]":
    """Return the normalized training pictures that rivals may use, by the name in the table."""
    from dfad_distillation.data import normalize

    sources = {
        "real data": config.real or config.test,
        "related data": config.related,
        "unrelated data": config.unrelated,
    }
    return {
        name: normalize(_pictures(config, where, "train", teacher).images, teacher.input)
        for name, where in sources.items()
        if where is not None
    }
