"""Weight-nets and bias-nets: they read the features of a style and make the kernels of every layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from din_style.config import NetworkConfig
from din_style.layers import DynamicInstanceNorm2d
from din_style.style_code import LayerCode

_SMALL = 0.3
"""Factor of the last layers' initial weights: an untrained DIN is close to plain normalization."""


class CodeNetwork(nn.Module):
    """The weight- and bias-nets of all layers.

    With moments as input they share two hidden layers; with maps each has its own, as we read the
    paper: pointwise convolution, ReLU, adaptive average pooling to the kernel, pointwise convolution.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig, layers: Sequence[DynamicInstanceNorm2d]) -> None:
        super().__init__()
        numbers, hidden = config.style_numbers, config.code_hidden
        self.reads_maps = config.style_input == "map"
        self.names = [layer.name for layer in layers]
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("std", torch.ones(numbers))
        self.shared = nn.Sequential()
        if not self.reads_maps:
            self.shared = nn.Sequential(
                nn.Linear(numbers, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
            )
        net = _MapNets if self.reads_maps else _VectorNets
        self.nets = nn.ModuleDict(
            {
                layer.name: net(numbers if self.reads_maps else hidden, hidden, layer)
                for layer in layers
            }
        )

    def standardize_by(self, styles: Tensor) -> None:
        """Take mean and deviation of the training styles, so that inputs are about 1."""
        flat = styles.flatten(2).mean(2) if self.reads_maps else styles
        self.mean.copy_(flat.mean(0))
        # Channels that hardly vary would otherwise amplify noise.
        std = flat.std(0, correction=0)
        self.std.copy_(std.clamp(min=0.05 * float(std.mean()) + 1e-6))

    def forward(self, style: Tensor) -> dict[str, LayerCode]:
        """Return the kernels of each layer for each style."""
        shape = (1, -1, 1, 1) if self.reads_maps else (1, -1)
        hidden = self.shared((style - self.mean.view(shape)) / self.std.view(shape))
        return {name: self.nets[name](hidden) for name in self.names}


class _VectorNets(nn.Module):
    """Last layers of the weight- and bias-net of one DIN, on what all share."""

    def __init__(self, features: int, hidden: int, layer: DynamicInstanceNorm2d) -> None:
        super().__init__()
        del hidden
        self.shape = layer.weight_shape
        self.weight = nn.Linear(features, torch.Size(self.shape).numel())
        self.bias = nn.Linear(features, layer.channels)
        _start_near_identity(self.weight, self.bias, identity_kernels(layer).flatten())

    def forward(self, hidden: Tensor) -> LayerCode:
        """Return W(f) and B(f)."""
        return LayerCode(self.weight(hidden).view(-1, *self.shape), self.bias(hidden))


class _MapNets(nn.Module):
    """Weight-net and bias-net of one DIN on a map of features."""

    def __init__(self, features: int, hidden: int, layer: DynamicInstanceNorm2d) -> None:
        super().__init__()
        out, per_group, self.kernel, _ = layer.weight_shape
        self.split = (out, per_group)
        self.weight_hidden = nn.Conv2d(features, hidden, 1)
        self.bias_hidden = nn.Conv2d(features, hidden, 1)
        self.weight = nn.Conv2d(hidden, out * per_group, 1)
        self.bias = nn.Conv2d(hidden, out, 1)
        # One convolution serves all taps, so the identity is spread over the kernel.
        identity = identity_kernels(layer).mean((2, 3)).flatten()
        _start_near_identity(self.weight, self.bias, identity)

    def forward(self, style: Tensor) -> LayerCode:
        """Return W(f) and B(f)."""
        pooled = functional.adaptive_avg_pool2d(
            functional.relu(self.weight_hidden(style)), self.kernel
        )
        weight = self.weight(pooled).unflatten(1, self.split)
        mean = functional.adaptive_avg_pool2d(functional.relu(self.bias_hidden(style)), 1)
        return LayerCode(weight, self.bias(mean).flatten(1))


def identity_kernels(layer: DynamicInstanceNorm2d) -> Tensor:
    """Return the kernels that leave normalized features as they are: 1 at the center of each own channel."""
    out, per_group, kernel, _ = layer.weight_shape
    weight = torch.zeros(out, per_group, kernel, kernel)
    own = torch.arange(out) % per_group
    weight[torch.arange(out), own, kernel // 2, kernel // 2] = 1
    return weight


@torch.no_grad()
def _start_near_identity(
    weight: nn.Linear | nn.Conv2d, bias: nn.Linear | nn.Conv2d, identity: Tensor
) -> None:
    """Shrink the last layers and shift the kernels to the identity."""
    weight.weight.mul_(_SMALL)
    bias.weight.mul_(_SMALL)
    if weight.bias is not None and bias.bias is not None:
        weight.bias.copy_(identity)
        bias.bias.zero_()
