"""Scores: accuracy, agreement, confusion, intersection over union; none of them knows how it was trained."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from dfad_distillation.config import InputSpace, Task
from dfad_distillation.data import LabeledPictures, normalize
from dfad_distillation.layouts import fastest_layout
from dfad_distillation.picture_folders import VOID


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All that follows from one confusion matrix."""

    task: Task
    confusion: Integer[Tensor, "classes classes"]
    """Counts of pictures or pixels: rows are true classes, columns predicted ones."""
    classes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of pictures or pixels whose class is right."""
        return int(self.confusion.diagonal().sum()) / max(int(self.confusion.sum()), 1)

    @property
    def per_class(self) -> dict[str, float]:
        """Accuracy within each class, or its IoU for pixels; classes that do not occur are left out."""
        right = self.confusion.diagonal().double()
        true = self.confusion.sum(1).double()
        whole = true
        if self.task == "segmentation":
            whole = true + self.confusion.sum(0) - right
        # A class that is neither true nor predicted has no score.
        return {
            name: float(right[i] / whole[i]) for i, name in enumerate(self.classes) if whole[i] > 0
        }

    @property
    def mean_iou(self) -> float:
        """Mean over classes of TP / (TP + FP + FN), of those that occur in labels or predictions."""
        right = self.confusion.diagonal().double()
        whole = self.confusion.sum(1) + self.confusion.sum(0) - right
        return float((right / whole)[whole > 0].mean()) if bool((whole > 0).any()) else 0.0

    @property
    def main(self) -> float:
        """The number of a table: accuracy of pictures, mean IoU of pixels."""
        return self.accuracy if self.task == "classification" else self.mean_iou

    def numbers(self) -> dict[str, float]:
        """Return the scores by name, for metrics and tables."""
        if self.task == "classification":
            return {"accuracy": self.accuracy}
        return {"mean_iou": self.mean_iou, "pixel_accuracy": self.accuracy}


def confusion_matrix(
    truth: Integer[Tensor, " ..."], predicted: Integer[Tensor, " ..."], *, classes: int
) -> Integer[Tensor, "classes classes"]:
    """Count pairs of classes; rows are `truth`. `VOID` in the truth counts nothing."""
    known = truth != VOID
    pairs = truth[known].long() * classes + predicted[known].long()
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)


def agreement(
    first: Float[Tensor, "batch classes ..."],
    second: Float[Tensor, "batch classes ..."],
    *,
    labels: Integer[Tensor, "batch ..."] | None = None,
) -> float:
    """Return the share of pictures or pixels for which both have the same most likely class.

    Args:
        first: Logits.
        second: Logits.
        labels: `VOID` in them counts nothing; everything counts without them.
    """
    same = first.argmax(1) == second.argmax(1)
    if labels is not None:
        same = same[labels != VOID]
    return float(same.double().mean()) if same.numel() else 0.0


def logits_of(
    model: nn.Module,
    images: Tensor,
    space: InputSpace,
    *,
    batch: int = 250,
    device: torch.device | str = "cpu",
) -> Iterator[Float[Tensor, "batch classes ..."]]:
    """Yield logits of pictures, batch by batch on the CPU; the model is in evaluation mode meanwhile.

    Args:
        model: On `device`.
        images: (count, channels, height, width), bytes or in [0, 1].
        space: What the model reads.
        batch: Pictures at a time.
        device: Where to compute.
    """
    before = model.training
    model.eval()
    layout = fastest_layout([model], space.shape)
    try:
        for part in images.split(batch):
            with torch.inference_mode():
                pictures = normalize(part.to(device), space)
                outputs = model(pictures.contiguous(memory_format=layout))
            yield outputs.float().cpu()
    finally:
        model.train(before)


def evaluate(
    model: nn.Module,
    pictures: LabeledPictures,
    space: InputSpace,
    *,
    batch: int = 250,
    device: torch.device | str = "cpu",
) -> Scores:
    """Measure a model on labeled pictures; pixels in the size of the masks.

    Args:
        model: On `device`.
        pictures: With labels of pictures or pixels.
        space: What the model reads.
        batch: Pictures at a time.
        device: Where to compute.

    Raises:
        ValueError: The model has another number of outputs than there are classes.
    """
    classes = len(pictures.classes)
    counts = torch.zeros(classes, classes, dtype=torch.int64)
    done = 0
    for logits in logits_of(model, pictures.images, space, batch=batch, device=device):
        if logits.shape[1] != classes:
            raise ValueError(
                f"{pictures.name} has {classes} classes and the model {logits.shape[1]} outputs; "
                "evaluate on data with the classes that it was trained for"
            )
        labels = pictures.labels[done : done + len(logits)]
        if labels.ndim > 1 and logits.shape[2:] != labels.shape[1:]:
            logits = nn.functional.interpolate(
                logits, size=labels.shape[1:], mode="bilinear", align_corners=False
            )
        counts += confusion_matrix(labels, logits.argmax(1), classes=classes)
        done += len(logits)
    return Scores(task=pictures.task, confusion=counts, classes=pictures.classes)
