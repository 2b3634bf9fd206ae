"""Edge convolution of points in the dense layout of k in-neighbors each.

Wang et al., "Dynamic graph CNN for learning on point clouds", arXiv 1801.07829. With W1 x_j + (W2 - W1) x_i
= u_j + v_i per edge, the maximum over j of an increasing function of u_j + v_i is the function of the
maximum of u_j. So batch normalization and LeakyReLU are computed per point; only the maximum, in chunks
that stay in the cache, and the sums behind mean and variance see edges.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from lsp_distillation.neighbor_statistics import edge_moments, largest_neighbors


class EdgeConvolution(nn.Module):
    """For each point, the maximum over its in-neighbors j of LeakyReLU(norm(W1 (x_j - x_i) + W2 x_i)).

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
        relative, own = self.weight.tensor_split(2, dim=1)
        both = functional.linear(points, torch.cat([relative, own - relative]))
        if both.dtype in (torch.float16, torch.bfloat16):
            both = both.float()
        of_neighbor, of_center = both.tensor_split(2, dim=2)
        if not self.training:
            largest = self._largest(of_neighbor, neighbors) + of_center
            normal = self.norm(largest.flatten(0, 1)).view_as(largest)
        elif type(self.norm) is nn.BatchNorm1d:
            normal = self._normalize(of_neighbor, of_center, neighbors)
        else:
            normal = self._normalize_edges(of_neighbor, of_center, neighbors)
        return functional.leaky_relu(normal, self.slope)

    def _largest(self, of_neighbor: Tensor, neighbors: Tensor) -> Tensor:
        """Return the u_j of each point and channel for which the normalized value is largest."""
        signs = torch.where(self.norm.weight < 0, -1.0, 1.0).to(of_neighbor.dtype)
        return largest_neighbors(of_neighbor * signs, neighbors) * signs

    def _normalize(self, of_neighbor: Tensor, of_center: Tensor, neighbors: Tensor) -> Tensor:
        """Return the largest normalized values, with the statistics of all edges."""
        mean, var = edge_moments(of_neighbor, of_center, neighbors)
        self._follow(mean.detach(), var.detach(), neighbors.numel())
        scale = self.norm.weight * torch.rsqrt(var + self.norm.eps)
        shift = self.norm.bias - mean * scale
        return torch.addcmul(shift, self._largest(of_neighbor, neighbors) + of_center, scale)

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor, count: int) -> None:
        """Move the running statistics as the normalization itself would."""
        norm = self.norm
        if norm.running_mean is None or norm.running_var is None:
            return
        rate = norm.momentum
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked += 1
            rate = 1 / float(norm.num_batches_tracked) if rate is None else rate
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), rate or 0.0)
        unbiased = var * (count / max(count - 1, 1))
        norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), rate or 0.0)

    def _normalize_edges(self, of_neighbor: Tensor, of_center: Tensor, neighbors: Tensor) -> Tensor:
        """Do the same with any normalization module, which gets all edges."""
        clouds, count, k = neighbors.shape
        first = torch.arange(clouds, device=neighbors.device).view(-1, 1, 1) * count
        rows = of_neighbor.flatten(0, 1).index_select(0, (neighbors + first).flatten())
        edges = rows.view(clouds, count, k, -1) + of_center.unsqueeze(2)
        return self.norm(edges.flatten(0, 2)).view_as(edges).amax(2)
