"""SGD for the student, Adam for the generator, and how their rates fall."""

import math

import torch
from torch import nn

from dfad_distillation.config import DistillationConfig

FALLING = 0.2
"""Share of a training in which rates fall that are held before."""


def student_optimizer(student: nn.Module, config: DistillationConfig) -> torch.optim.SGD:
    """Return fused SGD with momentum (arXiv 1912.11006, section 4; rates by data set)."""
    return torch.optim.SGD(
        student.parameters(),
        lr=config.student_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )


def generator_optimizer(generator: nn.Module, config: DistillationConfig) -> torch.optim.Adam:
    """Return fused Adam with the usual moments (0.9, 0.999)."""
    return torch.optim.Adam(generator.parameters(), lr=config.generator_rate, fused=True)


def rate_factor(number: int, config: DistillationConfig) -> float:
    """Return what both rates are multiplied by in round `number` (from 1), apart from the student's warm-up."""
    if config.schedule == "cosine":
        return half_cosine(number, config.rounds)
    if config.schedule == "held":
        return held_then_falling(number, config.rounds, falling=round(FALLING * config.rounds))
    if config.schedule == "steps":
        return config.decay ** sum(number > milestone for milestone in config.milestones)
    return 1.0


def student_factor(number: int, config: DistillationConfig) -> float:
    """Return what the student's rate is multiplied by in round `number`: it also rises in the first `warmup`."""
    return rate_factor(number, config) * min(1.0, number / (config.warmup + 1))


def held_then_falling(step: int, steps: int, *, falling: int) -> float:
    """Return what rates are multiplied by in step 1, 2, ...: 1, and then half a cosine in the last ones."""
    done = step - (steps - falling)
    return 1.0 if done <= 0 else (1 + math.cos(math.pi * done / (falling + 1))) / 2


def half_cosine(step: int, steps: int) -> float:
    """Return 1 in step 1 and nearly 0 in the last one (arXiv 1608.03983, without restarts)."""
    return (1 + math.cos(math.pi * (step - 1) / steps)) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate
