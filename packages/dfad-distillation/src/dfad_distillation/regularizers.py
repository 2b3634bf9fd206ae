"""Further terms of the generator's loss: those of DAFL (arXiv 1904.01186) and DFQ (arXiv 1912.12441, DeepInversion)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dfad_distillation.config import RegularizerConfig
from tenfold_shared.distributed import global_mean

Logits = Float[Tensor, "batch classes *positions"]


def one_hot_loss(logits: Logits) -> Float[Tensor, ""]:
    """Return the cross-entropy with the most likely class: 0 where the teacher is certain."""
    return functional.cross_entropy(logits, logits.argmax(1))


def imbalance(logits: Logits) -> Float[Tensor, ""]:
    """Return log(classes) - entropy of the mean prediction: 0 where all classes are equally frequent."""
    mean = global_mean(functional.softmax(logits, dim=1).transpose(0, 1).flatten(1).mean(1))
    # A class that vanishes must not make a NaN, as log 0 does in DAFL's release.
    logarithm = mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
    return math.log(len(mean)) + (mean * logarithm).sum()


def total_variation(pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Return the mean absolute difference of neighboring pixels."""
    vertical = (pictures[:, :, 1:] - pictures[:, :, :-1]).abs().mean()
    horizontal = (pictures[:, :, :, 1:] - pictures[:, :, :, :-1]).abs().mean()
    return vertical + horizontal


class BatchStatistics:
    """Distance of a batch's statistics to the running ones of a teacher's batch normalizations.

    Sum over layers of ||mean - running mean||_2 + ||variance - running variance||_2 (arXiv 1912.08795). The teacher
    is watched through hooks; `close` removes them.
    """

    def __init__(self, teacher: nn.Module) -> None:
        self._terms: list[Tensor] = []
        layers = [
            m
            for m in teacher.modules()
            if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) and m.running_mean is not None
        ]
        if not layers:
            raise ValueError(
                "the teacher shows no batch normalization with running statistics (programs, .pt2 and TorchScript, "
                "hide theirs); set regularizers.batch_statistics to 0, as --regularizers.batch-statistics 0 does, or "
                "name its constructor instead of the program"
            )
        self._hooks = [layer.register_forward_pre_hook(self._watch) for layer in layers]

    def _watch(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        features = inputs[0]
        if not features.requires_grad:
            return  # a lesson, not the generator's step
        dims = [0, *range(2, features.ndim)]
        variance, own = torch.var_mean(features, dim=dims, correction=0)
        mean = global_mean(own)
        # Of the batches of all processes: within each, and of their means.
        variance = global_mean(variance + (own - mean.detach()).square())
        self._terms.append(
            torch.linalg.vector_norm(mean - layer.running_mean)
            + torch.linalg.vector_norm(variance - layer.running_var)
        )

    def take(self) -> Tensor:
        """Return the distance in the latest pass, and forget it."""
        total = torch.stack(self._terms).sum()
        self._terms.clear()
        return total

    def close(self) -> None:
        """Stop watching the teacher."""
        for hook in self._hooks:
            hook.remove()


class GeneratorPenalty:
    """The weighted sum of the terms that are asked for."""

    def __init__(self, config: RegularizerConfig, teacher: nn.Module) -> None:
        self.config = config
        self.statistics = BatchStatistics(teacher) if config.batch_statistics else None

    def __call__(self, pictures: Float[Tensor, "n c h w"], logits: Logits) -> Float[Tensor, ""]:
        """Return the penalty of pictures of which the teacher says `logits`."""
        config, total = self.config, logits.new_zeros(())
        if self.statistics is not None:
            total = total + config.batch_statistics * self.statistics.take()
        if config.one_hot:
            total = total + config.one_hot * one_hot_loss(logits)
        if config.balance:
            total = total + config.balance * imbalance(logits)
        if config.smoothness:
            total = total + config.smoothness * total_variation(pictures)
        return total

    def close(self) -> None:
        """Free the teacher."""
        if self.statistics is not None:
            self.statistics.close()
