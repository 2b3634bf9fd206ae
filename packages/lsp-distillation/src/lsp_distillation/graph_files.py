"""Graphs in files of strangers: npz, safetensors, or a saved `Data`; nothing in them is executed."""

import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lsp_distillation.array_files import LIMIT_BYTES, read_arrays
from lsp_distillation.feature_rows import sparse_rows
from lsp_distillation.graph import SelfLoops
from lsp_distillation.metrics import Task
from lsp_distillation.node_data import GraphTask
from lsp_distillation.pyg_data import HETEROGENEOUS, import_pyg, join_fields
from lsp_distillation.task_fields import task_from_fields
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

ENDINGS = (".npz", ".safetensors", ".pt", ".pth")
"""What graph files are called."""
FORMAT = "lsp-distillation-graph-1"
_DAMAGED = (SafetensorError, ValueError, KeyError, OSError, TypeError, RecursionError, RuntimeError)
_FOREIGN = re.compile(r"GLOBAL ([\w.]+)")


def read_graph(
    path: Path,
    *,
    task: Task | None = None,
    symmetric: bool = False,
    self_loops: SelfLoops = "keep",
    split: int = 0,
) -> GraphTask:
    """Return the task in a file.

    Args:
        path: An npz of arrays, a safetensors file of tensors (both named as in `task_from_fields`), or a `Data`, its
            `to_dict()`, or a list of either, as `torch.save` writes them.
        task: What the targets are, where it cannot be told.
        symmetric: Add the reverse of every edge.
        self_loops: What happens to edges from a node to itself.
        split: Which of several splits.

    Raises:
        UserError: It is missing, damaged, heterogeneous, too large, would need code to be executed, or its
            content does not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist or is no file; check the path.")
    if path.suffix not in ENDINGS:
        raise UserError(f"{path} is no graph file; these end in {', '.join(ENDINGS)}.")
    described: dict[str, str] = {}
    if path.suffix == ".npz":
        fields: dict[str, Any] = dict(read_arrays(path, skip=("edge_attr",)))
    elif path.suffix == ".safetensors":
        fields, described = _read_safetensors(path)
    else:
        fields = _read_saved(path)
    try:
        return task_from_fields(
            fields,
            name=described.get("name", path.stem),
            task=task or cast("Any", described.get("task")),
            symmetric=symmetric,
            self_loops=self_loops,
            split=split,
            class_names=_class_names(described),
        )
    except (ValueError, TypeError, RuntimeError, IndexError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"{path}: {reason}.") from error


def write_graph(task: GraphTask, path: Path) -> None:
    """Write a task as safetensors, from which `read_graph` returns it.

    Raises:
        UserError: The file cannot be written.
    """
    tensors = {"edge_index": task.graph.edge_index, "y": task.y}
    if task.x.is_sparse_csr:
        tensors |= {
            "x_offsets": task.x.crow_indices(),
            "x_columns": task.x.col_indices(),
            "x_values": task.x.values(),
            "x_width": torch.tensor([task.features]),
        }
    else:
        tensors["x"] = task.x
    optional = {
        "edge_weight": task.graph.weights,
        "graph_of_node": task.graph_of_node,
        "train_mask": task.train_mask,
        "val_mask": task.val_mask,
        "test_mask": task.test_mask,
    }
    tensors |= {name: tensor for name, tensor in optional.items() if tensor is not None}
    # Names say nothing that the targets do not, unless there are classes without items.
    names = task.class_names or tuple(map(str, range(task.classes)))
    described = {
        "format": FORMAT,
        "name": task.name,
        "task": task.task,
        "class_names": json.dumps(names),
    }
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(content, metadata=described))


def _read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a file and its texts."""
    try:
        with cast("Any", safe_open)(path, "pt") as file:
            described = dict(file.metadata() or {})
            fields: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "x_offsets" in fields:
            fields["x"] = _sparse_features(fields)
    except _DAMAGED as error:
        raise UserError(
            f"{path} is no safetensors file or is damaged ({_one_line(error)}); fetch or write it again."
        ) from error
    return fields, described


