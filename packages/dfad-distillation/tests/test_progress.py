"""The measure of progress without data: pure functions, and what a frozen bank sees."""

import copy
import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dfad_distillation.config import GeneratorConfig, InputSpace
from dfad_distillation.generators import Generator
from dfad_distillation.progress import (
    Bank,
    StateScore,
    choose,
    class_histogram,
    evenly_spaced,
    highest,
    keep_state,
    paint_bank,
    score,
    score_states,
)


@given(rounds=st.integers(1, 500), count=st.integers(1, 40))
def test_states_are_evenly_spaced_and_end_with_the_last_round(rounds: int, count: int) -> None:
    found = evenly_spaced(rounds, count)
    assert len(found) == min(rounds, count)
    assert found[-1] == rounds
    assert found[0] >= 1
    gaps = [b - a for a, b in itertools.pairwise((0, *found))]
    assert max(gaps) - min(gaps) <= 1


def test_the_highest_agreement_and_of_equals_the_later() -> None:
    table = [StateScore(1, 0.5, 9.0), StateScore(2, 0.7, 1.0), StateScore(3, 0.7, 5.0)]
    assert highest(table).round == 3
    assert highest([*table, StateScore(4, 0.6, 0.0)]).round == 3
    with pytest.raises(ValueError, match="set states to at least 1"):
        highest([])


def test_the_choice_is_the_latest_within_one_standard_error() -> None:
    # sqrt(0.8 * 0.2 / 100) = 0.04: 0.765 cannot be told from 0.8 by 100 pictures, 0.755 can.
    table = [StateScore(1, 0.78, 9.0), StateScore(2, 0.8, 1.0), StateScore(3, 0.765, 5.0)]
    assert choose(table, pictures=100).round == 3
    assert choose(table, pictures=10_000).round == 2
    assert choose([*table, StateScore(4, 0.755, 0.0)], pictures=100).round == 3
    assert choose(table[::-1], pictures=100).round == 3
    with pytest.raises(ValueError, match="pass the size of the bank"):
        choose(table, pictures=0)


def tiny() -> tuple[Generator, nn.Module]:
    """Return a generator and a teacher."""
    space = InputSpace(shape=(1, 8, 8), mean=(0.5,), std=(0.5,))
    generator = Generator(GeneratorConfig(width=3, latent=4), space)
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    return generator, teacher


def test_agreement_and_distance_by_hand() -> None:
    pictures = torch.zeros(4, 1, 1, 1)
    logits = torch.tensor([[3.0, 0.0], [0.0, 1.0], [2.0, 1.0], [0.0, 5.0]])

    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([1.0, 0.0]).expand(len(x), 2)

    found = score(Constant(), Bank(pictures, logits), number=7)
    assert (found.round, found.agreement) == (7, 0.5)
    distance = (logits - torch.tensor([1.0, 0.0])).abs().mean().item()
    assert found.distance == pytest.approx(distance)


def test_a_student_that_is_the_teacher_agrees_fully(tmp_path) -> None:
    generator, teacher = tiny()
    for number in (1, 2):
        keep_state(tmp_path, "generator", number, generator)
        keep_state(tmp_path, "student", number, teacher)
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    keep_state(tmp_path, "student", 3, other)
    bank = paint_bank(tmp_path, (1, 2), generator=generator, teacher=teacher, count=16, seed=0)
    assert len(bank.pictures) == 32
    table = score_states(tmp_path, (1, 2, 3), bank, student=other)
    assert [one.agreement for one in table[:2]] == [1, 1]
    assert table[0].distance == 0
    assert table[2].agreement < 0.9
    assert highest(table).round == 2


def test_painting_and_scoring_leave_the_networks_alone(tmp_path) -> None:
    generator, teacher = tiny()
    student = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, 3))
    keep_state(tmp_path, "generator", 1, generator)
    before = [copy.deepcopy(m.state_dict()) for m in (generator, teacher, student)]
    bank = paint_bank(tmp_path, (1,), generator=generator, teacher=teacher, count=8, seed=0)
    score(student.train(), bank)
    assert student.training
    for one, network in zip(before, (generator, teacher, student), strict=True):
        assert all(torch.equal(value, network.state_dict()[name]) for name, value in one.items())


def test_the_bank_is_a_function_of_seed_and_snapshots(tmp_path) -> None:
    generator, teacher = tiny()
    keep_state(tmp_path, "generator", 1, generator)
    banks = [
        paint_bank(tmp_path, (1,), generator=generator, teacher=teacher, count=8, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(banks[0].pictures, banks[1].pictures)
    assert not torch.equal(banks[0].pictures, banks[2].pictures)


def test_the_histogram_counts_pixels_of_maps() -> None:
    maps = torch.zeros(2, 3, 2, 2)
    maps[0, 2] = 1
    assert class_histogram(maps).tolist() == [4, 0, 4]
    assert class_histogram(torch.eye(3)).tolist() == [1, 1, 1]
