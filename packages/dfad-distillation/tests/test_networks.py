import pytest
import torch

from dfad_distillation.networks import LeNet5, SmallCNN, lenet5, lenet5_half


def _parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_lenet_has_the_parameters_of_the_paper():
    assert _parameters(lenet5()) == 61_706
    assert _parameters(lenet5_half()) == 15_738
    assert lenet5_half(7, channels=3)(torch.rand(2, 3, 32, 32)).shape == (2, 7)


def test_lenet_refuses_other_sizes_and_widths():
    with pytest.raises(ValueError, match="32 x 32"):
        lenet5()(torch.rand(1, 1, 28, 28))
    with pytest.raises(ValueError, match="four numbers"):
        LeNet5(widths=(1, 2, 3))


@pytest.mark.parametrize("size", [(1, 1), (5, 9), (32, 32), (64, 48)])
def test_the_small_network_takes_any_size(size):
    assert SmallCNN(6, channels=2, width=4)(torch.rand(2, 2, *size)).shape == (2, 6)
    with pytest.raises(ValueError, match="width"):
        SmallCNN(width=0)
