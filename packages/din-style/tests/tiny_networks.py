"""Networks with random weights and an encoder that needs no file, for tests."""

import torch
from torch import Tensor

from din_style.config import NetworkConfig
from din_style.inference import StyleTransfer
from din_style.networks import TransferNetwork, build_network
from tenfold_shared.seeds import torch_stream

TINY = NetworkConfig(preset="fast", width=8, stem=8, blocks=1, style_numbers=6)


def tiny_network(config: NetworkConfig = TINY) -> TransferNetwork:
    """Return a network whose random weights make a visible difference."""
    stream = torch_stream(0, config.preset, config.conv_op)
    network = build_network(config).eval().requires_grad_(False)
    for tensor in network.parameters():
        tensor.copy_(0.3 * torch.randn(tensor.shape, generator=stream))
    return network


class PixelEncoder:
    """Means and deviations of the colors; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.calls += 1
        return torch.cat([4 * images.mean((2, 3)), 4 * images.std((2, 3))], dim=1)


def tiny_transfer(config: NetworkConfig = TINY, **settings: float) -> StyleTransfer:
    """Return a transfer that needs no weights."""
    return StyleTransfer(tiny_network(config), PixelEncoder(), **settings)
