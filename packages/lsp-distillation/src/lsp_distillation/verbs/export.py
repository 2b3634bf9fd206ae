"""`export`: a network as a program that needs nothing of this package, or as PyG's layers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from lsp_distillation.verbs.sources import model_file
from tenfold_shared.commands import Options, emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Export(Options):
    """Settings of `export`."""

    model: Annotated[Path, tyro.conf.Positional]
    """File or run folder of `train` or `distill`."""


@refuses
def export(config: Export) -> None:
    """Write a network for use elsewhere: --out student.pt2 (default), .onnx, or .pyg.safetensors for PyG's layers.

    The program takes x (nodes, features) and edge_index (2, edges) of any graph. It is compared with the network
    before it is written.
    """
    from lsp_distillation.export import export_student
    from lsp_distillation.model_files import Student

    path = model_file(config.model)
    out = config.out or Path("student.pt2")
    if out.exists() and out.resolve() == path.resolve():
        raise UserError(f"--out {out} would write over the network; choose another place.")
    difference = export_student(out, Student.load(path))
    emit(
        [
            {"name": "program", "value": str(out)},
            {"name": "largest difference to the network", "value": difference},
        ],
        json=config.json,
    )
