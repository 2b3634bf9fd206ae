"""LeNet-5, as teacher and at half the width, and a small network for pictures of any size."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

LENET5_WIDTHS = (6, 16, 120, 84)
"""Channels of the three convolutions and of the hidden layer."""
LENET5_HALF_WIDTHS = (3, 8, 60, 42)
"""The student of the paper: 15,738 parameters against 61,706."""
LENET5_SIDE = 32
"""The only picture size that LeNet-5 takes."""


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max-pooling, for pictures of 32 x 32 (32, 28, 14, 10, 5, 1).

    LeCun et al., Proceedings of the IEEE 86 (1998), as the official code of arXiv 1912.11006 has it.

    Args:
        classes: Number of outputs.
        channels: Of the pictures.
        widths: Channels of the convolutions and of the hidden layer.
    """

    def __init__(
        self, classes: int = 10, *, channels: int = 1, widths: Sequence[int] = LENET5_WIDTHS
    ) -> None:
        super().__init__()
        if len(widths) != 4 or min(widths) < 1:
            raise ValueError(f"widths must be four numbers of at least 1, got {tuple(widths)}")
        first, second, third, hidden = widths
        self.features = nn.Sequential(
            nn.Conv2d(channels, first, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, second, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(second, third, 5),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(third, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Return logits.

        Raises:
            ValueError: The pictures are not 32 x 32.
        """
        if pictures.shape[-2:] != (LENET5_SIDE, LENET5_SIDE):
            raise ValueError(
                f"LeNet-5 takes pictures of 32 x 32, got {tuple(pictures.shape)}; resize them first"
            )
        return self.head(self.features(pictures).flatten(1))


def lenet5(classes: int = 10, *, channels: int = 1) -> LeNet5:
    """Return LeNet-5 with random weights."""
    return LeNet5(classes, channels=channels)


def lenet5_half(classes: int = 10, *, channels: int = 1) -> LeNet5:
    """Return LeNet-5 with half of the channels everywhere, with random weights."""
    return LeNet5(classes, channels=channels, widths=LENET5_HALF_WIDTHS)


class SmallCNN(nn.Module):
    """Three stages of two convolutions with batch normalization: a student for any picture size.

    Pictures are halved between the stages as long as they have at least 8 pixels.

    Args:
        classes: Number of outputs.
        channels: Of the pictures.
        width: Channels of the first stage; the others have 2 and 4 times as many.
    """

    def __init__(self, classes: int = 10, *, channels: int = 3, width: int = 32) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.stages = nn.ModuleList()
        before = channels
        for factor in (1, 2, 4):
            after = factor * width
            self.stages.append(nn.Sequential(*_unit(before, after), *_unit(after, after)))
            before = after
        self.head = nn.Linear(before, classes)

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Return logits."""
        features = pictures
        for stage in self.stages:
            features = stage(features)
            if min(features.shape[-2:]) >= 8:
                features = nn.functional.max_pool2d(features, 2)
        return self.head(features.mean((2, 3)))


def _unit(before: int, after: int) -> tuple[nn.Module, ...]:
    """Return convolution, normalization and ReLU."""
    return nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
