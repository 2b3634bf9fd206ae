"""Before a long training: whether the term is alive, and what everything will take."""

import copy
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lsp_distillation.activity import LossActivity, loss_activity
from lsp_distillation.distillation import Lesson, new_network, prepare_lesson
from lsp_distillation.graph_problem import GraphProblem
from lsp_distillation.learning import LABELS, Problem, joined_processes, learn
from lsp_distillation.local_structure import local_log_probabilities, renormalized
from lsp_distillation.neighborhoods import neighborhoods_of
from lsp_distillation.node_data import GraphTask
from lsp_distillation.passes import passes_of
from lsp_distillation.teacher_outputs import TeacherOutputs
from lsp_distillation.term_weights import STRUCTURE
from lsp_distillation.terms_config import AUTO, LABELS_ALONE, TermsConfig
from lsp_distillation.training_config import DistillConfig, TrainConfig, TrainingConfig
from tenfold_shared.devices import choose_device

Rows = list[dict[str, Any]]


def check_training(
    config: TrainConfig, *, task: GraphTask, seed: int = 0, device: str = "auto"
) -> Rows:
    """Train for three epochs in a temporary folder, and return what a whole training will take.

    Args:
        config: All settings.
        task: Graph or graphs, with parts `train` and `val`.
        seed: Of everything random.
        device: Where the training would compute.
    """
    place = choose_device(device)
    with joined_processes(place):
        network = new_network(config.network, task, seed=seed, role="teacher")
        problem = GraphProblem(task.to(place), config.training, seed=seed)
        return [
            {"name": "weights", "value": _count(network)},
            *_costs(problem, network, config.training, LABELS_ALONE, place, config.training.epochs),
        ]


def check_distillation(
    config: DistillConfig,
    *,
    task: GraphTask,
    teacher: nn.Module | TeacherOutputs,
    student: nn.Module | None = None,
    layers: tuple[tuple[str, str], ...] = (),
    seed: int = 0,
    device: str = "auto",
) -> Rows:
    """Run the teacher, train for three epochs in a temporary folder, and return what was found.

    Automatic weights count as 1 meanwhile: the share of the gradient is that of the term as it is.

    Args:
        config: All settings.
        task: Graph or graphs, with parts `train` and `val`.
        teacher: Any network, or what it said before.
        student: A network of your own; None: the settings'.
        layers: Matched layers (teacher, student); none: those of the settings, or the last hidden ones.
        seed: Of everything random.
        device: Where the training would compute.

    Raises:
        ValueError: Teacher, task and settings do not fit.
    """
    place = choose_device(device)
    with joined_processes(place):
        terms = _fixed(config.terms)
        start = time.process_time()
        lesson = prepare_lesson(
            replace(config, terms=terms),
            task=task,
            teacher=teacher,
            student=student,
            layers=layers,
            seed=seed,
            place=place,
        )
        rows: Rows = [
            {"name": "CPU seconds of the teacher", "value": time.process_time() - start},
            {"name": "weights of the student", "value": _count(lesson.network)},
        ]
        if isinstance(teacher, nn.Module):
            rows.insert(1, {"name": "weights of the teacher", "value": _count(teacher)})
        if STRUCTURE in lesson.problem.used:
            rows += _structure_rows(lesson, config.terms)
        total = passes_of(config.training.epochs, config.terms.structure).ends[-1]
        return rows + _costs(lesson.problem, lesson.network, config.training, terms, place, total)


def _structure_rows(lesson: Lesson, terms: TermsConfig) -> Rows:
    """Return whether the structure term is alive in the first step."""
    found = _first_activity(lesson, terms)
    degrees = neighborhoods_of(lesson.problem.batches.at(1).structure).degrees
    return [
        {"name": "matched layers", "value": ", ".join(f"{t}:{s}" for t, s in lesson.pairs)},
        {
            "name": "nodes with less than two in-neighbors, share",
            "value": float((degrees < 2).double().mean()),
        },
        {"name": "teacher's local structures from uniform, nats", "value": found[1]},
        {"name": "student's, before training", "value": found[0]},
        {"name": "gradient of the term over that of the labels", "value": found[2]},
        {"name": "the term", "value": "alive" if found.is_active else "dead"},
    ]


def _first_activity(lesson: Lesson, terms: TermsConfig) -> LossActivity:
    """Return the activity of the term at the first pair of layers, in the first step."""
    problem, kernel = lesson.problem, terms.structure.kernel
    network = lesson.network.to(problem.task.graph.device).train()
    losses = problem.losses(network, 1, wanted={STRUCTURE})
    batch = problem.batches.at(1)
    known = batch.of_edges(lesson.outputs.structures[lesson.pairs[0][0]])
    if batch.seeds is not None:
        known = renormalized(known, batch.structure)
    student = losses.anchors[0]
    return loss_activity(
        losses.terms[STRUCTURE],
        losses.terms[LABELS],
        student,
        student_log_p=local_log_probabilities(student.detach(), batch.structure, kernel),
        teacher_log_p=known,
        graph=batch.structure,
    )


def _fixed(terms: TermsConfig) -> TermsConfig:
    """Return the terms with 1 for automatic weights, which would be off in the first epochs."""
    names = ("soft_labels", "hints", "attention", "relations", "similarity")
    known = {name: 1.0 for name in names if getattr(terms, name) == AUTO}
    structure = terms.structure
    if structure.weight == AUTO:
        structure = replace(structure, weight=1.0)
    return replace(terms, structure=replace(structure, schedule="always"), **known)


def _costs(
    problem: Problem,
    network: nn.Module,
    config: TrainingConfig,
    terms: TermsConfig,
    place: torch.device,
    total: int,
) -> Rows:
    """Return time and memory of a training of `total` epochs, from what three epochs take longer than one."""
    spent = []
    for epochs in (1, 3):
        short = replace(config, epochs=epochs, patience=0)
        start = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            student = copy.deepcopy(network)
            learn(short, Path(folder), problem, student, record=short, terms=terms, device=place)
        spent.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, cost = (
        # on a busy machine one epoch can take as long as three: then their start counts too
        (late - early if late > early else late) / 2
        for early, late in zip(*spent, strict=True)
    )
    return [
        {"name": "seconds an epoch", "value": wall},
        {"name": "CPU seconds an epoch", "value": cost},
        {"name": f"minutes for {total} epochs", "value": wall * total / 60},
        {"name": f"CPU minutes for {total} epochs", "value": cost * total / 60},
        {"name": "peak memory so far, MB", "value": _peak_megabytes(place)},
    ]


def _peak_megabytes(place: torch.device) -> float:
    """Return the most memory that this process held: of the GPU if there is one, else of the machine; NaN unknown."""
    if place.type == "cuda":
        return torch.cuda.max_memory_allocated(place) / 1e6
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _count(module: nn.Module) -> int:
    """Return the number of weights."""
    return sum(p.numel() for p in module.parameters())
