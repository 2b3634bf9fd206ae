"""Sizes that no memory holds are refused before anything is allocated: networks are first built without storage."""

import os
from collections.abc import Generator as Yields
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dfad_distillation.config import DistillationConfig, InputSpace
from dfad_distillation.generators import Generator
from dfad_distillation.registry import build_network
from tenfold_shared.errors import UserError

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_NUMBER = 4
"""Bytes of a number in single precision."""
_TRAINED = 4
"""Copies of a weight in training: itself, its gradient and two moments of Adam."""


def memory_limit() -> int:
    """Return how many bytes this process may have: those of the machine or of its container."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _LIMITS:
        with suppress(OSError, ValueError):  # there is no container, or it has no limit
            limits.append(int(path.read_text("utf-8")))
    if torch.cuda.is_available():
        return max(min(limits), torch.cuda.get_device_properties(0).total_memory)
    return min(limits)


def check_memory(what: str, needed: int, fix: str) -> None:
    """Refuse what cannot fit.

    Args:
        what: Subject of the sentence.
        needed: Bytes.
        fix: What to do.

    Raises:
        UserError: More is needed than there is.
    """
    limit = memory_limit()
    if needed > limit:
        raise UserError(
            f"{what} needs about {needed / 2**30:.3g} GiB of memory, and there are {limit / 2**30:.3g}; {fix}."
        )


def check_game(config: DistillationConfig) -> None:
    """Refuse settings whose generator, batches, bank or replay memory cannot be held.

    Raises:
        UserError: The sentence names what to lower.
    """
    pixels = _product(config.input.shape)
    weights, batch = _generator_bytes(config, config.batch)
    needed = _TRAINED * weights + 2 * batch
    check_memory(
        "the generator",
        needed,
        "lower --batch, --generator.width, --generator.latent or --input.shape",
    )
    if config.states:
        snapshots = min(config.snapshots, config.rounds)
        _, painted = _generator_bytes(config, config.bank)
        needed = painted + _NUMBER * pixels * config.bank * snapshots
        check_memory("the bank of the data-free measure", needed, "lower --bank or --snapshots")
    kept = _NUMBER * pixels * config.batch * config.replay
    check_memory("the memory of earlier batches", kept, "lower --replay or --batch")


def check_samples(config: DistillationConfig, count: int) -> None:
    """Refuse more samples at once than fit.

    Raises:
        UserError: The sentence says so.
    """
    check_memory(
        f"painting {count} pictures at once", _generator_bytes(config, count)[1], "paint fewer"
    )


def check_pictures(space: InputSpace, batch: int) -> None:
    """Refuse batches of real pictures that cannot be held.

    Raises:
        UserError: The sentence names what to lower.
    """
    needed = 2 * _NUMBER * _product(space.shape) * batch
    check_memory(
        f"a batch of {batch} pictures of shape {space.shape}",
        needed,
        "lower --input.shape or --batch",
    )


def check_network(name: str, *, classes: int, channels: int, arguments: Mapping[str, Any]) -> None:
    """Refuse a network of the registry whose weights cannot be held in training.

    Raises:
        UserError: It is too large, or cannot be built at all.
    """
    try:
        with torch.device("meta"):
            network = build_network(name, classes=classes, channels=channels, arguments=arguments)
        weights = _NUMBER * sum(p.numel() for p in network.parameters())
    except (RuntimeError, OverflowError) as error:
        raise UserError(f"{name} with {dict(arguments)} is too large; lower the width.") from error
    check_memory(f"training {name} with {dict(arguments)}", _TRAINED * weights, "lower the width")


@contextmanager
def refusing_exhaustion() -> Yields[None]:
    """Turn a failed allocation into one sentence.

    Raises:
        UserError: Memory was exhausted.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        # torch raises RuntimeError for the processor's memory and a subclass for that of GPUs.
        if not isinstance(error, MemoryError) and not any(
            words in text
            for words in ("out of memory", "can't allocate memory", "not enough memory", "overflow")
        ):
            raise
        raise UserError(
            "the memory does not suffice; lower --batch, --generator.width or the size of the networks."
        ) from error


def _generator_bytes(config: DistillationConfig, count: int) -> tuple[int, int]:
    """Return the bytes of a generator's weights and of what its layers answer for `count` noise vectors."""
    sizes: list[int] = []

    def note(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        sizes.append(output.numel())

    try:
        with torch.device("meta"), torch.no_grad():
            generator = Generator(config.generator, config.input)
            for layer in generator.modules():
                if not list(layer.children()):
                    layer.register_forward_hook(note)
            # Only sizes are asked for; two vectors stand for all, since sizes are proportional.
            generator.body(generator.start(torch.empty(2, generator.latent)))
    except (RuntimeError, OverflowError, TypeError) as error:
        raise UserError(
            "the generator is too large to be built; lower --generator.width, --generator.latent or "
            "--input.shape."
        ) from error
    weights = sum(p.numel() for p in generator.parameters())
    return _NUMBER * weights, _NUMBER * sum(sizes) * count // 2


def _product(shape: tuple[int, ...]) -> int:
    """Return the product of sizes."""
    product = 1
    for side in shape:
        product *= side
    return product
