"""Density networks for other programs: torch.export (.pt2) and ONNX, with free batch and picture size.

The exported program takes input channels (batch, channels, height, width) as `stack_channels` makes them
and returns calibrated, non-negative maps (batch, 1, map_height, map_width) that sum to the count.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tbc_tracking.density_network import DensityNetwork
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

_EXAMPLE = (2, 43, 55)
"""Batch, height and width that the program is traced with; others work as well."""
SMALLEST = 8
"""Smallest height and width in pixels."""


class CountingModule(nn.Module):
    """A density network with what follows it: scale, clipping and calibration."""

    def __init__(self, network: DensityNetwork) -> None:
        super().__init__()
        self.network = network.module
        self.target_scale = network.description.target_scale
        self.calibration = network.description.calibration

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch 1 map_height map_width"]:
        """Return density maps."""
        maps = (self.network(images) / self.target_scale).clamp(min=0)
        return maps * self.calibration.factors(maps)


def export_network(network: DensityNetwork, path: Path | str) -> None:
    """Write a network as .pt2 (torch.export) or .onnx, by the ending of the path.

    Raises:
        ValueError: if the path ends otherwise.
        UserError: if the extra `onnx` is missing, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".pt2", ".onnx"):
        raise ValueError(f"an exported network ends in .pt2 or .onnx, got {path.name}")
    batch, height, width = _EXAMPLE
    example = torch.rand(batch, network.description.inputs.channels, height, width)
    module = CountingModule(network).cpu().eval()
    sizes = {
        0: torch.export.Dim("batch", min=1),
        2: torch.export.Dim("height", min=SMALLEST),
        3: torch.export.Dim("width", min=SMALLEST),
    }
    try:
        program = torch.export.export(module, (example,), dynamic_shapes=({**sizes},))
    finally:
        network.module.to(network.device)
    with atomic_path(path) as temporary:
        if path.suffix == ".pt2":
            with temporary.open("wb") as file:
                torch.export.save(program, file)
        else:
            _write_onnx(program, example, temporary)


def _write_onnx(program: torch.export.ExportedProgram, example: Tensor, path: Path) -> None:
    """Translate an exported program."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            'ONNX needs two more packages; run pip install "tbc-tracking[onnx]".'
        ) from error
    exported = torch.onnx.export(
        program,
        (example,),
        dynamo=True,
        input_names=["images"],
        output_names=["maps"],
        verbose=False,
    )
    assert exported is not None
    exported.save(path, external_data=False)
