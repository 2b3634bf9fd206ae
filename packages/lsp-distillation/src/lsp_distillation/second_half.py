"""A training whose second half is done twice, with the structure term and with a part of it: validation decides."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn
from torch.optim import Optimizer

from lsp_distillation.terms_config import StructureConfig

EARLY = 1 / 6
"""Share of the epochs whose states are no result where a structure term teaches: it has hardly begun."""


@dataclass(frozen=True)
class Timeline:
    """Epochs in the order in which they are trained, and where each stands in its training."""

    epochs: int
    """That were asked for."""
    teaches: bool
    """Whether there is a structure term."""
    twice: bool
    """Whether the second half is done again with a part of it."""

    @property
    def shared(self) -> int:
        """Epochs that both trainings have in common."""
        return self.epochs // 2

    @property
    def total(self) -> int:
        """Epochs in all."""
        return 2 * self.epochs - self.shared if self.twice else self.epochs

    @property
    def early(self) -> int:
        """Epochs after which a state can be the result."""
        return math.ceil(EARLY * self.epochs) if self.teaches else 0

    def is_second(self, epoch: int) -> bool:
        """Tell whether an epoch, counted from 0, is of the second half that is done again."""
        return epoch >= self.epochs

    def place(self, epoch: int) -> int:
        """Return how many epochs of its training were done before an epoch, counted from 0."""
        return epoch - (self.epochs - self.shared) if self.is_second(epoch) else epoch


def timeline_of(epochs: int, structure: StructureConfig) -> Timeline:
    """Return the timeline of a training."""
    teaches = structure.weight != 0
    return Timeline(epochs, teaches, teaches and epochs > 1 and structure.schedule == "validated")


class HalfWay:
    """Weights and moments half-way: copies that checkpoints track like the networks themselves."""

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        optimizer_of: Callable[[Iterable[nn.Module]], Optimizer],
    ) -> None:
        """Copy what learns; the order of the modules is that of the optimizer's parameters."""
        self.modules = nn.ModuleDict({n: copy.deepcopy(one) for n, one in modules.items()})
        self.optimizer = optimizer_of(self.modules.values())

    def keep(self, modules: Mapping[str, nn.Module], optimizer: Optimizer) -> None:
        """Remember a state."""
        for name, module in modules.items():
            self.modules[name].load_state_dict(module.state_dict())
        self.optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    def give(self, modules: Mapping[str, nn.Module], optimizer: Optimizer) -> None:
        """Bring the remembered state back."""
        for name, module in modules.items():
            module.load_state_dict(self.modules[name].state_dict())
        optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
