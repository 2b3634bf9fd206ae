"""What a smaller network saves: parameters, multiply-adds, bytes and time."""

import copy
import statistics
import time
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

_ROUNDS = 9
_WARM_ROUNDS = 2


class Cost(NamedTuple):
    """What one network costs."""

    parameters: int
    multiply_adds: int
    """Of one picture; the paper calls them FLOPs."""
    bytes: int
    """Of its weights and buffers in a file."""
    latency: float
    """Milliseconds for one picture on the CPU, median."""


def compression_report(
    teacher: nn.Module, student: nn.Module, shape: tuple[int, int, int], *, rounds: int = _ROUNDS
) -> list[dict[str, Any]]:
    """Return one row per figure: `name`, `value` (the student's), `unit`, `reference` (the teacher's), `ratio`.

    Args:
        teacher: Any network; copies of both are measured, on the CPU in evaluation mode.
        student: Any network.
        shape: Channels, height and width of pictures.
        rounds: Timings of each, taken in turn, so that other work on the machine hits both alike.
    """
    networks = [copy.deepcopy(network).cpu().eval() for network in (teacher, student)]
    picture = torch.zeros(1, *shape)
    times: list[list[float]] = [[], []]
    with torch.inference_mode():
        for _ in range(_WARM_ROUNDS + rounds):
            for network, taken in zip(networks, times, strict=True):
                start = time.perf_counter()
                network(picture)
                taken.append(1000 * (time.perf_counter() - start))
    costs = [
        Cost(
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            multiply_adds=multiply_adds(network, shape),
            bytes=sum(
                t.numel() * t.element_size() for t in (*network.parameters(), *network.buffers())
            ),
            latency=statistics.median(taken[_WARM_ROUNDS:]),
        )
        for network, taken in zip(networks, times, strict=True)
    ]
    units = ("values", "per picture", "bytes", "ms per picture on the CPU")
    return [
        {"name": name, "value": small, "unit": unit, "reference": large,
         "ratio": small / large if large else None}
        for name, unit, large, small in zip(Cost._fields, units, *costs, strict=True)
    ]  # fmt: skip


def multiply_adds(network: nn.Module, shape: tuple[int, int, int]) -> int:
    """Return the multiplications with additions that one picture takes: convolutions and matrices.

    Args:
        network: In evaluation mode.
        shape: Channels, height and width of the picture.
    """
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, *shape, device=device))
    return counter.get_total_flops() // 2
