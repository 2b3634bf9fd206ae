"""Sums over the in-edges of nodes, each O(edges) and without an array of edges x width.

A sum of weighted rows is torch's embedding bag, whose kernels prefetch the rows; scalar products along
edges are its sampled dense-dense product. Backward passes use the order of edges by source that the
graph keeps, so nothing is scattered.
"""

from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from lsp_distillation.derived_graphs import out_targets, pattern
from lsp_distillation.edge_list import EdgeList
from lsp_distillation.graph import Graph


def segment_sum(
    values: Float[Tensor, " edges"], offsets: Int[Tensor, " segments_plus_one"]
) -> Float[Tensor, " segments"]:
    """Add up each segment; an empty one gives 0."""
    return torch.segment_reduce(values, "sum", offsets=offsets, axis=0, unsafe=True)


def segment_max(
    values: Float[Tensor, " edges"], offsets: Int[Tensor, " segments_plus_one"]
) -> Float[Tensor, " segments"]:
    """Return the largest value of each segment; an empty one gives minus infinity."""
    return torch.segment_reduce(values, "max", offsets=offsets, axis=0, unsafe=True)


def segment_softmax(logits: Float[Tensor, " edges"], graph: Graph) -> Float[Tensor, " edges"]:
    """Return the softmax of edge values over the in-edges of each node."""
    top = segment_max(logits, graph.offsets).index_select(0, graph.targets)
    mass = (logits - top).exp_()
    return mass.div_(segment_sum(mass, graph.offsets).index_select(0, graph.targets))


def sum_rows(
    table: Float[Tensor, "rows width"],
    indices: Int[Tensor, " entries"],
    offsets: Int[Tensor, " segments_plus_one"],
    weights: Float[Tensor, " entries"] | None = None,
) -> Float[Tensor, "segments width"]:
    """Add up rows of a table, each times its weight, in each segment; no gradient passes."""
    return functional.embedding_bag(
        indices,
        table.detach(),
        offsets,
        mode="sum",
        per_sample_weights=weights,
        include_last_offset=True,
    )


def sum_in_edges(
    features: Float[Tensor, "nodes width"],
    graph: Graph,
    weights: Float[Tensor, " edges"] | None = None,
) -> Float[Tensor, "nodes width"]:
    """Return sum over j -> i of w_ji x_j for each node i; no gradient passes."""
    return sum_rows(features, graph.sources, graph.offsets, weights)


def sum_out_edges(
    features: Float[Tensor, "nodes width"],
    graph: Graph,
    weights: Float[Tensor, " edges"] | None = None,
) -> Float[Tensor, "nodes width"]:
    """Return sum over j -> i of w_ji x_i for each node j, the transpose; no gradient passes."""
    if weights is not None:
        weights = weights.index_select(0, graph.by_source)
    return sum_rows(features, out_targets(graph), graph.out_offsets, weights)


def edge_products(
    targets: Float[Tensor, "nodes width"], sources: Float[Tensor, "nodes width"], graph: Graph
) -> Float[Tensor, " edges"]:
    """Return the scalar product of `targets[i]` and `sources[j]` for each edge j -> i; no gradient passes."""
    zeros = pattern(graph, targets.dtype)
    return torch.sparse.sampled_addmm(zeros, targets, sources.t(), beta=0).values()


def propagate(
    features: Float[Tensor, "nodes width"],
    graph: Graph,
    weights: Float[Tensor, " edges"] | None = None,
) -> Float[Tensor, "nodes width"]:
    """Return sum over j -> i of w_ji x_j for each node i, with gradients of features and weights.

    Args:
        features: (nodes, width) x. Half precision is computed in float32.
        graph: Its own weights are not used.
        weights: Of the edges; None: all 1.
    """
    if isinstance(graph, EdgeList):
        return graph.add_up(features, weights)
    if features.dtype in (torch.float16, torch.bfloat16):
        features = features.float()
    return cast("Any", _Propagate).apply(features, weights, graph)


class _Propagate(torch.autograd.Function):
    """A x with A the sparse matrix of edge weights; gradients A^T g and the products g_i . x_j."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weights: Tensor | None, graph: Graph) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(*((features, weights) if weights is not None else ()))
        return sum_in_edges(features, graph, weights)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        saved = ctx.saved_tensors
        weights = saved[1] if saved else None
        gradient, of_features, of_weights = gradient.contiguous(), None, None
        if ctx.needs_input_grad[0]:
            of_features = sum_out_edges(gradient, ctx.graph, weights)
        if ctx.needs_input_grad[1]:
            of_weights = edge_products(gradient, saved[0], ctx.graph)
        return of_features, of_weights, None
