"""`export`: a student as a program that needs nothing of this package."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from dfad_distillation.verbs.networks import (
    ConstructorOptions,
    open_finished,
    refuse_overwriting,
)
from tenfold_shared.commands import emit
from tenfold_shared.errors import UserError
from tenfold_shared.refusals import refuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Export(ConstructorOptions):
    """Settings of `export`."""

    model: Annotated[Path, tyro.conf.Positional]
    """File of `distill` or `train`, or a run folder of `distill`."""

    from_unit_range: bool = False
    """Let the program read pictures in [0, 1] and normalize them itself."""

    temperature: float | Literal["auto"] = 1.0
    """Divide the logits by this, so that their softmax is calibrated; `auto`: the student becomes as sure as its
    teacher, on generated pictures."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        if self.temperature != "auto" and not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature must be positive and finite, got {self.temperature}; 1 changes nothing"
            )


@refuses
def export(config: Export) -> None:
    """Write a network for use elsewhere: --out student.pt2 (default), .onnx or .safetensors, with its card beside it.

    The program takes batches of any length.
    """
    from dfad_distillation.export import export_model
    from dfad_distillation.model_card import model_card, write_card
    from dfad_distillation.model_files import STUDENT_FILE

    path = config.model / STUDENT_FILE if config.model.is_dir() else config.model
    out = config.out or Path(f"{path.stem}.pt2")
    refuse_overwriting(out, path)
    model = open_finished(config, path)
    temperature = _temperature(config, model.about)
    export_model(out, model, from_unit_range=config.from_unit_range, temperature=temperature)
    told = model.about
    agreement = told.get("agreement")
    card = model_card(
        out.name,
        model,
        teacher=f"{told.get('teacher', 'an unknown teacher')} (SHA-256 {told.get('teacher_sha256', 'unknown')})",
        settings=_settings(told),
        scores={}
        if agreement is None
        else {"agreement with the teacher on generated pictures": agreement},
        compression=_size(model.module, told.get("teacher_parameters")),
        from_unit_range=config.from_unit_range,
        temperature=temperature,
    )
    rows = [{"file": str(out), "bytes": out.stat().st_size}]
    written = write_card(out, card)
    emit([*rows, {"file": str(written), "bytes": written.stat().st_size}], json=config.json)


def _temperature(config: Export, about: "Mapping[str, Any]") -> float:
    """Return the temperature that was asked for.

    Raises:
        UserError: The file does not know the one of its teacher.
    """
    from dfad_distillation.student_record import TEMPERATURE

    if config.temperature != "auto":
        return config.temperature
    found = about.get(TEMPERATURE)
    if not isinstance(found, float) or not 0 < found < float("inf"):
        raise UserError(
            f"{config.model} does not know how sure its teacher was, only students of distill do; pass --temperature "
            "a number."
        )
    return found


def _settings(about: "Mapping[str, Any]") -> dict[str, Any]:
    """Return the settings as the card lists them: rounds that were asked for are no rounds that were played."""
    found = about.get("settings")
    others = dict(found) if isinstance(found, dict) else {}
    first = {
        "rounds planned": others.pop("rounds", None),
        "rounds played": about.get("rounds"),
        "state taken": about.get("state"),
        "seed": about.get("seed"),
    }
    return {name: value for name, value in first.items() if value is not None} | others


def _size(module: "nn.Module", teacher: Any) -> list[dict[str, Any]]:
    """Return the row of parameters, where those of the teacher are known."""
    if not isinstance(teacher, int) or teacher < 1:
        return []
    own = sum(p.numel() for p in module.parameters())
    return [
        {
            "name": "parameters",
            "value": own,
            "unit": "values",
            "reference": teacher,
            "ratio": own / teacher,
        }
    ]
