"""Rivals that copy the teacher's features of a layer: FitNet's hints and attention transfer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Features = Float[Tensor, "nodes width"]


class Hints(nn.Module):
    """FitNet: a linear map of the student's features regresses the teacher's (Romero et al., arXiv 1412.6550).

    The map learns with the student and is thrown away afterwards. The loss is the mean squared error, of each node.

    Args:
        student: Width of its layer.
        teacher: Width of its layer.
        random: First weights of the map.
    """

    def __init__(self, student: int, teacher: int, *, random: torch.Generator) -> None:
        super().__init__()
        self.map = nn.Linear(student, teacher)
        bound = student**-0.5
        with torch.no_grad():
            self.map.weight.uniform_(-bound, bound, generator=random)
            self.map.bias.zero_()

    def forward(
        self, student: Features, teacher: Float[Tensor, "nodes teacher_width"]
    ) -> Float[Tensor, " nodes"]:
        """Return the mean squared error of each node."""
        return (self.map(student) - teacher).square().mean(1)


def attention_loss(
    student: Features, teacher: Float[Tensor, "nodes teacher_width"]
) -> Float[Tensor, ""]:
    """Return the squared distance of both networks' attention maps (Zagoruyko and Komodakis, arXiv 1612.03928).

    The map of a network is its features' squares summed over the width, one number per node, scaled to length 1.
    """
    maps = [functional.normalize(z.square().sum(1), dim=0) for z in (student, teacher)]
    return (maps[0] - maps[1]).square().sum()
