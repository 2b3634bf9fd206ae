import pytest
import torch

from dfad_distillation.registry import NAMES, build_network, describe_networks, task_of
from tenfold_shared.errors import UserError


@pytest.mark.parametrize("name", NAMES)
def test_every_name_builds_what_it_says(name):
    network = build_network(name, classes=6, channels=3).eval()
    outputs = network(torch.rand(1, 3, 32, 32))
    assert outputs.shape == ((1, 6) if task_of(name) == "classification" else (1, 6, 32, 32))


def test_rows_and_refusals():
    assert [row["name"] for row in describe_networks()] == list(NAMES)
    with pytest.raises(UserError, match=r"did you mean resnet18_8x\?"):
        build_network("resnet18-8x", classes=2, channels=3)
    with pytest.raises(UserError, match="RGB"):
        build_network("deeplabv3_resnet50", classes=2, channels=1)
    assert build_network("resnet18", classes=2, channels=1)(torch.rand(2, 1, 64, 64)).shape == (
        2,
        2,
    )
