"""Lessons on parts of pictures: an option, the paper has none.

A generator whose pictures are standardized over the batch hardly paints nearly empty ones, and a student then
guesses on thin or small objects (a written 1). Blanking out all but a rectangle makes such pictures, and the teacher
says what they are; no data is needed.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tenfold_shared.distributed import World, shard


def keep_rectangles(
    pictures: Float[Tensor, "batch c h w"],
    *,
    share: float,
    random: torch.Generator,
    world: World | None = None,
) -> Float[Tensor, "batch c h w"]:
    """Keep a random rectangle of some pictures; the rest of these takes the lowest value of the picture.

    Sides are drawn evenly from a quarter to the whole of the picture's.

    Args:
        pictures: Generated; this process's part of a batch.
        share: Of pictures that are treated, on average.
        random: On the CPU, the same in all processes.
        world: Which part that is; all of the batch if missing.
    """
    world = world or World(0, 1)
    count, (height, width) = len(pictures) * world.size, pictures.shape[2:]
    rows, columns = _spans(count, height, random), _spans(count, width, random)
    whole = torch.rand(count, 1, 1, 1, generator=random) >= share
    kept = shard(whole | (rows[:, None, :, None] & columns[:, None, None, :]), world)
    lowest = pictures.amin((1, 2, 3), keepdim=True)
    return torch.where(kept.to(pictures.device), pictures, lowest)


def _spans(count: int, size: int, random: torch.Generator) -> Bool[Tensor, "count size"]:
    """Return one interval of positions for each picture."""
    shortest = max(size // 4, 1)
    length = torch.randint(shortest, size + 1, (count, 1), generator=random)
    start = (torch.rand(count, 1, generator=random) * (size - length + 1)).long()
    places = torch.arange(size)
    return (places >= start) & (places < start + length)
