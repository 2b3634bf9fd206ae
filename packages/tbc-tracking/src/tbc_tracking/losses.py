"""The loss of density regression: squared errors of maps and absolute errors of counts."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "batch 1 map_height map_width"]
Targets = Float[Tensor, "batch 1 target_height target_width"]
"""Axes of their own: a difference in shape is for the function's sentence, not for the type checker's."""


class DensityLosses(NamedTuple):
    """The terms of the loss, each a scalar."""

    total: Tensor
    """Their weighted sum."""
    map_error: Tensor
    """Half the squared error of a map, mean over the batch."""
    count_error: Tensor
    """Absolute error of the scaled count, mean over the batch."""


def density_loss(
    maps: Maps, targets: Targets, *, weights: Maps | None = None, count_weight: float = 0.0
) -> DensityLosses:
    """Return (1/2N) sum_i ||w (F_i - D_i)||^2 + count_weight (1/N) sum_i |sum w F_i - sum w D_i|.

    The first term is MCNN's; the second (specification 1.2) keeps the counts free of drift.

    Args:
        maps: F, predicted.
        targets: D, in the same scale.
        weights: w, 0 where nobody cares and 1 elsewhere.
        count_weight: of the second term.

    Raises:
        ValueError: if the shapes differ.
    """
    if maps.shape != targets.shape:
        raise ValueError(
            f"maps and targets must have one shape, got {tuple(maps.shape)} and "
            f"{tuple(targets.shape)}; render the targets at the network's output size"
        )
    errors = maps.float() - targets if maps.dtype != targets.dtype else maps - targets
    if weights is not None:
        errors = errors * weights
    squared = errors.square().sum() / (2 * len(maps))
    counts = errors.sum(dim=(1, 2, 3)).abs().mean()
    return DensityLosses(squared + count_weight * counts, squared, counts)
