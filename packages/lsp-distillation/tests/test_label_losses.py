"""Losses per row against loops, and where they are 0."""

import math

import pytest
import torch
from torch.nn import functional

from lsp_distillation.label_losses import label_losses, positive_weights, soft_label_losses

TASKS = ("multiclass", "multilabel", "regression")


def example(task: str) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    logits = torch.randn(5, 3, generator=random, dtype=torch.float64)
    if task == "multiclass":
        return logits, torch.tensor([0, 2, 1, 1, 0])
    if task == "multilabel":
        return logits, (torch.rand(5, 3, generator=random, dtype=torch.float64) > 0.5).double()
    return logits, torch.randn(5, 3, generator=random, dtype=torch.float64)


def slow_row(logits: list[float], label: object, task: str) -> float:
    if task == "multiclass":
        assert isinstance(label, int)
        return math.log(sum(math.exp(z) for z in logits)) - logits[label]
    assert isinstance(label, list)
    if task == "multilabel":
        return sum(
            math.log1p(math.exp(-z)) if y else math.log1p(math.exp(z))
            for z, y in zip(logits, label, strict=True)
        ) / len(logits)
    return sum((z - y) ** 2 for z, y in zip(logits, label, strict=True)) / len(logits)


@pytest.mark.parametrize("task", TASKS)
def test_each_row_is_the_loss_written_out(task: str) -> None:
    logits, labels = example(task)
    found = label_losses(logits, labels, task=task)
    slow = [slow_row(z, y, task) for z, y in zip(logits.tolist(), labels.tolist(), strict=True)]
    assert found.tolist() == pytest.approx(slow, abs=1e-12)


def test_values_may_lack_their_axis() -> None:
    assert label_losses(
        torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0]), task="regression"
    ).tolist() == [0, 4]


@pytest.mark.parametrize("task", TASKS)
def test_soft_labels_are_0_only_where_both_agree(task: str) -> None:
    logits, _ = example(task)
    assert soft_label_losses(logits, logits, task=task, temperature=3.0).abs().max() < 1e-12
    assert soft_label_losses(logits, logits + torch.eye(5, 3), task=task)[:3].min() > 1e-3


def test_soft_labels_are_the_divergence_at_a_temperature() -> None:
    student, teacher = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    p, q = (functional.softmax(z[0] / 2, 0).tolist() for z in (teacher, student))
    slow = 4 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    found = soft_label_losses(student, teacher, task="multiclass", temperature=2.0)
    assert float(found) == pytest.approx(slow, rel=1e-5)


def test_the_gradient_of_soft_labels_does_not_fade_with_the_temperature() -> None:
    """Of small logits: the factor T^2 makes up for 1 / T^2 (Hinton et al., section 2)."""
    norms = []
    for temperature in (10.0, 100.0):
        student = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
        teacher = torch.tensor([[0.1, -0.2, 0.3]], dtype=torch.float64)
        soft_label_losses(
            student, teacher, task="multiclass", temperature=temperature
        ).sum().backward()
        assert student.grad is not None
        norms.append(float(student.grad.norm()))
    assert norms[0] == pytest.approx(norms[1], rel=0.02)


def test_rare_labels_weigh_more() -> None:
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert positive_weights(labels, power=1.0).tolist() == pytest.approx([1 / 3, 3, 4])
    assert positive_weights(labels, power=0.5).tolist() == pytest.approx(
        [(1 / 3) ** 0.5, 3**0.5, 2]
    )
    assert positive_weights(labels, power=0.0).tolist() == [1, 1, 1]
