"""What a network costs when it is used: weights, and CPU seconds of one pass over a whole task."""

import time

import torch
from torch import nn

from lsp_distillation.inference import pass_over, pieces_of
from lsp_distillation.node_data import GraphTask

REPEATS = 5
"""Passes at least; what else the machine does only ever adds to them, so the fastest counts."""
SECONDS = 0.5
"""That passes take together at least: the smallest networks need a millisecond, and others disturb for longer."""


def inference_seconds(network: nn.Module, task: GraphTask, *, repeats: int = REPEATS) -> float:
    """Return the least CPU seconds (seconds on an accelerator) that a pass over all nodes takes.

    It is the network alone, without the checks of what it reads and says. A first pass is not counted: it sorts edges
    and fills caches, which later ones share.
    """
    pieces = list(pieces_of(task))
    before = network.training
    network.eval()
    taken = []
    try:
        with torch.no_grad():
            while len(taken) <= repeats or sum(taken) < SECONDS:
                start = _clock(task)
                for piece in pieces:
                    pass_over(network, piece)
                taken.append(_clock(task) - start)
    finally:
        network.train(before)
    return min(taken[1:])


def _clock(task: GraphTask) -> float:
    """Return the seconds that count on the device of a task."""
    if task.graph.device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(task.graph.device)
    return time.perf_counter()
