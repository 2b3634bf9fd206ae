"""To and from `torch_geometric.data.Data`, which is imported only when it is needed."""

import warnings
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from lsp_distillation.feature_rows import stack_rows
from lsp_distillation.metrics import Task
from lsp_distillation.node_data import GraphTask, Level
from lsp_distillation.splits import PARTS
from lsp_distillation.task_fields import task_from_fields

HETEROGENEOUS = (
    "a heterogeneous graph has several kinds of nodes, and this method knows one; convert it with "
    "HeteroData.to_homogeneous() first"
)
_MASKS = tuple(f"{part}_mask" for part in PARTS)


def import_pyg(module: str) -> Any:
    """Import a module of torch_geometric without the deprecations that it provokes in torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(module)


def from_pyg_data(
    data: Any,
    *,
    name: str = "graph",
    task: Task | None = None,
    symmetric: bool = False,
    split: int = 0,
) -> GraphTask:
    """Return the task in a `Data`, a `Batch`, a list of `Data` or a data set of PyG.

    Args:
        data: With x, edge_index or adj_t, and y. In a list, y has one row per node or one per graph; masks may be
            missing.
        name: For tables.
        task: What y is, where `task_from_fields` cannot tell.
        symmetric: Add the reverse of every edge.
        split: Which of several splits.

    Raises:
        ValueError: It is heterogeneous, empty, or a field is missing or does not fit.
    """
    fields = _fields(data) if _is_single(data) else join_fields([_fields(one) for one in data])
    return task_from_fields(fields, name=name, task=task, symmetric=symmetric, split=split)


def task_without_targets(
    data: Any,
    *,
    task: Task,
    outputs: int,
    level: Level,
    symmetric: bool = False,
    name: str = "graph",
) -> GraphTask:
    """Return PyG's data as a task to predict: its y and masks, if there are any, are not looked at.

    Args:
        data: As for `from_pyg_data`, with or without y.
        task: What is predicted.
        outputs: How many numbers.
        level: Of each node or graph.
        symmetric: Add the reverse of every edge.
        name: For messages.

    Raises:
        ValueError: It is heterogeneous, empty, or x or edges are missing or do not fit.
    """
    known = ("x", "edge_index", "adj_t", "edge_weight", "batch", "graph_of_node")
    single = _is_single(data)
    parts = [
        {n: v for n, v in _fields(one).items() if n in known} | {"y": torch.zeros(1)}
        for one in ([data] if single else data)
    ]
    fields = parts[0] if single else join_fields(parts)
    if not isinstance(fields.get("x"), Tensor):
        raise ValueError("the graph has no node features x")
    rows = len(fields["x"])
    if level == "graph":
        numbers = fields.get("graph_of_node", fields.get("batch"))
        if numbers is None:
            fields["batch"] = numbers = torch.zeros(rows, dtype=torch.int64)
        rows = int(numbers.max()) + 1
    # the last class stands for all: it tells how many there are
    last = torch.full((rows,), outputs - 1)
    fields["y"] = last if task == "multiclass" else torch.zeros(rows, outputs)
    return task_from_fields(fields, name=name, task=task, symmetric=symmetric)


def to_pyg_data(task: GraphTask) -> Any:
    """Return a task as one `Data`; several graphs have `batch`, which tells them apart."""
    data = import_pyg("torch_geometric.data").Data(
        x=task.x, edge_index=task.graph.edge_index, y=task.y
    )
    optional = {
        "edge_weight": task.graph.weights,
        "batch": task.graph_of_node,
        "train_mask": task.train_mask,
        "val_mask": task.val_mask,
        "test_mask": task.test_mask,
    }
    for field, value in optional.items():
        if value is not None:
            data[field] = value
    return data


def join_fields(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of several graphs as those of one, with the number of each node's graph.

    Raises:
        ValueError: There is no graph, or one lacks a field that others have.
    """
    if not parts:
        raise ValueError("the list of graphs is empty; give at least one")
    _check_parts(parts)
    sizes = torch.tensor([len(fields["x"]) for fields in parts])
    starts = sizes.cumsum(0) - sizes
    of_graphs = all(len(_rows(fields["y"])) == 1 for fields in parts) and int(sizes.max()) > 1
    targets = [_rows(fields["y"]) for fields in parts]
    if of_graphs:
        targets = [rows.reshape(1, -1) if rows.numel() > 1 else rows.reshape(1) for rows in targets]
    joined: dict[str, Any] = {
        "x": stack_rows([fields["x"] for fields in parts]),
        "edge_index": torch.cat(
            [fields["edge_index"] + start for fields, start in zip(parts, starts, strict=True)], 1
        ),
        "y": _concatenate("y", targets),
        "graph_of_node": torch.arange(len(parts)).repeat_interleave(sizes),
    }
    for field in ("edge_weight", *_MASKS):
        values = [fields.get(field) for fields in parts]
        if any(value is not None for value in values):
            joined[field] = _concatenate(field, values)
    return joined


def _check_parts(parts: list[dict[str, Any]]) -> None:
    """Refuse a list of graphs of which one lacks a field or has edges that lead outside."""
    for number, fields in enumerate(parts):
        for needed in ("x", "edge_index", "y"):
            if not isinstance(fields.get(needed), Tensor):
                raise ValueError(
                    f"graph {number} has no {needed}; every graph needs x, edge_index, y"
                )
        if fields["x"].ndim != 2 or fields["edge_index"].ndim != 2:
            raise ValueError(f"graph {number}: x and edge_index must have two axes each")
        edges, nodes = fields["edge_index"], len(fields["x"])
        if edges.numel() and not 0 <= int(edges.min()) <= int(edges.max()) < nodes:
            raise ValueError(
                f"graph {number}: edge_index must lie within 0 and {nodes - 1}, the {nodes} nodes; "
                f"got {int(edges.min())} to {int(edges.max())}"
            )


def _fields(data: Any) -> dict[str, Any]:
    """Return the fields of one `Data`."""
    if type(data).__name__ == "HeteroData" or hasattr(data, "node_types"):
        raise ValueError(HETEROGENEOUS)
    if isinstance(data, Mapping):
        return dict(data)
    if not hasattr(data, "to_dict"):
        raise ValueError(
            f"expected a torch_geometric Data or a list of them, got {type(data).__name__}"
        )
    fields = dict(data.to_dict())
    if fields.get("x") is None:
        raise ValueError(
            "the graph has no node features x; give some, e.g. torch_geometric.transforms.OneHotDegree"
        )
    return fields


def _is_single(data: Any) -> bool:
    """Tell whether this is one graph rather than a list or a data set."""
    if isinstance(data, Mapping) or hasattr(data, "to_dict"):
        return True
    if not isinstance(data, Iterable):
        raise ValueError(
            f"expected a torch_geometric Data or a list of them, got {type(data).__name__}"
        )
    return False


def _rows(y: Tensor) -> Tensor:
    """Return a scalar as one row."""
    return y.reshape(1) if y.ndim == 0 else y


def _concatenate(field: str, values: list[Any]) -> Tensor:
    """Join one field of all graphs."""
    if not all(isinstance(value, Tensor) for value in values):
        raise ValueError(f"some graphs have {field} and others not; give all or none")
    if len({tuple(value.shape[1:]) for value in values}) > 1:
        raise ValueError(f"{field} must have as many columns in every graph")
    return torch.cat(values)
