"""What else could teach a student: real pictures, other pictures, noise, and other games without data.

All use the same student, the same loss and optimizer where their paper has none of its own. How long they train, and
how their rates fall meanwhile, says `equal_seconds`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dfad_distillation.adversarial_game import Lesson, frozen, imitation_step
from dfad_distillation.config import DistillationConfig
from dfad_distillation.discrepancy import divergence
from dfad_distillation.generators import Generator
from dfad_distillation.layouts import paint_plainly
from dfad_distillation.optimizers import (
    generator_optimizer,
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
    layout: torch.memory_format = torch.channels_last
    """In which the networks are computed."""


Step = Callable[[int, float], None]
"""Does step 1, 2, ... with all rates multiplied by a factor."""
Rival = Callable[[Setting], Step]
"""Prepares to train the student of a setting."""


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
        return generator(_noise(config, seed, step))

    return draw


def imitation(setting: Setting, source: Source) -> Step:
    """Let the student imitate the teacher on the pictures of a source."""
    config, teacher, student, _, layout = setting
    optimizer = student_optimizer(student, config)
    device = _device(student)

    def step(number: int, factor: float) -> None:
        set_rate(optimizer, config.student_rate * factor)
        pictures = source(number).to(device, memory_format=layout)
        with torch.no_grad():
            lesson = Lesson(pictures, teacher(pictures))
        imitation_step(student, optimizer, lesson, loss=config.loss)

    return step


def dafl(setting: Setting, *, activation: float = 0.1, balance: float = 5.0) -> Step:
    """Teach by DAFL (Chen et al., arXiv 1904.01186): the generator never sees the student.

    Its loss is cross-entropy with the teacher's own label, less `activation` times the mean size of what enters the
    last linear layer, plus `balance` times the imbalance of classes; the student minimizes the KL divergence on the
    same batch. One step of each. The weights are those of its MNIST command; the rate is ours (its 0.2 diverges).
    """
    config, teacher, student, seed, layout = setting
    device = _device(student)
    generator = _generator(config, device, layout)
    optimizers = student_optimizer(student, config), generator_optimizer(generator, config)

    def step(number: int, factor: float) -> None:
        _set_rates(optimizers, config, factor)
        with _LastFeatures(teacher) as features:
            pictures = generator(_noise(config, seed, number).to(device))
            logits = teacher(pictures)
        loss = one_hot_loss(logits) + balance * imbalance(logits)
        if features.latest is not None:
            loss = loss - activation * features.latest.abs().mean()
        _descend(loss, optimizers[1])
        lesson = Lesson(pictures.detach(), logits.detach())
        imitation_step(student, optimizers[0], lesson, loss="kl")

    return step


def zskt(setting: Setting, *, student_steps: int = 10) -> Step:
    """Teach by zero-shot knowledge transfer (Micaelli and Storkey, arXiv 1905.09768), without attention maps.

    The generator takes one step up the KL divergence, the student `student_steps` down, all on the same noise.
    """
    config, teacher, student, seed, layout = setting
    device = _device(student)
    generator = _generator(config, device, layout)
    optimizers = student_optimizer(student, config), generator_optimizer(generator, config)

    def step(number: int, factor: float) -> None:
        _set_rates(optimizers, config, factor)
        pictures = generator(_noise(config, seed, number).to(device))
        with frozen(student):
            logits = teacher(pictures)
            _descend(-divergence(student(pictures), logits), optimizers[1])
        lesson = Lesson(pictures.detach(), logits.detach())
        for _ in range(student_steps):
            imitation_step(student, optimizers[0], lesson, loss="kl")

    return step


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _generator(
    config: DistillationConfig, device: torch.device, layout: torch.memory_format
) -> Generator:
    """Return an untrained generator in the layout of the method's own."""
    generator = Generator(config.generator, config.input)
    if layout != torch.channels_last:
        paint_plainly(generator)
    return generator.to(device, memory_format=layout)  # pyright: ignore[reportCallIssue]


def _noise(config: DistillationConfig, seed: int, step: int) -> Tensor:
    """Return the noise of a step, on the CPU."""
    random = torch_stream(seed, "noise", step)
    length = config.generator.noise_length(config.input)
    return torch.randn(config.batch, length, generator=random)


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Take one step down a loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


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
