"""A VGG of four layers with random weights, for tests."""

import torch

from din_style.vgg import VGG, Layer, layer_names
from tenfold_shared.seeds import torch_stream


def tiny_vgg() -> VGG:
    """Return the first seven convolutions of VGG-16 with four channels each."""
    stream = torch_stream(0, "tiny vgg")
    layers, before = [], 3
    for name in layer_names(16)[:7]:
        weight = torch.randn(4, before, 3, 3, generator=stream) / (4 * before) ** 0.5
        layers.append(Layer(name, weight, 0.1 * torch.randn(4, generator=stream)))
        before = 4
    return VGG(layers, description="tiny")
