"""Terms of the generator's loss: extreme cases by hand, batch statistics by a slow pass."""

import math

import pytest
import torch
from torch import nn

from dfad_distillation.config import RegularizerConfig
from dfad_distillation.regularizers import (
    BatchStatistics,
    GeneratorPenalty,
    imbalance,
    one_hot_loss,
    total_variation,
)
from tenfold_shared.seeds import seed_global_state


def test_a_balanced_batch_has_no_imbalance_and_one_class_has_all() -> None:
    certain = 200.0 * torch.eye(4)
    assert imbalance(certain).item() == pytest.approx(0, abs=1e-6)
    assert imbalance(certain[:1].expand(8, 4)).item() == pytest.approx(math.log(4))


def test_imbalance_has_a_finite_gradient_where_a_class_vanishes() -> None:
    logits = torch.tensor([[200.0, 0.0], [300.0, 0.0]], requires_grad=True)
    imbalance(logits).backward()
    assert logits.grad.isfinite().all()


def test_imbalance_counts_pixels_of_maps() -> None:
    maps = 200.0 * torch.eye(2).view(1, 2, 1, 2)
    assert imbalance(maps).item() == pytest.approx(0, abs=1e-6)
    assert imbalance(maps[..., :1]).item() == pytest.approx(math.log(2))


def test_certain_teachers_have_no_one_hot_loss() -> None:
    assert one_hot_loss(200.0 * torch.eye(3)).item() == pytest.approx(0, abs=1e-6)
    assert one_hot_loss(torch.zeros(5, 3)).item() == pytest.approx(math.log(3))


def test_total_variation_of_a_checkerboard() -> None:
    board = (torch.arange(6)[:, None] + torch.arange(6)) % 2
    assert total_variation(board[None, None].float()).item() == 2
    assert total_variation(torch.ones(1, 1, 6, 6)).item() == 0


def test_batch_statistics_equal_a_slow_pass() -> None:
    seed_global_state(0)
    teacher = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2)
    )
    teacher(torch.randn(32, 1, 8, 8))
    teacher.eval().requires_grad_(False)
    watch = BatchStatistics(teacher)
    pictures = torch.randn(6, 1, 8, 8)
    teacher(pictures)  # a lesson: without gradient it is not watched
    teacher(pictures.clone().requires_grad_())
    first = teacher[0](pictures)
    second = teacher[3](teacher[2](teacher[1](first)))
    expected = 0.0
    for layer, features in ((teacher[1], first), (teacher[4], second)):
        rows = features.transpose(0, 1).flatten(1)
        expected += (rows.mean(1) - layer.running_mean).norm().item()
        expected += (rows.var(1, correction=0) - layer.running_var).norm().item()
    assert watch.take().item() == pytest.approx(expected, rel=1e-5)
    watch.close()
    teacher(pictures.clone().requires_grad_())
    assert not watch._terms


def test_a_teacher_without_normalization_cannot_be_matched() -> None:
    with pytest.raises(ValueError, match=r"no batch normalization.*batch_statistics to 0"):
        BatchStatistics(nn.Linear(2, 2))


def test_the_penalty_is_the_weighted_sum() -> None:
    pictures, logits = torch.randn(4, 1, 5, 5), torch.randn(4, 3)
    config = RegularizerConfig(one_hot=0.5, balance=2.0, smoothness=3.0)
    found = GeneratorPenalty(config, nn.Identity())(pictures, logits)
    expected = 0.5 * one_hot_loss(logits) + 2 * imbalance(logits) + 3 * total_variation(pictures)
    assert found.item() == pytest.approx(expected.item())
