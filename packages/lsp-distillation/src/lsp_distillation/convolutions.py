"""Graph layers other than attention: GCN, GraphSAGE and GIN, with the mathematics of torch-geometric's.

Where a layer's linear map commutes with the sum over neighbors, the narrower of the two sides is
summed. Self-loops are those of the graph.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from lsp_distillation.derived_graphs import mean_weights, symmetric_weights
from lsp_distillation.graph import Graph
from lsp_distillation.segments import propagate
from lsp_distillation.sparse_features import Features, known_features, linear_map


class GraphConvolution(nn.Module):
    """D^-1/2 A D^-1/2 x W^T (+ b), A the edge weights and D their sums into each node.

    Kipf and Welling, arXiv 1609.02907; `GCNConv`, whose self-loops the graph must already have.

    Args:
        features: Width of the input.
        width: Of the output.
        bias: Add a bias.
    """

    def __init__(self, features: int, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.features, self.out_features = features, width
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, features)))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x: Features, graph: Graph) -> Float[Tensor, "nodes width"]:
        """Return (nodes, width) of (nodes, features), dense or sparse."""
        result = _propagate_map(x, self.weight, graph, symmetric_weights(graph, self.weight.dtype))
        return result if self.bias is None else result + self.bias


class SageConvolution(nn.Module):
    """W (mean of x over in-neighbors) + R x (+ b).

    Hamilton, Ying and Leskovec, arXiv 1706.02216; `SAGEConv`, which uses no edge weights either. The
    mean over no neighbors is 0.

    Args:
        features: Width of the input.
        width: Of the output.
        bias: Add a bias.
    """

    def __init__(self, features: int, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.features, self.out_features = features, width
        self.neighbors = nn.Linear(features, width, bias=bias)
        self.root = nn.Linear(features, width, bias=False)

    def forward(self, x: Features, graph: Graph) -> Float[Tensor, "nodes width"]:
        """Return (nodes, width) of (nodes, features), dense or sparse."""
        weight = self.neighbors.weight
        mean = _propagate_map(x, weight, graph, mean_weights(graph, weight.dtype))
        return mean + linear_map(x, self.root.weight, self.neighbors.bias)


class GinConvolution(nn.Module):
    """MLP((1 + epsilon) x + sum of x over in-neighbors), the MLP linear, ReLU, linear.

    Xu, Hu, Leskovec and Jegelka, arXiv 1810.00826; `GINConv` with a learned epsilon.

    Args:
        features: Width of the input.
        width: Of the output and of the MLP's hidden layer.
        bias: Add biases.
    """

    def __init__(self, features: int, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.features, self.out_features = features, width
        self.epsilon = nn.Parameter(torch.zeros(()))
        self.first = nn.Linear(features, width, bias=bias)
        self.second = nn.Linear(width, width, bias=bias)

    def forward(self, x: Features, graph: Graph) -> Float[Tensor, "nodes width"]:
        """Return (nodes, width) of (nodes, features), dense or sparse."""
        own = linear_map(x, self.first.weight)
        hidden = (1 + self.epsilon) * own + propagate(own, graph)
        if self.first.bias is not None:
            hidden = hidden + self.first.bias
        return self.second(functional.relu(hidden))


class NodeLinear(nn.Linear):
    """A linear layer that is called like a convolution and does not look at the graph."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input: Features, graph: Graph | None = None
    ) -> Float[Tensor, "nodes width"]:
        """Return (nodes, width) of (nodes, features), dense or sparse."""
        del graph
        return linear_map(input, self.weight, self.bias)


def _propagate_map(x: Features, weight: Tensor, graph: Graph, weights: Tensor) -> Tensor:
    """Return A x W^T in the cheaper order."""
    x = known_features(x)
    if isinstance(x, Tensor) and weight.shape[1] < weight.shape[0]:
        return functional.linear(propagate(x, graph, weights), weight)
    return propagate(linear_map(x, weight), graph, weights)
