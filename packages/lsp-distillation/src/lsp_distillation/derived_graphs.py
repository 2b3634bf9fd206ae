"""What layers derive from a graph and keep as long as it lives: its copies per head, patterns, loops.

Nothing is stored on the graph itself, so graphs stay small when they are copied, sent or saved.
"""

import warnings
from collections.abc import Callable, Hashable
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lsp_distillation.edge_list import EdgeList
from lsp_distillation.graph import Graph, SelfLoops

Derived = TypeVar("Derived")

_KEPT: WeakKeyDictionary[Graph, dict[Hashable, object]] = WeakKeyDictionary()


def kept(graph: Graph, key: Hashable, build: Callable[[], Derived]) -> Derived:
    """Return what was built under `key` for this graph, building it the first time.

    Args:
        graph: It is not kept alive; so the value must not refer to it.
        key: Says what it is, and for which settings.
        build: Called without arguments.
    """
    values = _KEPT.setdefault(graph, {})
    if key not in values:
        values[key] = build()
    return cast("Derived", values[key])


def per_head(graph: Graph, heads: int) -> Graph:
    """Return the graph of `nodes * heads` nodes in which head h of node i is node `i * heads + h`.

    Every edge occurs once per head and joins equal heads. So whatever works on one head works on all of
    them at once, with features viewed as (nodes * heads, width).
    """
    if heads == 1:
        return graph
    return kept(graph, ("per head", heads), lambda: _per_head(graph, heads))


def _per_head(graph: Graph, heads: int) -> Graph:
    """Repeat the in-edges of each node once per head."""
    degrees = graph.in_degrees.repeat_interleave(heads)
    offsets = torch.cat([degrees.new_zeros(1), degrees.cumsum(0)])
    size = graph.edges * heads
    owner = torch.arange(graph.nodes * heads, device=graph.device)
    owner = owner.repeat_interleave(degrees, output_size=size)
    node, head = owner // heads, owner % heads
    place = torch.arange(size, device=graph.device) - offsets[owner] + graph.offsets[node]
    return Graph(offsets, graph.sources[place] * heads + head)


def out_targets(graph: Graph) -> Int[Tensor, " edges"]:
    """Return (edges,) where each edge ends, in the order of `graph.by_source`."""
    return kept(graph, "out targets", lambda: graph.targets.index_select(0, graph.by_source))


def pattern(graph: Graph, dtype: torch.dtype) -> Tensor:
    """Return the edges as a sparse CSR matrix (targets, sources) of zeros."""
    return kept(graph, ("pattern", dtype), lambda: _pattern(graph, dtype))


def _pattern(graph: Graph, dtype: torch.dtype) -> Tensor:
    """Build the matrix; torch says once a process that it calls this a beta version."""
    values = torch.zeros(graph.edges, dtype=dtype, device=graph.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(
            graph.offsets,
            graph.sources,
            values,
            (graph.nodes, graph.nodes),
            check_invariants=False,
        )


def looped(graph: Graph, policy: SelfLoops) -> Graph:
    """Return the graph under a policy for self-loops, the same object at every call."""
    if policy == "keep":
        return graph
    changed = kept(graph, ("loops", policy), lambda: _changed(graph, policy))
    return graph if changed is None else changed


def _changed(graph: Graph, policy: SelfLoops) -> Graph | None:
    """Return the graph under the policy, or None if that is the graph itself."""
    result = graph.with_self_loops(policy)
    return None if result is graph else result


def edge_weights(graph: Graph, dtype: torch.dtype) -> Float[Tensor, " edges"]:
    """Return (edges,) the weights, 1 where the graph has none."""
    if graph.weights is None:
        return kept(graph, ("ones", dtype), lambda: _ones(graph, dtype))
    return graph.weights.to(dtype)


def _ones(graph: Graph, dtype: torch.dtype) -> Tensor:
    """Return (edges,) ones."""
    return torch.ones(graph.edges, dtype=dtype, device=graph.device)


def symmetric_weights(graph: Graph, dtype: torch.dtype) -> Float[Tensor, " edges"]:
    """Return w_ji / sqrt(d_j d_i) of each edge j -> i, d the sum of the weights into a node.

    Kipf and Welling, arXiv 1609.02907, with the self-loops that the graph has. Edges at a node whose
    sum is not positive weigh 0, as in PyG.
    """
    if isinstance(graph, EdgeList):
        return graph.symmetric_weights(dtype)
    return kept(graph, ("symmetric", dtype), lambda: _symmetric_weights(graph, dtype))


def _symmetric_weights(graph: Graph, dtype: torch.dtype) -> Tensor:
    """Compute the weights in float64."""
    weights = edge_weights(graph, torch.float64)
    sums = torch.segment_reduce(weights, "sum", offsets=graph.offsets, axis=0)
    scale = torch.where(sums > 0, sums.clamp(min=1e-300).rsqrt(), 0)
    return (scale[graph.sources] * weights * scale[graph.targets]).to(dtype)


def mean_weights(graph: Graph, dtype: torch.dtype) -> Float[Tensor, " edges"]:
    """Return 1 / in-degree of each edge's target."""
    if isinstance(graph, EdgeList):
        return graph.mean_weights(dtype)
    return kept(graph, ("mean", dtype), lambda: _mean_weights(graph, dtype))


def _mean_weights(graph: Graph, dtype: torch.dtype) -> Tensor:
    """Every target here has an in-edge."""
    return graph.in_degrees.to(dtype).reciprocal().index_select(0, graph.targets)
