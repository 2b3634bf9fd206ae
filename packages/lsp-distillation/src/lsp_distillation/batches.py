"""Steps of a training on graphs: all at once, some of several graphs, or sampled neighborhoods."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lsp_distillation.feature_rows import take_rows
from lsp_distillation.graph import Graph
from lsp_distillation.neighbor_sampling import NeighborSampler
from lsp_distillation.node_data import GraphTask
from lsp_distillation.terms_config import SelfLoops
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.distributed import current_world
from tenfold_shared.seeds import epoch_order


class Batch(NamedTuple):
    """What a network sees in a step, and where it lies in the whole task."""

    x: Tensor
    graph: Graph
    """Along which messages flow."""
    structure: Graph
    """The same under the term's policy for self-loops."""
    edges: Int[Tensor, " edges"] | None
    """Positions of the edges of `structure` in that of the whole task; None: all, in order."""
    nodes: Int[Tensor, " nodes"] | None
    """Of the whole task; None: all, in order."""
    items: Int[Tensor, " items"] | None
    """Rows of the network's output among the targets of the whole task; None: all, in order."""
    y: Tensor
    labeled: Bool[Tensor, " items"]
    """Which rows have a label to learn."""
    seeds: Bool[Tensor, " nodes"] | None
    """Nodes whose neighborhood is there, and that count; None: all."""
    graph_of_node: Int[Tensor, " nodes"] | None
    """Where outputs are per graph."""
    graphs: int

    def counted(self, rows: Tensor) -> Tensor:
        """Return the rows, one for each node of the batch, of those that count."""
        return rows if self.seeds is None else rows[self.seeds]

    def of_nodes(self, values: Tensor) -> Tensor:
        """Return the rows of a tensor with one for each node of the whole task."""
        return values if self.nodes is None else values[self.nodes]

    def of_items(self, values: Tensor) -> Tensor:
        """Return the rows of a tensor with one for each item of the whole task."""
        return values if self.items is None else values[self.items]

    def of_edges(self, values: Tensor) -> Tensor:
        """Return the entries of a tensor with one for each edge of the whole task's structure graph."""
        return values if self.edges is None else values[self.edges]


class WholeTask:
    """Everything in every step: the same objects each time, so that what layers derive of them is kept."""

    steps_per_epoch = 1

    def __init__(self, task: GraphTask, self_loops: SelfLoops) -> None:
        if current_world().size > 1:
            raise ValueError(
                "torchrun divides graphs; for one graph, or all at once, use a single process or "
                "set batch_graphs"
            )
        self.batch = Batch(
            x=task.x,
            graph=task.graph,
            structure=task.graph.with_self_loops(self_loops),
            edges=None,
            nodes=None,
            items=None,
            y=task.y,
            labeled=task.mask("train"),
            seeds=None,
            graph_of_node=task.graph_of_node if task.level == "graph" else None,
            graphs=task.graphs,
        )

    def at(self, step: int) -> Batch:
        """Return the batch of a step, counted from 1."""
        del step
        return self.batch


