"""The losses against loops over scalars, and their gradients."""

import math

import pytest
import torch
from torch import Tensor

from dfad_distillation.discrepancy import divergence, generation_loss, imitation_loss
from tenfold_shared.testing import check_gradient


def logits(*shape: int) -> tuple[Tensor, Tensor]:
    """Return two random tensors in float64."""
    random = torch.Generator().manual_seed(len(shape))
    return tuple(torch.randn(*shape, generator=random, dtype=torch.float64) for _ in range(2))


def slow_divergence(student: Tensor, teacher: Tensor) -> float:
    """Return KL(teacher || student) by loops over rows of scalars."""
    rows = [t.movedim(1, -1).reshape(-1, t.shape[1]).tolist() for t in (student, teacher)]
    total = 0.0
    for s, t in zip(*rows, strict=True):
        es, et = [math.exp(v) for v in s], [math.exp(v) for v in t]
        for a, b in zip(es, et, strict=True):
            p, q = b / sum(et), a / sum(es)
            total += p * math.log(p / q)
    return total / len(rows[0])


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2, 5)])
def test_losses_equal_loops(shape: tuple[int, ...]) -> None:
    student, teacher = logits(*shape)
    pairs = list(zip(student.flatten().tolist(), teacher.flatten().tolist(), strict=True))
    absolute = sum(abs(a - b) for a, b in pairs) / len(pairs)
    squared = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    assert imitation_loss(student, teacher, kind="mae").item() == pytest.approx(absolute)
    assert imitation_loss(student, teacher, kind="mse").item() == pytest.approx(squared)
    kl = imitation_loss(student, teacher, kind="kl").item()
    assert kl == pytest.approx(slow_divergence(student, teacher))
    assert abs(absolute - squared) > 0.01


def test_the_adaptive_loss_divides_the_gradient_by_1_plus_the_distance() -> None:
    student, teacher = logits(4, 3)
    gradients = {}
    for kind in ("mae", "log_mae"):
        leaf = student.clone().requires_grad_()
        terms = generation_loss(leaf, teacher, kind=kind)
        terms.loss.backward()
        gradients[kind] = leaf.grad
    distance = (student - teacher).abs().mean()
    assert terms.discrepancy.item() == pytest.approx(distance.item())
    assert terms.loss.item() == pytest.approx(-math.log(1 + distance.item()))
    torch.testing.assert_close(gradients["log_mae"] * (1 + distance), gradients["mae"])


@pytest.mark.parametrize("kind", ["mse", "kl", "mae", "log_mae"])
def test_gradients(kind: str) -> None:
    student, teacher = logits(3, 4, 2)
    leaf = student.requires_grad_()
    check_gradient(lambda s: generation_loss(s, teacher, kind=kind).loss, (leaf,))


def test_the_divergence_of_large_logits_is_finite() -> None:
    student = torch.tensor([[1e4, 0.0, -1e4]])
    assert math.isfinite(divergence(student, student.flip(1)).item())
    assert divergence(student, student).item() == 0
