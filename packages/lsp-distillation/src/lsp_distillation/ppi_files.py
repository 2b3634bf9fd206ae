"""Graphs in the layout of PPI (Hamilton et al., 2017, arXiv:1706.02216): parts are whole graphs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lsp_distillation.array_files import LIMIT_BYTES, read_array
from lsp_distillation.graph import Graph
from lsp_distillation.node_data import GraphTask
from tenfold_shared.errors import UserError

_PARTS = ("train", "valid", "test")


def read_ppi(raw: Path, *, name: str) -> GraphTask:
    """Return all graphs of a folder joined, those of a part after each other: train, val, test.

    Self-loops are removed, as PyG's class does. Unlike it, nodes are counted from the first of each graph and not
    from the first that has an edge, which differ where the first is isolated.

    Args:
        raw: Folder of `{train,valid,test}_{feats,labels,graph_id}.npy` and `..._graph.json`.
        name: For tables.

    Raises:
        UserError: A file is missing or damaged, or they do not belong together.
    """
    try:
        return _join([_read_part(raw, part) for part in _PARTS], name)
    except (
        ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError, OverflowError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{raw} is damaged ({reason}); fetch it again.") from error


def _join(parts: list[tuple[Any, Any, Any, Any]], name: str) -> GraphTask:
    """Return what `_read_part` read of all parts as one task."""
    xs, ys, numbers, edges = zip(*parts, strict=True)
    sizes = [len(x) for x in xs]
    starts = np.cumsum([0, *sizes])
    graphs = np.cumsum([0, *(int(of_node.max()) + 1 for of_node in numbers)])
    part = torch.arange(len(parts)).repeat_interleave(torch.tensor(sizes))
    joined = np.concatenate([e + start for e, start in zip(edges, starts, strict=False)], 1)
    return GraphTask(
        name=name,
        x=torch.from_numpy(np.concatenate(xs)).float(),
        graph=Graph.from_edges(torch.from_numpy(joined), nodes=sum(sizes), self_loops="remove"),
        y=torch.from_numpy(np.concatenate(ys)).float(),
        task="multilabel",
        classes=ys[0].shape[1],
        graph_of_node=torch.from_numpy(
            np.concatenate([n + first for n, first in zip(numbers, graphs, strict=False)])
        ),
        train_mask=part == 0,
        val_mask=part == 1,
        test_mask=part == 2,
    )


def _read_part(raw: Path, part: str) -> tuple[Any, Any, Any, Any]:
    """Return features, labels, graph numbers from 0, and edges (2, edges) of one part."""
    x, y, numbers = (
        read_array(raw / f"{part}_{kind}.npy") for kind in ("feats", "labels", "graph_id")
    )
    if x.ndim != 2 or y.ndim != 2 or numbers.shape != (len(x),) or len(y) != len(x) or not len(x):
        raise ValueError(f"{part}: features, labels and graph_id are not of the same nodes")
    if x.dtype.kind not in "biuf" or y.dtype.kind not in "biuf" or numbers.dtype.kind not in "iu":
        raise ValueError(f"{part}: features, labels or graph_id hold no numbers")
    numbers = numbers.astype(np.int64)
    return x, y, numbers - numbers.min(), _read_links(raw / f"{part}_graph.json")


def _read_links(path: Path) -> Any:
    """Return the edges (2, edges) of a file in the node-link format of networkx."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; fetch the set again.")
    if path.stat().st_size > LIMIT_BYTES:
        raise UserError(f"{path} is larger than {LIMIT_BYTES} bytes; it is none of PPI's files.")
    content = json.loads(path.read_bytes())
    pairs = [[link["source"], link["target"]] for link in content["links"]]
    edges = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return edges if content.get("directed") else np.concatenate([edges, edges[::-1]], axis=1)
