"""The neighborhoods of nodes over which local structures are distributions: of a graph, or of a table."""

from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from lsp_distillation.graph import Graph
from lsp_distillation.node_pairs import NodePairs

ABSENT = -1e300
"""Log-probability of a table's entry that is no neighbor: finite, so that 0 times a difference of two is 0."""


class Neighborhoods(Protocol):
    """In-edges grouped by target, and the distinct pairs of nodes that they join."""

    pairs: NodePairs
    counts: Float64[Tensor, " pairs"]  # edges of each; 0 where a table has no neighbor
    degrees: Int[Tensor, " nodes"]

    def to_edges(self, values: Float64[Tensor, " pairs"]) -> Float64[Tensor, " edges"]:
        """Return the value of each edge's pair."""
        ...

    def to_pairs(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " pairs"]:
        """Add the values of the edges of each pair."""
        ...

    def log_softmax(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " edges"]:
        """Return log-probabilities over the in-edges of each node."""
        ...

    def sums(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " nodes"]:
        """Add over the in-edges of each node."""
        ...

    def maxima(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " nodes"]:
        """Return the largest over the in-edges of each node."""
        ...

    def spread(self, values: Float64[Tensor, " nodes"]) -> Float64[Tensor, " edges"]:
        """Return the value of each edge's target."""
        ...


class GraphNeighborhoods:
    """The in-edges of a graph; an edge and its reverse are one pair, which is measured once."""

    def __init__(self, graph: Graph) -> None:
        # parts of the graph and not the graph: it is what this object is kept by
        self.offsets, self.targets, self.degrees = graph.offsets, graph.targets, graph.in_degrees
        low = torch.minimum(graph.sources, graph.targets)
        high = torch.maximum(graph.sources, graph.targets)
        keys, self.pair_of_edge = (high * graph.nodes + low).unique(return_inverse=True)
        ends = torch.stack([keys % max(graph.nodes, 1), keys // max(graph.nodes, 1)])
        self.pairs = NodePairs(ends, nodes=graph.nodes, kept=True)
        self.counts = torch.bincount(self.pair_of_edge, minlength=len(keys)).double()

    def to_edges(self, values: Float64[Tensor, " pairs"]) -> Float64[Tensor, " edges"]:
        """Return the value of each edge's pair."""
        return values.index_select(0, self.pair_of_edge)

    def to_pairs(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " pairs"]:
        """Add the values of the edges of each pair."""
        return values.new_zeros(len(self.pairs)).index_add_(0, self.pair_of_edge, values)

    def log_softmax(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " edges"]:
        """Return log-probabilities over the in-edges of each node."""
        centered = values - self.spread(self.maxima(values))
        return centered.sub_(self.spread(self.sums(centered.exp()).log_()))

    def sums(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " nodes"]:
        """Add over the in-edges of each node."""
        return torch.segment_reduce(values, "sum", offsets=self.offsets, initial=0.0, unsafe=True)

    def maxima(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " nodes"]:
        """Return the largest over the in-edges of each node; minus infinity without any."""
        return torch.segment_reduce(values, "max", offsets=self.offsets, unsafe=True)

    def spread(self, values: Float64[Tensor, " nodes"]) -> Float64[Tensor, " edges"]:
        """Return the value of each edge's target."""
        return values.index_select(0, self.targets)


class TableNeighborhoods:
    """The neighbors of each node in a row of a table; its edges are the table read row by row.

    Args:
        neighbors: (nodes, columns) sources.
        present: (nodes, columns) whether an entry is one.
    """

    def __init__(
        self, neighbors: Int[Tensor, "nodes columns"], present: Bool[Tensor, "nodes columns"]
    ) -> None:
        rows, columns = neighbors.shape
        nodes = torch.arange(rows, device=neighbors.device)
        targets = nodes[:, None].expand(rows, columns).reshape(-1)
        ends = torch.stack([neighbors.reshape(-1), targets])
        self.pairs = NodePairs(ends, nodes=rows, kept=False)
        self.absent, self.counts = ~present, present.reshape(-1).double()
        self.degrees = present.sum(1)

    def to_edges(self, values: Float64[Tensor, " pairs"]) -> Float64[Tensor, " edges"]:
        """Return them: every edge is a pair of its own."""
        return values

    def to_pairs(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " pairs"]:
        """Return them: every edge is a pair of its own."""
        return values

    def log_softmax(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " edges"]:
        """Return log-probabilities over each row; `ABSENT` where there is no neighbor."""
        table = values.view(self.absent.shape).masked_fill(self.absent, ABSENT)
        return table.log_softmax(1).masked_fill(self.absent, ABSENT).view(-1)

    def sums(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " nodes"]:
        """Add over each row."""
        return values.view(self.absent.shape).sum(1)

    def maxima(self, values: Float64[Tensor, " edges"]) -> Float64[Tensor, " nodes"]:
        """Return the largest of each row."""
        return values.view(self.absent.shape).amax(1)

    def spread(self, values: Float64[Tensor, " nodes"]) -> Float64[Tensor, " edges"]:
        """Return the value of each entry's row."""
        return values[:, None].expand(self.absent.shape).reshape(-1)


_KEPT: WeakKeyDictionary[Graph, GraphNeighborhoods] = WeakKeyDictionary()


def neighborhoods_of(graph: Graph) -> GraphNeighborhoods:
    """Return the neighborhoods of a graph, computed on first use and kept as long as the graph."""
    if graph not in _KEPT:
        _KEPT[graph] = GraphNeighborhoods(graph)
    return _KEPT[graph]
