"""What a teacher says, computed once: predictions, features and local structures, with what they depend on."""

import hashlib
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from jaxtyping import Float, Float64
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from lsp_distillation.inference import Outputs, run_network
from lsp_distillation.local_structure import local_log_probabilities
from lsp_distillation.node_data import GraphTask
from lsp_distillation.terms_config import StructureConfig
from tenfold_shared.errors import AdviceWarning, UserError
from tenfold_shared.files import write_atomically

_FORMAT = "lsp-distillation teacher outputs 2"


class OtherSplitWarning(AdviceWarning):
    """A network that learned on other parts of the same graph."""


class TeacherOutputs(NamedTuple):
    """Of all nodes of a task, on the device of the task."""

    logits: Float[Tensor, "items outputs"]
    features: dict[str, Float[Tensor, "nodes width"]]
    """By layer; empty where no term needs them."""
    structures: dict[str, Float64[Tensor, " edges"]]
    """By layer: log-probabilities at the edges of the structure graph (paper section 3.1)."""
    origin: dict[str, Any]
    """What the values depend on: digests and settings."""


def compute_outputs(
    teacher: nn.Module,
    task: GraphTask,
    *,
    layers: Sequence[str],
    structure: StructureConfig,
    features: bool = True,
) -> TeacherOutputs:
    """Run the teacher once, in evaluation mode.

    Args:
        teacher: On the device of the task.
        task: What it is asked about.
        layers: Names of its layers.
        structure: Kernel and policy of self-loops.
        features: Whether to keep the features too, for terms other than structure.

    Raises:
        ValueError: The teacher cannot be run on the task, or answers something else.
    """
    found = _first_answers(teacher, task, layers)
    graph = task.graph.with_self_loops(structure.self_loops)
    structures = {
        name: local_log_probabilities(embedding, graph, structure.kernel)
        for name, embedding in found.embeddings.items()
    }
    return TeacherOutputs(
        found.logits,
        dict(found.embeddings) if features else {},
        structures,
        origin_of(task, structure) | {"teacher": digest_of_module(teacher), "layers": list(layers)},
    )


def _first_answers(teacher: nn.Module, task: GraphTask, layers: Sequence[str]) -> Outputs:
    """Run a network that may be anybody's, and make one sentence of whatever it raises."""
    try:
        return run_network(teacher, task, layers=layers)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, AttributeError, IndexError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"the teacher cannot be run on {task.name} ({reason}); it must take x of {task.features} features and "
            f"edge_index, and return a tensor of shape ({task.items}, {task.outputs})"
        ) from error


def origin_of(task: GraphTask, structure: StructureConfig) -> dict[str, Any]:
    """Return what outputs depend on beside the teacher: graph, features, kernel and self-loops."""
    kernel = structure.kernel
    return origin_of_data(task) | {
        "kernel": {name: getattr(kernel, name) for name in sorted(vars(kernel))},
        "self-loops": structure.self_loops,
    }


def origin_of_data(task: GraphTask) -> dict[str, Any]:
    """Return digests of graph and features."""
    numbers = [] if task.graph_of_node is None else [task.graph_of_node]
    return {
        "graph": digest_of_tensors(numbers, more=f"{task.level} {task.graph.fingerprint}"),
        "features": digest_of_tensors(_parts(task.x)),
        "precision": str(task.x.dtype),
    }


def origin_of_targets(task: GraphTask) -> dict[str, Any]:
    """Return digests of targets and parts."""
    parts = [mask for mask in (task.train_mask, task.val_mask, task.test_mask) if mask is not None]
    return {"targets": digest_of_tensors([task.y]), "split": digest_of_tensors(parts)}


