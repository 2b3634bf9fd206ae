"""A memory of earlier batches, against forgetting (arXiv 2108.05698): an option, the paper has none."""

import torch
from torch import Tensor, nn

from dfad_distillation.adversarial_game import Lesson


class ReplayMemory(nn.Module):
    """The latest `capacity` batches, as buffers: a checkpoint holds them, and a resumed run draws the same.

    Args:
        capacity: Batches that are kept; the oldest is overwritten.
        like: A batch, for the shapes.
        random: Draws which batch is replayed.
    """

    pictures: Tensor
    logits: Tensor
    written: Tensor

    def __init__(self, capacity: int, like: Lesson, *, random: torch.Generator) -> None:
        super().__init__()
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.random = random
        for name, one in like._asdict().items():
            self.register_buffer(name, one.new_zeros((capacity, *one.shape)))
        self.register_buffer("written", torch.zeros((), dtype=torch.int64))

    def add(self, lesson: Lesson) -> None:
        """Keep a batch."""
        place = int(self.written) % len(self.pictures)
        self.pictures[place].copy_(lesson.pictures)
        self.logits[place].copy_(lesson.logits)
        self.written += 1

    def draw(self) -> Lesson | None:
        """Return a batch at random, or None while the memory is less than half full."""
        capacity = len(self.pictures)
        stored = min(int(self.written), capacity)
        if 2 * stored < capacity:
            return None
        place = int(torch.randint(stored, (), generator=self.random))
        return Lesson(self.pictures[place], self.logits[place])
