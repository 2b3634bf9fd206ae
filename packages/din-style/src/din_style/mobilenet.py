"""MobileNetV2's features, a judge that no loss has used; reads weights whose batch norms are folded.

Sandler et al., CVPR 2018, arXiv 1801.04381; the Keras weights (Apache-2.0), without their classifier.
"""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.foreign_weights import read_tensors
from tenfold_shared.datasets import locate
from tenfold_shared.errors import UserError

WEIGHTS = "weights/mobilenet_v2_1.0_224_folded_fp16.safetensors"
HINT = "convert the Keras weights of MobileNetV2 1.0 224, batch norms folded, to safetensors"
STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)
JUDGED_BLOCKS = (1, 3, 6, 10, 13)
"""Whose outputs describe a style: 16 to 96 channels, at 1/2 to 1/16 of the size."""


class MobileNetV2(nn.Module):
    """The network up to a block; weights are buffers, since it is never trained here."""

    def __init__(self, tensors: dict[str, Tensor], *, last: int = max(JUDGED_BLOCKS)) -> None:
        super().__init__()
        self.last = last
        for name, tensor in tensors.items():
            self.register_buffer(name.replace(".", "_"), tensor, persistent=False)

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch channels ..."]]:
        """Return the outputs of all blocks up to the last, for pictures in [0, 1]."""
        x = functional.relu6(self._conv(images * 2 - 1, "stem", stride=2))
        outputs = []
        for number, stride in enumerate(STRIDES[: self.last], start=1):
            name = f"block{number}"
            y = x if number == 1 else functional.relu6(self._conv(x, f"{name}.expand"))
            y = functional.relu6(self._conv(y, f"{name}.depthwise", stride=stride, depthwise=True))
            y = self._conv(y, f"{name}.project")
            shortcut = number > 1 and stride == 1 and y.shape[1] == x.shape[1]
            x = x + y if shortcut else y
            outputs.append(x)
        return outputs

    def _conv(self, x: Tensor, name: str, *, stride: int = 1, depthwise: bool = False) -> Tensor:
        """Convolve with the padding of TensorFlow: right and below where the stride is two."""
        weight = self.get_buffer(f"{name}_weight".replace(".", "_"))
        bias = self.get_buffer(f"{name}_bias".replace(".", "_"))
        margin = weight.shape[-1] // 2
        padding = (0, 1, 0, 1) if stride == 2 else (margin,) * 4
        groups = x.shape[1] if depthwise else 1
        return functional.conv2d(
            functional.pad(x, padding), weight, bias, stride=stride, groups=groups
        )


def load_mobilenet(path: Path | None = None, *, data: Path | None = None) -> MobileNetV2:
    """Return the network with its weights.

    Args:
        path: its weights; looked for in the data folder if missing.
        data: the data folder.

    Raises:
        UserError: if the weights are missing, damaged or of another network.
    """
    path = path or locate(WEIGHTS, data=data, hint=HINT)
    tensors = read_tensors(path)
    names = {f"block{n}.{part}.weight" for n in range(2, 18) for part in ("expand", "project")}
    if not {"stem.weight", "stem.bias", *names} <= set(tensors):
        raise UserError(f"{path} holds no weights of MobileNetV2; {HINT}.")
    return MobileNetV2(tensors).eval()
