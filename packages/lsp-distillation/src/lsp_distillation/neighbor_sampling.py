"""Mini-batches of nodes with sampled in-neighbors, from the graph's own sorted in-edges.

PyG's `NeighborLoader` needs pyg-lib or torch-sparse, which few have; this is Hamilton et al. (2017,
arXiv:1706.02216), algorithm 2, on the layout that everything here shares.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from lsp_distillation.graph import Graph
from tenfold_shared.seeds import epoch_order, numpy_stream


class SampledGraph(NamedTuple):
    """Part of a graph around some nodes."""

    nodes: Int[Tensor, " sampled"]
    """Number in the full graph of each node here; the seeds come first."""
    seeds: int
    """How many of the nodes are seeds: only these have the neighborhood that was asked for, so only they count."""
    graph: Graph
    """The sampled edges between these nodes, renumbered."""
    edges: Int[Tensor, " sampled_edges"]
    """Place in the full graph of each edge here, so that what was computed per edge there can be looked up."""


class NeighborSampler:
    """Batches of seeds with their sampled neighborhoods, a pure function of seed, epoch and batch.

    Args:
        graph: The full graph, on the CPU.
        items: (items,) int64 nodes that become seeds, each once per epoch; e.g. those to train on.
        fanouts: At most so many in-edges of each node, one number per layer of the network from the seeds outward;
            -1 takes all.
        batch_size: Seeds of a batch.
        seed: Chooses order and neighbors.

    Raises:
        ValueError: A fanout or the size is no such number, or items are no nodes.
    """

    def __init__(
        self,
        graph: Graph,
        items: Tensor,
        *,
        fanouts: Sequence[int],
        batch_size: int,
        seed: int,
    ) -> None:
        _check_fanouts(fanouts)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        _check_seeds(graph, items)
        self.graph, self.items, self.fanouts = graph, items, tuple(fanouts)
        self.batch_size, self.seed = batch_size, seed

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.items) // self.batch_size)

    def seeds_of(self, epoch: int) -> tuple[Int[Tensor, " batch"], ...]:
        """Return the seeds of each batch of an epoch."""
        order = torch.from_numpy(epoch_order(len(self.items), self.seed, epoch))
        return self.items[order].split(self.batch_size)

    def sample(self, seeds: Int[Tensor, " batch"], *, epoch: int, batch: int) -> SampledGraph:
        """Return the neighborhood of the seeds of one batch."""
        random = numpy_stream(self.seed, "neighbors", epoch, batch)
        return sample_neighborhood(self.graph, seeds, fanouts=self.fanouts, random=random)

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[SampledGraph]:
        """Yield the batches of an epoch, from one of them on."""
        for batch, seeds in enumerate(self.seeds_of(epoch)):
            if batch >= start:
                yield self.sample(seeds, epoch=epoch, batch=batch)


def sample_neighborhood(
    graph: Graph,
    seeds: Tensor,
    *,
    fanouts: Sequence[int],
    random: np.random.Generator,
) -> SampledGraph:
    """Draw in-edges of the seeds, then of the nodes reached, without replacement.

    A node has one sampled neighborhood, whatever leads to it; the nodes reached last have none.

    Args:
        graph: The full graph, on the CPU.
        seeds: (batch,) int64, distinct nodes.
        fanouts: At most so many in-edges of each node in each round; -1 takes all.
        random: Where the draws come from.

    Raises:
        ValueError: A fanout is no such number, or the seeds are no distinct nodes.
    """
    _check_fanouts(fanouts)
    _check_seeds(graph, seeds)
    place = torch.full((graph.nodes,), -1)
    place[seeds] = torch.arange(len(seeds))
    nodes, edges, count = [seeds], [seeds.new_zeros(0)], len(seeds)
    for fanout in fanouts:
        chosen = _draw_in_edges(graph, nodes[-1], fanout, random)
        sources = graph.sources[chosen]
        new = sources[place[sources] < 0].unique()
        place[new] = torch.arange(count, count + len(new))
        nodes.append(new)
        edges.append(chosen)
        count += len(new)
    return _renumber(graph, torch.cat(nodes), torch.cat(edges), place, seeds=len(seeds))


def _draw_in_edges(
    graph: Graph, targets: Tensor, fanout: int, random: np.random.Generator
) -> Tensor:
    """Return at most so many in-edges of each target, without replacement."""
    degrees = graph.in_degrees[targets]
    total = int(degrees.sum())
    before = degrees.cumsum(0) - degrees
    rank = torch.arange(total) - before.repeat_interleave(degrees, output_size=total)
    edges = rank + graph.offsets[targets].repeat_interleave(degrees, output_size=total)
    if fanout < 0 or not total or int(degrees.max()) <= fanout:
        return edges
    # Random keys sorted within each target: the first `fanout` are a uniform draw.
    target = torch.arange(len(targets)).repeat_interleave(degrees, output_size=total)
    keys = target + torch.from_numpy(random.random(total))
    return edges[keys.argsort(stable=True)[rank < fanout]]


def _renumber(
    graph: Graph, nodes: Tensor, edges: Tensor, place: Tensor, *, seeds: int
) -> SampledGraph:
    """Return chosen edges between chosen nodes, sorted as `Graph` wants them."""
    sources, targets = place[graph.sources[edges]], place[graph.targets[edges]]
    order = (targets * len(nodes) + sources).argsort()
    counts = torch.bincount(targets, minlength=len(nodes))
    edges = edges[order]
    part = Graph(
        torch.cat([counts.new_zeros(1), counts.cumsum(0)]),
        sources[order],
        None if graph.weights is None else graph.weights[edges],
    )
    return SampledGraph(nodes, seeds, part, edges)


def _check_fanouts(fanouts: Sequence[int]) -> None:
    """Refuse fanouts that are no numbers of neighbors."""
    if not fanouts or any(fanout == 0 or fanout < -1 for fanout in fanouts):
        raise ValueError(
            f"fanouts must be one number per layer, at least 1 or -1 for all; got {list(fanouts)}"
        )


def _check_seeds(graph: Graph, seeds: Tensor) -> None:
    """Refuse seeds that are no distinct nodes."""
    if seeds.dtype != torch.int64 or seeds.ndim != 1 or not len(seeds):
        raise ValueError(
            f"seeds must be (count,) int64 nodes, at least one; got {tuple(seeds.shape)} of "
            f"{seeds.dtype}"
        )
    if int(seeds.min()) < 0 or int(seeds.max()) >= graph.nodes:
        raise ValueError(f"seeds must lie within 0 and {graph.nodes - 1}, the nodes of the graph")
    if len(seeds.unique()) < len(seeds):
        raise ValueError("seeds must be distinct; give each node once")
