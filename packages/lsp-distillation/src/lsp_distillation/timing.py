"""What a network costs when it is used: weights, and CPU seconds of one pass over a whole task."""

import time

import torch
from torch import nn

from lsp_distillation.inference import run_network
from lsp_distillation.node_data import GraphTask

REPEATS = 15
"""Passes; the smallest networks take milliseconds, and what else the machine does only ever adds to them."""


def inference_seconds(network: nn.Module, task: GraphTask, *, repeats: int = REPEATS) -> float:
    """Return the least CPU seconds (seconds on an accelerator) that a pass over all nodes takes.

    A first pass is not counted: it sorts edges and fills caches, which later ones share.
    """
    run_network(network, task)
    taken = []
    for _ in range(repeats):
        start = _clock(task)
        run_network(network, task)
        taken.append(_clock(task) - start)
    return min(taken)


def _clock(task: GraphTask) -> float:
    """Return the seconds that count on the device of a task."""
    if task.graph.device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(task.graph.device)
    return time.perf_counter()
