"""`info` and `data`: what is in a file, and in a graph."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsp_distillation.verbs.sources import GraphOptions, open_graph
from tenfold_shared.commands import Options, emit, flat
from tenfold_shared.refusals import refuses

FORMAT = """\
A graph is a file or a set by name.

  digits, blocks                           always there: scikit-learn's digits as a graph of neighbors, random blocks
  cora, citeseer, pubmed, photo, computers, cs, physics, ppi      through PyG's classes (TENFOLD_DATA or --data)
  humango, eukaryotego, pcg, ppi-layout-humango                   protein graphs of the data folder
  graph.npz, graph.safetensors             arrays x (nodes, features), edge_index (2, edges) from source to target, y;
                                           optional: edge_weight, train_mask, val_mask, test_mask (or train_idx, ...)
  data.pt                                  torch.save of a PyG Data, or of data.to_dict(); read without running code

y: (nodes,) whole numbers are classes, (nodes, labels) of 0 and 1 several labels, other numbers a regression.
"""


@dataclass(frozen=True, kw_only=True)
class Info(Options):
    """Settings of `info`."""

    checkpoint: Annotated[Path | None, tyro.conf.Positional] = None
    """Network or state of a run (.safetensors), or run folder; without it, networks that have a name are listed."""


@refuses
def info(config: Info) -> None:
    """Tell what is in a file, or which networks have a name."""
    if config.checkpoint is None:
        from lsp_distillation.network_config import NETWORKS

        emit([{"name": n, **vars(one)} for n, one in NETWORKS.items()], json=config.json)
        return
    from lsp_distillation.model_files import MODEL_FILE, PACKAGE
    from tenfold_shared.checkpoints import load_checkpoint
    from tenfold_shared.runs import CHECKPOINT_NAME

    path = config.checkpoint
    if path.is_dir():
        names = [name for name in (MODEL_FILE, CHECKPOINT_NAME) if (path / name).exists()]
        path /= names[0] if names else CHECKPOINT_NAME
    checkpoint = load_checkpoint(path, package=PACKAGE)
    rows = [{"name": "file", "value": str(path)}]
    rows += [{"name": name, "value": value} for name, value in flat(checkpoint.metadata)]
    rows += [
        {"name": f"numbers in {name}", "value": sum(tensor.numel() for tensor in model.values())}
        for name, model in checkpoint.models.items()
    ]
    emit(rows, json=config.json)


@dataclass(frozen=True, kw_only=True)
class Data(GraphOptions):
    """Settings of `data`."""

    graph: Annotated[str, tyro.conf.Positional] = ""
    """Named set or file; without it the format is shown."""


@refuses
def data(config: Data) -> None:
    """Read a graph whole, check and count it, or show the format."""
    if not config.graph:
        rows = [{"line": line} for line in FORMAT.splitlines()]
        emit(rows if config.json else [{FORMAT.rstrip(): ""}], json=config.json)
        return
    task = open_graph(config)
    graph = task.graph
    known = {
        "name": task.name,
        "targets": f"{task.task} of each {task.level}",
        "graphs": task.graphs,
        "nodes": task.nodes,
        "edges": graph.edges,
        "self-loops": int((graph.sources == graph.targets).sum()),
        "nodes without in-neighbors": int((graph.in_degrees == 0).sum()),
        "nodes without local structure": f"{task.few_neighbors:.1%}",
        "features": task.features,
        "outputs": task.outputs,
    }
    for part in ("train", "val", "test"):
        mask = getattr(task, f"{part}_mask")
        known[f"items in {part}"] = 0 if mask is None else int(mask.sum())
    emit([{"name": name, "value": value} for name, value in known.items()], json=config.json)
