"""A teacher from labels, and a student from labels and a teacher, on graphs."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from lsp_distillation.graph_problem import GraphProblem
from lsp_distillation.inference import run_network
from lsp_distillation.learning import Learned, joined_processes, learn
from lsp_distillation.model_files import MODEL_FILE, Reading, Student, reading_of
from lsp_distillation.network_config import NetworkConfig, OwnNetwork
from lsp_distillation.networks import build_network
from lsp_distillation.node_data import GraphTask
from lsp_distillation.taps import last_hidden_layer
from lsp_distillation.teacher_outputs import (
    TeacherOutputs,
    compute_outputs,
    move_outputs,
    origin_of,
    origin_of_data,
    origin_of_targets,
)
from lsp_distillation.term_weights import STRUCTURE, TermWeights
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import DistillConfig, TrainConfig
from tenfold_shared.devices import choose_device
from tenfold_shared.distributed import current_world
from tenfold_shared.seeds import seed_global_state


class Trained(NamedTuple):
    """What a training leaves, also in its run folder as `model.safetensors`."""

    student: Student
    learned: Learned


class Lesson(NamedTuple):
    """What a student learns, before its first step."""

    network: nn.Module
    """The student."""
    pairs: tuple[tuple[str, str], ...]
    """Matched layers (teacher, student)."""
    outputs: TeacherOutputs
    problem: GraphProblem


def train_teacher(
    config: TrainConfig,
    folder: Path,
    *,
    task: GraphTask,
    seed: int = 0,
    device: str = "auto",
    normalized: bool = False,
    symmetric: bool = False,
) -> Trained:
    """Train a network on labels, or go on with a training that was interrupted.

    Args:
        config: All settings.
        folder: Run folder.
        task: Graph or graphs, with parts `train` and `val`.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        normalized: Whether the features were divided by their sum; written into the file.
        symmetric: Whether the reverse of every edge was added; written into the file.

    Raises:
        UserError: The training diverged, or the folder belongs to another run.
        ValueError: Task and settings do not fit.
    """
    place = choose_device(device)
    _check_fanouts(config)
    with joined_processes(place):
        network = new_network(config.network, task, seed=seed, role="teacher")
        learned = learn(
            config.training,
            folder,
            GraphProblem(task.to(place), config.training, seed=seed),
            network,
            record=config,
            origin=origin_of_data(task) | origin_of_targets(task),
            seed=seed,
            device=place,
        )
        reading = reading_of(
            task, threshold=config.training.threshold, normalized=normalized, symmetric=symmetric
        )
        return _finish(config, folder, task, reading, learned, {"seed": seed})


def distill(
    config: DistillConfig,
    folder: Path,
    *,
    task: GraphTask,
    teacher: nn.Module | TeacherOutputs,
    student: nn.Module | None = None,
    layers: tuple[tuple[str, str], ...] = (),
    seed: int = 0,
    device: str = "auto",
    normalized: bool = False,
    symmetric: bool = False,
) -> Trained:
    """Train a student on labels and a teacher, or go on with a training that was interrupted.

    Args:
        config: All settings.
        folder: Run folder.
        task: Graph or graphs, with parts `train` and `val`.
        teacher: Any network on nodes or graphs (it is run once, in evaluation mode), or what it said before.
        student: A network of your own to begin with, called as the teacher is; it is copied, and the settings' network
            is not built. `Student.load(path, network=...)` reads the result.
        layers: Matched layers (teacher, student); none: those of the settings, or the last hidden ones.
        seed: Of everything random; students of one seed begin with the same weights whatever they learn from.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        normalized: Whether the features were divided by their sum; written into the file.
        symmetric: Whether the reverse of every edge was added; written into the file.

    Raises:
        UserError: The training diverged, or the folder belongs to another run.
        ValueError: Teacher, task and settings do not fit.
    """
    place = choose_device(device)
    with joined_processes(place):
        lesson = prepare_lesson(
            config,
            task=task,
            teacher=teacher,
            student=student,
            layers=layers,
            seed=seed,
            place=place,
        )
        own = None if student is None else OwnNetwork(name=type(student).__qualname__)
        learned = learn(
            config.training,
            folder,
            lesson.problem,
            lesson.network,
            record=config,
            origin=lesson.outputs.origin | origin_of_targets(task) | _origin_of_student(student),
            terms=config.terms,
            seed=seed,
            device=place,
        )
        reading = reading_of(
            task, threshold=config.training.threshold, normalized=normalized, symmetric=symmetric
        )
        about = {"seed": seed, "layers": [list(pair) for pair in lesson.pairs]}
        return _finish(config, folder, task, reading, learned, about, own=own)


def prepare_lesson(
    config: DistillConfig,
    *,
    task: GraphTask,
    teacher: nn.Module | TeacherOutputs,
    student: nn.Module | None = None,
    layers: tuple[tuple[str, str], ...] = (),
    seed: int = 0,
    place: torch.device | str = "cpu",
) -> Lesson:
    """Run the teacher, unless that was done, and return what `distill` starts from; see there."""
    here = task.to(place)
    if student is None:
        _check_fanouts(config)
        network = new_network(config.network, task, seed=seed, role="student")
    else:
        network = copy.deepcopy(student)
        seed_global_state(seed, "student")  # of its dropout
    pairs = layers or matched_layers(config.terms.structure, teacher, network)
    pairs = pairs if needs_layers(config.terms) else ()
    outputs = _outputs_of(teacher, here, pairs, config.terms)
    problem = GraphProblem(
        here,
        config.training,
        terms=config.terms,
        teacher=outputs,
        pairs=pairs,
        widths=_widths(network, here, pairs, outputs),
        seed=seed,
    )
    return Lesson(network, pairs, outputs, problem)


def new_network(config: NetworkConfig, task: GraphTask, *, seed: int, role: str) -> nn.Module:
    """Return a network for a task with the first weights of a seed and a role (`teacher`, `student`)."""
    seed_global_state(seed, role)
    return build_network(config, features=task.features, outputs=task.outputs, level=task.level)


def _origin_of_student(student: nn.Module | None) -> dict[str, object]:
    """Return what tells one network of a user's own from another, its first weights aside."""
    if student is None:
        return {}
    return {"student": {name: list(value.shape) for name, value in student.state_dict().items()}}


