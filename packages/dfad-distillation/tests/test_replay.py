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


def values(kept: ReplayMemory, *, draws: int = 60) -> set[float]:
    """Return which batches a memory gives."""
    drawn = [kept.draw() for _ in range(draws)]
    assert all((one.pictures[0, 0, 0, 0] == -one.logits[0, 0]) for one in drawn)
    return {float(one.pictures[0, 0, 0, 0]) for one in drawn}


def test_it_waits_until_it_is_half_full_and_then_gives_all_it_has() -> None:
    kept = memory(4)
    kept.add(lesson(1))
    assert kept.draw() is None
    kept.add(lesson(2))
    assert values(kept) == {1.0, 2.0}
    kept.add(lesson(3))
    kept.add(lesson(4))
    assert values(kept) == {1.0, 2.0, 3.0, 4.0}


def test_each_batch_of_the_history_is_kept_as_often() -> None:
    kept_times = torch.zeros(12)
    for seed in range(400):
        kept = ReplayMemory(3, lesson(0), random=torch.Generator().manual_seed(seed))
        for value in range(12):
            kept.add(lesson(value))
        assert len(set(kept.pictures[:, 0, 0, 0, 0].tolist())) == 3
        assert torch.equal(kept.pictures[:, 0, 0, 0, 0], -kept.logits[:, 0, 0])
        kept_times[kept.pictures[:, 0, 0, 0, 0].long()] += 1
    # a quarter of 400 each, deviation sqrt(400 / 4 * 3 / 4) = 8.7
    assert (kept_times - 100).abs().max() < 35


def test_pictures_stay_beside_their_logits() -> None:
    kept = memory(1)
    numbers = torch.arange(2.0)
    kept.add(Lesson(numbers.view(2, 1, 1, 1).expand(2, 1, 3, 3), numbers.view(2, 1).expand(2, 4)))
    drawn = kept.draw()
    assert drawn is not None
    assert torch.equal(drawn.pictures[:, 0, 0, 0], drawn.logits[:, 0])
    assert torch.equal(drawn.logits[:, 0], numbers)


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
