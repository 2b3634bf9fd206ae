"""Students for other programs: torch.export (.pt2), ONNX, and the weights of PyG's layers, each compared first."""

import contextlib
import copy
import io
import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from lsp_distillation.exportable_network import export_network
from lsp_distillation.graph import Graph
from lsp_distillation.model_files import Student
from lsp_distillation.networks import GraphNetwork
from lsp_distillation.pyg_exchange import to_pyg
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path, write_atomically
from tenfold_shared.seeds import torch_stream

PYG = ".pyg.safetensors"
SUFFIXES = (".pt2", ".onnx", PYG)
TOLERANCE = 1e-4
"""Largest difference, relative to the largest output, that an export may have to its network."""


def export_student(path: Path | str, student: Student) -> float:
    """Write a network as .pt2, .onnx or .pyg.safetensors, by the ending of the path.

    Programs take (x, edge_index) of any graph, those on clouds (points); a .pyg.safetensors file holds the state
    dictionary of `pyg_exchange.to_pyg(network)`, whose `convs` are PyG's layers.

    Args:
        path: The file.
        student: What is written.

    Returns:
        The largest difference of outputs to those of the network, on a random graph of another size.

    Raises:
        ValueError: The path ends otherwise, or PyG has no such layers.
        UserError: The extra `onnx` is missing, the network cannot be exported or differs, or the file cannot be
            written.
    """
    path = Path(path)
    network = copy.deepcopy(student.network).cpu().eval()
    if path.name.endswith(PYG):
        return _write_pyg(path, network, student)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"path must end in {', '.join(SUFFIXES)}, got {path.name!r}")
    inputs = _example(network, student)
    try:
        with torch.no_grad():
            program = export_network(network)  # pyright: ignore[reportArgumentType]
    except Exception as error:  # whatever tracing may raise
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the network cannot be exported: {reason}.") from error
    difference = _checked(program.module()(*inputs), network, inputs)
    with atomic_path(path) as temporary:
        if path.suffix == ".pt2":
            with temporary.open("wb") as file:
                torch.export.save(program, file)
        else:
            _write_onnx(temporary, program)
    return difference


def _write_pyg(path: Path, network: nn.Module, student: Student) -> float:
    """Write the weights of PyG's layers."""
    if not isinstance(network, GraphNetwork):
        raise ValueError("networks on clouds have no counterpart among PyG's layers; write .pt2")
    other = to_pyg(network)
    inputs = _example(network, student)
    with torch.no_grad():
        difference = _checked(other(*inputs), network, inputs)
    note = {"network": json.dumps(asdict(student.config)), "about": json.dumps(student.about)}
    state = {name: value.contiguous() for name, value in other.state_dict().items()}
    write_atomically(path, safetensors.torch.save(state, note))
    return difference


def _example(network: nn.Module, student: Student) -> tuple[Tensor, ...]:
    """Return inputs of another size than those that are traced."""
    random, width = torch_stream(0, "export"), student.reading.features
    if not isinstance(network, GraphNetwork):
        neighbors = int(student.config.neighbors)  # pyright: ignore[reportAttributeAccessIssue]
        return (torch.rand(3, neighbors + 9, width, generator=random),)
    edges = torch.randint(0, 23, (2, 90), generator=random).unique(dim=1)
    return torch.rand(23, width, generator=random), edges


def _checked(found: Tensor, network: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """Return the largest difference to the network.

    Raises:
        UserError: It is too large.
    """
    with torch.no_grad():
        if len(inputs) == 1:
            known: Any = network(*inputs)
        else:
            known = network(inputs[0], Graph.from_edges(inputs[1], nodes=len(inputs[0])))
    difference = float((found - known).detach().abs().max())
    if not difference <= TOLERANCE * max(1.0, float(known.abs().max())):
        raise UserError(
            f"the export differs from the network by {difference:.2g}; nothing is written."
        )
    return difference


def _write_onnx(path: Path, program: torch.export.ExportedProgram) -> None:
    """Translate a program to ONNX.

    Raises:
        UserError: The extra is missing, or an operation has no counterpart.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            'ONNX needs two more packages; run pip install "lsp-distillation[onnx]".'
        ) from error
    # The exporter reports its steps on stdout, which belongs to results.
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.onnx.export(program, dynamo=True, verbose=False)
    except torch.onnx.errors.OnnxExporterError as error:
        raise UserError("the network cannot be translated to ONNX; export it as .pt2.") from error
    if exported is None:
        raise UserError("the network cannot be translated to ONNX; export it as .pt2.")
    exported.save(path, external_data=False)
