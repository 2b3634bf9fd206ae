"""`distill`: a small network from a trained one, on a graph."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from lsp_distillation.recipes import STUDENTS
from lsp_distillation.training_config import DistillConfig
from lsp_distillation.verbs.sources import (
    GraphOptions,
    TeacherOptions,
    open_graph,
    open_teacher,
    parse_arguments,
    preparation,
    score_rows,
)
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.presets import Presets
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from torch import nn

    from lsp_distillation.node_data import GraphTask
    from lsp_distillation.teacher_outputs import TeacherOutputs

PRESETS = Presets({n: lambda c=config: c for n, config in STUDENTS.items()}, default="standard")
Preset = Literal["standard", "proteins", "ppi", "digits"]


@dataclass(frozen=True, kw_only=True)
class Distill(GraphOptions, TeacherOptions):
    """Settings of `distill`."""

    teacher: str = ""
    """File or run folder of `train`, or `package.module:factory`; not needed where --cache holds what it said."""

    student: str = ""
    """`package.module:factory` of a student of your own, in place of --network; read it in Python."""

    student_arguments: str = "{}"
    """JSON for its factory."""

    cache: Path | None = None
    """Where the teacher's outputs are kept, to be used again; a stale file is refused."""

    preset: Preset = "standard"
    """Recipe that all other flags start from."""

    check: bool = False
    """Train for three epochs in a temporary folder, and tell what to expect of time, memory and the term."""

    settings: Annotated[DistillConfig, tyro.conf.arg(name="")] = field(
        default_factory=PRESETS.settings
    )
    """The student, its training, and what it learns from."""

    def __post_init__(self) -> None:
        """Check that there is something to learn from."""
        super().__post_init__()
        if not self.teacher and self.cache is None:
            raise ValueError("distill needs --teacher, or --cache with what a teacher said")


@refuses
def distill(config: Distill) -> None:
    """Teach a small network what a trained one does, or go on with an interrupted run.

    --out is the run folder (default: student); the network is student/model.safetensors, in the state that was best on
    validation nodes.
    """
    from lsp_distillation import distillation
    from lsp_distillation.checking import check_distillation
    from lsp_distillation.model_files import MODEL_FILE
    from lsp_distillation.term_weights import STRUCTURE

    out = config.out or Path("student")
    task = open_graph(config)
    student = _student(config)
    teacher = _teacher(config, task, student)
    if config.check:
        rows = check_distillation(
            config.settings,
            task=task,
            teacher=teacher,
            student=student,
            seed=config.seed,
            device=config.device,
        )
        return emit(rows, json=config.json)
    trained = distillation.distill(
        config.settings,
        out,
        task=task,
        teacher=teacher,
        student=student,
        seed=config.seed,
        device=config.device,
        **preparation(config),  # pyright: ignore[reportArgumentType]
    )
    rows = [
        {"name": "network", "value": str(out / MODEL_FILE)},
        {"name": "weights", "value": trained.student.parameters},
        {"name": "best epoch", "value": trained.learned.epoch},
        {"name": "weight of the structure term", "value": trained.learned.weights[STRUCTURE]},
        {"name": "structure term dropped", "value": "yes" if trained.learned.dropped else "no"},
        *score_rows(trained.student, task),
    ]
    return emit(rows, json=config.json)


def _student(config: Distill) -> "nn.Module | None":
    """Return the user's own student with the first weights of the seed."""
    from lsp_distillation.foreign_networks import build_foreign
    from tenfold_shared.seeds import seed_global_state

    if not config.student:
        return None
    seed_global_state(config.seed, "student")
    return build_foreign(
        config.student, parse_arguments(config.student_arguments, "--student-arguments")
    )


def _teacher(
    config: Distill, task: "GraphTask", student: "nn.Module | None"
) -> "nn.Module | TeacherOutputs":
    """Return the teacher, or what it said before."""
    from lsp_distillation.distillation import matched_layers, needs_layers, new_network
    from lsp_distillation.teacher_outputs import (
        compute_outputs,
        digest_of_module,
        load_outputs,
        origin_of,
        save_outputs,
    )

    teacher = open_teacher(config, task) if config.teacher else None
    if config.cache is None and teacher is not None:
        return teacher
    structure = config.settings.terms.structure
    cache = config.cache or Path()
    if cache.exists():
        expected = origin_of(task, structure)
        if teacher is not None:
            expected["teacher"] = digest_of_module(teacher)
        return load_outputs(cache, expected=expected)
    if teacher is None:
        raise UserError(f"{cache} does not exist; pass --teacher once to write it.")
    if student is None:
        student = new_network(config.settings.network, task, seed=config.seed, role="student")
    pairs = (
        matched_layers(structure, teacher, student) if needs_layers(config.settings.terms) else ()
    )
    outputs = compute_outputs(
        teacher, task, layers=list(dict.fromkeys(n for n, _ in pairs)), structure=structure
    )
    save_outputs(cache, outputs)
    return outputs
