"""Three lines: a trained network and a graph in, a small network out."""

from pathlib import Path
from typing import Any

from torch import nn

from lsp_distillation.distillation import Trained, distill
from lsp_distillation.feature_rows import normalize_rows
from lsp_distillation.model_files import MODEL_FILE, Reading, Student
from lsp_distillation.named_sets import open_task, split_task
from lsp_distillation.node_data import GraphTask
from lsp_distillation.pyg_data import from_pyg_data
from lsp_distillation.recipes import STUDENTS
from lsp_distillation.teacher_outputs import warn_of_other_split
from lsp_distillation.training_config import DistillConfig


def compress(
    teacher: nn.Module | Student | Path | str,
    data: Any,
    folder: Path | str,
    *,
    config: DistillConfig | str = "standard",
    student: nn.Module | None = None,
    layers: tuple[tuple[str, str], ...] = (),
    seed: int = 0,
    device: str = "auto",
) -> Trained:
    """Teach a small network what a trained one does on a graph, or go on with an interrupted run.

    Args:
        teacher: A network on nodes or graphs: a PyG module called with (x, edge_index), one of ours, or the file or run
            folder of one.
        data: A PyG `Data` or a list of them, a `GraphTask`, a set by name, or a file. Without masks, 20 nodes per class
            are trained on and 30 validate (of several labels, and where a class has too few: 60 and 20 % of all). All
            but a `GraphTask` are prepared as the teacher's file says: features divided, reverse edges added.
        folder: Run folder; the student is `model.safetensors` in it.
        config: The student and how it learns, or the name of a recipe.
        student: A network of your own to begin with, in place of the recipe's; it is copied.
        layers: Matched layers (teacher, student); none: the last hidden ones.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Returns:
        The student (`.student.predict(data)`), the weights of the terms and the best epoch.

    Raises:
        UserError: A file is missing or damaged, the training diverged, or the folder belongs to another run.
        ValueError: Teacher, data and settings do not fit.

    Warns:
        OtherSplitWarning: The teacher was trained on other parts of the same graph.
    """
    if isinstance(config, str):
        if config not in STUDENTS:
            raise ValueError(f"config must be one of {', '.join(STUDENTS)}, got {config!r}")
        config = STUDENTS[config]
    if isinstance(teacher, Path | str):
        path = Path(teacher)
        teacher = Student.load(path / MODEL_FILE if path.is_dir() else path)
    reading = teacher.reading if isinstance(teacher, Student) else None
    task = as_task(data, reading)
    if isinstance(teacher, Student):
        warn_of_other_split(teacher.about, task, name="the teacher")
        teacher = teacher.network
    return distill(
        config,
        Path(folder),
        task=task,
        teacher=teacher,
        student=student,
        layers=layers,
        seed=seed,
        device=device,
        normalized=reading is not None and reading.normalized,
        symmetric=reading is not None and reading.symmetric,
    )


def as_task(data: Any, reading: Reading | None = None) -> GraphTask:
    """Return data in any form as a task with parts, prepared as a network reads it; a task is taken as it is."""
    if isinstance(data, GraphTask):
        return split_task(data)
    normalized = reading is not None and reading.normalized
    symmetric = reading is not None and reading.symmetric
    if isinstance(data, Path | str):
        return open_task(data, symmetric=symmetric or None, normalize_features=normalized)
    task = split_task(from_pyg_data(data, symmetric=symmetric))
    return task.with_features(normalize_rows(task.x)) if normalized else task
