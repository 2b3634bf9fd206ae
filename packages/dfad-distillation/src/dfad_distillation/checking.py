"""Two rounds before a long run: what the networks say of each other, and how long it will take."""

import copy
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
from dfad_distillation.outputs import OutputKind, check_teacher
from dfad_distillation.progress import class_histogram
from tenfold_shared.seeds import torch_stream

SAMPLE = 64
"""Pictures that are looked at."""


def first_pictures(config: DistillationConfig, *, seed: int) -> Tensor:
    """Return pictures of an untrained generator, (SAMPLE, C, H, W)."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.set_state(torch_stream(seed, "look").get_state())
        generator = Generator(config.generator, config.input)
        with torch.no_grad():
            return generator(torch.randn(SAMPLE, config.generator.latent))


def look_at_teacher(config: DistillationConfig, teacher: nn.Module, *, seed: int) -> OutputKind:
    """Return what a teacher answers to generated pictures, on the CPU.

    Raises:
        UserError: It cannot be distilled; the sentence says why.
    """
    return check_teacher(freeze(teacher), first_pictures(config, seed=seed))


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
    kind = look_at_teacher(config, teacher, seed=seed)
    with torch.no_grad():
        logits = teacher(pictures)
    seconds = []
    for rounds in (1, 3):
        short = replace(config, rounds=rounds, states=0, select=False, patience=0, milestones=())
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            distill(
                short,
                Path(folder),
                teacher=teacher,
                student=copy.deepcopy(student),
                seed=seed,
                device=device,
            )
            seconds.append(time.process_time() - start)
    cost = max(seconds[1] - seconds[0], 0.0) / 2
    counts = class_histogram(logits)
    low, high = float(pictures.min()), float(pictures.max())
    return [
        {"name": "task", "value": kind.task},
        {"name": "classes", "value": kind.classes},
        {"name": "pictures", "value": "x".join(map(str, config.input.shape))},
        {"name": "normalized values", "value": f"{low:.2f} to {high:.2f}"},
        {"name": "logits", "value": f"{float(logits.min()):.2f} to {float(logits.max()):.2f}"},
        {"name": "classes that the teacher sees in noise", "value": int((counts > 0).sum())},
        {"name": "parameters of the teacher", "value": _count(teacher)},
        {"name": "parameters of the student", "value": _count(student)},
        {"name": "CPU seconds a round", "value": cost},
        {"name": f"CPU minutes for {config.rounds} rounds", "value": cost * config.rounds / 60},
    ]


def _count(module: nn.Module) -> int:
    """Return the number of weights."""
    return sum(p.numel() for p in module.parameters())