def warn_of_other_split(about: Mapping[str, Any], task: GraphTask, *, name: str) -> None:
    """Warn where a network learned on the same graph with other parts: it may have seen labels that now test.

    Args:
        about: Of the network's file.
        task: What it is used on.
        name: Of the network, for the sentence.
    """
    known = about.get("origin")
    if not isinstance(known, Mapping):
        return
    ours = origin_of_data(task) | origin_of_targets(task)
    if {key for key in ours if known.get(key) != ours[key]} == {"split"}:
        warnings.warn(
            f"{name} was trained with other parts of this graph and may have seen labels of its test items; use the "
            "--split and --split-seed that it was trained with",
            OtherSplitWarning,
            stacklevel=2,
        )


def digest_of_module(module: nn.Module) -> str:
    """Return a digest of a network's layers, settings and weights."""
    state = module.state_dict()
    said = "\n".join([repr(module), repr(getattr(module, "config", "")), *state])
    said = re.sub("0x[0-9a-f]+", "", said)  # addresses of functions differ between processes
    return digest_of_tensors([v for v in state.values() if isinstance(v, Tensor)], more=said)


def save_outputs(path: Path, outputs: TeacherOutputs) -> None:
    """Write outputs, so that a student can be taught without the teacher.

    Raises:
        UserError: The file cannot be written.
    """
    tensors = {"logits": outputs.logits}
    tensors |= {f"features/{n}": t for n, t in outputs.features.items()}
    tensors |= {f"structure/{n}": t for n, t in outputs.structures.items()}
    plain = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
    note = {"format": _FORMAT, "origin": json.dumps(outputs.origin)}
    note["sha256"] = _digest_of_file(plain, note["origin"])
    write_atomically(Path(path), safetensors.torch.save(plain, note))


def load_outputs(path: Path, *, expected: Mapping[str, Any]) -> TeacherOutputs:
    """Read outputs and refuse them if they belong to something else.

    Args:
        path: The file.
        expected: What they must depend on: as `origin_of` returns it, and `teacher` and `layers` where known.

    Raises:
        UserError: The file is missing, damaged, of another kind, or stale; the sentence says what differs.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            note = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is missing, damaged or no file of a teacher's outputs; name another, and run the teacher again."
        ) from error
    if note.get("format") != _FORMAT:
        raise UserError(f"{path} holds no outputs of a teacher; name the file of `--cache`.")
    try:
        # safetensors itself does not notice a flipped bit
        if note["sha256"] != _digest_of_file(tensors, note["origin"]):
            raise ValueError("its digest is another")
        origin = dict(json.loads(note["origin"]))
        logits = tensors.pop("logits")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged; delete it and run the teacher again.") from error
    for name, value in expected.items():
        if origin.get(name) != value:
            raise UserError(
                f"{path} is stale: it was computed with another {name}; delete it and run the teacher again."
            )
    parts: dict[str, dict[str, Tensor]] = {"features": {}, "structure": {}}
    for name, tensor in tensors.items():
        kind, _, layer = name.partition("/")
        parts.setdefault(kind, {})[layer] = tensor
    return TeacherOutputs(logits, parts["features"], parts["structure"], origin)


def _digest_of_file(tensors: Mapping[str, Tensor], origin: str) -> str:
    """Return a digest of everything that a file of outputs holds."""
    names = sorted(tensors)
    return digest_of_tensors([tensors[name] for name in names], more="\n".join([*names, origin]))


def move_outputs(outputs: TeacherOutputs, device: torch.device | str) -> TeacherOutputs:
    """Return outputs on a device."""
    return outputs._replace(
        logits=outputs.logits.to(device),
        features={n: t.to(device) for n, t in outputs.features.items()},
        structures={n: t.to(device) for n, t in outputs.structures.items()},
    )


def _parts(x: Tensor) -> list[Tensor]:
    """Return the tensors that make dense or sparse features."""
    if x.layout == torch.sparse_csr:
        return [x.crow_indices(), x.col_indices(), x.values()]
    return [x]


def digest_of_tensors(tensors: Sequence[Tensor], *, more: str = "") -> str:
    """Return a digest of shapes, types and bits."""
    digest = hashlib.sha256(more.encode())
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{plain.dtype} {tuple(plain.shape)}".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
