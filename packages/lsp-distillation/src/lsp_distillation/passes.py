"""A training that is done twice, with the structure term and without it, so that validation decides which is kept."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn
from torch.optim import Optimizer

from lsp_distillation.terms_config import StructureConfig

EARLY = 1 / 6
"""Share of the epochs whose states are no result where a structure term teaches: it has hardly begun."""


@dataclass(frozen=True)
class Passes:
    """Epochs in the order in which they are trained, and where each stands in its pass."""

    epochs: int
    """Of one pass."""
    teaches: bool
    """Whether there is a structure term."""
    twice: bool
    """Whether there is a second pass, without it."""

    @property
    def ends(self) -> tuple[int, ...]:
        """Epochs after which a pass ends."""
        return (self.epochs, 2 * self.epochs) if self.twice else (self.epochs,)

    @property
    def early(self) -> int:
        """Epochs after which a state can be the result."""
        return math.ceil(EARLY * self.epochs) if self.teaches else 0

    def is_second(self, epoch: int) -> bool:
        """Tell whether an epoch, counted from 0, is of the pass without the structure term."""
        return epoch >= self.epochs

    def place(self, epoch: int) -> int:
        """Return how many epochs of its pass were done before an epoch, counted from 0."""
        return epoch % self.epochs


def passes_of(epochs: int, structure: StructureConfig) -> Passes:
    """Return the passes of a training."""
    teaches = structure.weight != 0
    return Passes(epochs, teaches, teaches and structure.schedule == "validated")


def copies(modules: Mapping[str, nn.Module]) -> nn.ModuleDict:
    """Return copies of what learns, which a checkpoint holds until the second pass begins with them."""
    return nn.ModuleDict({name: copy.deepcopy(module) for name, module in modules.items()})


def begin_again(
    modules: Mapping[str, nn.Module], first: nn.ModuleDict, optimizer: Optimizer
) -> None:
    """Give what learns its first weights back, and forget the optimizer's moments."""
    for name, module in modules.items():
        module.load_state_dict(first[name].state_dict())
    optimizer.state.clear()
