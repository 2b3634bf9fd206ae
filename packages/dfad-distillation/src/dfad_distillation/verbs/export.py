"""`export`: a student as a program that needs nothing of this package."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from tenfold_shared.commands import Options, emit
from tenfold_shared.refusals import refuses


@dataclass(frozen=True, kw_only=True)
class Export(Options):
    """Settings of `export`."""

    model: Annotated[Path, tyro.conf.Positional]
    """File of `distill` or `train`, or a run folder of `distill`."""

    from_unit_range: bool = False
    """Let the program read pictures in [0, 1] and normalize them itself."""

    temperature: float = 1.0
    """Divide the logits by this, so that their softmax is calibrated."""


@refuses
def export(config: Export) -> None:
    """Write a network for use elsewhere: --out student.pt2 (default), .onnx or .safetensors, with its card beside it.

    The program takes batches of any length.
    """
    from dfad_distillation.export import export_model
    from dfad_distillation.model_files import STUDENT_FILE, load_saved

    path = config.model / STUDENT_FILE if config.model.is_dir() else config.model
    model = load_saved(path)
    out = config.out or Path(f"{path.stem}.pt2")
    export_model(
        out,
        model,
        from_unit_range=config.from_unit_range,
        temperature=config.temperature,
        about=model.about,
    )
    emit([{"file": str(out), "bytes": out.stat().st_size}], json=config.json)
