"""FitNet's hints and attention transfer."""

import pytest
import torch

from lsp_distillation.feature_distillation import Hints, attention_loss


def test_hints_learn_to_explain_the_teacher_and_leave_it_alone() -> None:
    random = torch.Generator().manual_seed(0)
    student = torch.randn(50, 3, generator=random)
    teacher = student @ torch.randn(3, 7, generator=random) + 1
    before = teacher.clone()
    hints = Hints(3, 7, random=random)
    optimizer = torch.optim.Adam(hints.parameters(), lr=0.05)
    first = hints(student, teacher).mean().item()
    for _ in range(400):
        optimizer.zero_grad()
        hints(student, teacher).mean().backward()
        optimizer.step()
    assert hints(student, teacher).mean().item() < 1e-3 * first
    assert torch.equal(teacher, before)


def test_first_weights_of_hints_come_from_the_generator() -> None:
    one, other, third = (Hints(2, 3, random=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one.map.weight, other.map.weight)
    assert not torch.equal(one.map.weight, third.map.weight)


def test_attention_by_hand() -> None:
    student = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    teacher = torch.tensor([[1.0], [1.0]])
    maps = [(9 / 97**0.5, 4 / 97**0.5), (0.5**0.5, 0.5**0.5)]
    slow = sum((a - b) ** 2 for a, b in zip(*maps, strict=True))
    assert float(attention_loss(student, teacher)) == pytest.approx(slow, rel=1e-5)


def test_attention_does_not_see_signs_widths_or_scale() -> None:
    teacher = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    assert float(attention_loss(-3 * torch.cat([teacher, teacher], 1), teacher)) < 1e-12
    assert float(attention_loss(teacher.flip(0), teacher)) > 1e-3
