"""Two rounds before a long run: what the networks say of each other, and how long it will take."""

import copy
import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dfad_distillation.adversarial_game import freeze
from dfad_distillation.config import DistillationConfig
from dfad_distillation.distillation import distill
from dfad_distillation.generators import Generator
from dfad_distillation.outputs import OutputKind, check_teacher, resemble_sigmoid
from dfad_distillation.progress import class_histogram
from tenfold_shared.seeds import torch_stream

logger = logging.getLogger(__name__)

SAMPLE = 64
"""Pictures that are looked at."""


def first_pictures(config: DistillationConfig, *, seed: int) -> Tensor:
    """Return pictures of an untrained generator, (SAMPLE, C, H, W)."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.set_state(torch_stream(seed, "look").get_state())
        generator = Generator(config.generator, config.input)
        with torch.no_grad():
            return generator(torch.randn(SAMPLE, generator.latent)).contiguous()


def look_at_teacher(config: DistillationConfig, teacher: nn.Module, *, seed: int) -> OutputKind:
    """Return what a teacher answers to generated pictures, on the CPU; warn of answers behind a sigmoid.

    Raises:
        UserError: It cannot be distilled; the sentence says why.
    """
    pictures = first_pictures(config, seed=seed)
    kind = check_teacher(freeze(teacher), pictures)
    with torch.no_grad():
        if resemble_sigmoid(teacher(pictures)):
            logger.warning(
                "all answers of the teacher lie between 0 and 1, as behind a sigmoid; the loss is defined on logits, "
                "so leave the sigmoid out"
            )
    return kind


def check_distillation(
    config: DistillationConfig,
    teacher: nn.Module,
    student: nn.Module,
    *,
    seed: int = 0,
    device: str = "auto",
) -> list[dict[str, Any]]:
    """Play two rounds in a temporary folder and return what was found, one row each.

    Args:
        config: All settings.
        teacher: Is frozen.
        student: Is only copied.
        seed: Of everything random.
        device: Where the run would compute.
    """
    pictures = first_pictures(config, seed=seed)
    kind = check_teacher(freeze(teacher), pictures)
    watched = pictures.clone().requires_grad_()
    answers = teacher(watched)
    (gradient,) = torch.autograd.grad(answers.amax(1).sum(), [watched])
    logits = answers.detach()
    wall, cost = _seconds_a_round(config, teacher, student, seed=seed, device=device)
    counts = class_histogram(logits)
    low, high = float(pictures.min()), float(pictures.max())
    norm = float(gradient.flatten(1).norm(dim=1).mean())
    return [
        {"name": "task", "value": kind.task},
        {"name": "classes", "value": kind.classes},
        {"name": "pictures", "value": "x".join(map(str, config.input.shape))},
        {"name": "normalized values", "value": f"{low:.2f} to {high:.2f}"},
        {"name": "logits", "value": f"{float(logits.min()):.2f} to {float(logits.max()):.2f}"},
        {"name": "gradient of the largest logit by a picture, norm", "value": norm},
        {"name": "classes that the teacher sees in noise", "value": int((counts > 0).sum())},
        {"name": "parameters of the teacher", "value": _count(teacher)},
        {"name": "parameters of the student", "value": _count(student)},
        {"name": "seconds a round", "value": wall},
        {"name": "CPU seconds a round", "value": cost},
        {"name": f"minutes for {config.rounds} rounds", "value": wall * config.rounds / 60},
        {"name": f"CPU minutes for {config.rounds} rounds", "value": cost * config.rounds / 60},
    ]


def _seconds_a_round(
    config: DistillationConfig, teacher: nn.Module, student: nn.Module, *, seed: int, device: str
) -> tuple[float, float]:
    """Return seconds by the clock and of the CPU: what three rounds take longer than one, halved."""
    spent = []
    for rounds in (1, 3):
        short = replace(config, rounds=rounds, states=0, select=False, patience=0, milestones=())
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter(), time.process_time()
            distill(
                short,
                Path(folder),
                teacher=teacher,
                student=copy.deepcopy(student),
                seed=seed,
                device=device,
            )
            spent.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, cost = (
        # on a busy machine one round can take as long as three: then their start counts too
        (late - early if late > early else late) / 2
        for early, late in zip(*spent, strict=True)
    )
    return wall, cost


def _count(module: nn.Module) -> int:
    """Return the number of weights."""
    return sum(p.numel() for p in module.parameters())
