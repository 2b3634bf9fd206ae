"""The accuracy on real pictures beside a run: a curve to look at, which nothing is chosen by."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from dfad_distillation.config import InputSpace
from dfad_distillation.data import open_labeled
from dfad_distillation.fidelity import check_labels
from dfad_distillation.metrics import evaluate, logits_of
from tenfold_shared.devices import choose_device
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

CURVE = "accuracy.json"


def read_curve(folder: Path) -> dict[int, float]:
    """Return the scores of a run by round; none if it was given no pictures.

    Raises:
        UserError: The file is damaged.
    """
    path = folder / CURVE
    if not path.exists():
        return {}
    try:
        return {int(n): float(v) for n, v in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged; delete it and run distill again.") from error


class AccuracyCurve:
    """Scores each student that a run keeps, and writes the scores beside it.

    Args:
        folder: Of the run.
        where: Labeled pictures, see `open_labeled`; their test part is read.
        input: What the networks read.
        data: Where named sets lie.
        device: Where the networks are.
    """

    def __init__(
        self, folder: Path, where: str, *, input: InputSpace, data: Path | None, device: str
    ) -> None:
        self.path, self.input, self.device = folder / CURVE, input, choose_device(device)
        self.pictures = open_labeled(
            where, "test", size=input.shape[1:], channels=input.shape[0], data=data
        )
        self.scores = read_curve(folder)

    def check(self, teacher: nn.Module) -> None:
        """Refuse pictures whose labels are no answers of the teacher, which is on the CPU.

        Raises:
            UserError: They are not.
        """
        few = self.pictures.images[:2]
        check_labels(self.pictures, next(logits_of(teacher, few, self.input)))

    def __call__(self, number: int, student: nn.Module) -> None:
        """Score the student of a round."""
        self.scores[number] = self.score(student)
        ordered = {str(n): self.scores[n] for n in sorted(self.scores)}
        write_atomically(self.path, json.dumps(ordered, indent=1) + "\n")

    def score(self, network: nn.Module) -> float:
        """Return accuracy, or mean IoU of pixels."""
        return evaluate(network, self.pictures, self.input, device=self.device).main

    def report(self, teacher: nn.Module, student: nn.Module) -> list[dict[str, Any]]:
        """Return the scores of both as rows."""
        kind = "accuracy" if self.pictures.task == "classification" else "mean IoU"
        self.device = choose_device("cpu")
        return [
            {"name": f"{kind} of the {who} on {self.pictures.name}", "value": self.score(network)}
            for who, network in (("teacher", teacher), ("student", student))
        ]
