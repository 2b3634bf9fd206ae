"""A graph (or several joined) with features, targets and parts: what everything else works on."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import torch
from jaxtyping import Int
from torch import Tensor

from lsp_distillation.feature_rows import take_rows
from lsp_distillation.graph import Graph
from lsp_distillation.metrics import Task
from lsp_distillation.splits import Split
from lsp_distillation.task_checks import (
    check_devices,
    check_features,
    check_graph,
    check_graph_numbers,
    check_masks,
    check_targets,
)
from tenfold_shared.errors import AdviceWarning

Level = Literal["node", "graph"]
"""What has a target: every node, or every graph."""


class FewNeighborsWarning(AdviceWarning):
    """Most nodes have one in-neighbor at most, so that a term over neighborhoods says little."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphTask:
    """Features, edges and targets of one graph, or of several whose nodes follow each other.

    Items are what have targets: nodes, or graphs where `level` says so. Everything is checked when it is built.

    Raises:
        ValueError: Something is damaged or does not fit; the sentence says what and what to do.
    """

    name: str
    """For tables."""
    x: Tensor
    """(nodes, features) floating numbers, dense or sparse CSR."""
    graph: Graph
    y: Tensor
    """Targets: (items,) int64 classes, (items, labels) in [0, 1], or (items,) or (items, outputs) numbers."""
    task: Task
    classes: int = 0
    """How many classes or labels; 0 for regression."""
    train_mask: Tensor | None = None
    """(items,) True for what is trained on; None where there is no such part."""
    val_mask: Tensor | None = None
    test_mask: Tensor | None = None
    level: Level = "node"
    graph_of_node: Tensor | None = None
    """(nodes,) int64 number of the graph of each node, ascending from 0; None for a single graph."""
    class_names: tuple[str, ...] = ()
    """Empty, or one for each class or label."""

    def __post_init__(self) -> None:
        if self.level not in get_args(Level):
            raise ValueError(f"level must be node or graph, got {self.level!r}")
        if self.level == "graph" and self.graph_of_node is None:
            raise ValueError(
                "targets of graphs need graph_of_node, the number of each node's graph"
            )
        masks = (self.train_mask, self.val_mask, self.test_mask)
        check_devices(
            x=self.x, graph=self.graph, y=self.y, graph_of_node=self.graph_of_node,
            train_mask=masks[0], val_mask=masks[1], test_mask=masks[2],
        )  # fmt: skip
        check_graph(self.graph)
        check_features(self.x, self.graph)
        if self.graph_of_node is not None:
            check_graph_numbers(self.graph_of_node, self.graph)
        check_masks(masks, items=self.items)
        given = [mask for mask in masks if mask is not None]
        known = torch.stack(given).any(0) if given else None
        check_targets(self.y, items=self.items, task=self.task, classes=self.classes, known=known)
        if self.class_names and len(self.class_names) != self.classes:
            raise ValueError(
                f"class_names must name {self.classes} classes, got {len(self.class_names)}"
            )

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return self.graph.nodes

    @property
    def features(self) -> int:
        """Number of features of a node."""
        return self.x.shape[1]

    @cached_property
    def graphs(self) -> int:
        """Number of graphs."""
        return 1 if self.graph_of_node is None else int(self.graph_of_node[-1]) + 1

    @property
    def items(self) -> int:
        """Number of nodes, or of graphs, that have targets."""
        return self.nodes if self.level == "node" else self.graphs

    @property
    def outputs(self) -> int:
        """How many numbers a network predicts for each item."""
        if self.task != "regression":
            return self.classes
        return 1 if self.y.ndim == 1 else self.y.shape[1]

    @property
    def has_split(self) -> bool:
        """Tell whether there is something to train on, to validate and to test."""
        return None not in (self.train_mask, self.val_mask, self.test_mask)

    @property
    def few_neighbors(self) -> float:
        """Share of nodes with at most one in-neighbor other than themselves: these have no local structure."""
        degrees = self.graph.with_self_loops("remove").in_degrees
        return float((degrees <= 1).double().mean())

    def mask(self, part: str) -> Tensor:
        """Return the mask of `train`, `val` or `test`.

        Raises:
            ValueError: There is no such part.
        """
        known = {"train": self.train_mask, "val": self.val_mask, "test": self.test_mask}
        mask = known.get(part)
        if mask is None:
            had = ", ".join(name for name, given in known.items() if given is not None) or "none"
            raise ValueError(f"{self.name} has no part {part!r} (it has: {had}); add a split")
        return mask

    def with_split(self, split: Split) -> "GraphTask":
        """Return the task with other parts."""
        masks = [mask.to(self.graph.device) for mask in split]
        return replace(self, train_mask=masks[0], val_mask=masks[1], test_mask=masks[2])

    def with_features(self, x: Tensor) -> "GraphTask":
        """Return the task with other features."""
        return replace(self, x=x)

    def graphs_of(self, part: str) -> Int[Tensor, " chosen"]:
        """Return the numbers of the graphs that hold any item of a part."""
        mask = self.mask(part)
        if self.level == "graph" or self.graph_of_node is None:
            chosen = mask.nonzero().flatten()
            return chosen if self.level == "graph" else chosen.new_zeros(1)
        return self.graph_of_node[mask].unique()

    def select_graphs(self, graphs: Int[Tensor, " chosen"]) -> "GraphTask":
        """Return some of the graphs, in the order given; parts without items in them become None.

        Raises:
            ValueError: They are not all there, or there is only one graph.
        """
        numbers = self.graph_of_node
        if numbers is None:
            raise ValueError(f"{self.name} is a single graph; there is nothing to select")
        if not len(graphs) or int(graphs.min()) < 0 or int(graphs.max()) >= self.graphs:
            raise ValueError(f"graphs must be numbers from 0 to {self.graphs - 1}, at least one")
        if len(graphs.unique()) < len(graphs):
            raise ValueError("graphs must be distinct numbers; choose each once")
        sizes = torch.bincount(numbers, minlength=self.graphs)
        starts = sizes.cumsum(0) - sizes
        rows = _ranges(starts[graphs], sizes[graphs])
        items = rows if self.level == "node" else graphs
        return replace(
            self,
            x=take_rows(self.x, rows),
            graph=_take_nodes(self.graph, rows),
            y=self.y[items],
            graph_of_node=torch.arange(len(graphs), device=rows.device).repeat_interleave(
                sizes[graphs]
            ),
            train_mask=_nonempty(self.train_mask, items),
            val_mask=_nonempty(self.val_mask, items),
            test_mask=_nonempty(self.test_mask, items),
        )

    def to(self, device: torch.device | str) -> "GraphTask":
        """Return the task on a device."""
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor | Graph)
        }
        return replace(self, **moved)

    def __repr__(self) -> str:
        return (
            f"GraphTask({self.name}: {self.nodes} nodes, {self.graph.edges} edges, "
            f"{self.features} features, {self.task} with {self.outputs} outputs)"
        )


def _ranges(starts: Tensor, counts: Tensor) -> Tensor:
    """Return the numbers start, ..., start + count - 1 of each range, one after the other."""
    before = counts.cumsum(0) - counts
    total = int(counts.sum())
    return torch.arange(total, device=starts.device) + (starts - before).repeat_interleave(counts)


def _take_nodes(graph: Graph, rows: Tensor) -> Graph:
    """Return the graph of whole components, renumbered in the order of `rows`."""
    counts = graph.in_degrees[rows]
    edges = _ranges(graph.offsets[rows], counts)
    places = torch.empty_like(graph.offsets[1:]).scatter_(
        0, rows, torch.arange(len(rows), device=rows.device)
    )
    weights = None if graph.weights is None else graph.weights[edges]
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Graph(offsets, places[graph.sources[edges]], weights)


def _nonempty(mask: Tensor | None, items: Tensor) -> Tensor | None:
    """Return a mask of some items, or None if it holds none of them."""
    chosen = None if mask is None else mask[items]
    return chosen if chosen is not None and bool(chosen.any()) else None
