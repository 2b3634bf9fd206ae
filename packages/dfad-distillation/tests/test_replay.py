"""The memory of earlier batches."""

import pytest
import torch

from dfad_distillation.adversarial_game import Lesson
from dfad_distillation.replay import ReplayMemory


def lesson(value: float) -> Lesson:
    """Return a batch of constant pictures."""
    return Lesson(torch.full((2, 1, 3, 3), value), torch.full((2, 4), -value))


def memory(capacity: int) -> ReplayMemory:
    """Return an empty memory."""
    return ReplayMemory(capacity, lesson(0), random=torch.Generator().manual_seed(0))


def test_it_waits_until_it_is_half_full_and_forgets_the_oldest() -> None:
    kept = memory(4)
    kept.add(lesson(1))
    assert kept.draw() is None
    for value in range(2, 7):
        kept.add(lesson(value))
    drawn = [kept.draw() for _ in range(60)]
    values = {float(one.pictures[0, 0, 0, 0]) for one in drawn}
    assert values == {3.0, 4.0, 5.0, 6.0}
    assert all((one.pictures[0, 0, 0, 0] == -one.logits[0, 0]) for one in drawn)


def test_a_restored_memory_draws_the_same() -> None:
    first, second = memory(3), memory(3)
    for value in range(5):
        first.add(lesson(value))
    second.load_state_dict(first.state_dict())
    second.random.set_state(first.random.get_state())
    for _ in range(10):
        assert torch.equal(first.draw().pictures, second.draw().pictures)


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="capacity must be at least 1, got 0"):
        memory(0)
