"""The official loop, line by line, with hand-written optimizers: slow, wasteful and easy to check.

Teacher and student keep their gradients switched on throughout, the generator is run with its graph and detached
afterwards, as in the official code; only the five planted faults below change it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from dfad_distillation.upsampling import UpsampledConv2d


class Faults(NamedTuple):
    """Mistakes that an implementation could make; each must be seen by the test of equality."""

    momentum: float = 0.9
    squared: bool = False
    wrong_sign: bool = False
    student_in_evaluation: bool = False
    teacher_for_student: bool = False


NO_FAULTS = Faults()


class SlowSGD:
    """Momentum b <- m b + (g + d w); w <- w - r b; the first b is the first gradient."""

    def __init__(self, network: nn.Module, rate: float, momentum: float, decay: float) -> None:
        self.weights = list(network.parameters())
        self.rate, self.momentum, self.decay = rate, momentum, decay
        self.buffers: list[Tensor] | None = None

    @torch.no_grad()
    def step(self) -> None:
        gradients = [w.grad + self.decay * w for w in self.weights]
        if self.buffers is None:
            self.buffers = [g.clone() for g in gradients]
        else:
            pairs = zip(self.buffers, gradients, strict=True)
            self.buffers = [self.momentum * b + g for b, g in pairs]
        for weight, buffer in zip(self.weights, self.buffers, strict=True):
            weight -= self.rate * buffer
            weight.grad = None


class SlowAdam:
    """Kingma and Ba, arXiv 1412.6980, algorithm 1."""

    def __init__(self, network: nn.Module, rate: float) -> None:
        self.weights = list(network.parameters())
        self.rate, self.time = rate, 0
        self.first = [torch.zeros_like(w) for w in self.weights]
        self.second = [torch.zeros_like(w) for w in self.weights]

    @torch.no_grad()
    def step(self) -> None:
        self.time += 1
        for i, weight in enumerate(self.weights):
            gradient = weight.grad
            self.first[i] = 0.9 * self.first[i] + 0.1 * gradient
            self.second[i] = 0.999 * self.second[i] + 0.001 * gradient**2
            mean = self.first[i] / (1 - 0.9**self.time)
            spread = self.second[i] / (1 - 0.999**self.time)
            weight -= self.rate * mean / (spread.sqrt() + 1e-8)
            weight.grad = None


class PlainUpsampledConv2d(UpsampledConv2d):
    """The chain of upsampling and convolution, with the same weights."""

    def forward(self, features: Tensor) -> Tensor:
        upsampled = functional.interpolate(features, scale_factor=2, mode="nearest")
        return functional.conv2d(upsampled, self.weight, self.bias, padding=1)


class SlowGame:
    """The loop with k imitation steps and one generation step a round."""

    def __init__(
        self,
        teacher: nn.Module,
        student: nn.Module,
        generator: nn.Module,
        *,
        adaptive: bool = False,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self.teacher, self.student, self.generator = teacher.eval(), student, generator
        self.adaptive, self.faults = adaptive, faults
        for layer in generator.modules():
            if isinstance(layer, UpsampledConv2d):
                layer.__class__ = PlainUpsampledConv2d
        self.sgd = SlowSGD(student, 0.01, faults.momentum, 1e-4)
        self.adam = SlowAdam(generator, 1e-3)

    def distance(self, student: Tensor, teacher: Tensor) -> Tensor:
        difference = student - teacher
        total = (difference**2 if self.faults.squared else difference.abs()).sum()
        return total / difference.numel()

    def round(self, noise: Iterator[Tensor], *, student_steps: int) -> tuple[float, float]:
        self.student.train()
        self.generator.train()
        losses = []
        for _ in range(student_steps):
            pictures = self.generator(next(noise)).detach()
            logits = self.teacher(pictures).detach()
            loss = self.distance(self.student(pictures), logits)
            for weight in self.student.parameters():
                weight.grad = None
            loss.backward()
            self.sgd.step()
            losses.append(loss.item())
        pictures = self.generator(next(noise))
        if self.faults.student_in_evaluation:
            self.student.eval()
        other = self.teacher if self.faults.teacher_for_student else self.student
        distance = self.distance(other(pictures), self.teacher(pictures))
        loss = torch.log(distance + 1) if self.adaptive else distance
        for weight in self.generator.parameters():
            weight.grad = None
        (loss if self.faults.wrong_sign else -loss).backward()
        self.adam.step()
        return sum(losses) / len(losses), distance.item()
