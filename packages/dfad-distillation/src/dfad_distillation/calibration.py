"""Calibration: how far a network's confidence is from its accuracy, and the temperature that mends it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dfad_distillation.picture_folders import VOID

_LOW, _HIGH = math.log(0.01), math.log(100.0)
_SECTIONS = 60  # the interval shrinks to 1e-12 of its length


class Reliability(NamedTuple):
    """Confidence and accuracy of answers, in bins of equal width."""

    confidence: Float[Tensor, " bins"]
    """Mean confidence of the answers in a bin; 0 if there are none."""
    accuracy: Float[Tensor, " bins"]
    """Share of them that is right."""
    share: Float[Tensor, " bins"]
    """Share of all answers that fall into the bin."""

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of confidence and accuracy (Guo et al., 1706.04599)."""
        return float((self.share * (self.confidence - self.accuracy).abs()).sum())


def bin_by_confidence(
    logits: Tensor,
    labels: Tensor,
    *,
    bins: int = 15,
    temperature: float = 1.0,
) -> Reliability:
    """Sort answers by their confidence.

    Args:
        logits: Of pictures or pixels, (batch, classes, ...).
        labels: Their classes, (batch, ...); void counts nothing.
        bins: Of equal width between 0 and 1.
        temperature: Divides the logits.

    Raises:
        ValueError: The shapes disagree.
    """
    flat, known = _flat(logits, labels)
    confidence, answer = (flat / temperature).softmax(1).max(1)
    right = (answer == known).double()
    index = (confidence * bins).long().clamp(max=bins - 1)
    counts = torch.bincount(index, minlength=bins).double()
    sums = [
        torch.bincount(index, weights=values.double(), minlength=bins)
        for values in (confidence, right)
    ]
    filled = counts.clamp(min=1)
    return Reliability(sums[0] / filled, sums[1] / filled, counts / counts.sum().clamp(min=1))


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature between 0.01 and 100 under which labels are most likely.

    Args:
        logits: Of pictures or pixels, (batch, classes, ...).
        labels: Their classes, (batch, ...); void counts nothing.

    Raises:
        ValueError: The shapes disagree.
    """
    flat, known = _flat(logits, labels)
    chosen = flat.gather(1, known[:, None]).squeeze(1)

    def loss(temperature: float) -> float:
        return float(((flat / temperature).logsumexp(1) - chosen / temperature).mean())

    return _minimum(loss)


def match_temperature(student: Tensor, teacher: Tensor) -> float:
    """Return the temperature under which the student is as sure as the teacher; needs no data.

    It minimizes the divergence of the student's chances from the teacher's.

    Args:
        student: Logits on generated pictures, (batch, classes, ...).
        teacher: Logits on the same pictures.

    Raises:
        ValueError: The shapes differ.
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"logits must have one shape, got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
    flat, wanted = (logits.movedim(1, -1).flatten(0, -2).double() for logits in (student, teacher))
    mean = (wanted.softmax(1) * flat).sum(1)

    def loss(temperature: float) -> float:
        return float(((flat / temperature).logsumexp(1) - mean / temperature).mean())

    return _minimum(loss)


def _flat(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits and labels of all pictures or pixels that have one."""
    if logits.shape[:1] + logits.shape[2:] != labels.shape:
        raise ValueError(
            f"labels must have the shape of logits without classes, got {tuple(labels.shape)} and "
            f"{tuple(logits.shape)}"
        )
    known = labels != VOID
    return logits.movedim(1, -1)[known].double(), labels[known].long()


def _minimum(loss: Callable[[float], float]) -> float:
    """Return where a loss, which is convex in 1 / temperature, is least: golden section over its log."""
    ratio = (math.sqrt(5) - 1) / 2
    low, high = _LOW, _HIGH
    for _ in range(_SECTIONS):
        inner = (high - ratio * (high - low), low + ratio * (high - low))
        if loss(math.exp(inner[0])) <= loss(math.exp(inner[1])):
            high = inner[1]
        else:
            low = inner[0]
    return math.exp((low + high) / 2)