def needs_layers(terms: TermsConfig) -> bool:
    """Tell whether a term looks at hidden layers."""
    return bool(set(TermWeights(terms).used) - {"labels", "soft_labels"})


def matched_layers(
    structure: StructureConfig, teacher: nn.Module | TeacherOutputs, student: nn.Module
) -> tuple[tuple[str, str], ...]:
    """Return pairs of layers (teacher, student): those of the settings, or the last hidden ones.

    Raises:
        ValueError: A layer cannot be guessed.
    """
    if structure.layers:
        return tuple((pair.split(":")[0], pair.split(":")[1]) for pair in structure.layers)
    if isinstance(teacher, nn.Module):
        return ((last_hidden_layer(teacher), last_hidden_layer(student)),)
    names = teacher.origin.get("layers") or list(teacher.structures)
    return tuple((str(name), last_hidden_layer(student)) for name in names[-1:])


def _check_fanouts(config: TrainConfig) -> None:
    """Refuse sampled neighborhoods that are not as deep as the network."""
    fanouts, layers = config.training.fanouts, config.network.layers
    if fanouts and len(fanouts) != layers:
        raise ValueError(
            f"fanouts are one number for each layer: the network has {layers} layers, got {fanouts}"
        )


def _outputs_of(
    teacher: nn.Module | TeacherOutputs,
    task: GraphTask,
    pairs: tuple[tuple[str, str], ...],
    terms: TermsConfig,
) -> TeacherOutputs:
    """Run the teacher, or check that what it said before is of this task, kernel and layers."""
    layers = list(dict.fromkeys(name for name, _ in pairs))
    if isinstance(teacher, nn.Module):
        place = task.graph.device
        return compute_outputs(teacher.to(place), task, layers=layers, structure=terms.structure)
    for name, value in origin_of(task, terms.structure).items():
        if teacher.origin.get(name) != value:
            raise ValueError(
                f"the teacher's outputs are stale: they were computed with another {name}; run the teacher again"
            )
    missing = [name for name in layers if name not in teacher.structures]
    if missing or (needs_layers(terms) and not layers):
        raise ValueError(
            f"the teacher's outputs hold the layers {', '.join(teacher.structures) or 'none'}, and the terms "
            f"need {', '.join(missing) or 'one'}; run the teacher again"
        )
    return move_outputs(teacher, task.graph.device)


def _widths(
    network: nn.Module,
    task: GraphTask,
    pairs: tuple[tuple[str, str], ...],
    outputs: TeacherOutputs,
) -> tuple[int, int]:
    """Return the widths of the first pair, student's and teacher's."""
    if not pairs or not outputs.features:
        return (1, 1)
    name = pairs[0][1]
    embedding = run_network(network.to(task.graph.device), task, layers=[name]).embeddings[name]
    return embedding.shape[1], outputs.features[pairs[0][0]].shape[1]


def _finish(
    config: TrainConfig,
    folder: Path,
    task: GraphTask,
    reading: Reading,
    learned: Learned,
    about: Mapping[str, object],
    *,
    own: OwnNetwork | None = None,
) -> Trained:
    """Write the best state and return it."""
    known = {
        **about,
        "data": task.name,
        "origin": origin_of_data(task) | origin_of_targets(task),
        "epochs": config.training.epochs,
        "best epoch": learned.epoch,
        "validation": learned.validation,
    }
    if STRUCTURE in learned.weights and isinstance(config, DistillConfig):
        known["weights"] = {n: w for n, w in learned.weights.items() if w}
    student = Student(learned.network.cpu(), own or config.network, reading, about=known)
    if current_world().is_first:
        student.save(folder / MODEL_FILE)
    return Trained(student, learned)
