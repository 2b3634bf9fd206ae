"""Losses of training with labels: cross-entropy and focal loss, weighted, without void."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from dfad_distillation.picture_folders import VOID
from dfad_distillation.teacher_config import TeacherConfig

_GAMMA = 2.0  # of the focal loss, Lin et al., arXiv 1708.02002, and the official code


class LossSum(NamedTuple):
    """A sum and what to divide it by, so that processes can add up both."""

    total: Tensor
    weight: Tensor


def label_loss(
    logits: Float[Tensor, "batch classes ..."],
    labels: Integer[Tensor, "batch ..."],
    *,
    config: TeacherConfig,
    weights: Float[Tensor, " classes"] | None = None,
) -> LossSum:
    """Return the weighted sum of losses over all pictures or pixels that have a label.

    Args:
        logits: Of the network; half precision is computed with in single.
        labels: Class numbers; `VOID` counts nothing.
        config: Which loss, and label smoothing.
        weights: One per class.
    """
    known = labels != VOID
    targets = torch.where(known, labels, 0)
    low = logits.dtype in (torch.float16, torch.bfloat16)
    log_chances = (logits.float() if low else logits).log_softmax(1)
    chosen = log_chances.gather(1, targets[:, None]).squeeze(1)
    smoothing = config.label_smoothing
    losses = -(1 - smoothing) * chosen - smoothing * log_chances.mean(1)
    if config.loss == "focal":
        losses = losses * (1 - chosen.exp()) ** _GAMMA
    shares = known.to(losses.dtype)
    if weights is not None:
        shares = shares * weights[targets]
    return LossSum((losses * shares).sum(), shares.sum())


def rarity_weights(
    labels: Integer[Tensor, "count ..."], *, classes: int
) -> Float[Tensor, " classes"]:
    """Return 1 / log(1.02 + share) of each class (Paszke et al., arXiv 1606.02147)."""
    counts = torch.bincount(labels[labels != VOID].flatten(), minlength=classes).double()
    shares = counts / counts.sum().clamp(min=1)
    return (1 / (1.02 + shares).log()).to(torch.get_default_dtype())
