"""Edges as plain torch operations with free sizes, for networks that leave as one file."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lsp_distillation.graph import Graph, SelfLoops


class EdgeList(Graph):
    """Edges for export: the same sums by operations that `torch.export` knows, with free sizes.

    Args:
        sources: (edges,) int64, where each edge begins; any order.
        targets: (edges,) int64, where each edge ends.
        nodes: Their number.
        present: (edges,) bool; edges that are not count for nothing.
    """

    def __init__(
        self,
        sources: Int[Tensor, " edges"],
        targets: Int[Tensor, " edges"],
        *,
        nodes: int,
        present: Bool[Tensor, " edges"],
    ) -> None:
        super().__init__(sources.new_empty(0), sources)
        self.targets, self.present, self._nodes = targets, present, nodes

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return self._nodes

    def add_up(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return sum over j -> i of w_ji x_j for each node i."""
        scale = self.present.to(features.dtype)
        if weights is not None:
            scale = weights * scale.view(-1, *[1] * (weights.ndim - 1))
        scale = scale.view(*scale.shape, *[1] * (features.ndim - scale.ndim))
        rows = features.index_select(0, self.sources) * scale
        return features.new_zeros(features.shape).index_add(0, self.targets, rows)

    def mean_weights(self, dtype: torch.dtype) -> Float[Tensor, " edges"]:
        """Return 1 / in-degree of each edge's target."""
        return self._in_sums(dtype).clamp(min=1).reciprocal().index_select(0, self.targets)

    def symmetric_weights(self, dtype: torch.dtype) -> Float[Tensor, " edges"]:
        """Return 1 / sqrt(d_j d_i) of each edge j -> i, d the in-degree; 0 where one is 0."""
        sums = self._in_sums(dtype)
        scale = torch.where(sums > 0, sums.clamp(min=1).rsqrt(), 0)
        return scale.index_select(0, self.sources) * scale.index_select(0, self.targets)

    def _in_sums(self, dtype: torch.dtype) -> Tensor:
        """Return the in-degree of each node."""
        zeros = torch.zeros(self.nodes, dtype=dtype, device=self.device)
        return zeros.index_add(0, self.targets, self.present.to(dtype))

    def softmax(self, logits: Float[Tensor, "edges heads"]) -> Float[Tensor, "edges heads"]:
        """Return the softmax over the in-edges of each node."""
        logits = torch.where(self.present[:, None], logits, -torch.inf)
        shape, places = (self.nodes, logits.shape[1]), self.targets[:, None].expand_as(logits)
        lowest = torch.finfo(logits.dtype).min
        top = logits.new_full(shape, lowest).scatter_reduce(0, places, logits, "amax")
        mass = (logits - top.index_select(0, self.targets)).exp()
        sums = logits.new_zeros(shape).index_add(0, self.targets, mass)
        return mass / sums.index_select(0, self.targets).clamp(min=torch.finfo(logits.dtype).tiny)


def edge_list(edge_index: Int[Tensor, "2 edges"], *, nodes: int, self_loops: SelfLoops) -> EdgeList:
    """Return distinct edges under a policy for self-loops, without counting them.

    Args:
        edge_index: (2, edges): sources above targets, each edge once.
        nodes: Their number.
        self_loops: As in `Graph.from_edges`.
    """
    sources, targets = edge_index.unbind()
    present = torch.ones_like(sources, dtype=torch.bool)
    if self_loops != "keep":
        present = sources != targets
    if self_loops == "add":
        loops = torch.arange(nodes, device=sources.device)
        sources, targets = torch.cat([sources, loops]), torch.cat([targets, loops])
        present = torch.cat([present, torch.ones_like(loops, dtype=torch.bool)])
    return EdgeList(sources, targets, nodes=nodes, present=present)
