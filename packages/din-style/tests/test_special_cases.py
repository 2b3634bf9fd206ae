"""Earlier methods are special cases of eq. 1: the two that need more than a table of moments.

AdaIN and conditional instance normalization stand in test_dynamic_normalization, WCT in test_networks.
"""

import torch
from torch import nn
from torch.nn import functional

from din_style.code_networks import CodeNetwork
from din_style.config import NetworkConfig
from din_style.dynamic_normalization import EPSILON
from din_style.layers import DynamicInstanceNorm2d, Pass
from din_style.style_code import LayerCode, StyleCode
from tenfold_shared.seeds import torch_stream


def _random(*shape: int, name: str) -> torch.Tensor:
    return torch.randn(shape, generator=torch_stream(0, name))


def test_perceptrons_on_a_style_vector_are_arbitrary_stylization():
    # Ghiasi et al., arXiv 1705.06830: scale and shift of each layer are predicted from a style vector.
    layer = DynamicInstanceNorm2d("layer", 4)
    nets = CodeNetwork(NetworkConfig(style_numbers=6, code_hidden=5), [layer])
    for part in nets.parameters():
        nn.init.normal_(part, generator=torch_stream(0, "weights"))
    nets.standardize_by(_random(30, 6, name="training styles"))
    x, style = _random(2, 4, 7, 9, name="x"), _random(2, 6, name="style")
    ours = layer(x, Pass((StyleCode(nets(style)),)))
    first, second = (nets.shared[i] for i in (0, 2))
    last = nets.nets["layer"]
    for row in range(2):
        vector = (style[row] - nets.mean) / nets.std
        hidden = torch.relu(
            second.weight @ torch.relu(first.weight @ vector + first.bias) + second.bias
        )
        scale = last.weight.weight @ hidden + last.weight.bias
        shift = last.bias.weight @ hidden + last.bias.bias
        center = x[row] - x[row].mean((1, 2), keepdim=True)
        deviation = (center.square().mean((1, 2), keepdim=True) + EPSILON).sqrt()
        expected = center / deviation * scale[:, None, None] + shift[:, None, None]
        torch.testing.assert_close(ours[row], expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours[0], functional.instance_norm(x)[0], atol=0.1), "test invalid"


def test_depthwise_kernels_and_a_pointwise_convolution_are_adaptive_convolution():
    # AdaConv, CVPR 2021: predicted depthwise kernels on normalized features, then pointwise ones.
    layer = DynamicInstanceNorm2d("layer", 4, operator="depthwise", kernel_size=3)
    pointwise = nn.Conv2d(4, 4, 1)
    x = _random(2, 4, 7, 9, name="x")
    weight, bias = _random(2, 4, 1, 3, 3, name="weight"), _random(2, 4, name="bias")
    ours = pointwise(layer(x, Pass((StyleCode({"layer": LayerCode(weight, bias)}),))))
    padded = functional.pad(functional.instance_norm(x, eps=EPSILON), (1, 1, 1, 1), mode="reflect")
    for row in range(2):
        spatial = torch.stack(
            [
                sum(
                    weight[row, c, 0, i, j] * padded[row, c, i : i + 7, j : j + 9]
                    for i in range(3)
                    for j in range(3)
                )
                + bias[row, c]
                for c in range(4)
            ]
        )
        expected = torch.einsum("oc,chw->ohw", pointwise.weight[:, :, 0, 0], spatial)
        expected = expected + pointwise.bias[:, None, None]
        torch.testing.assert_close(ours[row], expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours[0], ours[1], atol=0.1), "test invalid"
