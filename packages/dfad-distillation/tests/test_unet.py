import pytest
import torch

from dfad_distillation.unet import UNet, unet, unet_half


@pytest.mark.parametrize("square", [1, 2])
@pytest.mark.parametrize("size", [(16, 16), (17, 30), (96, 128)])
def test_each_pixel_gets_logits(size, square):
    network = UNet(5, channels=2, width=2, square=square)
    assert network(torch.rand(2, 2, *size)).shape == (2, 5, *size)


def test_half_the_width_is_a_quarter_of_the_parameters():
    whole, half = (sum(p.numel() for p in net().parameters()) for net in (unet, unet_half))
    assert 400_000 < whole < 500_000
    assert 3.8 < whole / half < 4.1


def test_logits_depend_on_near_and_far_pixels():
    pictures = torch.rand(1, 3, 32, 32, requires_grad=True)
    unet(4, width=4).eval()(pictures)[0, :, 16, 16].sum().backward()
    reached = pictures.grad.abs().sum((0, 1)) > 0
    assert reached[16, 16], "the skip carries the pixel itself"
    assert reached.float().mean() > 0.9, "the deepest level sees nearly everything"


def test_width_is_checked():
    with pytest.raises(ValueError, match="width"):
        UNet(width=0)
