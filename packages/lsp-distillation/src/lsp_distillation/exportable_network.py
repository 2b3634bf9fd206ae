"""Networks as one file for `torch.export`: plain tensors in, plain torch operations inside, free sizes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from lsp_distillation.edge_list import edge_list
from lsp_distillation.graph import SelfLoops
from lsp_distillation.networks import GraphNetwork
from lsp_distillation.point_networks import DynamicGraphNetwork


class ExportableNetwork(nn.Module):
    """A network on nodes or on one graph that takes PyG's edge index and builds what it needs from it.

    Args:
        network: Its weights are shared, not copied; it is put into evaluation.
    """

    def __init__(self, network: GraphNetwork) -> None:
        super().__init__()
        self.network = network.eval()
        config = network.config
        self.self_loops: SelfLoops = config.self_loops if config.kind in ("gat", "gcn") else "keep"

    def forward(
        self, x: Float[Tensor, "nodes features"], edge_index: Int[Tensor, "2 edges"]
    ) -> Float[Tensor, "rows outputs"]:
        """Return (nodes, outputs), or (1, outputs) of a network at graph level.

        Args:
            x: (nodes, features).
            edge_index: (2, edges) int64, sources above targets, each edge once, in any order.
        """
        graph = edge_list(edge_index, nodes=x.shape[0], self_loops=self.self_loops)
        return self.network(x, graph)


class ExportablePointNetwork(nn.Module):
    """A network on point clouds whose nearest neighbors are found without looking at values.

    Args:
        network: Its weights are shared, not copied; it is put into evaluation.
    """

    def __init__(self, network: DynamicGraphNetwork) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(
        self, points: Float[Tensor, "clouds points features"]
    ) -> Float[Tensor, "clouds outputs"]:
        """Return (clouds, outputs) of (clouds, points, features)."""
        return self.network(points, find_neighbors=_nearest)


def _nearest(points: Tensor, k: int) -> Tensor:
    """Return the k nearest points of each point, by all distances at once."""
    points = points - points.mean(1, keepdim=True)
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.topk(k, largest=False).indices


def export_network(network: GraphNetwork | DynamicGraphNetwork) -> ExportedProgram:
    """Return the network as a program that `torch.export.save` writes, with free sizes.

    Networks on graphs are called with (features, edge index), networks on clouds with (points). Numbers of
    nodes, edges, clouds and points are free, from 2 on.

    Args:
        network: It is put into evaluation; features are dense.
    """
    dtype, device = _kind_of_weights(network)
    if isinstance(network, DynamicGraphNetwork):
        count = network.config.neighbors + 3
        points = torch.rand(2, count, network.features, dtype=dtype, device=device)
        sizes = {0: Dim("clouds"), 1: Dim("points", min=network.config.neighbors + 1)}
        module, args = ExportablePointNetwork(network), (points,)
        return torch.export.export(module, args, dynamic_shapes=(sizes,))
    x = torch.rand(5, network.features, dtype=dtype, device=device)
    edges = torch.tensor([[0, 1, 2, 2, 3, 4, 0], [1, 0, 1, 2, 4, 3, 3]], device=device)
    shapes = ({0: Dim("nodes", min=2)}, {1: Dim("edges", min=2)})
    return torch.export.export(ExportableNetwork(network), (x, edges), dynamic_shapes=shapes)


def _kind_of_weights(network: nn.Module) -> tuple[torch.dtype, torch.device]:
    """Return dtype and device of the weights."""
    weight = next(network.parameters())
    return weight.dtype, weight.device
