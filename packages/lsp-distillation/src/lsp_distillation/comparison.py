"""Methods x seeds on one protocol: every student of a seed has the same split, teacher and first weights."""

import json
import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from lsp_distillation.distillation import Trained, distill, matched_layers, train_teacher
from lsp_distillation.fidelity_ruler import structure_fidelity
from lsp_distillation.inference import run_network
from lsp_distillation.methods import METHODS, terms_of
from lsp_distillation.metrics import score_predictions
from lsp_distillation.node_data import GraphTask
from lsp_distillation.teacher_outputs import (
    digest_of_module,
    origin_of_data,
    origin_of_targets,
)
from lsp_distillation.term_weights import STRUCTURE
from lsp_distillation.timing import inference_seconds
from lsp_distillation.training_config import DistillConfig, TrainConfig
from tenfold_shared.errors import UserError
from tenfold_shared.files import make_folder, write_atomically
from tenfold_shared.records import CONFIG_NAME
from tenfold_shared.seeds import seed_global_state

CELLS = "cells.jsonl"
TEACHER = "teacher"


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """What is compared."""

    teacher: TrainConfig = field(default_factory=TrainConfig)
    """How the teacher of each seed is trained, unless one is given."""
    student: DistillConfig = field(default_factory=DistillConfig)
    """The student, and the settings of all terms."""
    methods: tuple[str, ...] = METHODS
    """Names joined by `+`; `labels` is what the others are compared with."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of split, teacher and first weights."""

    def __post_init__(self) -> None:
        """Check every value."""
        for method in self.methods:
            terms_of(method, self.student.terms)
        if "labels" not in self.methods:
            raise ValueError("methods must hold labels, which the others are compared with")
        for name, values in (("methods", self.methods), ("seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be distinct and at least one, got {values}")


class Cell(NamedTuple):
    """One network of one seed."""

    method: str
    """`teacher` too."""
    seed: int
    score: float
    """The main score on test items; an error as it is, smaller is better."""
    validation: float
    epoch: int
    """The one that was best on validation items."""
    kl: float
    """KL(teacher || student) of local structures by the fixed ruler; NaN where there is none."""
    uniform_kl: float
    correlation: float
    weight: float
    """Of the structure term."""
    parameters: int
    inference_seconds: float
    cpu_seconds: float
    """Of the training."""
    dropped: bool = False
    """Whether validation preferred the pass without the structure term."""


def compare(
    config: CompareConfig,
    folder: Path,
    *,
    task_of: Callable[[int], GraphTask],
    teacher: nn.Module | None = None,
    student: Callable[[], nn.Module] | None = None,
    device: str = "auto",
) -> list[Cell]:
    """Train what is not yet trained, and return all cells; a kill loses one of them at most.

    Args:
        config: What is compared.
        folder: Holds a line per finished network, and a run folder of each.
        task_of: Returns the task of a seed: the same graph with a split of that seed, or always the same.
        teacher: A trained one for all seeds; None: each seed's own is trained.
        student: Makes a network of your own, with the first weights of the seed; None: that of the settings.
        device: Where.

    Raises:
        UserError: The folder holds another comparison.
    """
    if (folder / CONFIG_NAME).exists():
        raise UserError(
            f"{folder} is the folder of a run; choose another --out for the comparison."
        )
    make_folder(folder)
    known = {(one.method, one.seed): one for one in read_cells(folder)}
    for seed in config.seeds:
        task = task_of(seed)
        _agree(folder, config, seed, task, teacher)
        missing = [m for m in (TEACHER, *config.methods) if (m, seed) not in known]
        if not missing:
            continue
        for cell in _cells_of_seed(config, folder, missing, task, teacher, student, seed, device):
            known[cell.method, seed] = cell
            _append(folder, cell)
    return [known[m, s] for m in (TEACHER, *config.methods) for s in config.seeds]


def _cells_of_seed(
    config: CompareConfig,
    folder: Path,
    missing: Sequence[str],
    task: GraphTask,
    teacher: nn.Module | None,
    student: Callable[[], nn.Module] | None,
    seed: int,
    device: str,
) -> Generator[Cell]:
    """Yield what is missing of a seed, one network after the other."""
    place, start = folder / f"seed-{seed}", time.process_time()
    guide = teacher
    if guide is None:
        trained = train_teacher(
            config.teacher, place / TEACHER, task=task, seed=seed, device=device
        )
        guide = trained.student.network
    for method in missing:
        if method == TEACHER:
            seconds = time.process_time() - start
            yield _measure(method, seed, task, guide, guide, None, config, seconds)
            continue
        start = time.process_time()
        trained = _teach(config, method, place / method, task, guide, student, seed, device)
        seconds, network = time.process_time() - start, trained.student.network
        yield _measure(method, seed, task, network, guide, trained, config, seconds)


def read_cells(folder: Path) -> list[Cell]:
    """Return the finished cells of a comparison.

    Raises:
        UserError: The file is damaged.
    """
    path = folder / CELLS
    if not path.exists():
        return []
    try:
        cells = [Cell(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
        return sorted(cells, key=lambda cell: cell.seed)  # cells of one place belong together
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged; delete the folder and compare again.") from error


def _agree(
    folder: Path, config: CompareConfig, seed: int, task: GraphTask, teacher: nn.Module | None
) -> None:
    """Write down what is compared, or refuse a folder of something else; methods and seeds may grow."""
    path = folder / "comparison.json"
    ours: dict[str, Any] = {
        "settings": asdict(replace(config, methods=("labels",), seeds=(0,))),
        "data": origin_of_data(task),
        "teacher": None if teacher is None else digest_of_module(teacher),
        "splits": {str(seed): origin_of_targets(task)},
    }
    ours = json.loads(json.dumps(ours))
    if path.exists():
        try:
            theirs = dict(json.loads(path.read_text("utf-8")))
            splits = dict(theirs["splits"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged; delete the folder and compare again.") from error
        ours["splits"] = splits | ours["splits"]
        theirs["splits"] = ours["splits"] | splits
        for name in ours:
            if theirs.get(name) != ours[name]:
                raise UserError(
                    f"{folder} holds a comparison with other {name}; choose another --out, or delete it."
                )
    write_atomically(path, json.dumps(ours, indent=1) + "\n")


def _append(folder: Path, cell: Cell) -> None:
    """Write one more line."""
    path = folder / CELLS
    before = path.read_text("utf-8") if path.exists() else ""
    write_atomically(path, before + json.dumps(cell._asdict()) + "\n")


def _teach(
    config: CompareConfig,
    method: str,
    folder: Path,
    task: GraphTask,
    teacher: nn.Module,
    student: Callable[[], nn.Module] | None,
    seed: int,
    device: str,
) -> Trained:
    """Train a student by one method."""
    settings = replace(config.student, terms=terms_of(method, config.student.terms))
    seed_global_state(seed, "student")
    own = None if student is None else student()
    return distill(
        settings, folder, task=task, teacher=teacher, student=own, seed=seed, device=device
    )


def _measure(
    method: str,
    seed: int,
    task: GraphTask,
    network: nn.Module,
    teacher: nn.Module,
    trained: Trained | None,
    config: CompareConfig,
    seconds: float,
) -> Cell:
    """Score a network on test items and by the ruler of structure, on the CPU."""
    network, here = network.cpu(), task.to("cpu")
    training = (config.student if trained else config.teacher).training
    test, validation = (_score(network, here, part, training.threshold) for part in ("test", "val"))
    ruler = fidelity_of(network, teacher, here, config.student)
    return Cell(
        method=method,
        seed=seed,
        score=test,
        validation=validation,
        epoch=trained.learned.epoch if trained else 0,
        kl=ruler[0],
        uniform_kl=ruler[1],
        correlation=ruler[2],
        weight=trained.learned.weights[STRUCTURE] if trained else 0.0,
        parameters=sum(p.numel() for p in network.parameters()),
        inference_seconds=inference_seconds(network, here),
        cpu_seconds=seconds,
        dropped=trained is not None and trained.learned.dropped,
    )


def fidelity_of(
    network: nn.Module, teacher: nn.Module, task: GraphTask, config: DistillConfig
) -> tuple[float, float, float]:
    """Return KL, the uniform distribution's KL, and the correlation, of the first matched layers."""
    if network is teacher or task.graph.with_self_loops("remove").edges == 0:
        return math.nan, math.nan, math.nan
    pair = matched_layers(config.terms.structure, teacher, network)[0]
    embeddings: list[Tensor] = [
        run_network(one.to(task.graph.device), task, layers=[name]).embeddings[name]
        for one, name in zip((teacher, network), pair, strict=True)
    ]
    found = structure_fidelity(embeddings[1], embeddings[0], task.graph)
    return found.kl, found.uniform_kl, found.correlation


def _score(network: nn.Module, task: GraphTask, part: str, threshold: float) -> float:
    """Return the main score of a part."""
    mask = task.mask(part)
    logits = run_network(network, task).logits[mask]
    return score_predictions(task.task, logits, task.y[mask], threshold=threshold)[0].value
