"""Rivals that copy relations of all pairs of sampled nodes, whether joined by an edge or not."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Features = Float[Tensor, "nodes width"]
_DISTANCE_WEIGHT, _ANGLE_WEIGHT = 1.0, 2.0
"""The ratio that the paper of relational distillation recommends, section 4."""
ANGLE_NODES = 64
"""At most; triples are their third power."""


def relation_loss(
    student: Features, teacher: Float[Tensor, "nodes teacher_width"]
) -> Float[Tensor, ""]:
    """Return relational knowledge distillation, distances and angles (Park et al., arXiv 1904.05068, equations 5-8).

    Distances are divided by their mean; angles are those of all triples of the first `ANGLE_NODES` nodes. Both are
    compared by the Huber loss.
    """
    distance = functional.smooth_l1_loss(_relative_distances(student), _relative_distances(teacher))
    angle = functional.smooth_l1_loss(
        _angles(student[:ANGLE_NODES]), _angles(teacher[:ANGLE_NODES])
    )
    return _DISTANCE_WEIGHT * distance + _ANGLE_WEIGHT * angle


def similarity_loss(
    student: Features, teacher: Float[Tensor, "nodes teacher_width"]
) -> Float[Tensor, ""]:
    """Return the mean squared difference of all cosine similarities: global structure preservation.

    Joshi et al., arXiv 2111.04964, section 3.3.
    """
    units = [functional.normalize(z, dim=1) for z in (student, teacher)]
    return (units[0] @ units[0].T - units[1] @ units[1].T).square().mean()


def sample_nodes(count: int, most: int, *, random: torch.Generator) -> Tensor:
    """Return at most `most` of `count` nodes without repetition, in random order."""
    return torch.randperm(count, generator=random)[:most]


def _relative_distances(features: Features) -> Float[Tensor, " pairs"]:
    """Return the distances of all pairs over their mean."""
    first, second = torch.triu_indices(
        len(features), len(features), offset=1, device=features.device
    )
    squares = features.square().sum(1)
    squared = squares[first] + squares[second] - 2 * (features @ features.T)[first, second]
    # The square root has no gradient at 0, where two nodes coincide.
    distances = squared.clamp(min=1e-12).sqrt()
    return distances / distances.mean().clamp(min=1e-6)


def _angles(features: Features) -> Float[Tensor, "nodes nodes nodes"]:
    """Return the cosine at j of every triple (i, j, k), 0 where two of them coincide."""
    differences = features[None] - features[:, None]
    units = differences / differences.square().sum(2, keepdim=True).clamp(min=1e-12).sqrt()
    return units @ units.transpose(1, 2)
