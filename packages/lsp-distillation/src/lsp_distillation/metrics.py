"""Scores of predictions, each a named result; the main one of a task decides between two states."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Task = Literal["multiclass", "multilabel", "regression"]
"""What a target is: one class, several labels at once, or numbers."""


class Score(NamedTuple):
    """A number with its meaning."""

    name: str
    value: float
    higher_is_better: bool = True
    threshold: float | None = None
    """The logit above which a label counts as predicted, where there are labels."""


class F1Scores(NamedTuple):
    """Harmonic means of precision and recall."""

    micro: float
    """Over all pairs of item and label."""
    macro: float
    """Mean over labels; a label that neither occurs nor is predicted counts as 0."""
    threshold: float


def accuracy(logits: Float[Tensor, "items classes"], targets: Int[Tensor, " items"]) -> float:
    """Return the share of items whose largest logit is that of their class."""
    _check_rows(logits, targets)
    return float((logits.argmax(1) == targets).double().mean())


def mean_class_accuracy(
    logits: Float[Tensor, "items classes"], targets: Int[Tensor, " items"]
) -> float:
    """Return the mean over classes of the accuracy on their items; classes without any are left out."""
    _check_rows(logits, targets)
    right = (logits.argmax(1) == targets).double()
    counts = torch.bincount(targets, minlength=logits.shape[1])
    hits = torch.bincount(targets, weights=right, minlength=logits.shape[1])
    return float((hits[counts > 0] / counts[counts > 0]).mean())


def f1_scores(
    logits: Float[Tensor, "items labels"],
    targets: Float[Tensor, "items labels"],
    *,
    threshold: float = 0.0,
) -> F1Scores:
    """Return F1 over pairs of item and label.

    Args:
        logits: Of each label.
        targets: 1 where the label applies; soft ones count from 0.5 on.
        threshold: On the logit, not the probability. The released code of the paper has 0.5 here, which is a
            probability of 0.62; 0 is usual.
    """
    _check_rows(logits, targets)
    predicted, present = logits > threshold, targets >= 0.5
    hits = (predicted & present).sum(0).double()
    total = predicted.sum(0).double() + present.sum(0).double()
    micro = 2 * hits.sum() / total.sum().clamp(min=1)
    return F1Scores(float(micro), float((2 * hits / total.clamp(min=1)).mean()), threshold)


def mean_absolute_error(predictions: Float[Tensor, "..."], targets: Float[Tensor, "..."]) -> float:
    """Return the mean distance between predicted and true numbers; one column may lack its axis."""
    _check_rows(predictions, targets)
    return float((predictions.reshape(targets.shape) - targets).double().abs().mean())


def score_predictions(
    task: Task, predictions: Tensor, targets: Tensor, *, threshold: float = 0.0
) -> tuple[Score, ...]:
    """Return all scores of a task, the main one first.

    Args:
        task: Which kind of target.
        predictions: (items, outputs) logits, or numbers for regression.
        targets: (items,) classes, (items, labels) in [0, 1], or numbers.
        threshold: On the logits of labels.

    Raises:
        ValueError: There are no items, or the two do not belong together.
    """
    _check_rows(predictions, targets)
    if task == "multiclass":
        return (
            Score("accuracy", accuracy(predictions, targets)),
            Score("mean class accuracy", mean_class_accuracy(predictions, targets)),
        )
    if task == "multilabel":
        f1 = f1_scores(predictions, targets, threshold=threshold)
        return (
            Score("micro-F1", f1.micro, threshold=threshold),
            Score("macro-F1", f1.macro, threshold=threshold),
        )
    error = mean_absolute_error(predictions, targets)
    return (Score("mean absolute error", error, higher_is_better=False),)


def _check_rows(predictions: Tensor, targets: Tensor) -> None:
    """Refuse predictions and targets of different items, or of none."""
    if len(predictions) != len(targets):
        raise ValueError(
            f"predictions and targets must be of the same items; got {len(predictions)} and "
            f"{len(targets)}"
        )
    if not len(targets):
        raise ValueError("a score needs at least one item, got none; check the mask")
    if targets.is_floating_point() and predictions.numel() != targets.numel():
        raise ValueError(
            f"predictions {tuple(predictions.shape)} and targets {tuple(targets.shape)} must have "
            "as many columns; check the network's outputs"
        )
