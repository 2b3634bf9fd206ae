import pytest
import torch
from torchvision import models

from dfad_distillation.deeplab import deeplabv3_mobilenetv2, deeplabv3_resnet50, load_backbone
from dfad_distillation.networks import lenet5
from tenfold_shared.errors import UserError

STREET = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("build", "features"), [(deeplabv3_resnet50, 2048), (deeplabv3_mobilenetv2, 320)]
)
def test_backbones_shrink_eightfold_and_gradients_reach_the_picture(build, features):
    network = build(5).eval()
    picture = STREET.clone().requires_grad_()
    assert network.backbone(picture).shape == (1, features, 6, 8)
    logits = network(picture)
    assert logits.shape == (1, 5, 48, 64)
    logits.square().sum().backward()
    assert bool((picture.grad != 0).any())
    assert [m.p for m in network.modules() if isinstance(m, torch.nn.Dropout)] == [0.5]


def test_dilation_keeps_the_weights_of_mobilenet(tmp_path):
    whole = models.mobilenet_v2(weights=None)
    torch.save(whole.state_dict(), tmp_path / "m.pth")  # noqa: TID251 - as torchvision does
    network = deeplabv3_mobilenetv2(3).eval()
    load_backbone(network, tmp_path / "m.pth")
    early = whole.eval().features[:7](STREET)
    torch.testing.assert_close(network.backbone[:7](STREET), early)
    with pytest.raises(UserError, match="no backbone of this network"):
        load_backbone(deeplabv3_resnet50(3), tmp_path / "m.pth")
    with pytest.raises(UserError, match="only the deeplabv3"):
        load_backbone(lenet5(), tmp_path / "m.pth")


def test_other_rates():
    def dilations(network):
        return [
            m.dilation[0] for m in network.head.modules() if getattr(m, "dilation", (1,))[0] > 1
        ]

    assert dilations(deeplabv3_mobilenetv2()) == [12, 24, 32]
    assert dilations(deeplabv3_mobilenetv2(rates=(2, 4, 6))) == [2, 4, 6]
    with pytest.raises(ValueError, match="three numbers"):
        deeplabv3_mobilenetv2(rates=(2, 4))
