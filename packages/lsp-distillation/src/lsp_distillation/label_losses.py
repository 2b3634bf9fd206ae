"""Losses on true labels and on the teacher's predictions, one number per row, so that callers weigh them."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

Rows = Float[Tensor, " rows"]


def label_losses(
    logits: Float[Tensor, "rows outputs"],
    labels: Shaped[Tensor, "rows ..."],
    *,
    task: str,
    positive_weight: Float[Tensor, " outputs"] | None = None,
) -> Rows:
    """Return H(p_s, y) of every row (paper section 3.2, first term of the total loss).

    Args:
        logits: Predictions; for a regression the values themselves.
        labels: (rows,) classes, or (rows, outputs) of 0 and 1, or values.
        task: `multiclass` (cross entropy), `multilabel` (mean binary cross entropy over labels) or `regression` (mean
            squared error).
        positive_weight: Of every label that is yes, for `multilabel`.
    """
    if task == "multiclass":
        return functional.cross_entropy(logits, labels, reduction="none")
    if task == "multilabel":
        return functional.binary_cross_entropy_with_logits(
            logits, labels, pos_weight=positive_weight, reduction="none"
        ).mean(1)
    return (logits - labels.view_as(logits)).square().mean(1)


def soft_label_losses(
    student: Float[Tensor, "rows outputs"],
    teacher: Float[Tensor, "rows outputs"],
    *,
    task: str,
    temperature: float = 1.0,
) -> Rows:
    """Return T^2 KL(teacher || student) of the predictions at temperature T (Hinton et al., arXiv 1503.02531).

    For yes-or-no labels it is the mean over them of the divergences of two-valued distributions, for values the mean
    squared difference. It is 0 where the student says what the teacher does.

    Args:
        student: Logits.
        teacher: Logits, without gradient.
        task: As for `label_losses`.
        temperature: T.
    """
    if task == "regression":
        return (student - teacher).square().mean(1)
    if task == "multiclass":
        log_s, log_t = ((z / temperature).log_softmax(1) for z in (student, teacher))
        return temperature**2 * functional.kl_div(
            log_s, log_t, log_target=True, reduction="none"
        ).sum(1)
    target = (teacher / temperature).sigmoid()
    cross, entropy = (
        functional.binary_cross_entropy_with_logits(z / temperature, target, reduction="none")
        for z in (student, teacher)
    )
    return temperature**2 * (cross - entropy).mean(1)


def positive_weights(
    labels: Float[Tensor, "rows outputs"], *, power: float
) -> Float[Tensor, " outputs"]:
    """Return (count of no / count of yes)^power of every label; a label that never is yes counts as once."""
    yes = labels.sum(0)
    return ((len(labels) - yes) / yes.clamp(min=1)).clamp(min=1e-3).pow(power).to(torch.float32)


def constant_loss(
    labels: Shaped[Tensor, "rows ..."],
    *,
    task: str,
    outputs: int,
    positive_weight: Float[Tensor, " outputs"] | None = None,
) -> float:
    """Return the mean loss of the best prediction that is the same for all rows: what ignores the features reaches.

    Args:
        labels: As for `label_losses`.
        task: As there.
        outputs: Number of classes, labels or values.
        positive_weight: As there.
    """
    if task == "multiclass":
        shares = torch.bincount(labels, minlength=outputs).double() / len(labels)
        return float(-torch.xlogy(shares, shares).sum())
    if task == "multilabel":
        no = 1 - labels.double().mean(0)
        yes = 1 - no
        if positive_weight is not None:
            yes = yes * positive_weight
        return float(
            (torch.xlogy(yes + no, yes + no) - torch.xlogy(yes, yes) - torch.xlogy(no, no)).mean()
        )
    return float(labels.double().view(len(labels), -1).var(0, correction=0).mean())
