"""What else could teach a student: real pictures, other pictures, noise, and other games without data.

All use the same student, the same loss and optimizer where their paper has none of its own, and the same budget:
`steps_within` measures what a step costs and returns how many of them a number of CPU seconds pays for.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dfad_distillation.adversarial_game import Lesson, freeze, frozen, imitation_step
from dfad_distillation.config import DistillationConfig
from dfad_distillation.discrepancy import divergence
from dfad_distillation.generators import Generator
from dfad_distillation.optimizers import (
    generator_optimizer,
    half_cosine,
    set_rate,
    student_optimizer,
)
from dfad_distillation.regularizers import imbalance, one_hot_loss
from tenfold_shared.seeds import torch_stream

Source = Callable[[int], Float[Tensor, "batch c h w"]]
"""Gives the normalized pictures of step 1, 2, ..."""


class Setting(NamedTuple):
    """What all rivals share."""

    config: DistillationConfig
    teacher: nn.Module
    student: nn.Module
    """Is trained in place."""
    seed: int


def real_pictures(images: Float[Tensor, "n c h w"], *, batch: int, seed: int) -> Source:
    """Return batches drawn from normalized pictures, each step anew."""

    def draw(step: int) -> Tensor:
        random = torch_stream(seed, "real", step)
        return images[torch.randint(len(images), (batch,), generator=random)]

    return draw


def gaussian_noise(shape: tuple[int, ...], *, batch: int, seed: int) -> Source:
    """Return standard normal pixels in the normalized space."""

    def draw(step: int) -> Tensor:
        return torch.randn(batch, *shape, generator=torch_stream(seed, "pixels", step))

    return draw


def untrained_generator(config: DistillationConfig, *, seed: int) -> Source:
    """Return the pictures of a generator that never learns (RANDOM-G)."""
    generator = Generator(config.generator, config.input)

    @torch.no_grad()
    def draw(step: int) -> Tensor:
        random = torch_stream(seed, "noise", step)
        return generator(torch.randn(config.batch, generator.latent, generator=random))

    return draw


def teach(setting: Setting, source: Source, steps: int) -> None:
    """Let the student imitate the teacher on the pictures of a source."""
    config, teacher, student, _ = setting
    freeze(teacher)
    student.train()
    optimizer = student_optimizer(student, config)
    for step in range(1, steps + 1):
        set_rate(optimizer, config.student_rate * half_cosine(step, steps))
        pictures = source(step)
        with torch.no_grad():
            lesson = Lesson(pictures, teacher(pictures))
        imitation_step(student, optimizer, lesson, loss=config.loss)


def teach_by_dafl(
    setting: Setting, steps: int, *, activation: float = 0.1, balance: float = 5.0
) -> None:
    """Teach by DAFL (Chen et al., arXiv 1904.01186): the generator never sees the student.

    Its loss is cross-entropy with the teacher's own label, less `activation` times the mean size of what enters the
    last linear layer, plus `balance` times the imbalance of classes; the student minimizes the KL divergence on the
    same batch. One step of each. The weights are those of its MNIST command; the rate is ours (its 0.2 diverges).
    """
    config, teacher, student, seed = setting
    freeze(teacher)
    student.train()
    generator = Generator(config.generator, config.input)
    optimizers = student_optimizer(student, config), generator_optimizer(generator, config)
    with _LastFeatures(teacher) as features:
        for step in range(1, steps + 1):
            _set_rates(optimizers, config, half_cosine(step, steps))
            pictures = generator(_noise(config, seed, step))
            logits = teacher(pictures)
            loss = one_hot_loss(logits) + balance * imbalance(logits)
            if features.latest is not None:
                loss = loss - activation * features.latest.abs().mean()
            optimizers[1].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[1].step()
            lesson = Lesson(pictures.detach(), logits.detach())
            imitation_step(student, optimizers[0], lesson, loss="kl")


def teach_by_zskt(setting: Setting, steps: int, *, student_steps: int = 10) -> None:
    """Teach by zero-shot knowledge transfer (Micaelli and Storkey, arXiv 1905.09768), without attention maps.

    The generator takes one step up the KL divergence, the student `student_steps` down, all on the same noise.
    """
    config, teacher, student, seed = setting
    freeze(teacher)
    student.train()
    generator = Generator(config.generator, config.input)
    optimizers = student_optimizer(student, config), generator_optimizer(generator, config)
    for step in range(1, steps + 1):
        _set_rates(optimizers, config, half_cosine(step, steps))
        pictures = generator(_noise(config, seed, step))
        optimizers[1].zero_grad(set_to_none=True)
        with frozen(student):
            logits = teacher(pictures)
            (-divergence(student(pictures), logits)).backward()
        optimizers[1].step()
        lesson = Lesson(pictures.detach(), logits.detach())
        for _ in range(student_steps):
            imitation_step(student, optimizers[0], lesson, loss="kl")


def steps_within(seconds: float, run: Callable[[int], None], *, trial: int = 6) -> int:
    """Return how many steps `seconds` of this process's CPU time pay for.

    Args:
        seconds: The budget.
        run: Does a number of steps, on networks that nobody needs afterwards.
        trial: Steps that are measured, after as many to warm up.
    """
    run(trial)
    start = time.process_time()
    run(trial)
    cost = (time.process_time() - start) / trial
    return max(1, round(seconds / max(cost, 1e-6)))


def _noise(config: DistillationConfig, seed: int, step: int) -> Tensor:
    """Return the noise of a step."""
    random = torch_stream(seed, "noise", step)
    return torch.randn(config.batch, config.generator.latent, generator=random)


def _set_rates(
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    config: DistillationConfig,
    factor: float,
) -> None:
    rates = (config.student_rate, config.generator_rate)
    for optimizer, rate in zip(optimizers, rates, strict=True):
        set_rate(optimizer, rate * factor)


class _LastFeatures:
    """What enters the last linear layer of a network, if it has one; use it as a context manager."""

    def __init__(self, network: nn.Module) -> None:
        layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
        self.latest: Tensor | None = None
        self._layer = layers[-1] if layers else None

    def __enter__(self) -> "_LastFeatures":
        def remember(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self.latest = inputs[0]

        self._hook = self._layer.register_forward_pre_hook(remember) if self._layer else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._hook is not None:
            self._hook.remove()
