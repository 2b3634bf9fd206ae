"""The plain form that everybody would write: PyG's layers, the teacher in every step, gathers of edges x width."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GATConv
from torch_geometric.utils import scatter, softmax

from lsp_distillation.edge_convolution import EdgeConvolution
from lsp_distillation.graph import Graph, join_graphs
from lsp_distillation.networks import GraphNetwork

NODES, PAIRS, FEATURES, LABELS = 2245, 30_659, 50, 121
BANDWIDTHS = {"rbf": "auto", "laplacian": 100.0}
"""Of each kernel timed: automatic, and that of the released code."""


def ppi_shaped(seed: int) -> tuple[Graph, Tensor, Tensor]:
    """Return two random graphs of the size of PPI's as one, features and labels."""
    generator = torch.Generator().manual_seed(seed)
    graphs = []
    for _ in range(2):
        pairs = torch.triu_indices(NODES, NODES, 1)
        pairs = pairs[:, torch.randperm(pairs.shape[1], generator=generator)[:PAIRS]]
        both = torch.cat([pairs, pairs.flip(0)], dim=1)
        graphs.append(Graph.from_edges(both, nodes=NODES, self_loops="add"))
    x = torch.randn(2 * NODES, FEATURES, generator=generator)
    y = (torch.rand(2 * NODES, LABELS, generator=generator) < 0.3).float()
    return join_graphs(graphs), x, y


class PlainGat(nn.Module):
    """A network of PyG's layers with the weights of one of ours.

    Args:
        network: A GAT with linear residuals and without biases.
    """

    def __init__(self, network: GraphNetwork) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        for layer in network.layers:
            residual = layer.residual is not None
            conv = GATConv(
                layer.features,
                layer.width,
                heads=layer.heads,
                residual=residual,
                bias=False,
                add_self_loops=False,
            )
            with torch.no_grad():
                conv.lin.weight.copy_(layer.weight)
                conv.att_src.copy_(layer.attention_source)
                conv.att_dst.copy_(layer.attention_target)
                if residual:
                    conv.res.weight.copy_(layer.residual)
            self.convs.append(conv)
        self.output = (network.layers[-1].heads, network.layers[-1].width)

    def forward(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and what each layer returns."""
        outputs = []
        for index, conv in enumerate(self.convs):
            x = conv(functional.elu(x) if index else x, edge_index)
            outputs.append(x)
        return x.view(-1, *self.output).mean(1), outputs


def local_probabilities(embedding: Tensor, edge_index: Tensor, *, kernel: str) -> Tensor:
    """Return each edge's probability among the in-edges of its target, by gathers of edges x width."""
    source, target = edge_index
    difference = embedding[source] - embedding[target]
    if kernel == "rbf":
        squares = difference.square().sum(1)
        similarity = torch.exp(-squares / squares.detach().mean())  # 2 sigma^2 is their mean
    else:
        similarity = torch.exp(-difference.abs().sum(1) / BANDWIDTHS[kernel])
    return softmax(similarity, target, num_nodes=len(embedding))


def local_structure_loss(
    student: Tensor, teacher: Tensor, edge_index: Tensor, *, kernel: str
) -> Tensor:
    """Return the mean over nodes of KL(teacher || student) of their local structures."""
    p = local_probabilities(teacher, edge_index, kernel=kernel)
    q = local_probabilities(student, edge_index, kernel=kernel)
    terms = p * (p.log() - q.log())
    return scatter(terms, edge_index[1], dim_size=len(student), reduce="sum").mean()


class PlainEdgeConvolution(EdgeConvolution):
    """The edge convolution as the paper writes it: a linear map of [x_j - x_i, x_i] for every edge."""

    def forward(self, points: Tensor, neighbors: Tensor) -> Tensor:
        """Return the maximum over the in-neighbors of each point."""
        clouds, _, k = neighbors.shape
        own = points.unsqueeze(2).expand(-1, -1, k, -1)
        around = points[torch.arange(clouds).view(-1, 1, 1), neighbors]
        edges = functional.linear(torch.cat([around - own, own], dim=3), self.weight)
        normal = self.norm(edges.flatten(0, 2)).view_as(edges)
        return functional.leaky_relu(normal, self.slope).max(2).values
