"""ResNet-18 and -34 of torchvision: the paper's pair for pictures of 128 x 128."""

from torch import nn
from torchvision import models


def resnet18(classes: int = 101, *, channels: int = 3) -> models.ResNet:
    """Return ResNet-18 with random weights."""
    return _with_channels(models.resnet18(weights=None, num_classes=classes), channels)


def resnet34(classes: int = 101, *, channels: int = 3) -> models.ResNet:
    """Return ResNet-34 with random weights."""
    return _with_channels(models.resnet34(weights=None, num_classes=classes), channels)


def _with_channels(network: models.ResNet, channels: int) -> models.ResNet:
    """Replace the stem if pictures are not RGB."""
    if channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return network
