"""The compact style encoder: a small network that was taught VGG's moments, so that the wheel needs no VGG.

It imitates the maps of VGG-16, layer by layer, takes their moments, and corrects these: a network that
predicts means well still underestimates deviations.
"""

import copy
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from din_style.config import OFFLINE_STYLE_LAYERS
from din_style.losses import stack_moments
from din_style.network_files import PACKAGE
from din_style.networks import pad_to_multiple
from din_style.operators import pad_reflecting
from din_style.vgg import VGG
from tenfold_shared.checkpoints import load_checkpoint, save_checkpoint
from tenfold_shared.errors import UserError

CHANNELS = (64, 128, 256, 256)
"""Channels of the imitated layers."""
_NAME = "encoder"
_HALF, _QUARTER, _RANK = 48, 96, 64


class CompactFeatures(nn.Module):
    """Imitates relu1_1, relu2_1, relu3_1 and relu3_3 of normalized VGG-16.

    relu1_1 is VGG's own first convolution, which is cheap; the others come from a narrow network that
    has half and a quarter of the picture's size where VGG has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, CHANNELS[0], 3)
        self.first.requires_grad_(False)
        self.at_half = nn.ModuleList([_convolution(12, _HALF), _convolution(_HALF, _HALF)])
        self.at_quarter = nn.ModuleList(
            [_convolution(_HALF, _QUARTER, stride=2), _convolution(_QUARTER, _QUARTER)]
        )
        self.deeper = nn.ModuleList([_convolution(_QUARTER, _QUARTER)])
        self.heads = nn.ModuleList(
            nn.Conv2d(before, after, 1)
            for before, after in zip((_HALF, _QUARTER, _QUARTER), CHANNELS[1:], strict=True)
        )

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return imitations of the four layers; sides are continued to multiples of 4."""
        images = pad_to_multiple(images, 4)
        first = functional.relu(self.first(pad_reflecting(images, 1)))
        x = functional.pixel_unshuffle(images - 0.5, 2)
        maps = []
        for part, head in zip(
            (self.at_half, self.at_quarter, self.deeper), self.heads, strict=True
        ):
            for convolution in part:
                x = functional.relu(convolution(pad_reflecting(x, 1)))
            maps.append(functional.relu(head(x)))
        return dict(zip(OFFLINE_STYLE_LAYERS, [first, *maps], strict=True))


class CompactEncoder(nn.Module):
    """Pictures of styles to the moments that VGG would have given."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        numbers = 2 * sum(CHANNELS)
        self.features = CompactFeatures()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("std", torch.ones(numbers))
        self.reduce = nn.Linear(numbers, _RANK)
        self.expand = nn.Linear(_RANK, numbers)
        # At first no correction.
        nn.init.zeros_(self.expand.weight)
        nn.init.zeros_(self.expand.bias)

    @torch.no_grad()
    def start_from(self, teacher: VGG) -> None:
        """Take VGG's first convolution."""
        first = teacher.layers()[0]
        self.features.first.weight.copy_(first.weight)
        if self.features.first.bias is not None:
            self.features.first.bias.copy_(first.bias)

    def standardize_by(self, moments: Float[Tensor, "pictures numbers"]) -> None:
        """Take mean and deviation of known moments as the scale of the correction."""
        self.mean.copy_(moments.mean(0))
        self.std.copy_(moments.std(0, correction=0).clamp(min=0.01))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch numbers"]:
        """Return estimates of means and deviations, as `stack_moments` orders them."""
        return self.correct(stack_moments(self.features(images), OFFLINE_STYLE_LAYERS))

    def correct(self, found: Float[Tensor, "batch numbers"]) -> Float[Tensor, "batch numbers"]:
        """Return moments of imitated maps, corrected; those of relu1_1 are exact and stay."""
        correction = self.expand(torch.tanh(self.reduce((found - self.mean) / self.std)))
        exact = 2 * CHANNELS[0]
        correction = functional.pad(correction[:, exact:], (exact, 0))
        return found + correction * self.std


def save_encoder(path: Path, encoder: CompactEncoder, *, half: bool = False) -> None:
    """Write an encoder; `half` stores half precision, for the wheel.

    Raises:
        UserError: The file cannot be written.
    """
    stored = copy.deepcopy(encoder).half() if half else encoder
    about = {"layers": list(OFFLINE_STYLE_LAYERS), "channels": list(CHANNELS)}
    save_checkpoint(path, models={_NAME: stored}, metadata={"encoder": about}, package=PACKAGE)


def load_encoder(path: Path) -> CompactEncoder:
    """Read an encoder that `save_encoder` wrote, ready for use.

    Raises:
        UserError: The file is missing, damaged or something else.
    """
    checkpoint = load_checkpoint(path, package=PACKAGE)
    if "encoder" not in checkpoint.metadata:
        raise UserError(f"{path} holds no style encoder; pass an encoder.safetensors.")
    encoder = CompactEncoder()
    checkpoint.restore(models={_NAME: encoder})
    return encoder.eval()


def _convolution(before: int, after: int, *, stride: int = 1) -> nn.Conv2d:
    """Return a 3 x 3 convolution whose padding is done by the caller."""
    return nn.Conv2d(before, after, 3, stride=stride)
