"""A small U-Net with batch normalization: one logit per class and pixel, for pictures of any size."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_LEVELS = 4


class UNet(nn.Module):
    """Four levels of two convolutions, joined by skips (Ronneberger et al., arXiv 1505.04597).

    The first level sees squares of pixels as channels, and logits are enlarged bilinearly: a quarter
    of the work. Pictures are padded by repetition to what the levels divide and the logits cut back,
    so that any size of at least 16 works. Width 16 has 0.49 M parameters, width 8 a quarter of them.

    Args:
        classes: Number of outputs per pixel.
        channels: Of the pictures.
        width: Channels of the first level; the others have 2, 4 and 8 times as many.
        square: Side of the squares; 1 works on pixels.
    """

    def __init__(
        self, classes: int = 11, *, channels: int = 3, width: int = 16, square: int = 2
    ) -> None:
        super().__init__()
        if width < 1 or square < 1:
            raise ValueError(f"width and square must be at least 1, got {width} and {square}")
        self.square = square
        widths = [width * 2**level for level in range(_LEVELS)]
        self.down = nn.ModuleList(
            _double(before, after)
            for before, after in zip([channels * square**2, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            _double(deep + skip, skip)
            for deep, skip in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(width, classes, 1)

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes height width"]:
        """Return logits of every pixel."""
        height, width = pictures.shape[-2:]
        step = self.square * 2 ** (_LEVELS - 1)
        features = nn.functional.pad(
            pictures, (0, -width % step, 0, -height % step), mode="replicate"
        )
        features = nn.functional.pixel_unshuffle(features, self.square)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                features = nn.functional.max_pool2d(features, 2)
            features = block(features)
            skips.append(features)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            larger = nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = block(torch.cat([larger, skip], 1))
        logits = self.head(features)
        if self.square > 1:
            logits = nn.functional.interpolate(
                logits, scale_factor=float(self.square), mode="bilinear", align_corners=False
            )
        return logits[..., :height, :width]


def unet(classes: int = 11, *, channels: int = 3, width: int = 16, square: int = 2) -> UNet:
    """Return a U-Net with random weights."""
    return UNet(classes, channels=channels, width=width, square=square)


def unet_half(classes: int = 11, *, channels: int = 3, width: int = 8, square: int = 2) -> UNet:
    """Return a U-Net of half the width, a quarter of the parameters, with random weights."""
    return UNet(classes, channels=channels, width=width, square=square)


def _double(before: int, after: int) -> nn.Sequential:
    """Return two convolutions 3 x 3, each with batch normalization and ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
