"""How far a student's logits are from its teacher's: the losses of both players (arXiv 1912.11006, section 3).

Classes are dimension 1: logits are (N, classes) or (N, classes, H, W). Every function returns one number.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dfad_distillation.config import Discrepancy, GenerationLoss
from tenfold_shared.distributed import global_mean

Logits = Float[Tensor, "batch classes *positions"]
Scalar = Float[Tensor, ""]


def mean_absolute_error(student: Logits, teacher: Logits) -> Scalar:
    """Return the mean over samples, classes and positions of |s - t|.

    Its gradient keeps its size when the two get near, where that of the other losses vanishes.
    """
    return functional.l1_loss(student, teacher)


def mean_squared_error(student: Logits, teacher: Logits) -> Scalar:
    """Return the mean over samples, classes and positions of (s - t)^2."""
    return functional.mse_loss(student, teacher)


def divergence(student: Logits, teacher: Logits) -> Scalar:
    """Return KL(softmax t || softmax s), the mean over samples and positions (arXiv 1503.02531)."""
    log_student = functional.log_softmax(student, dim=1)
    log_teacher = functional.log_softmax(teacher, dim=1)
    return (log_teacher.exp() * (log_teacher - log_student)).sum(1).mean()


DISCREPANCIES = {
    "mae": mean_absolute_error,
    "mse": mean_squared_error,
    "kl": divergence,
}


def imitation_loss(student: Logits, teacher: Logits, *, kind: Discrepancy = "mae") -> Scalar:
    """Return what the student minimizes."""
    return DISCREPANCIES[kind](student, teacher)


class GenerationTerms(NamedTuple):
    """What the generator sees of its players."""

    loss: Tensor
    """What it minimizes."""
    discrepancy: Tensor
    """The disagreement that it maximizes, without logarithm."""


def generation_loss(
    student: Logits, teacher: Logits, *, kind: GenerationLoss = "mae"
) -> GenerationTerms:
    """Return what the generator minimizes: -D, or -log(1 + D) for `log_mae`.

    The logarithm divides the gradient by 1 + D: the generator slows down while the student is far off. D is that of
    the batches of all processes.
    """
    if kind == "log_mae":
        distance = global_mean(mean_absolute_error(student, teacher))
        return GenerationTerms(-torch.log1p(distance), distance)
    distance = DISCREPANCIES[kind](student, teacher)
    return GenerationTerms(-distance, distance)
