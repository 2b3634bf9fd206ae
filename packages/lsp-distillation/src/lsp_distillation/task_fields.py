"""Named tensors, as files and PyG's `Data` hold them, made into a checked task."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lsp_distillation.feature_rows import choose_layout, sparse_rows, to_sparse
from lsp_distillation.graph import Graph, SelfLoops
from lsp_distillation.metrics import Task
from lsp_distillation.node_data import GraphTask, Level
from lsp_distillation.splits import PARTS


def task_from_fields(
    fields: Mapping[str, Any],
    *,
    name: str,
    task: Task | None = None,
    symmetric: bool = False,
    self_loops: SelfLoops = "keep",
    split: int = 0,
    class_names: tuple[str, ...] = (),
) -> GraphTask:
    """Return the task that named tensors or arrays describe.

    Args:
        fields: `x` (or `attr_data`, `attr_indices`, `attr_indptr`, `attr_shape`), `edge_index` (or `adj_t`, or the
            four of `adj`), `y` (or `labels`); perhaps `edge_weight`, `batch` (or `graph_of_node`), and
            `train_mask` or `train_idx` with those of `val` and `test`. Others are left alone.
        name: For tables.
        task: What the targets are. None: integers in one column are classes, integers in several and floating
            zeros and ones in several are labels; other floating targets must be stated.
        symmetric: Add the reverse of every edge.
        self_loops: What happens to edges from a node to itself.
        split: Which of several splits, counted around: the column of the masks, or the number behind `train_idx`.
        class_names: Of each class or label.

    Raises:
        ValueError: A field is missing or does not fit.
    """
    x = _features(fields)
    edge_index, weights = _edges(fields, x.shape[0])
    graph = Graph.from_edges(
        edge_index,
        nodes=x.shape[0],
        weights=weights,
        symmetric=symmetric,
        self_loops=self_loops,
    )
    y, task = _targets(_tensor(fields, "y", "labels"), task)
    numbers = _optional(fields, "graph_of_node", "batch")
    numbers = None if numbers is None else _integers(numbers, "graph_of_node")
    level = _level(y, graph, numbers)
    masks = [_mask(fields, part, items=len(y), split=split) for part in PARTS]
    return GraphTask(
        name=name,
        x=choose_layout(x),
        graph=graph,
        y=y,
        task=task,
        classes=_count_classes(y, task, class_names),
        level=level,
        graph_of_node=numbers,
        train_mask=masks[0],
        val_mask=masks[1],
        test_mask=masks[2],
        class_names=class_names,
    )


MOST_UNSEEN = 100_000
"""Classes that few items may have: a number above it and above that of the items is a damaged or an odd one."""


def _features(fields: Mapping[str, Any]) -> Tensor:
    """Return x as floating numbers in two axes, perhaps sparse."""
    if "attr_indptr" in fields:
        x = _compressed(fields, "attr")
        # Counts of words are presence, as in PyG's reader of these files.
        return sparse_rows(
            x.crow_indices(), x.col_indices(), (x.values() > 0).float(), width=x.shape[1]
        )
    x = _tensor(fields, "x")
    if x.is_sparse:
        x = to_sparse(x.coalesce())
    if x.is_complex() or x.layout not in (torch.strided, torch.sparse_csr) or x.ndim != 2:
        raise ValueError(
            f"x must be (nodes, features) real numbers; got {tuple(x.shape)} of {x.dtype}"
        )
    return x.float()


def _edges(fields: Mapping[str, Any], nodes: int) -> tuple[Tensor, Tensor | None]:
    """Return edge_index and perhaps weights, from whichever field has them."""
    if "adj_indptr" in fields:
        return _matrix_edges(_compressed(fields, "adj"), nodes, weighted=False)
    if fields.get("edge_index") is None and fields.get("adj_t") is not None:
        edges, weights = _matrix_edges(fields["adj_t"], nodes, weighted=True)
        return edges.flip(0), weights  # row i of adj_t holds the edges into i
    edge_index = _integers(_tensor(fields, "edge_index", "adj_t"), "edge_index")
    if edge_index.ndim != 2 or edge_index.shape[0] != 2 or edge_index.layout != torch.strided:
        raise ValueError(
            f"edge_index must be (2, edges), sources above targets; got {tuple(edge_index.shape)}"
        )
    weights = _optional(fields, "edge_weight")
    if weights is None:
        return edge_index, None
    weights = weights.squeeze(-1) if weights.ndim == 2 else weights
    if weights.is_complex() or weights.shape != edge_index.shape[1:]:
        raise ValueError(
            f"edge_weight must be one real number per edge, ({edge_index.shape[1]},); got "
            f"{tuple(weights.shape)} of {weights.dtype}"
        )
    return edge_index, weights.float()


def _matrix_edges(matrix: Any, nodes: int, *, weighted: bool) -> tuple[Tensor, Tensor | None]:
    """Return (rows above columns, weights) of a sparse matrix of torch or torch-sparse."""
    if isinstance(matrix, Tensor):
        if matrix.shape != (nodes, nodes) or matrix.layout == torch.strided:
            raise ValueError(
                f"adj_t must be a sparse ({nodes}, {nodes}) matrix, got {tuple(matrix.shape)}, "
                f"{matrix.layout}"
            )
        matrix = matrix.to_sparse_coo().coalesce()
        edges, values = matrix.indices(), matrix.values()
    else:
        row, column, values = matrix.coo()
        edges = torch.stack([row, column])
    if values is None or not weighted or bool((values == 1).all()):
        return edges, None
    return edges, values.float()


def _compressed(fields: Mapping[str, Any], stem: str) -> Tensor:
    """Return the matrix whose CSR parts are four fields, its indices checked."""
    data, columns, offsets, shape = (
        _tensor(fields, f"{stem}_{part}") for part in ("data", "indices", "indptr", "shape")
    )
    columns, offsets = _integers(columns, f"{stem}_indices"), _integers(offsets, f"{stem}_indptr")
    rows, width = (int(size) for size in _integers(shape, f"{stem}_shape").tolist()[:2])
    fits = data.ndim == columns.ndim == offsets.ndim == 1 and len(offsets) == rows + 1 > 0
    fits = fits and len(data) == len(columns) == int(offsets[-1]) and int(offsets[0]) == 0
    fits = fits and width > 0 and bool((offsets.diff() >= 0).all())
    if not fits or (len(columns) and not 0 <= int(columns.min()) <= int(columns.max()) < width):
        raise ValueError(f"{stem}_data, _indices, _indptr and _shape are no CSR matrix together")
    return sparse_rows(offsets, columns, data, width=width)


def _targets(y: Tensor, task: Task | None) -> tuple[Tensor, Task]:
    """Return targets in the dtype of their task."""
    y = y.squeeze(1) if y.ndim == 2 and y.shape[1] == 1 and task != "multilabel" else y
    binary = y.ndim == 2 and bool(((y == 0) | (y == 1)).all())
    if task is None:
        if binary:
            task = "multilabel"
        elif not y.is_floating_point() and not y.is_complex() and y.ndim == 1:
            task = "multiclass"
        else:
            raise ValueError(
                f"targets of {y.dtype} and shape {tuple(y.shape)} are neither classes (integers) "
                "nor labels (zeros and ones in columns); state the task, or convert y"
            )
    if task == "multiclass":
        return (y if y.is_floating_point() else y.long()), task
    if y.is_complex():
        raise ValueError(f"targets must be real numbers, got {y.dtype}")
    return y.float(), task


def _level(y: Tensor, graph: Graph, numbers: Tensor | None) -> Level:
    """Tell whether nodes or graphs have the targets."""
    if y.ndim and len(y) == graph.nodes:
        return "node"
    graphs = int(numbers[-1]) + 1 if numbers is not None and len(numbers) else 1
    if y.ndim and numbers is not None and len(y) == graphs:
        return "graph"
    raise ValueError(
        f"y must have one row per node ({graph.nodes}) or per graph ({graphs}); got "
        f"{tuple(y.shape)}"
    )


def _mask(fields: Mapping[str, Any], part: str, *, items: int, split: int) -> Tensor | None:
    """Return one part as a mask, from a mask or from indices."""
    mask = _optional(fields, f"{part}_mask")
    if mask is not None:
        if mask.ndim == 2 and mask.shape[1]:
            mask = mask[:, split % mask.shape[1]]
        if mask.dtype == torch.uint8 and bool((mask <= 1).all()):
            mask = mask.bool()
        return mask
    several = sum(f"{part}_idx{number}" in fields for number in range(len(fields)))
    indices = _optional(fields, f"{part}_idx", f"{part}_idx{split % max(several, 1)}")
    if indices is None:
        return None
    indices = _integers(indices, f"{part}_idx").flatten()
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < items:
        raise ValueError(
            f"{part}_idx must lie within 0 and {items - 1}; got {int(indices.min())} to "
            f"{int(indices.max())}"
        )
    return torch.zeros(items, dtype=torch.bool).index_fill_(0, indices, value=True)


def _count_classes(y: Tensor, task: Task, class_names: tuple[str, ...]) -> int:
    """Return how many classes or labels there are."""
    if task == "regression":
        return 0
    if class_names:
        return len(class_names)
    if task == "multilabel":
        return y.shape[1] if y.ndim == 2 else 0
    classes = int(y.max()) + 1 if len(y) else 0
    if classes > max(len(y), MOST_UNSEEN):
        raise ValueError(
            f"y holds the class {classes - 1} for {len(y)} items; number classes from 0 without gaps"
        )
    return classes


def _tensor(fields: Mapping[str, Any], *names: str) -> Tensor:
    """Return the first field that is there."""
    found = _optional(fields, *names)
    if found is None:
        raise ValueError(f"{' or '.join(names)} is missing; a graph needs x, edge_index and y")
    return found


def _optional(fields: Mapping[str, Any], *names: str) -> Tensor | None:
    """Return the first field that is there, or None."""
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            if value.dtype.kind == "u" and value.itemsize > 1:
                value = value.astype(np.int64)
            value = torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("=")))
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} must be a tensor of numbers, got {type(value).__name__}")
        return value
    return None


def _integers(tensor: Tensor, name: str) -> Tensor:
    """Return integers as int64."""
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise ValueError(f"{name} must hold integers, got {tensor.dtype}; convert it")
    return tensor.long()
