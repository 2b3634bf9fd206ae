"""What features, targets, parts and graph numbers must be like; each breach is one sentence."""

from typing import get_args

import torch
from torch import Tensor

from lsp_distillation.graph import Graph
from lsp_distillation.metrics import Task
from lsp_distillation.splits import PARTS


def check_features(x: Tensor, graph: Graph) -> None:
    """Refuse features that are no finite floating numbers, one row per node.

    Raises:
        ValueError: As said.
    """
    if not x.is_floating_point():
        raise ValueError(f"x must hold floating numbers, got {x.dtype}; convert it with .float()")
    if x.ndim != 2 or not x.shape[1] or x.layout not in (torch.strided, torch.sparse_csr):
        raise ValueError(
            f"x must be (nodes, features), dense or sparse CSR; got {tuple(x.shape)}, {x.layout}"
        )
    if x.shape[0] != graph.nodes:
        raise ValueError(f"x has {x.shape[0]} rows for the {graph.nodes} nodes of the graph")
    if x.is_sparse_csr:
        _check_compressed(x)
    numbers = x.values() if x.is_sparse_csr else x
    wrong = int((~torch.isfinite(numbers)).sum())
    if wrong:
        raise ValueError(f"x holds {wrong} numbers that are NaN or infinite; repair or remove them")


def check_graph(graph: Graph) -> None:
    """Refuse a graph that has no neighborhoods.

    Raises:
        ValueError: It has no edges.
    """
    if not graph.edges:
        raise ValueError(
            f"the graph has {graph.nodes} nodes and no edges, so that no node has neighbors; "
            "give at least one edge"
        )


def check_targets(y: Tensor, *, items: int, task: Task, classes: int, known: Tensor | None) -> None:
    """Refuse targets that do not fit the task.

    Args:
        y: The targets.
        items: How many nodes or graphs there are.
        task: What the targets are.
        classes: Their number of classes or labels; 0 for regression.
        known: The items in some part; the others may have any target. None: all.

    Raises:
        ValueError: As said.
    """
    if task not in get_args(Task):
        raise ValueError(f"task must be one of {', '.join(get_args(Task))}, got {task!r}")
    if y.ndim not in (1, 2) or len(y) != items or not items:
        raise ValueError(f"y must have one row for each of {items} items; got {tuple(y.shape)}")
    chosen = y if known is None else y[known]
    if task == "multiclass":
        _check_classes(y, chosen, classes)
        return
    if not y.is_floating_point():
        raise ValueError(f"{task} targets must be floating numbers, got {y.dtype}")
    if not bool(torch.isfinite(chosen).all()):
        raise ValueError("y holds NaN or infinity; repair those targets or leave them out of masks")
    if task == "regression":
        return
    if y.ndim != 2 or y.shape[1] != classes:
        raise ValueError(
            f"multi-label targets must be (items, {classes}), one column per label; got "
            f"{tuple(y.shape)}"
        )
    low, high = float(chosen.min()), float(chosen.max())
    if low < 0 or high > 1:
        raise ValueError(f"multi-label targets must lie within 0 and 1, got {low:g} to {high:g}")


def check_masks(masks: tuple[Tensor | None, ...], *, items: int) -> None:
    """Refuse parts that are empty, overlap or are of other items.

    Raises:
        ValueError: As said.
    """
    given = [(n, mask) for n, mask in zip(PARTS, masks, strict=True) if mask is not None]
    for name, mask in given:
        if mask.dtype != torch.bool or mask.shape != (items,):
            raise ValueError(
                f"the {name} mask must be ({items},) of bool, got {tuple(mask.shape)} of {mask.dtype}"
            )
        if not bool(mask.any()):
            raise ValueError(f"the {name} mask is empty; give that part some items or no mask")
    for index, (name, mask) in enumerate(given):
        for other, second in given[index + 1 :]:
            both = int((mask & second).sum())
            if both:
                raise ValueError(
                    f"the {name} and {other} masks overlap in {both} items; every item belongs to "
                    "one part at most"
                )


def check_graph_numbers(graph_of_node: Tensor, graph: Graph) -> None:
    """Refuse numbers of graphs that are not ascending from 0, or edges between graphs.

    Raises:
        ValueError: As said.
    """
    if graph_of_node.dtype != torch.int64 or graph_of_node.shape != (graph.nodes,):
        raise ValueError(
            f"graph_of_node must be ({graph.nodes},) of int64, got {tuple(graph_of_node.shape)} of "
            f"{graph_of_node.dtype}"
        )
    steps = graph_of_node.diff()
    if (len(graph_of_node) and int(graph_of_node[0])) or bool(((steps < 0) | (steps > 1)).any()):
        raise ValueError(
            "graph_of_node must ascend from 0 without gaps (an unsorted batch vector?); sort the "
            "nodes by graph"
        )
    across = int((graph_of_node[graph.sources] != graph_of_node[graph.targets]).sum())
    if across:
        raise ValueError(f"{across} edges join different graphs; remove them or graph_of_node")


def check_devices(**tensors: Tensor | Graph | None) -> None:
    """Refuse tensors that lie on different devices.

    Raises:
        ValueError: As said, naming two of them.
    """
    places = {name: value.device for name, value in tensors.items() if value is not None}
    first, *others = places
    for name in others:
        if places[name] != places[first]:
            raise ValueError(
                f"{first} is on {places[first]} and {name} on {places[name]}; move them to one device"
            )


def _check_classes(y: Tensor, chosen: Tensor, classes: int) -> None:
    """Refuse class numbers that are none."""
    if y.is_floating_point() or y.ndim != 1:
        raise ValueError(
            f"multi-class targets must be (items,) integers, got {tuple(y.shape)} of {y.dtype}; "
            "convert them with .long(), or state another task"
        )
    if classes < 2:
        raise ValueError(f"a classification needs at least 2 classes, got {classes}")
    low, high = int(chosen.min()), int(chosen.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"labels must lie within 0 and {classes - 1}, the {classes} classes; got {low} to {high}"
        )


def _check_compressed(x: Tensor) -> None:
    """Refuse a sparse matrix whose indices lead outside."""
    offsets, columns = x.crow_indices(), x.col_indices()
    fits = int(offsets[0]) == 0 and int(offsets[-1]) == len(columns)
    fits = fits and not bool((offsets.diff() < 0).any())
    if fits and len(columns):
        fits = int(columns.min()) >= 0 and int(columns.max()) < x.shape[1]
    if not fits:
        raise ValueError("the offsets or columns of the sparse x lead outside; build it anew")
