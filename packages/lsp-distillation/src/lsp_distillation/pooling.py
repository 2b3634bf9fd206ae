"""One row per graph from the rows of its nodes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def pool_graphs(
    x: Float[Tensor, "nodes width"],
    graph_of_node: Int[Tensor, " numbers"] | None = None,
    *,
    graphs: int | None = None,
) -> Float[Tensor, "graphs twice_width"]:
    """Return the mean and the maximum over the nodes of each graph, side by side; 0 for no nodes.

    Args:
        x: (nodes, width).
        graph_of_node: (nodes,) int64, ascending. None: all nodes are one graph.
        graphs: Number of graphs. None: as many as `graph_of_node` names.

    Raises:
        ValueError: `graph_of_node` is not ascending, does not fit the nodes or goes beyond `graphs`.
    """
    if graph_of_node is None:
        return torch.cat([x.mean(0), x.amax(0)])[None]
    if graph_of_node.shape != x.shape[:1]:
        raise ValueError(
            f"graph_of_node must be ({len(x)},), one graph per node; got {tuple(graph_of_node.shape)}"
        )
    if bool((graph_of_node.diff() < 0).any()):
        raise ValueError("graph_of_node must be ascending: sort the nodes by graph first")
    counts = torch.bincount(graph_of_node, minlength=graphs or 0)
    if graphs is not None and len(counts) > graphs:
        raise ValueError(f"graph_of_node names graph {len(counts) - 1} of {graphs}")
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    sums = torch.segment_reduce(x, "sum", offsets=offsets, axis=0, unsafe=True)
    tops = torch.segment_reduce(x, "max", offsets=offsets, axis=0, unsafe=True)
    means = sums / counts.clamp(min=1).unsqueeze(1)
    return torch.cat([means, torch.where(counts.unsqueeze(1) > 0, tops, 0)], dim=1)
