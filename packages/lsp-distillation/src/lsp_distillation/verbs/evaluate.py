"""`evaluate` and `compare`: students beside their teacher, and methods beside each other."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from lsp_distillation.methods import METHODS
from lsp_distillation.training_config import DistillConfig, TrainConfig
from lsp_distillation.verbs import distill, train
from lsp_distillation.verbs.sources import (
    GraphOptions,
    TeacherOptions,
    check_preparation,
    model_file,
    open_graph,
    open_teacher,
)
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from lsp_distillation.node_data import GraphTask


@dataclass(frozen=True, kw_only=True)
class Compare(GraphOptions, TeacherOptions):
    """Settings of `compare`."""

    teacher: str = ""
    """A trained network for all seeds; without it, each seed's own is trained."""

    methods: tuple[str, ...] = METHODS
    """Of labels, kd, fitnet, at, rkd, gsp, lsp, joined by `+`."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Of drawn splits, teachers and first weights."""

    preset: distill.Preset = "standard"
    """Recipes of teacher and student that all other flags start from."""

    teacher_settings: TrainConfig = field(default_factory=train.PRESETS.settings)
    """How teachers are trained."""

    settings: Annotated[DistillConfig, tyro.conf.arg(name="")] = field(
        default_factory=distill.PRESETS.settings
    )
    """The student, its training, and the terms."""


@refuses
def compare(config: Compare) -> None:
    """Train students by several methods and seeds, and tell whether distillation helped.

    --out is a folder (default: comparison) with cells.jsonl, table.md, table.csv, differences.png and all runs; called
    again, it goes on. A score is that of the state that was best on validation items; differences are paired by seed.
    """
    rows = run_comparison(config)
    emit(rows, json=config.json)


def run_comparison(config: Compare) -> list[dict[str, Any]]:
    """Train what is missing, write the table and a picture, and return the rows."""
    from lsp_distillation import comparison
    from lsp_distillation.comparison_table import MAIN_SCORES, table_rows, write_table
    from lsp_distillation.figures import paired_differences
    from tenfold_shared.plots import save_figure

    out = config.out or Path("comparison")
    first = open_graph(config, split_seed=config.split_seed)
    cells = comparison.compare(
        comparison.CompareConfig(
            teacher=config.teacher_settings,
            student=config.settings,
            methods=config.methods,
            seeds=config.seeds,
        ),
        out,
        task_of=lambda seed: open_graph(config, split_seed=_split_of(config, seed)),
        teacher=open_teacher(config, first) if config.teacher else None,
        device=config.device,
    )
    rows = table_rows(cells, name=first.name, score=MAIN_SCORES[first.task])
    write_table(out, rows)
    save_figure(paired_differences(cells), out / "differences.png")
    return rows


def _split_of(config: Compare, seed: int) -> int:
    """Return the seed of a split: another for each seed, unless one teacher serves all.

    A teacher that was trained on one split has seen the test items of others.
    """
    return config.split_seed if config.teacher else config.split_seed + seed


@dataclass(frozen=True, kw_only=True)
class Evaluate(Compare):
    """Settings of `evaluate`."""

    students: tuple[Path, ...] = ()
    """Files or run folders of `distill` to be scored; without them, as `compare`: one is trained by each method."""


@refuses
def evaluate(config: Evaluate) -> None:
    """Score students beside their teacher on test items: predictions, local structure, weights and speed.

    Without --students, students are trained by all methods as `compare` does.
    """
    if not config.students:
        emit(run_comparison(config), json=config.json)
        return
    if not config.teacher:
        raise UserError("evaluate needs --teacher, the network that the students learned from.")
    from lsp_distillation.model_files import Student
    from lsp_distillation.network_config import PointNetworkConfig

    task = open_graph(config)
    teacher = open_teacher(config, task)
    rows: list[dict[str, Any]] = []
    for path in config.students:
        student = Student.load(model_file(path))
        if isinstance(student.config, PointNetworkConfig):
            raise UserError(f"{path} is a network on point clouds; the verb clouds scores it.")
        check_preparation(student, path, config, task)
        rows += _score_rows(path, student, teacher, task, config)
    emit(rows, json=config.json)


def _score_rows(
    path: Path, student: Any, teacher: Any, task: "GraphTask", config: Evaluate
) -> list[dict[str, Any]]:
    """Return the figures of one student."""
    from lsp_distillation.comparison import fidelity_of
    from lsp_distillation.inference import run_network
    from lsp_distillation.metrics import score_predictions
    from lsp_distillation.timing import inference_seconds
    from tenfold_shared.result_rows import result_row

    mask, threshold = task.mask("test"), student.reading.threshold
    found = []
    for network in (student.network, teacher):
        logits = run_network(network, task).logits[mask]
        found.append(score_predictions(task.task, logits, task.y[mask], threshold=threshold))
    rows = [
        result_row(f"{path}: test {a.name} (reference: its teacher)", a.value, reference=b.value)
        for a, b in zip(*found, strict=True)
    ]
    kl, uniform, correlation = fidelity_of(student.network, teacher, task, config.settings)
    weights = [sum(p.numel() for p in one.parameters()) for one in (student.network, teacher)]
    seconds = [inference_seconds(one, task) for one in (student.network, teacher)]
    return [
        *rows,
        result_row(
            f"{path}: KL(teacher || student) of local structures (reference: of uniform ones)",
            kl,
            unit="nats",
            reference=uniform,
        ),
        result_row(f"{path}: correlation of log p + log degree with the teacher's", correlation),
        result_row(f"{path}: weights (reference: its teacher)", weights[0], reference=weights[1]),
        result_row(
            f"{path}: inference (reference: its teacher)",
            seconds[0],
            unit="CPU s",
            reference=seconds[1],
        ),
    ]
