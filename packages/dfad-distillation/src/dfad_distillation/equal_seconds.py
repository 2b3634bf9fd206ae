"""How long a rival trains: a number of steps, or as many as given seconds pay for.

The rates are held and then fall over the last fifth, which is as good as a cosine over all steps (Hagele et al.,
arXiv 2405.18392), but asks for the number of steps only when four fifths of the seconds are spent. So nothing is
guessed from a short trial, and what a student becomes depends on numbers of steps alone, not on the clock.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from dfad_distillation.adversarial_game import freeze
from dfad_distillation.layouts import fastest_layout
from dfad_distillation.optimizers import FALLING, held_then_falling
from dfad_distillation.rivals import Rival, Setting, Step
from tenfold_shared.seeds import seed_global_state

RECENT = 6
"""The last sixth of the held steps says what the falling ones will cost, on a machine whose speed changes."""
Clock = Callable[[], float]
"""Tells seconds since some moment."""


class Trained(NamedTuple):
    """A student of a rival and what it cost."""

    student: nn.Module
    """In evaluation mode."""
    steps: int
    falling: int
    """The last of these steps, in which the rates fell."""
    seconds: float
    """By the clock; of the CPU, unless the networks are on an accelerator."""


def clock_of(device: torch.device | str) -> Clock:
    """Return what seconds on a device are told by: CPU time of this process, or wall time of finished work."""
    place = torch.device(device)
    if place.type == "cpu":
        return time.process_time

    def wall() -> float:
        torch.accelerator.synchronize(place)
        return time.perf_counter()

    return wall


def train_for(
    steps: int, rival: Rival, setting: Setting, *, falling: int | None = None
) -> nn.Module:
    """Train the student of a setting in place for a number of steps, and return it in evaluation mode.

    Args:
        steps: Of the rival.
        rival: How to train.
        setting: What all rivals share.
        falling: Steps in which the rates fall; a fifth if None.
    """
    fall = round(FALLING * steps) if falling is None else falling
    step = _start(rival, setting)
    for number in range(1, steps + 1):
        step(number, held_then_falling(number, steps, falling=fall))
    return setting.student.eval()


def train_within(
    seconds: float, rival: Rival, setting: Setting, *, clock: Clock | None = None
) -> Trained:
    """Train the student of a setting in place for some seconds; the same steps by `train_for` give the same bits.

    Args:
        seconds: The budget. What the rival builds before its first step is part of it.
        rival: How to train.
        setting: What all rivals share.
        clock: Tells the seconds; that of the student's device if None.

    Returns:
        The student, its steps, and the seconds that they took: those of the budget as far as the falling steps
        cost what the last of the held ones did, and those of one step at least.
    """
    clock = clock or clock_of(next(setting.student.parameters()).device)
    start = clock()
    step = _start(rival, setting)
    ends = [clock() - start]
    while len(ends) == 1 or ends[-1] < seconds * (1 - FALLING):
        step(len(ends), 1.0)
        ends.append(clock() - start)
    held = len(ends) - 1
    recent = max(1, held // RECENT)
    cost = (ends[-1] - ends[-1 - recent]) / recent
    falling = max(0, round((seconds - ends[-1]) / max(cost, 1e-6)))
    for number in range(held + 1, held + falling + 1):
        step(number, held_then_falling(number, held + falling, falling=falling))
    return Trained(setting.student.eval(), held + falling, falling, clock() - start)


def _start(rival: Rival, setting: Setting) -> Step:
    """Return a rival before its first step; the same seed gives the same randomness.

    The networks get the layout in which the method trains, which costs other seconds, and as many steps of warm-up as
    the method's student takes.
    """
    seed_global_state(setting.seed, "rival")
    networks = (freeze(setting.teacher), setting.student.train())
    layout = fastest_layout(networks, setting.config.input.shape)
    for network in networks:
        network.to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    step = rival(setting._replace(layout=layout))
    warmup = setting.config.warmup * setting.config.student_steps
    return lambda number, factor: step(number, factor * min(1.0, number / (warmup + 1)))
