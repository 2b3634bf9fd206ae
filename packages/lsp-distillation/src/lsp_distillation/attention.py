"""Graph attention as one sparse operation, forward and backward.

Velickovic et al., arXiv 1710.10903, the layer of torch-geometric's `GATConv`.
"""

from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from lsp_distillation.derived_graphs import per_head
from lsp_distillation.edge_list import EdgeList
from lsp_distillation.graph import Graph
from lsp_distillation.segments import (
    edge_products,
    segment_softmax,
    segment_sum,
    sum_in_edges,
    sum_out_edges,
)
from lsp_distillation.sparse_features import Features, linear_map

Residual = Literal["none", "linear"]


class GraphAttention(nn.Module):
    """For each node and head, the mean of its in-neighbors' projected features, weighted by attention.

    With h = W x, the attention of j -> i is the softmax over the in-edges of i of
    LeakyReLU(a_source . h_j + a_target . h_i), and the output sum_j attention_ji h_j (+ R x_i) (+ b).
    Self-loops are those of the graph. A node without in-edges gets 0 (+ R x_i) (+ b).

    Args:
        features: Width of the input.
        width: Of each head.
        heads: Their number.
        concat: Heads side by side (nodes, heads * width), or else their mean (nodes, width).
        residual: `linear`: a bias-free map R of the input to every head.
        bias: Add a bias to the output.
        slope: Of the LeakyReLU below 0.
        attention_dropout: Probability to drop an attention weight in training.
    """

    def __init__(
        self,
        features: int,
        width: int,
        *,
        heads: int = 1,
        concat: bool = True,
        residual: Residual = "none",
        bias: bool = False,
        slope: float = 0.2,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.features, self.width, self.heads, self.concat = features, width, heads, concat
        self.slope, self.attention_dropout = slope, attention_dropout
        self.weight = nn.Parameter(torch.empty(heads * width, features))
        self.attention_source = nn.Parameter(torch.empty(heads, width))
        self.attention_target = nn.Parameter(torch.empty(heads, width))
        self.residual = (
            nn.Parameter(torch.empty(heads * width, features)) if residual == "linear" else None
        )
        self.bias = nn.Parameter(torch.empty(self.out_features)) if bias else None
        self.reset_parameters()

    @property
    def out_features(self) -> int:
        """Width of the output."""
        return self.width * (self.heads if self.concat else 1)

    def reset_parameters(self) -> None:
        """Draw all weights as Glorot and Bengio (2010) do; biases are 0."""
        for parameter in (self.weight, self.attention_source, self.attention_target, self.residual):
            if parameter is not None:
                nn.init.xavier_uniform_(parameter)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Features, graph: Graph) -> Float[Tensor, "nodes out"]:
        """Return (nodes, heads * width), or (nodes, width) without `concat`.

        Args:
            x: (nodes, features), dense or sparse.
            graph: Its edge weights are not used.
        """
        projected = linear_map(x, self.weight)
        result = attend(
            projected.view(-1, self.heads, self.width),
            self._scores(projected, self.attention_source),
            self._scores(projected, self.attention_target),
            graph,
            slope=self.slope,
            dropout=self.attention_dropout if self.training else 0.0,
        )
        result = result.flatten(1) if self.concat else result.mean(1)
        if self.residual is not None:
            result = result + linear_map(x, self._residual_map(self.residual))
        return result if self.bias is None else result + self.bias

    def _scores(self, projected: Tensor, attention: Tensor) -> Tensor:
        """Return (nodes, heads): a . h of each head, as one product with a block-diagonal matrix."""
        return projected @ torch.block_diag(*attention).t()

    def _residual_map(self, residual: Tensor) -> Tensor:
        """Return the residual's matrix; the mean of outputs is the output of the mean matrix."""
        return residual if self.concat else residual.view(self.heads, self.width, -1).mean(0)

    def extra_repr(self) -> str:
        """Describe the shapes."""
        return f"{self.features}, {self.width}, heads={self.heads}, concat={self.concat}"


def attend(
    features: Float[Tensor, "nodes heads width"],
    sources: Float[Tensor, "nodes heads"],
    targets: Float[Tensor, "nodes heads"],
    graph: Graph,
    *,
    slope: float = 0.2,
    dropout: float = 0.0,
) -> Float[Tensor, "nodes heads width"]:
    """Return the attention-weighted sum of in-neighbors' features.

    Args:
        features: (nodes, heads, width) h. Half precision is computed in float32.
        sources: (nodes, heads) score that a node has as a source.
        targets: (nodes, heads) score that a node has as a target.
        graph: Edges.
        slope: Of the LeakyReLU below 0.
        dropout: Probability to drop an attention weight.
    """
    if isinstance(graph, EdgeList):
        return _attend_plainly(features, sources, targets, graph, slope)
    if features.dtype in (torch.float16, torch.bfloat16):
        features, sources, targets = features.float(), sources.float(), targets.float()
    kept = None
    if dropout:
        ones = sources.new_ones(graph.edges * features.shape[1])
        kept = functional.dropout(ones, dropout)
    heads = per_head(graph, features.shape[1])
    rows = features.reshape(-1, features.shape[2])
    result = cast("Any", _Attend).apply(
        rows, sources.reshape(-1), targets.reshape(-1), heads, slope, kept
    )
    return result.view(features.shape)


class _Attend(torch.autograd.Function):
    """One head: out_i = sum_j a_ji h_j with a = softmax of LeakyReLU(s_j + t_i) over the in-edges of i.

    With g the gradient of out and c_ji = g_i . h_j, the gradient of a logit is
    a_ji (c_ji - sum_k a_ki c_ki), and that of h_j is sum over the out-edges of a_ji g_i.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        sources: Tensor,
        targets: Tensor,
        graph: Graph,
        slope: float,
        kept: Tensor | None,
    ) -> Tensor:
        scores = sources.index_select(0, graph.sources)
        scores += targets.index_select(0, graph.targets)
        ctx.positive = scores > 0
        attention = segment_softmax(functional.leaky_relu_(scores, slope), graph)
        ctx.graph, ctx.slope, ctx.kept = graph, slope, kept
        ctx.save_for_backward(features, attention)
        return sum_in_edges(features, graph, attention if kept is None else attention * kept)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        features, attention = ctx.saved_tensors
        graph, gradient = ctx.graph, gradient.contiguous()
        weights = attention if ctx.kept is None else attention * ctx.kept
        change = weights * edge_products(gradient, features, graph)
        means = segment_sum(change, graph.offsets).index_select(0, graph.targets)
        change -= attention * means
        change = torch.where(ctx.positive, change, ctx.slope * change)
        of_targets = segment_sum(change, graph.offsets)
        of_sources = segment_sum(change.index_select(0, graph.by_source), graph.out_offsets)
        of_features = sum_out_edges(gradient, graph, weights) if ctx.needs_input_grad[0] else None
        return of_features, of_sources, of_targets, None, None, None


def _attend_plainly(
    features: Tensor, sources: Tensor, targets: Tensor, graph: EdgeList, slope: float
) -> Tensor:
    """Do the same for edges that are exported."""
    scores = sources.index_select(0, graph.sources) + targets.index_select(0, graph.targets)
    attention = graph.softmax(functional.leaky_relu(scores, slope))
    return graph.add_up(features, attention)