class SeveralGraphs:
    """Some of the graphs that have labels to learn, in another order each epoch.

    Under torchrun every process gets its part of the step's graphs.
    """

    def __init__(self, task: GraphTask, self_loops: SelfLoops, *, count: int, seed: int) -> None:
        self.task, self.seed = task, seed
        self.self_loops: SelfLoops = self_loops
        self.structure = task.graph.with_self_loops(self_loops)
        self.graphs = task.graphs_of("train")
        self.count = min(count, len(self.graphs)) or len(self.graphs)
        world = current_world()
        last = len(self.graphs) % self.count or self.count
        if min(self.count, last) < world.size:
            raise ValueError(
                f"each of {world.size} processes needs a graph in every step: {len(self.graphs)} graphs in "
                f"steps of {self.count}; choose another batch_graphs"
            )
        numbers = task.graph_of_node
        if numbers is None:
            raise ValueError(f"{task.name} is a single graph; leave batch_graphs at 0")
        sizes = torch.bincount(numbers, minlength=task.graphs)
        self.starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps; the last may have fewer graphs."""
        return -(-len(self.graphs) // self.count)

    def at(self, step: int) -> Batch:
        """Return the batch of a step, counted from 1: a pure function."""
        epoch, index = divmod(step - 1, self.steps_per_epoch)
        order = torch.from_numpy(epoch_order(len(self.graphs), self.seed, epoch))
        world = current_world()
        chosen = order[index * self.count : (index + 1) * self.count][world.rank :: world.size]
        graphs = self.graphs[chosen.to(self.graphs.device)]
        part = self.task.select_graphs(graphs)
        nodes = _ranges(self.starts[graphs], self.starts[graphs + 1])
        on_nodes = self.task.level == "node"
        return Batch(
            x=part.x,
            graph=part.graph,
            structure=part.graph.with_self_loops(self.self_loops),
            edges=_ranges(self.structure.offsets[nodes], self.structure.offsets[nodes + 1]),
            nodes=nodes,
            items=nodes if on_nodes else graphs,
            y=part.y,
            labeled=part.mask("train"),
            seeds=None,
            graph_of_node=None if on_nodes else part.graph_of_node,
            graphs=len(graphs),
        )


class SampledNodes:
    """Labeled nodes with sampled in-neighbors; only they count, since only their neighborhood is there.

    The teacher's structure over the sampled in-edges is renormalized, which is exact; its bandwidth stays that of the
    whole graph.
    """

    def __init__(
        self, task: GraphTask, self_loops: SelfLoops, config: TrainingConfig, *, seed: int
    ) -> None:
        if task.level != "node":
            raise ValueError("fanouts sample nodes, and this task has targets of graphs")
        if current_world().size > 1:
            raise ValueError("torchrun divides graphs; with fanouts use a single process")
        self.task = task
        self.self_loops: SelfLoops = self_loops
        self.sampler = NeighborSampler(
            task.graph.to("cpu"),
            task.mask("train").cpu().nonzero().flatten(),
            fanouts=config.fanouts,
            batch_size=config.batch_nodes,
            seed=seed,
        )
        structure = task.graph.with_self_loops(self_loops)
        self.keys = structure.targets * task.nodes + structure.sources

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps; the last may have fewer nodes."""
        return len(self.sampler)

    def at(self, step: int) -> Batch:
        """Return the batch of a step, counted from 1: a pure function."""
        epoch, index = divmod(step - 1, self.steps_per_epoch)
        seeds = self.sampler.seeds_of(epoch)[index]
        found = self.sampler.sample(seeds, epoch=epoch, batch=index)
        device = self.task.graph.device
        nodes, graph = found.nodes.to(device), found.graph.to(device)
        structure = graph.with_self_loops(self.self_loops)
        keys = nodes[structure.targets] * self.task.nodes + nodes[structure.sources]
        counted = torch.arange(len(nodes), device=device) < found.seeds
        return Batch(
            x=take_rows(self.task.x, nodes),
            graph=graph,
            structure=structure,
            edges=torch.searchsorted(self.keys, keys),
            nodes=nodes,
            items=nodes,
            y=self.task.y[nodes],
            labeled=counted,
            seeds=counted,
            graph_of_node=None,
            graphs=1,
        )


def batches_of(
    task: GraphTask, config: TrainingConfig, self_loops: SelfLoops, *, seed: int
) -> WholeTask | SeveralGraphs | SampledNodes:
    """Return the steps that the settings ask for.

    Raises:
        ValueError: The task cannot be divided so.
    """
    if config.fanouts:
        return SampledNodes(task, self_loops, config, seed=seed)
    trained = len(task.graphs_of("train")) if task.graph_of_node is not None else 1
    if config.batch_graphs or trained < task.graphs or current_world().size > 1:
        return SeveralGraphs(task, self_loops, count=config.batch_graphs, seed=seed)
    return WholeTask(task, self_loops)


def _ranges(starts: Tensor, ends: Tensor) -> Tensor:
    """Return start, ..., end - 1 of each range, one after the other."""
    counts = ends - starts
    before = counts.cumsum(0) - counts
    total = int(counts.sum())
    return torch.arange(total, device=starts.device) + (starts - before).repeat_interleave(counts)
