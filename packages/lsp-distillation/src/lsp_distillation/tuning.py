"""Weight and bandwidth of the structure term, tried on validation items; test items are not read."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from torch import nn

from lsp_distillation.distillation import distill
from lsp_distillation.learning import agree_on_origin
from lsp_distillation.node_data import GraphTask
from lsp_distillation.teacher_outputs import (
    digest_of_module,
    origin_of_data,
    origin_of_targets,
)
from lsp_distillation.terms_config import AUTO, check_weight
from lsp_distillation.training_config import DistillConfig
from tenfold_shared.errors import UserError
from tenfold_shared.files import make_folder, write_atomically

TRIALS = "trials.jsonl"
Bandwidth = float | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """What is tried: all pairs of a weight and a bandwidth, with every seed."""

    weights: tuple[float, ...] = (AUTO, 0.1, 1.0, 10.0, 100.0)
    """Of the structure term; -1: from the gradients."""
    bandwidths: tuple[Bandwidth, ...] = ("auto",)
    """Of its kernel."""
    seeds: tuple[int, ...] = (0, 1)
    """Of first weights."""

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("weights", "bandwidths", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be distinct and at least one, got {values}")
        for weight in self.weights:
            check_weight("each weight", weight)


class Trial(NamedTuple):
    """One student."""

    weight: float
    bandwidth: Bandwidth
    seed: int
    validation: float
    """Its score; of an error the negative, so that larger is better."""


def tune(
    config: TuneConfig,
    student: DistillConfig,
    folder: Path,
    *,
    task: GraphTask,
    teacher: nn.Module,
    device: str = "auto",
) -> list[Trial]:
    """Teach a student with every setting, or go on; a kill loses one student at most.

    Args:
        config: What is tried.
        student: Everything else.
        folder: Holds a line per finished student, and a run folder of each.
        task: With parts `train` and `val`.
        teacher: What they learn from.
        device: Where.

    Raises:
        UserError: The folder is damaged, or holds trials on something else.
    """
    make_folder(folder)
    agree_on_origin(
        folder,
        origin_of_data(task)
        | origin_of_targets(task)
        | {"teacher": digest_of_module(teacher), "student": asdict(student)},
    )
    known: dict[tuple[float, Bandwidth, int], Trial] = {
        (one.weight, one.bandwidth, one.seed): one for one in read_trials(folder)
    }
    wanted: list[tuple[float, Bandwidth, int]] = [
        (w, b, s) for w in config.weights for b in config.bandwidths for s in config.seeds
    ]
    for weight, bandwidth, seed in wanted:
        if (weight, bandwidth, seed) in known:
            continue
        structure = student.terms.structure
        kernel = replace(structure.kernel, bandwidth=bandwidth)
        structure = replace(structure, weight=weight, kernel=kernel)
        settings = replace(student, terms=replace(student.terms, structure=structure))
        place = folder / f"weight-{weight:g}-bandwidth-{bandwidth}-seed-{seed}"
        found = distill(settings, place, task=task, teacher=teacher, seed=seed, device=device)
        trial = Trial(weight, bandwidth, seed, found.learned.validation)
        known[weight, bandwidth, seed] = trial
        lines = [json.dumps(one._asdict()) for one in known.values()]
        write_atomically(folder / TRIALS, "\n".join(lines) + "\n")
    return [known[key] for key in wanted]


def read_trials(folder: Path) -> list[Trial]:
    """Return the finished trials of a folder.

    Raises:
        UserError: The file is damaged.
    """
    path = folder / TRIALS
    if not path.exists():
        return []
    try:
        return [Trial(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged; delete the folder and tune again.") from error


def mean_scores(trials: Sequence[Trial]) -> dict[tuple[float, Bandwidth], float]:
    """Return the mean validation score of each setting, the best first."""
    settings: dict[tuple[float, Bandwidth], None] = dict.fromkeys(
        (one.weight, one.bandwidth) for one in trials
    )
    means = {
        key: sum(scores) / len(scores)
        for key in settings
        if (scores := [t.validation for t in trials if (t.weight, t.bandwidth) == key])
    }
    return dict(sorted(means.items(), key=lambda item: -item[1]))
