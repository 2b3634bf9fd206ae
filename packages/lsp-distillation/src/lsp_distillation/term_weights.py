"""The factors of the terms: fixed, on a schedule, or set once from the gradients."""

import logging
import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lsp_distillation.terms_config import AUTO, TermsConfig
from tenfold_shared.distributed import mean_over_ranks
from tenfold_shared.errors import AdviceWarning

logger = logging.getLogger(__name__)

LEAST = 1e-6
"""Of the labels' gradient norm: a term below it is dead, and weighing it would only blow up its rounding errors."""
STRUCTURE = "structure"
"""Name of the local-structure-preserving term."""


class InactiveTermWarning(AdviceWarning):
    """A term whose gradient is zero teaches nothing."""


class TermWeights(nn.Module):
    """The factor of every term; those that are set during the run are buffers, so that checkpoints hold them."""

    def __init__(self, config: TermsConfig) -> None:
        super().__init__()
        self.config = config
        asked = {
            "labels": config.labels,
            STRUCTURE: config.structure.weight,
            "soft_labels": config.soft_labels,
            "hints": config.hints,
            "attention": config.attention,
            "relations": config.relations,
            "similarity": config.similarity,
        }
        for name, weight in asked.items():
            start = torch.nan if weight == AUTO else weight
            self.register_buffer(name, torch.tensor(start, dtype=torch.float64))

    @property
    def used(self) -> list[str]:
        """Names of the terms whose factor is not 0."""
        return [name for name, weight in self.as_numbers().items() if weight != 0]

    @property
    def open(self) -> list[str]:
        """Names of the terms whose factor is still to be set."""
        return [name for name, weight in self.as_numbers().items() if weight != weight]

    def as_numbers(self) -> dict[str, float]:
        """Return all factors; those still to be set are NaN."""
        return {name: float(buffer) for name, buffer in self.named_buffers()}

    def wanted(self, epoch: int, *, without_structure: bool = False) -> set[str]:
        """Return the names of the terms that matter in an epoch, counted from 0."""
        factors = self.at(epoch, without_structure=without_structure)
        named = {name for name, weight in factors.items() if weight != 0}
        return named | (set(self.open) if self.is_due(epoch) and not without_structure else set())

    def is_due(self, epoch: int) -> bool:
        """Tell whether factors are to be set in this epoch, counted from 0."""
        return epoch >= self.config.measure_after and bool(self.open)

    def settle(self, labels: float, terms: Mapping[str, float]) -> None:
        """Set the open factors: each term's gradient becomes `share` of the labels'.

        Args:
            labels: Norm of the labels' gradient at the matched layers.
            terms: The same of each open term.
        """
        for name, norm in terms.items():
            inactive = norm <= max(LEAST * labels, torch.finfo(torch.float32).tiny)
            if inactive:
                warnings.warn(
                    f"{name} has no gradient at the matched layer and is inactive: set another layer, "
                    "a smaller bandwidth, or bandwidth auto",
                    InactiveTermWarning,
                    stacklevel=2,
                )
            weight = self.config.labels * self.config.share * labels / max(norm, 1e-30)
            weight = 0.0 if inactive else weight
            getattr(self, name).fill_(weight)
            logger.info("weight of %s: %.4g", name, weight)

    def at(self, epoch: int, *, without_structure: bool = False) -> dict[str, float]:
        """Return the factors of an epoch, counted from 0; a term that is still to be set has 0."""
        factors = {n: 0.0 if w != w else w for n, w in self.as_numbers().items()}
        structure = self.config.structure
        if without_structure or (structure.schedule == "first" and epoch >= structure.epochs):
            factors[STRUCTURE] = 0.0
        if structure.schedule == "linear":
            factors[STRUCTURE] *= max(0.0, 1 - epoch / structure.epochs)
        return factors


def gradient_norm(loss: Tensor, anchors: Sequence[Tensor]) -> float:
    """Return the Euclidean norm of a loss's gradient at some tensors, over all processes; the graph is kept."""
    found = torch.autograd.grad(loss, list(anchors), retain_graph=True, allow_unused=True)
    squares = [float(part.double().square().sum()) for part in found if part is not None]
    return mean_over_ranks(sum(squares)) ** 0.5
