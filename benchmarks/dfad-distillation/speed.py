"""CPU seconds of a round: the official loop, re-typed from its description, beside ours; three ways, in turns.

    OMP_NUM_THREADS=1 python benchmarks/dfad-distillation/speed.py

Generator A with f = 64, LeNet-5 and its half, k = 5, one thread. A ratio is the median over turns of two neighbors.
Memory is the growth of the resident set while a fresh process plays two rounds.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from dfad_distillation.adversarial_game import Players, freeze, play_round
from dfad_distillation.config import GeneratorConfig
from dfad_distillation.generators import Generator
from dfad_distillation.networks import lenet5, lenet5_half
from dfad_distillation.presets import MNIST
from dfad_distillation.residual_networks import resnet18_8x, resnet34_8x
from dfad_distillation.upsampling import UpsampledConv2d
from tenfold_shared.result_rows import print_row

K, LATENT = 5, 100
WAYS = ("official loop", "exact mode", "batch reuse")
Round = Callable[[], None]


class Upsampled(UpsampledConv2d):
    """Upsampling and then convolving, as everybody else does it."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the convolution of the upsampled features."""
        upsampled = functional.interpolate(features, scale_factor=2, mode="nearest")
        return functional.conv2d(upsampled, self.weight, self.bias, padding=1)


def official_round(
    teacher: nn.Module, student: nn.Module, generator: nn.Module, batch: int
) -> Round:
    """Return one round as the official code plays it: nothing is frozen, every pass builds its graph."""
    for layer in generator.modules():
        if isinstance(layer, UpsampledConv2d):
            layer.__class__ = Upsampled
    sgd = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    adam = torch.optim.Adam(generator.parameters(), lr=1e-3)
    teacher.eval()
    student.train()
    generator.train()

    def play() -> None:
        for _ in range(K):
            noise = torch.randn(batch, LATENT)
            sgd.zero_grad()
            fake = generator(noise).detach()
            loss = functional.l1_loss(student(fake), teacher(fake).detach())
            loss.backward()
            sgd.step()
        noise = torch.randn(batch, LATENT)
        adam.zero_grad()
        fake = generator(noise)
        loss = -functional.l1_loss(student(fake), teacher(fake))
        loss.backward()
        adam.step()

    return play


def our_round(
    teacher: nn.Module, student: nn.Module, generator: nn.Module, batch: int, *, pool: int
) -> Round:
    """Return one round as this package plays it."""
    for network in (teacher, student, generator):
        network.train().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    players = Players(freeze(teacher), student, generator)
    optimizers = (
        torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True),
        torch.optim.Adam(generator.parameters(), lr=1e-3, fused=True),
    )

    def play() -> None:
        noise = (torch.randn(batch, LATENT) for _ in range(pool + 1))
        play_round(players, student, optimizers, noise, student_steps=K, pool=pool)

    return play


def networks(pair: str) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Return teacher, student and generator A of a pair."""
    if pair == "LeNet-5":
        return lenet5(), lenet5_half(), Generator(GeneratorConfig(name="a", width=64), MNIST)
    from dfad_distillation.presets import CIFAR

    return resnet34_8x(), resnet18_8x(), Generator(GeneratorConfig(name="a", width=64), CIFAR)


def build(way: str, pair: str, batch: int) -> Round:
    """Return one round of a way."""
    players = networks(pair)
    if way == WAYS[0]:
        return official_round(*players, batch)
    return our_round(*players, batch, pool=K if way == WAYS[1] else 1)


def seconds(run: Round) -> float:
    """Return CPU seconds of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def print_speed(pair: str, batch: int, turns: int) -> None:
    """Play all ways in turns and print times and ratios."""
    rounds = {way: build(way, pair, batch) for way in WAYS}
    for run in rounds.values():
        run()
    times = {way: [] for way in WAYS}
    for _ in range(turns):
        for way, run in rounds.items():
            times[way].append(seconds(run))
    for way in WAYS:
        cost = float(np.median(times[way]))
        print_row(f"{pair}, B={batch}, {way}: CPU seconds a round, median", cost, unit="s")
    for way in WAYS[1:]:
        ratios = np.array(times[WAYS[0]]) / np.array(times[way])
        name = f"{pair}, B={batch}, {way}: times faster than the {WAYS[0]}"
        print_row(f"{name}, median of {turns} turns", float(np.median(ratios)), unit="x")
        print_row(f"{name}, lowest", float(ratios.min()), unit="x")


def memory(way: str, batch: int) -> None:
    """Print the growth of this process's resident set in MiB while two rounds are played (Linux)."""
    run = build(way, "LeNet-5", batch)
    before = peak()
    run()
    run()
    print(json.dumps((peak() - before) / 1024))


def peak() -> int:
    """Return the largest resident set so far in KiB; getrusage would count that of the parent process."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise SystemExit("memory is measured on Linux only")


def print_memory(batch: int) -> None:
    """Print the peak of each way, each in a process of its own."""
    for way in WAYS:
        done = subprocess.run(
            [sys.executable, __file__, "--memory", way, "--batch", str(batch)],
            check=True,
            capture_output=True,
            text=True,
        )
        grown = json.loads(done.stdout.splitlines()[-1])
        print_row(f"LeNet-5, B={batch}, {way}: peak memory beyond the networks", grown, unit="MiB")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--memory", choices=WAYS, help="for one process of its own")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.memory:
        memory(arguments.memory, arguments.batch)
        return
    print_speed("LeNet-5", arguments.batch, arguments.turns)
    print_memory(arguments.batch)
    print_speed("ResNet-34 to ResNet-18, 32 px", 8, 3)


if __name__ == "__main__":
    main()
