"""A memory of earlier batches, against forgetting (arXiv 2108.05698): an option, the paper has none.

The batches are a sample of the whole history, each as likely as any other (Vitter's reservoir, 1985): what the
generator painted first is what it returns to least.
"""

import torch
from torch import Tensor, nn

from dfad_distillation.adversarial_game import Lesson
from tenfold_shared.distributed import shard, unshard


class ReplayMemory(nn.Module):
    """`capacity` batches of all that were added, as buffers: a checkpoint holds them, a resumed run draws the same.

    Under `torchrun` every process keeps whole batches, and replays its part of them.

    Args:
        capacity: Batches that are kept.
        like: A whole batch, for the shapes.
        random: Draws which batch is kept, and which is replayed.
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
        """Keep a batch in a free place, or, at random, in that of another, or not at all.

        Args:
            lesson: This process's part of it.
        """
        capacity, place = len(self.pictures), int(self.written)
        self.written += 1
        if place >= capacity:
            place = int(torch.randint(place + 1, (), generator=self.random))
        if place < capacity:
            self.pictures[place].copy_(unshard(lesson.pictures))
            self.logits[place].copy_(unshard(lesson.logits))

    def draw(self) -> Lesson | None:
        """Return this process's part of a random batch, or None while the memory is less than half full."""
        capacity = len(self.pictures)
        stored = min(int(self.written), capacity)
        if 2 * stored < capacity:
            return None
        place = int(torch.randint(stored, (), generator=self.random))
        return Lesson(shard(self.pictures[place]), shard(self.logits[place]))
