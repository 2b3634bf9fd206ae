"""ResNets of CIFAR: a stem of stride 1 without pooling, so that 32 x 32 becomes 4 x 4 ("8x")."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two convolutions 3 x 3 with batch normalization beside a shortcut (He et al., arXiv 1512.03385)."""

    def __init__(self, before: int, after: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(
        self, features: Float[Tensor, "batch before height width"]
    ) -> Float[Tensor, "batch after smaller_height smaller_width"]:
        """Return the sum of both paths behind a ReLU."""
        return nn.functional.relu(self.body(features) + self.shortcut(features))


class ResNet8x(nn.Module):
    """Four stages of basic blocks, strides 1, 2, 2, 2, then the mean over all places.

    At 32 x 32 the mean is the 4 x 4 pooling of the official code; other sizes work as well.

    Args:
        classes: Number of outputs.
        channels: Of the pictures.
        blocks: Blocks in each stage.
        width: Channels of the first stage; the others have 2, 4 and 8 times as many.
    """

    def __init__(
        self,
        classes: int = 10,
        *,
        channels: int = 3,
        blocks: Sequence[int] = (2, 2, 2, 2),
        width: int = 64,
    ) -> None:
        super().__init__()
        if len(blocks) != 4 or min(blocks) < 1 or width < 1:
            raise ValueError(
                f"blocks must be four numbers of at least 1 and width at least 1, got {blocks}, {width}"
            )
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        stages: list[nn.Module] = []
        before = width
        for index, count in enumerate(blocks):
            after = width * 2**index
            strides = [1 if index == 0 else 2, *[1] * (count - 1)]
            parts = [BasicBlock(before, after, stride=strides[0])]
            parts += [BasicBlock(after, after) for _ in strides[1:]]
            stages.append(nn.Sequential(*parts))
            before = after
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, pictures: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Return logits."""
        return self.head(self.stages(self.stem(pictures)).mean((2, 3)))


def resnet18_8x(classes: int = 10, *, channels: int = 3, width: int = 64) -> ResNet8x:
    """Return the student of the paper on CIFAR, with random weights."""
    return ResNet8x(classes, channels=channels, blocks=(2, 2, 2, 2), width=width)


def resnet34_8x(classes: int = 10, *, channels: int = 3, width: int = 64) -> ResNet8x:
    """Return the teacher of the paper on CIFAR, with random weights."""
    return ResNet8x(classes, channels=channels, blocks=(3, 4, 6, 3), width=width)
