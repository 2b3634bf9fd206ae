import pytest
import torch

from dfad_distillation.residual_networks import BasicBlock, ResNet8x, resnet18_8x, resnet34_8x


def test_they_have_the_blocks_of_the_paper():
    counts = {net: sum(isinstance(m, BasicBlock) for m in net().modules()) for net in
              (resnet18_8x, resnet34_8x)}  # fmt: skip
    assert list(counts.values()) == [8, 16]
    parameters = sum(p.numel() for p in resnet18_8x(width=64).parameters())
    assert parameters == 11_173_962


@pytest.mark.parametrize("size", [(32, 32), (20, 9)])
def test_pictures_shrink_eightfold(size):
    network = resnet18_8x(5, channels=1, width=4).eval()
    pictures = torch.rand(2, 1, *size)
    assert network(pictures).shape == (2, 5)
    places = network.stages(network.stem(pictures)).shape[-2:]
    assert places == tuple(-(-side // 8) for side in size)


def test_the_shortcut_is_the_identity_where_shapes_allow():
    block = BasicBlock(4, 4).eval()
    torch.nn.init.zeros_(block.body[-2].weight)
    features = torch.rand(1, 4, 6, 6)
    assert torch.equal(block(features), features)
    assert BasicBlock(4, 8, stride=2)(features).shape == (1, 8, 3, 3)


def test_wrong_stages_are_refused():
    with pytest.raises(ValueError, match="four numbers"):
        ResNet8x(blocks=(1, 2))
