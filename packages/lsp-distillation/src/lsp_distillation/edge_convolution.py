"""Edge convolution of points in the dense layout of k in-neighbors each.

Wang et al., "Dynamic graph CNN for learning on point clouds", arXiv 1801.07829.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class EdgeConvolution(nn.Module):
    """For each point, the maximum over its in-neighbors j of LeakyReLU(norm(W1 (x_j - x_i) + W2 x_i)).

    The map is computed per point instead of per edge, as W1 x_j + (W2 - W1) x_i, and the maximum is taken
    before the LeakyReLU, with which it commutes.

    Args:
        features: Width of the input.
        width: Of the output.
        slope: Of the LeakyReLU below 0.
    """

    def __init__(self, features: int, width: int, *, slope: float = 0.2) -> None:
        super().__init__()
        self.features, self.out_features, self.slope = features, width, slope
        self.weight = nn.Parameter(torch.empty(width, 2 * features))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.norm = nn.BatchNorm1d(width)

    def forward(
        self,
        points: Float[Tensor, "clouds points features"],
        neighbors: Int[Tensor, "clouds points k"],
    ) -> Float[Tensor, "clouds points width"]:
        """Return (clouds, points, width).

        Args:
            points: (clouds, points, features).
            neighbors: (clouds, points, k) int64: the in-neighbors of each point, within its cloud.
        """
        clouds, count, _ = points.shape
        relative, own = self.weight.tensor_split(2, dim=1)
        both = functional.linear(points, torch.cat([relative, own - relative])).flatten(0, 1)
        of_neighbor, of_center = both.tensor_split(2, dim=1)
        first = torch.arange(clouds, device=points.device).view(-1, 1, 1) * count
        rows = of_neighbor.contiguous().index_select(0, (neighbors + first).flatten())
        edges = rows.view(clouds * count, neighbors.shape[2], -1) + of_center.unsqueeze(1)
        normal = self.norm(edges.flatten(0, 1)).view_as(edges)
        result = functional.leaky_relu(normal.amax(1), self.slope)
        return result.view(clouds, count, -1)
