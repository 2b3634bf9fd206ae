"""`train`: a teacher with labels."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from dfad_distillation.teacher_config import TEACHERS, TeacherConfig
from dfad_distillation.verbs.networks import refuse_overwriting
from tenfold_shared.commands import Options, emit
from tenfold_shared.presets import Presets
from tenfold_shared.refusals import refuses

PRESETS = Presets(
    {"none": TeacherConfig, **{name: lambda c=config: c for name, config in TEACHERS.items()}},
    default="none",
)
Preset = Literal["none", "digits", "mnist", "fashion-mnist", "cifar10-subset", "cifar10", "camvid"]


@dataclass(frozen=True, kw_only=True)
class Train(Options):
    """Settings of `train`."""

    pictures: Annotated[str, tyro.conf.Positional]
    """mnist, fashion-mnist, digits, cifar10-subset, camvid, or a folder or zip archive of labeled pictures."""

    preset: Preset = "none"
    """Recipe that all other flags start from; the tables use the one with the data's name."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""

    settings: Annotated[TeacherConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """All settings of the training."""


@refuses
def train(config: Train) -> None:
    """Train a teacher with labels, or go on with a training that was interrupted.

    --out is the run folder (default: teacher); the network is teacher/teacher.safetensors. The score is that on
    validation pictures, which are cut from the training part.
    """
    from dfad_distillation.data import open_labeled
    from dfad_distillation.memory import check_network, check_pictures
    from dfad_distillation.model_files import TEACHER_FILE
    from dfad_distillation.teacher_training import train_teacher

    settings, space = config.settings, config.settings.input
    out = config.out or Path("teacher")
    refuse_overwriting(out, config.pictures)
    check_pictures(space, settings.batch)
    parts = [
        open_labeled(
            config.pictures, part, size=space.shape[1:], channels=space.shape[0], data=config.data
        )
        for part in ("train", "validation")
    ]
    width = {"width": settings.width} if settings.width else {}
    classes = len(parts[0].classes)
    check_network(settings.network, classes=classes, channels=space.shape[0], arguments=width)
    result = train_teacher(
        settings,
        out,
        training=parts[0],
        validation=parts[1],
        seed=config.seed,
        device=config.device,
    )
    row: dict[str, object] = {"network": str(out / TEACHER_FILE), "classes": classes}
    if result.scores is not None:
        row |= {f"validation {name}": value for name, value in result.scores.numbers().items()}
    emit([row], json=config.json)
