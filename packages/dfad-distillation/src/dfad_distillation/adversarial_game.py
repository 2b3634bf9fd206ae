"""The game of data-free adversarial distillation (arXiv 1912.11006, algorithm 1).

    min over the student S, max over the generator G, of  D(T, S; G) = E_z (1/n) || T(G(z)) - S(G(z)) ||_1

In a round the student takes k steps on generated pictures (imitation), then the generator takes one towards
pictures on which student and teacher differ (generation). The bound on the disagreement over real data that this
is meant to push down rests on the assumption that generated pictures are the harder ones; it is no theorem.

The teacher is frozen and in evaluation mode for good. The student is in training mode in both stages, as in the
official code: the generation batch moves its running statistics too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from dfad_distillation.config import Discrepancy, GenerationLoss
from dfad_distillation.discrepancy import generation_loss, imitation_loss

Pictures = Float[Tensor, "batch c h w"]
Penalty = Callable[[Pictures, Tensor], Tensor]
"""A further term of the generator's loss, from its pictures and the teacher's logits."""
Alteration = Callable[[Pictures], Pictures]
"""What is done to generated pictures before teacher and student see them in a lesson."""


class Memory(Protocol):
    """Batches of earlier rounds, see `replay.ReplayMemory`."""

    def draw(self) -> "Lesson | None":
        """Return an old batch, or None while there are too few."""
        ...


class Players(NamedTuple):
    """The three networks; wrapped for several processes where that is asked for."""

    teacher: nn.Module
    student: nn.Module
    generator: nn.Module


class Lesson(NamedTuple):
    """Pictures and what the teacher says of them, without gradient."""

    pictures: Tensor
    logits: Tensor


class RoundLosses(NamedTuple):
    """Losses of one round; tensors, so that a GPU need not wait."""

    imitation: Tensor
    """Mean of the student's losses over its k steps."""
    discrepancy: Tensor
    """What the generator reached in its step, before regularizers and logarithm."""


def freeze(teacher: nn.Module) -> nn.Module:
    """Put a teacher into evaluation mode for good: no gradient is ever computed for its weights."""
    return teacher.eval().requires_grad_(False)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without computing those of its weights."""
    trained = [p for p in module.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


@torch.no_grad()
def prepare_lesson(
    players: Players, noise: Float[Tensor, "batch latent"], *, alter: Alteration | None = None
) -> Lesson:
    """Paint pictures and ask the teacher; moves only the generator's running statistics."""
    pictures = players.generator(noise)
    if alter is not None:
        pictures = alter(pictures)
    return Lesson(pictures, players.teacher(pictures))


def imitation_step(
    student: nn.Module,
    optimizer: Optimizer,
    lesson: Lesson,
    *,
    loss: Discrepancy = "mae",
) -> Float[Tensor, ""]:
    """Move the student towards the teacher on given pictures; touches nothing else."""
    optimizer.zero_grad(set_to_none=True)
    term = imitation_loss(student(lesson.pictures), lesson.logits, kind=loss)
    term.backward()
    optimizer.step()
    return term.detach()


def generation_step(
    players: Players,
    raw_student: nn.Module,
    optimizer: Optimizer,
    noise: Float[Tensor, "batch latent"],
    *,
    loss: GenerationLoss = "mae",
    penalty: Penalty | None = None,
) -> Float[Tensor, ""]:
    """Move the generator towards pictures on which student and teacher differ.

    Touches the generator, and the student's running statistics; neither the student nor the teacher gets gradients.

    Args:
        players: The networks.
        raw_student: The student without wrapper: no gradients of it are exchanged.
        optimizer: The generator's.
        noise: What to paint from.
        loss: What to maximize.
        penalty: A further term to minimize.
    """
    optimizer.zero_grad(set_to_none=True)
    with frozen(raw_student):
        pictures = players.generator(noise)
        logits = players.teacher(pictures)
        terms = generation_loss(raw_student(pictures), logits, kind=loss)
        total = terms.loss if penalty is None else terms.loss + penalty(pictures, logits)
        total.backward()
    optimizer.step()
    return terms.discrepancy.detach()


def play_round(
    players: Players,
    raw_student: nn.Module,
    optimizers: tuple[Optimizer, Optimizer],
    noise: Iterator[Tensor],
    *,
    student_steps: int,
    pool: int,
    losses: tuple[Discrepancy, GenerationLoss] = ("mae", "mae"),
    penalty: Penalty | None = None,
    memory: Memory | None = None,
    alter: Alteration | None = None,
) -> tuple[RoundLosses, Lesson]:
    """Play one round: k imitation steps on `pool` fresh batches in turn, then one generation step.

    Args:
        players: The networks.
        raw_student: The student without wrapper.
        optimizers: The student's and the generator's.
        noise: `pool` + 1 batches are taken from it.
        student_steps: k.
        pool: Fresh batches; `student_steps` of them are the paper's loop.
        losses: The student's and the generator's.
        penalty: A further term of the generator's loss.
        memory: Old batches; one of them joins each student step.
        alter: Changes the pictures of lessons.

    Returns:
        The losses, and the last lesson (for a memory).
    """
    student_optimizer, generator_optimizer = optimizers
    taught: list[Lesson] = []
    imitation: list[Tensor] = []
    for step in range(student_steps):
        if step < pool:
            taught.append(prepare_lesson(players, next(noise), alter=alter))
        lesson = taught[step % pool]
        old = None if memory is None else memory.draw()
        if old is not None:
            lesson = Lesson(*map(torch.cat, zip(lesson, old, strict=True)))
        imitation.append(imitation_step(players.student, student_optimizer, lesson, loss=losses[0]))
    discrepancy = generation_step(
        players, raw_student, generator_optimizer, next(noise), loss=losses[1], penalty=penalty
    )
    return RoundLosses(torch.stack(imitation).mean(), discrepancy), taught[-1]
