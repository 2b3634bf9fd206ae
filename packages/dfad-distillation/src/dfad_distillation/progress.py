"""A measure of progress that needs no data: agreement with the teacher on a frozen bank of generated pictures.

The pictures of a single generator say little, because the student was just fitted to them. The bank holds those of
generators from the whole run, each painting the same noise; once the run has ended all students that were kept are
scored on the same bank. Ranks within a run mean something; the share itself is no estimate of an accuracy.
"""

import copy
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.seeds import torch_stream

PACKAGE = "dfad-distillation"
STATES = "states"
"""Folder of kept networks inside a run folder."""

CHUNK = 256
"""Pictures that go through a network at once."""


class StateScore(NamedTuple):
    """What the measure says of one student."""

    round: int
    """When it was kept."""
    agreement: float
    """Share of pictures (or pixels) where student and teacher prefer the same class."""
    distance: float
    """Mean absolute difference of logits."""


class Bank(NamedTuple):
    """Generated pictures, and what the teacher says of them."""

    pictures: Float[Tensor, "n c h w"]
    logits: Float[Tensor, "n classes *positions"]


def evenly_spaced(rounds: int, count: int) -> tuple[int, ...]:
    """Return `count` rounds at equal distances up to the last (fewer if there are not so many)."""
    count = min(count, rounds)
    return tuple(sorted({round(rounds * (i + 1) / count) for i in range(count)}))


def state_path(folder: Path, kind: str, number: int) -> Path:
    """Return the file of the `student` or `generator` that was kept after round `number`."""
    return folder / STATES / f"{kind}-{number:07d}.safetensors"


def keep_state(folder: Path, kind: str, number: int, module: nn.Module) -> None:
    """Write a network beside the run, for the measure."""
    path = state_path(folder, kind, number)
    path.parent.mkdir(exist_ok=True)
    save_checkpoint(path, models={kind: module}, metadata={"round": number}, package=PACKAGE)


def restore_state(folder: Path, kind: str, number: int, module: nn.Module) -> None:
    """Read a kept network into `module`."""
    load_checkpoint(state_path(folder, kind, number), package=PACKAGE).restore(
        models={kind: module}
    )


@torch.no_grad()
def paint_bank(
    folder: Path,
    snapshots: Iterable[int],
    *,
    generator: nn.Module,
    teacher: nn.Module,
    count: int,
    seed: int,
) -> Bank:
    """Paint the bank: `count` pictures by each generator that was kept.

    The generators normalize with the statistics of their batch, as in training; the one passed in is only copied.
    """
    painter = copy.deepcopy(generator).train()
    weight = next(painter.parameters())
    noise = torch.randn(count, painter.latent, generator=torch_stream(seed, "bank"))
    noise = noise.to(weight.device, weight.dtype)
    pictures = []
    for number in snapshots:
        restore_state(folder, "generator", number, painter)
        pictures.append(painter(noise))
    painted = torch.cat(pictures)
    return Bank(painted, torch.cat([teacher(part) for part in painted.split(CHUNK)]))


@torch.no_grad()
def score(student: nn.Module, bank: Bank, *, number: int = 0) -> StateScore:
    """Score one student on the bank."""
    before = student.training
    student.eval()
    logits = torch.cat([student(part) for part in bank.pictures.split(CHUNK)])
    student.train(before)
    same = logits.argmax(1) == bank.logits.argmax(1)
    return StateScore(
        number, float(same.double().mean()), float((logits - bank.logits).abs().mean())
    )


def score_states(
    folder: Path, numbers: Sequence[int], bank: Bank, *, student: nn.Module
) -> list[StateScore]:
    """Score the students that were kept after the given rounds; the one passed in is only copied."""
    reader = copy.deepcopy(student)
    table = []
    for number in numbers:
        restore_state(folder, "student", number, reader)
        table.append(score(reader, bank, number=number))
    return table


def highest(table: Sequence[StateScore]) -> StateScore:
    """Return the state of highest agreement; of equals the later one, which has learned longer.

    Raises:
        ValueError: No state was kept.
    """
    if not table:
        raise ValueError("no state was kept; set states to at least 1")
    return max(table, key=lambda one: (one.agreement, one.round))


def choose(table: Sequence[StateScore], *, pictures: int) -> StateScore:
    """Return the latest state whose agreement cannot be told from the highest.

    The rule of one standard error (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3): a share p
    of n pictures is uncertain by sqrt(p (1 - p) / n), and of states within that of the highest the latest has learned
    longest, at the lowest rate.

    Args:
        table: Scores, in any order.
        pictures: Of the bank that gave them. Pixels of one picture are not independent, so pictures count.

    Raises:
        ValueError: No state was kept, or the bank is empty.
    """
    if pictures < 1:
        raise ValueError(f"pictures must be at least 1, not {pictures}; pass the size of the bank")
    share = highest(table).agreement
    lowest = share - math.sqrt(share * (1 - share) / pictures)
    return max((one for one in table if one.agreement >= lowest), key=lambda one: one.round)


@torch.no_grad()
def class_histogram(logits: Float[Tensor, "n classes *positions"]) -> Int[Tensor, " classes"]:
    """Return how often the teacher prefers each class: a generator that has collapsed leaves some empty."""
    return torch.bincount(logits.argmax(1).flatten(), minlength=logits.shape[1])