def _sparse_features(fields: dict[str, Any]) -> Tensor:
    """Return the sparse x of a file that `write_graph` wrote; `task_checks` looks at its indices."""
    offsets, columns, values = (fields[f"x_{part}"] for part in ("offsets", "columns", "values"))
    width = int(fields["x_width"][0])
    if not (offsets.ndim == columns.ndim == values.ndim == 1 and len(columns) == len(values)):
        raise ValueError("the parts of the sparse x do not fit together")
    if not len(offsets) or width < 1 or not values.is_floating_point():
        raise ValueError("the parts of the sparse x do not fit together")
    return sparse_rows(offsets, columns, values, width=width)


def _read_saved(path: Path) -> dict[str, Any]:
    """Return the fields of what `torch.save` wrote, unpickled without running code of strangers.

    Besides tensors and plain containers only the four classes of PyG that make up a `Data` are rebuilt.
    `torch_geometric.io.fs.torch_load` is never used: it falls back to full unpickling.
    """
    data = import_pyg("torch_geometric.data.data")
    storage = import_pyg("torch_geometric.data.storage")
    allowed = [data.Data, data.DataEdgeAttr, data.DataTensorAttr, storage.GlobalStorage]
    _check_size(path)
    try:
        with (
            torch.serialization.safe_globals(allowed),
            torch.sparse.check_sparse_tensor_invariants(enable=True),
        ):
            content = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    except pickle.UnpicklingError as error:
        raise UserError(_refuse_pickle(path, str(error))) from error
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(
            f"{path} is damaged ({_one_line(error)}); save it again with torch.save."
        ) from error
    graphs = list(content) if isinstance(content, list | tuple) else [content]
    try:
        parts = [_plain_fields(graph, data.Data, storage.GlobalStorage) for graph in graphs]
        return parts[0] if not isinstance(content, list | tuple) else join_fields(parts)
    except (ValueError, TypeError, RuntimeError, IndexError) as error:
        raise UserError(f"{path}: {_one_line(error)}.") from error


def _plain_fields(graph: Any, data_class: type, storage_class: type) -> dict[str, Any]:
    """Return the fields of a `Data` or dictionary without calling anything of it."""
    if type(graph) is data_class:
        # Attributes are looked up in the instance: a forged state may lack or bend any of them.
        store = vars(graph).get("_store")
        graph = vars(store).get("_mapping") if type(store) is storage_class else None
    if not isinstance(graph, dict):
        raise ValueError("it holds no Data, no dictionary of tensors and no list of these")
    if any(isinstance(name, tuple) or isinstance(graph[name], dict) for name in graph):
        raise ValueError(HETEROGENEOUS)
    fields = {str(name): value for name, value in graph.items() if value is not None}
    for name, value in fields.items():
        # A forged tensor may claim any size over little storage, with strides of 0.
        dense = isinstance(value, Tensor) and value.layout == torch.strided
        if dense and value.numel() * value.element_size() > LIMIT_BYTES:
            raise ValueError(f"{name} would take more than {LIMIT_BYTES} bytes")
    return fields


def _check_size(path: Path) -> None:
    """Refuse what is no archive of `torch.save`, or unpacks to more than the limit."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{path} is damaged or was not written by torch.save; save it again, or as safetensors."
        ) from error
    if not 0 < total <= LIMIT_BYTES:
        raise UserError(
            f"{path} unpacks to {total} bytes, where 1 to {LIMIT_BYTES} are read; save it again."
        )


def _refuse_pickle(path: Path, message: str) -> str:
    """Return the sentence for a pickle that asks for more than tensors."""
    # A HeteroData asks for the storages of its kinds of nodes first, which a Data does not have.
    if "hetero" in message.lower() or "BaseStorage" in message:
        return f"{path}: {HETEROGENEOUS}."
    found = _FOREIGN.search(message)
    what = f"asks for {found[1]}" if found else "is damaged or asks for code"
    return (
        f"{path} {what}, which is not executed; save data.to_dict() of tensors with torch.save, or "
        "write safetensors."
    )


def _class_names(described: dict[str, str]) -> tuple[str, ...]:
    """Return the names of classes that a file gives, or none."""
    try:
        names = json.loads(described.get("class_names", "[]"))
    except (ValueError, RecursionError):
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names)


def _one_line(error: BaseException) -> str:
    """Return an error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200] or type(error).__name__
