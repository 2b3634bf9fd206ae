"""Randomness by name: every stream depends on the seed and its names, and on nothing else.

Streams are derived by SHA-256, so they are equal in every process and in every version, they do not
depend on the order in which they are drawn, and a resumed run needs to remember only its position.
"""

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


def numpy_stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the random generator of one purpose, e.g. `numpy_stream(seed, "augment", epoch, 7)`.

    Args:
        seed: The one seed of the run.
        *names: What the stream is for; the text "1" and the number 1 are different names.
    """
    return np.random.Generator(np.random.PCG64(_derive(seed, names)))


def torch_stream(seed: int, *names: str | int) -> "torch.Generator":
    """Return a generator on the CPU: draw there and move the numbers, so that devices agree.

    Args:
        seed: The one seed of the run.
        *names: What the stream is for.
    """
    import torch

    generator = torch.Generator()
    generator.manual_seed(_derive(seed, names) % 2**63)
    return generator


def seed_global_state(seed: int, *names: str | int) -> None:
    """Seed torch's own state, which initial weights and dropout draw from, on every device.

    `RunFolder` calls it; call it before building a network, whose weights are then a function of
    the seed. A checkpoint stores this state, so a resumed run continues with the same numbers.
    """
    import torch

    torch.manual_seed(_derive(seed, names) % 2**63)  # noqa: TID251  # pyright: ignore[reportUnknownMemberType]


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of `count` items in one epoch, a pure function of seed and epoch.

    It sorts raw output of PCG64, which numpy promises never to change; `permutation` it may.
    """
    if count < 0:
        raise ValueError(f"count must not be negative, got {count}; pass the number of items")
    keys = np.random.PCG64(_derive(seed, ("order", epoch))).random_raw(count)
    return np.argsort(np.asarray(keys, dtype=np.uint64), kind="stable").astype(np.int64)


def _derive(seed: int, names: tuple[str | int, ...]) -> int:
    """Hash seed and names to a number of 256 bits."""
    for value in (seed, *names):
        if isinstance(value, bool) or not isinstance(value, int | str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"names of a stream must be text or integers, got {value!r}; use str()"
            )
    text = json.dumps([int(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest())
