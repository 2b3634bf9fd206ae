"""One style as a plain network for other programs: torch.export (.pt2) and ONNX, with free batch and picture size.

With a fixed code, every dynamic normalization is an instance normalization with constant scale and shift: nothing is
left of VGG, of the weight- and bias-nets, or of dynamic convolutions.
"""

import copy
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.dynamic_normalization import EPSILON
from din_style.layers import DynamicInstanceNorm2d, Pass, StaticInstanceNorm2d
from din_style.networks import SHRINKING, TransferNetwork
from din_style.style_code import LayerCode, StyleCode
from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_path

SUFFIXES = (".onnx", ".pt2")
SMALLEST = 32
"""Smallest height and width of a picture."""
_EXAMPLE = (2, 72, 104)
"""Batch, height and width that the network is traced with; others work as well."""


class BakedNetwork(nn.Module):
    """A network with one style: pictures (batch, 3, height, width) in [0, 1] to stylized ones.

    Args:
        network: with dynamic kernels of one pixel and as many groups as channels.
        code: one style.

    Raises:
        ValueError: if the network has other dynamic convolutions, or the code is not one style of it.
    """

    def __init__(self, network: TransferNetwork, code: StyleCode) -> None:
        super().__init__()
        if network.config.conv_op != "pointwise":
            raise ValueError(
                "only dynamic kernels of one pixel with as many groups as channels can be baked, "
                f"got the operator {network.config.conv_op}; use a network with conv_op=pointwise"
            )
        if code.batch != 1:
            raise ValueError(f"one style is baked, got a code of {code.batch}; choose code[0]")
        if code.fingerprint not in ("", network.fingerprint()):
            raise ValueError("the style code is of another network; encode the style again")
        self.network = copy.deepcopy(network)
        del self.network.codes  # what makes codes is not needed any more
        for parent in list(self.network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, DynamicInstanceNorm2d):
                    setattr(parent, name, _constant(child, code.layers[child.name]))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the stylized pictures; sizes are multiples of 4."""
        run = Pass((), normalize=_normalize_plainly)
        features = self.network.transform(self.network.encode(images, run), run)
        return self.network.decode(features, run)


def bake(network: TransferNetwork, code: StyleCode, path: Path | str) -> None:
    """Write a network with one style as .onnx or .pt2, by the ending of the path.

    The file takes any batch, and sizes that are multiples of 4.

    Raises:
        ValueError: if the path ends otherwise, or the network cannot be baked.
        UserError: if the extra `onnx` is missing, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"a baked style ends in .onnx or .pt2, got {path.name!r}")
    if suffix == ".onnx":
        _require_onnx()
    module = BakedNetwork(network, code).cpu().eval()
    batch, height, width = _EXAMPLE
    example = torch.rand(batch, 3, height, width)
    low = SMALLEST // SHRINKING
    sizes = {
        0: torch.export.Dim("batch", min=1),
        2: SHRINKING * torch.export.Dim("rows", min=low),
        3: SHRINKING * torch.export.Dim("columns", min=low),
    }
    with torch.no_grad(), atomic_path(path) as temporary:
        program = torch.export.export(module, (example,), dynamic_shapes=(sizes,))
        if suffix == ".pt2":
            with temporary.open("wb") as file:
                torch.export.save(program, file)
        else:
            exported = torch.onnx.export(
                program, (example,), dynamo=True, input_names=["images"],
                output_names=["stylized"], verbose=False,
            )  # fmt: skip
            assert exported is not None
            exported.save(temporary, external_data=False)


def _constant(layer: DynamicInstanceNorm2d, code: LayerCode) -> StaticInstanceNorm2d:
    """Return the normalization with constant scale and shift that a dynamic one is for one style."""
    norm = StaticInstanceNorm2d(layer.name, layer.channels)
    with torch.no_grad():
        norm.weight.copy_(code.weight.flatten())
        norm.bias.copy_(code.bias[0])
    return norm


def _normalize_plainly(name: str, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalize features by their own statistics, with scale and shift that all samples share."""
    del name
    # As many groups as channels; instance_norm itself cannot be exported with a free batch.
    return functional.group_norm(x, x.shape[1], weight[0], bias[0], EPSILON)


def _require_onnx() -> None:
    """Refuse in a sentence where the extra is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            'ONNX needs two more packages; run pip install "din-style[onnx]".'
        ) from error
