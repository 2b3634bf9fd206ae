"""A graph as the in-edges of its nodes, sorted once: what layers, losses and samplers share."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

SelfLoops = Literal["keep", "add", "remove"]


class Graph:
    """Directed edges j -> i (messages flow from j to i), sorted by target i and then by source j, each once.

    Build one with `from_edges`; the constructor takes edges that are already sorted and distinct. What is derived from
    the edges is computed on first use and kept.

    Args:
        offsets: (nodes + 1,) int64; the in-edges of node i are `offsets[i]:offsets[i + 1]`.
        sources: (edges,) int64, where each edge begins.
        weights: (edges,) of each edge, or None for all 1.
    """

    def __init__(
        self,
        offsets: Int[Tensor, " nodes_plus_one"],
        sources: Int[Tensor, " edges"],
        weights: Float[Tensor, " edges"] | None = None,
    ) -> None:
        self.offsets, self.sources, self.weights = offsets, sources, weights

    @classmethod
    def from_edges(
        cls,
        edge_index: Tensor,
        *,
        nodes: int,
        weights: Tensor | None = None,
        self_loops: SelfLoops = "keep",
        symmetric: bool = False,
    ) -> "Graph":
        """Sort edges and make them distinct; the weights of parallel edges are added.

        Args:
            edge_index: (2, edges): sources above targets.
            nodes: Their number; isolated ones count.
            weights: Of the edges. None: 1 for every distinct edge.
            self_loops: What happens to edges i -> i; `add` gives every node exactly one, of weight 1 where it had none.
            symmetric: Also add the reverse of every edge that has none.

        Raises:
            ValueError: The edges are not (2, edges) integers within the nodes, or the weights do not fit.
        """
        _check_edges(edge_index, nodes, weights)
        if self_loops not in get_args(SelfLoops):
            raise ValueError(
                f"self_loops must be one of {', '.join(get_args(SelfLoops))}, got {self_loops!r}"
            )
        keys = edge_index[1].long() * nodes + edge_index[0].long()
        keys, weights = _distinct(keys, weights)
        if symmetric:
            keys, weights = _with_reverse(keys, weights, nodes)
        if self_loops != "keep":
            keys, weights = _with_loops(keys, weights, nodes, add=self_loops == "add")
        sources, targets = keys % max(nodes, 1), keys // max(nodes, 1)
        counts = torch.bincount(targets, minlength=nodes)
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(offsets, sources, weights)

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.offsets) - 1

    @property
    def edges(self) -> int:
        """Number of edges."""
        return len(self.sources)

    @property
    def device(self) -> torch.device:
        """Where the edges are."""
        return self.sources.device

    @cached_property
    def in_degrees(self) -> Int[Tensor, " nodes"]:
        """Number of in-edges of each node."""
        return self.offsets.diff()

    @cached_property
    def targets(self) -> Int[Tensor, " edges"]:
        """(edges,) where each edge ends, ascending."""
        nodes = torch.arange(self.nodes, device=self.device)
        return nodes.repeat_interleave(self.in_degrees, output_size=self.edges)

    @cached_property
    def edge_index(self) -> Int[Tensor, "2 edges"]:
        """(2, edges): sources above targets, as PyG has them."""
        return torch.stack([self.sources, self.targets])

    @cached_property
    def by_source(self) -> Int[Tensor, " edges"]:
        """(edges,) the permutation that sorts edges by source, and of one source by target."""
        return self.sources.argsort(stable=True)

    @cached_property
    def out_offsets(self) -> Int[Tensor, " nodes_plus_one"]:
        """(nodes + 1,) where the out-edges of each node begin in `by_source`."""
        counts = torch.bincount(self.sources, minlength=self.nodes)
        return torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def with_self_loops(self, policy: SelfLoops) -> "Graph":
        """Return the graph under a policy for self-loops; itself if that changes nothing."""
        if policy == "keep":
            return self
        loops = int((self.sources == self.targets).sum())
        if loops == (self.nodes if policy == "add" else 0):
            return self
        return Graph.from_edges(
            self.edge_index, nodes=self.nodes, weights=self.weights, self_loops=policy
        )

    def to(self, device: torch.device | str) -> "Graph":
        """Return the graph on a device; itself if it is there."""
        if self.device == torch.device(device):
            return self
        weights = None if self.weights is None else self.weights.to(device)
        return Graph(self.offsets.to(device), self.sources.to(device), weights)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of nodes, edges and weights: equal graphs have equal ones."""
        digest = hashlib.sha256()
        for tensor in (self.offsets, self.sources, self.weights):
            content = b"none" if tensor is None else tensor.cpu().contiguous().numpy().tobytes()
            digest.update(len(content).to_bytes(8, "little") + content)
        return digest.hexdigest()

    def __repr__(self) -> str:
        return f"Graph(nodes={self.nodes}, edges={self.edges})"


