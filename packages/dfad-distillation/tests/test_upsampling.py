"""The merged operation equals upsampling and then convolving, with its gradients, and does less work."""

import pytest
import torch
from slow_reference import PlainUpsampledConv2d
from torch.utils.flop_counter import FlopCounterMode

from dfad_distillation.upsampling import UpsampledConv2d


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 7)])
def test_it_equals_the_chain_with_gradients(height: int, width: int) -> None:
    merged = UpsampledConv2d(3, 5).double()
    plain = PlainUpsampledConv2d(3, 5).double()
    plain.load_state_dict(merged.state_dict())
    features = torch.randn(2, 3, height, width, dtype=torch.float64)
    weights = torch.randn(2, 5, 2 * height, 2 * width, dtype=torch.float64)
    gradients = []
    for layer in (merged, plain):
        leaf = features.clone().requires_grad_()
        output = layer(leaf)
        assert output.shape == (2, 5, 2 * height, 2 * width)
        (output * weights).sum().backward()
        gradients.append((output, leaf.grad, layer.weight.grad, layer.bias.grad))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_it_takes_four_ninths_of_the_multiply_adds() -> None:
    features, counts = torch.randn(1, 8, 6, 6), []
    for kind in (UpsampledConv2d, PlainUpsampledConv2d):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            kind(8, 4)(features)
        counts.append(counter.get_total_flops())
    assert 9 * counts[0] == 4 * counts[1]


def test_the_result_is_in_channels_last() -> None:
    features = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    layer = UpsampledConv2d(3, 5).to(memory_format=torch.channels_last)
    assert layer(features).is_contiguous(memory_format=torch.channels_last)
