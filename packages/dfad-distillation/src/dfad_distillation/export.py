"""Students for other programs: torch.export (.pt2) and ONNX with a free batch, and our own .safetensors."""

import contextlib
import copy
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dfad_distillation.config import InputSpace
from dfad_distillation.model_files import SavedModel, save_model
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

SUFFIXES = (".safetensors", ".pt2", ".onnx")
_EXAMPLE_BATCH = 2


class Deployed(nn.Module):
    """A network with what surrounds it in use: normalization in front, a temperature behind.

    Args:
        module: Reads normalized pictures and answers logits.
        space: Of the network.
        from_unit_range: Read pictures in [0, 1] and normalize them inside.
        temperature: Divides the logits, so that their softmax can be trusted.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        module: nn.Module,
        *,
        space: InputSpace,
        from_unit_range: bool = False,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.module, self.temperature = module, temperature
        self.normalizes = from_unit_range and space.is_normalized
        for name, values in (("mean", space.mean or (0.0,)), ("std", space.std or (1.0,))):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1), persistent=False)

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes ..."]:
        """Return logits."""
        if self.normalizes:
            pictures = (pictures - self.mean) / self.std
        logits = self.module(pictures)
        return logits / self.temperature if self.temperature != 1 else logits


def export_model(
    path: Path | str,
    model: SavedModel,
    *,
    from_unit_range: bool = False,
    temperature: float = 1.0,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a network as .safetensors, .pt2 or .onnx, by the ending of the path.

    Programs take pictures of the network's size in batches of any length.

    Args:
        path: The file.
        model: The network and what is known of it.
        from_unit_range: Let the program read pictures in [0, 1]; not for .safetensors.
        temperature: Divides the logits of the program; in .safetensors it is only noted.
        about: Added to what a .safetensors file says.

    Raises:
        ValueError: The path ends otherwise, or the temperature is not positive.
        UserError: The extra `onnx` is missing, the network cannot be exported, or the file cannot be
            written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"path must end in {', '.join(SUFFIXES)}, got {path.name!r}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; 1 changes nothing")
    if suffix == ".safetensors":
        if from_unit_range:
            raise ValueError("a .safetensors file holds the network alone; use .pt2 or .onnx")
        told = {**model.about, **(about or {}), "temperature": temperature}
        save_model(
            path,
            model.module,
            source=model.source,
            arguments=model.arguments,
            input=model.input,
            classes=model.classes,
            about=told,
        )
        return
    if suffix == ".onnx":
        _require_onnx()
    deployed = Deployed(
        copy.deepcopy(model.module).cpu().to(memory_format=torch.contiguous_format),  # pyright: ignore[reportCallIssue]
        space=model.input,
        from_unit_range=from_unit_range,
        temperature=temperature,
    )
    _write_program(path, suffix, deployed.eval(), model.input.shape)


def _write_program(path: Path, suffix: str, module: nn.Module, shape: tuple[int, int, int]) -> None:
    """Trace a network and write the program."""
    example = torch.zeros(_EXAMPLE_BATCH, *shape)
    free = ({0: torch.export.Dim("batch", min=1)},)
    try:
        with torch.no_grad():
            program = torch.export.export(module, (example,), dynamic_shapes=free)
    except Exception as error:  # whatever a foreign network does, tracing it may raise
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the network cannot be exported: {reason}.") from error
    with atomic_path(path) as temporary:
        if suffix == ".pt2":
            with temporary.open("wb") as file:
                torch.export.save(program, file)
            return
        # The exporter reports its steps on stdout, which belongs to results.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported = torch.onnx.export(
                program,
                (example,),
                dynamo=True,
                input_names=["pictures"],
                output_names=["logits"],
                verbose=False,
            )
        if exported is None:
            raise UserError("the network cannot be translated to ONNX; export it as .pt2.")
        exported.save(temporary, external_data=False)


def _require_onnx() -> None:
    """Refuse in a sentence where the extra is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            'ONNX needs two more packages; run pip install "dfad-distillation[onnx]".'
        ) from error
