"""Networks on point clouds that build the graph of nearest neighbors again in each layer.

Wang et al., "Dynamic graph CNN for learning on point clouds", arXiv 1801.07829.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lsp_distillation.edge_convolution import EdgeConvolution
from lsp_distillation.neighbor_search import nearest_neighbors
from lsp_distillation.network_config import PointNetworkConfig


class DynamicGraphNetwork(nn.Module):
    """DGCNN: edge convolutions, their outputs side by side, pooled over the points, and a head.

    `layers[i]` is called with its points and their neighbors, and returns (clouds, points, width).

    Args:
        config: What to build.
        features: Coordinates of a point.
        outputs: Number of outputs.
    """

    def __init__(self, config: PointNetworkConfig, *, features: int, outputs: int) -> None:
        super().__init__()
        if features < 1 or outputs < 1:
            raise ValueError(
                f"features and outputs must be at least 1, got {features} and {outputs}"
            )
        self.config, self.features, self.outputs = config, features, outputs
        self.layers = nn.ModuleList(
            EdgeConvolution(before, after) for before, after in pairwise((features, *config.widths))
        )
        self.embedding = nn.Sequential(
            nn.Linear(sum(config.widths), config.embedding, bias=False),
            nn.BatchNorm1d(config.embedding),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Sequential()
        width = 2 * config.embedding
        for index, following in enumerate(config.head):
            # As published: the first layer has no bias, since normalization follows.
            self.head.append(nn.Linear(width, following, bias=index > 0))
            self.head.append(nn.BatchNorm1d(following))
            self.head.append(nn.LeakyReLU(0.2))
            self.head.append(nn.Dropout(config.dropout))
            width = following
        self.head.append(nn.Linear(width, outputs))

    def forward(
        self,
        points: Float[Tensor, "clouds points features"],
        *,
        find_neighbors: Callable[[Tensor, int], Tensor] = nearest_neighbors,
    ) -> Float[Tensor, "clouds outputs"]:
        """Return (clouds, outputs) of (clouds, points, features).

        Args:
            points: Coordinates.
            find_neighbors: Returns the in-neighbors (clouds, points, k) of given points and k.

        Raises:
            ValueError: The points do not fit, or a cloud has no more of them than neighbors.
        """
        if points.ndim != 3 or points.shape[2] != self.features:
            raise ValueError(
                f"points must be (clouds, points, {self.features}), got {tuple(points.shape)}"
            )
        if points.shape[1] <= self.config.neighbors:
            raise ValueError(
                f"a cloud must have more points than neighbors ({self.config.neighbors}), got "
                f"{points.shape[1]}; take more points or set neighbors"
            )
        value, outputs = points, []
        for layer in self.layers:
            neighbors = find_neighbors(value.detach(), self.config.neighbors)
            value = layer(value, neighbors)
            outputs.append(value)
        clouds, count = points.shape[:2]
        embedded = self.embedding(torch.cat(outputs, dim=2).flatten(0, 1)).view(clouds, count, -1)
        return self.head(torch.cat([embedded.amax(1), embedded.mean(1)], dim=1))
