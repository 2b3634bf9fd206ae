"""DeepLabV3 with ResNet-50 and with MobileNetV2, both at an output stride of 8: the paper's pair for streets.

Chen et al., arXiv 1706.05587; the head and the residual backbone are torchvision's.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision import models
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from dfad_distillation.weight_files import read_weights
from tenfold_shared.errors import UserError

RATES = (12, 24, 32)
"""Of the official code; 12, 24, 36 is usual."""
_LAST_BLOCK = 17  # of MobileNetV2, with 320 channels; what follows is its classifier's
_DILATIONS = {7: 1, 8: 2, 9: 2, 10: 2, 11: 2, 12: 2, 13: 2, 14: 2, 15: 4, 16: 4, 17: 4}
"""Of MobileNetV2's blocks; 7 and 14 had stride 2 and keep the dilation of the block before them."""


class DeepLabV3(nn.Module):
    """A backbone, parallel dilated convolutions (ASPP) with dropout 0.5, and bilinear upsampling."""

    def __init__(
        self, backbone: nn.Module, classes: int, *, features: int, rates: Sequence[int]
    ) -> None:
        super().__init__()
        if len(rates) != 3 or min(rates) < 1:
            raise ValueError(f"rates must be three numbers of at least 1, got {tuple(rates)}")
        self.backbone = backbone
        self.head = DeepLabHead(features, classes, rates)

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes height width"]:
        """Return logits of every pixel."""
        logits = self.head(self.backbone(pictures))
        return nn.functional.interpolate(
            logits, size=pictures.shape[-2:], mode="bilinear", align_corners=False
        )


def deeplabv3_resnet50(
    classes: int = 11, *, channels: int = 3, rates: Sequence[int] = RATES
) -> DeepLabV3:
    """Return the teacher with random weights; `load_backbone` gives it those of ImageNet."""
    _require_rgb(channels)
    whole = models.resnet50(weights=None, replace_stride_with_dilation=[False, True, True])
    parts = [(name, part) for name, part in whole.named_children() if name not in ("avgpool", "fc")]
    backbone = nn.Sequential()
    for name, part in parts:
        backbone.add_module(name, part)
    return DeepLabV3(backbone, classes, features=2048, rates=rates)


def deeplabv3_mobilenetv2(
    classes: int = 11, *, channels: int = 3, rates: Sequence[int] = RATES
) -> DeepLabV3:
    """Return the student with random weights: MobileNetV2 up to its block of 320 channels, dilated."""
    _require_rgb(channels)
    features = models.mobilenet_v2(weights=None).features[: _LAST_BLOCK + 1]
    for index, dilation in _DILATIONS.items():
        for module in features[index].modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                module.stride, module.dilation = (1, 1), (dilation, dilation)
                module.padding = (dilation, dilation)
    return DeepLabV3(cast("nn.Module", features), classes, features=320, rates=rates)


def load_backbone(network: nn.Module, path: Path) -> None:
    """Give DeepLabV3 the backbone of a file with torchvision's resnet50 or mobilenet_v2.

    Raises:
        UserError: The network has no backbone, or the file does not fit.
    """
    if not isinstance(network, DeepLabV3):
        raise UserError(f"{path} holds a backbone, which only the deeplabv3 networks have.")
    weights = {name.removeprefix("features."): w for name, w in read_weights(path).items()}
    wanted = network.backbone.state_dict()
    for name, tensor in wanted.items():
        if name not in weights or weights[name].shape != tensor.shape:
            found = tuple(weights[name].shape) if name in weights else "missing"
            raise UserError(
                f"{path} is no backbone of this network: {name} is {found}, not "
                f"{tuple(tensor.shape)}; pass torchvision's resnet50 or mobilenet_v2."
            )
    with torch.no_grad():
        for name, tensor in wanted.items():
            tensor.copy_(weights[name])


def _require_rgb(channels: int) -> None:
    if channels != 3:
        raise ValueError(f"DeepLabV3 reads RGB, got {channels} channels; repeat gray three times")
