"""`clouds`: a teacher or a student on point clouds, whose graphs change with the features."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from lsp_distillation.cloud_config import CloudAugmentation
from lsp_distillation.network_config import PointNetworkConfig
from lsp_distillation.recipes import STUDENTS, TEACHERS
from lsp_distillation.terms_config import LABELS_ALONE, StructureConfig
from lsp_distillation.training_config import DistillConfig
from lsp_distillation.verbs.sources import model_file
from tenfold_shared.commands import Options, emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from torch import nn

    from lsp_distillation.cloud_data import CloudTask
    from lsp_distillation.distillation import Trained


@dataclass(frozen=True, kw_only=True)
class Clouds(Options):
    """Settings of `clouds`."""

    clouds: Annotated[str, tyro.conf.Positional]
    """digits, mnist, chairs-and-monitors, modelnet10, modelnet40, or an npz: points (clouds, points, axes), y."""

    teacher: Path | None = None
    """File or run folder of a teacher; without it, a teacher is trained on labels."""

    points_per_cloud: int = 128
    """Points that are drawn of each cloud."""

    augmentation: CloudAugmentation = field(
        default_factory=lambda: CloudAugmentation(scale=0.2, shift=0.1)
    )
    """Of training clouds."""

    data: Path | None = None
    """Data folder of named sets, if not that of TENFOLD_DATA."""

    settings: Annotated[DistillConfig, tyro.conf.arg(name="")] = field(
        default_factory=lambda: STUDENTS["points"]
    )
    """The student (`--points.*`), its training and its terms; a teacher has the same training."""


@refuses
def clouds(config: Clouds) -> None:
    """Train a network on point clouds: a teacher, or with --teacher a student; an interrupted run goes on.

    --out is the run folder (default: teacher, or student); the network is model.safetensors in it. A teacher has the
    recipe's size in all that --points.* leaves as it is. Scores are of validation and test clouds.
    """
    from lsp_distillation.cloud_distillation import train_on_clouds
    from lsp_distillation.point_clouds import open_clouds

    out = config.out or Path("teacher" if config.teacher is None else "student")
    task = open_clouds(
        config.clouds, points=config.points_per_cloud, seed=config.seed, data=config.data
    )
    settings = config.settings
    guide = None if config.teacher is None else _open_guide(config.teacher)
    if guide is None:
        settings = replace(settings, terms=LABELS_ALONE)
        settings = replace(settings, points=teacher_size(settings.points))
    trained = train_on_clouds(
        settings,
        out,
        task=task,
        teacher=guide,
        augmentation=config.augmentation,
        seed=config.seed,
        device=config.device,
    )
    emit(_rows(trained, out, task, guide, settings.terms.structure), json=config.json)


def teacher_size(asked: PointNetworkConfig) -> PointNetworkConfig:
    """Return the recipe's teacher with what was asked for instead of the recipe's student."""
    student = STUDENTS["points"].points
    return replace(
        TEACHERS["points"].points,
        **{n: value for n, value in vars(asked).items() if value != getattr(student, n)},
    )


def _open_guide(path: Path) -> "nn.Module":
    """Return a teacher on clouds."""
    from lsp_distillation.model_files import Student

    loaded = Student.load(model_file(path))
    if not isinstance(loaded.config, PointNetworkConfig):
        raise UserError(f"{path} is a network on graphs; train a teacher on clouds.")
    return loaded.network


def _rows(
    trained: "Trained",
    out: Path,
    task: "CloudTask",
    guide: "nn.Module | None",
    structure: StructureConfig,
) -> list[dict[str, Any]]:
    """Return what is printed of a finished training."""
    from lsp_distillation.cloud_distillation import cloud_fidelity, evaluate_on_clouds
    from lsp_distillation.distillation import matched_layers
    from lsp_distillation.model_files import MODEL_FILE

    network = trained.student.network
    rows: list[dict[str, Any]] = [
        {"name": "network", "value": str(out / MODEL_FILE)},
        {"name": "weights", "value": trained.student.parameters},
        {"name": "best epoch", "value": trained.learned.epoch},
    ]
    for part in ("val", "test"):
        scores = evaluate_on_clouds(network, task, part)
        rows += [{"name": f"{part} {one.name}", "value": one.value} for one in scores]
    if guide is not None:
        pair = matched_layers(structure, guide, network)[0]
        found = cloud_fidelity(network, guide, task, pair)
        rows += [
            {"name": "KL(teacher || student) over the union", "value": found.kl},
            {"name": "that of uniform structures", "value": found.uniform_kl},
        ]
    return rows