def join_graphs(graphs: Sequence[Graph]) -> Graph:
    """Return several graphs as one without edges between them, nodes in the order given.

    Raises:
        ValueError: There is no graph, or some have weights and others not.
    """
    if not graphs:
        raise ValueError("join_graphs needs at least one graph; the list is empty")
    weighted = [graph.weights is not None for graph in graphs]
    if any(weighted) != all(weighted):
        raise ValueError("some graphs have edge weights and others not; give all or none")
    offsets, sources, weights, nodes, edges = [graphs[0].offsets[:1]], [], [], 0, 0
    for graph in graphs:
        offsets.append(graph.offsets[1:] + edges)
        sources.append(graph.sources + nodes)
        if graph.weights is not None:
            weights.append(graph.weights)
        nodes, edges = nodes + graph.nodes, edges + graph.edges
    return Graph(torch.cat(offsets), torch.cat(sources), torch.cat(weights) if weights else None)


def _check_edges(edge_index: Tensor, nodes: int, weights: Tensor | None) -> None:
    """Refuse what is no edge list."""
    if edge_index.ndim != 2 or edge_index.shape[0] != 2 or edge_index.is_sparse:
        raise ValueError(
            f"edge_index must be (2, edges), sources above targets; got {tuple(edge_index.shape)}"
        )
    if edge_index.is_floating_point() or edge_index.is_complex() or edge_index.dtype == torch.bool:
        raise ValueError(f"edge_index must hold integers, got {edge_index.dtype}; convert it first")
    if edge_index.numel():
        low, high = int(edge_index.min()), int(edge_index.max())
        if low < 0 or high >= nodes:
            raise ValueError(
                f"edge_index must lie within 0 and {nodes - 1}, the {nodes} nodes; got {low} to {high}"
            )
    if weights is not None:
        if weights.shape != edge_index.shape[1:]:
            raise ValueError(
                f"edge weights must be one number per edge, ({edge_index.shape[1]},); got "
                f"{tuple(weights.shape)}"
            )
        if not bool(torch.isfinite(weights).all()):
            raise ValueError("edge weights must be finite; remove or repair those edges")


def _distinct(keys: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Sort edge keys, keep each once and add the weights of equal ones."""
    if weights is None:
        return keys.unique(), None
    found, places = keys.unique(return_inverse=True)
    return found, weights.new_zeros(len(found)).index_add_(0, places, weights)


def _with_reverse(keys: Tensor, weights: Tensor | None, nodes: int) -> tuple[Tensor, Tensor | None]:
    """Add the reverse of each edge that has none, with its weight."""
    reverse = keys % max(nodes, 1) * nodes + keys // max(nodes, 1)
    new = ~torch.isin(reverse, keys)
    keys, order = torch.cat([keys, reverse[new]]).sort()
    return keys, None if weights is None else torch.cat([weights, weights[new]])[order]


def _with_loops(
    keys: Tensor, weights: Tensor | None, nodes: int, *, add: bool
) -> tuple[Tensor, Tensor | None]:
    """Remove all self-loops, or add those that are missing."""
    is_loop = keys % max(nodes, 1) == keys // max(nodes, 1)
    if not add:
        return keys[~is_loop], None if weights is None else weights[~is_loop]
    every = torch.arange(nodes, device=keys.device) * (nodes + 1)
    missing = every[~torch.isin(every, keys[is_loop])]
    keys, order = torch.cat([keys, missing]).sort()
    if weights is None:
        return keys, None
    return keys, torch.cat([weights, weights.new_ones(len(missing))])[order]
