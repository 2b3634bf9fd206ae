"""Tiny tasks, networks and settings on which the tests train."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lsp_distillation.generated_tasks import block_task
from lsp_distillation.graph import Graph, join_graphs
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.node_data import GraphTask
from lsp_distillation.pyg_data import import_pyg
from lsp_distillation.splits import Split, random_split
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import DistillConfig, TrainConfig, TrainingConfig

NO_STRUCTURE = StructureConfig(weight=0.0)


def blocks(*, seed: int = 0, nodes_per_class: int = 12, **more: Any) -> GraphTask:
    """Return one graph of three blocks with a random split."""
    task = block_task(
        seed=seed, classes=3, nodes_per_class=nodes_per_class, features=5, inside=0.3, noise=1.0, **more
    )  # fmt: skip
    return task.with_split(random_split(task.items, seed=seed))


def unequal_graphs(*, sizes: tuple[int, ...] = (9, 14, 6, 11, 8, 7)) -> GraphTask:
    """Return graphs of unequal size; the last two are for validation and test."""
    random = torch.Generator().manual_seed(1)
    graphs = []
    for size in sizes:
        edges = torch.randint(size, (2, 3 * size), generator=random)
        graphs.append(Graph.from_edges(edges, nodes=size, symmetric=True))
    numbers = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    total = sum(sizes)
    y = torch.randint(3, (total,), generator=random)
    centers = torch.randn(3, 4, generator=random)
    return GraphTask(
        name="unequal",
        x=centers[y] + 0.5 * torch.randn(total, 4, generator=random),
        graph=join_graphs(graphs),
        y=y,
        task="multiclass",
        classes=3,
        graph_of_node=numbers,
    ).with_split(
        Split(numbers < len(sizes) - 2, numbers == len(sizes) - 2, numbers == len(sizes) - 1)
    )


def of_graphs(task: GraphTask) -> GraphTask:
    """Return the same graphs with one class each: whether they have more than eight nodes."""
    assert task.graph_of_node is not None
    y = (torch.bincount(task.graph_of_node) > 8).long()
    numbers = torch.arange(task.graphs)
    last = task.graphs - 1
    empty = replace(task, train_mask=None, val_mask=None, test_mask=None)
    return replace(empty, y=y, classes=2, level="graph").with_split(
        Split(numbers < last - 1, numbers == last - 1, numbers == last)
    )


def as_labels(task: GraphTask) -> GraphTask:
    """Return the task with its classes as labels of yes and no."""
    return replace(task, y=nn.functional.one_hot(task.y, task.classes).float(), task="multilabel")


def as_numbers(task: GraphTask) -> GraphTask:
    """Return the task with a number to predict: the first feature's mean over in-neighbors."""
    sums = torch.zeros(task.nodes).index_add_(0, task.graph.targets, task.x[task.graph.sources, 0])
    y = sums / task.graph.in_degrees.clamp(min=1)
    return replace(task, y=y, task="regression", classes=0)


def teacher_config(*, width: int = 6, **training: Any) -> TrainConfig:
    """Return a teacher of one hidden layer that learns in 20 epochs."""
    return TrainConfig(
        network=NetworkConfig(width=width), training=TrainingConfig(**({"epochs": 20} | training))
    )


def student_config(
    terms: TermsConfig | None = None, *, network: NetworkConfig | None = None, **training: Any
) -> DistillConfig:
    """Return a student of two hidden features."""
    return DistillConfig(
        network=network or NetworkConfig(width=3),
        training=TrainingConfig(**({"epochs": 12} | training)),
        terms=terms or TermsConfig(),
    )


class PygTeacher(nn.Module):
    """What a user brings: two of PyG's layers under names of their own."""

    def __init__(self, features: int = 5, outputs: int = 3, width: int = 7) -> None:
        super().__init__()
        pyg = import_pyg("torch_geometric.nn")
        self.inner = pyg.GCNConv(features, width)
        self.outer = pyg.GCNConv(width, outputs)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return logits."""
        return self.outer(self.dropout(self.inner(x, edge_index).relu()), edge_index)


def same_state(one: nn.Module, other: nn.Module) -> bool:
    """Tell whether two networks have the same bits."""
    ours, theirs = one.state_dict(), other.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[n], theirs[n]) for n in ours)


def copied(module: nn.Module) -> dict[str, Tensor]:
    """Return the values of a network as they are now."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def metrics_of(folder: Path, split: str, name: str) -> list[float]:
    """Return what a run logged."""
    from tenfold_shared.metrics import read_metrics

    found = read_metrics(folder / "metrics.jsonl")
    return [one.value for one in found if (one.split, one.name) == (split, name)]
