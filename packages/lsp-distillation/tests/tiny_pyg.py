"""A user's own module on the import path, as `tiny_pyg:network`."""

from tiny_training import PygTeacher
from torch import nn


def network(width: int = 7) -> nn.Module:
    """Return a network of PyG's layers for the tiny graph."""
    return PygTeacher(width=width)


def number() -> int:
    """Return what is no network."""
    return 3
