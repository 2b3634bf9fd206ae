"""What is done to the student beside its training: an average over rounds, and new statistics."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tenfold_shared.distributed import SynchronizedBatchNorm


@torch.no_grad()
def follow_average(average: nn.Module, student: nn.Module, *, rounds: int, decay: float) -> None:
    """Move the averaged student towards the student; touches only the average.

    The first rounds count less, so that the random beginning is forgotten. Counters are copied.
    """
    share = 1 - min(decay, rounds / (10 + rounds))
    latest = student.state_dict()
    for name, kept in average.state_dict().items():
        if kept.is_floating_point():
            kept.lerp_(latest[name], share)
        else:
            kept.copy_(latest[name])


@torch.no_grad()
def reestimate_statistics(student: nn.Module, batches: Iterable[Tensor]) -> int:
    """Measure the running statistics of batch normalizations anew, as plain averages over batches.

    Weights stay; other layers run in evaluation mode. Returns the number of layers measured; a network without
    batch normalization is left as it is.
    """
    layers = [
        m
        for m in student.modules()
        if isinstance(m, _BatchNorm | SynchronizedBatchNorm) and m.running_mean is not None
    ]
    if not layers:
        return 0
    before, rates = student.training, [layer.momentum for layer in layers]
    student.eval()
    for layer in layers:
        layer.running_mean.zero_()
        layer.running_var.fill_(1)
        layer.num_batches_tracked.zero_()
        layer.momentum = None
        layer.train()
    for batch in batches:
        student(batch)
    for layer, rate in zip(layers, rates, strict=True):
        layer.momentum = rate
    student.train(before)
    return len(layers)
