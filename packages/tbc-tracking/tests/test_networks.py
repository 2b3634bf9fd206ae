import pytest
import torch
from torch import nn

from tbc_tracking.networks import MCNN, UNet, build_network
from tenfold_shared.seeds import torch_stream


def _network(kind, **settings):
    with torch.random.fork_rng():
        return build_network(kind, **{"channels": 2, "widths": (4, 6, 8), **settings})


def _images(*shape):
    return torch.rand(shape, generator=torch_stream(0, "images"))


@pytest.mark.parametrize("kind", ["unet", "mcnn"])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 8), (11, 31), (16, 24), (33, 10)])
def test_maps_have_the_rounded_up_share_of_any_size(kind, height, width):
    network = _network(kind)
    maps = network(_images(2, 2, height, width))
    stride = network.stride
    assert maps.shape == (2, 1, -(-height // stride), -(-width // stride))
    assert torch.isfinite(maps).all()
    assert (maps >= 0).all()


def test_the_unet_halves_and_mcnn_quarters():
    assert (UNet.stride, MCNN.stride) == (2, 4)


def test_default_widths_are_those_of_the_specification():
    first = [block[0].out_channels for block in UNet(2).encoder]
    assert first == [10, 20, 40, 40]


@pytest.mark.parametrize(
    ("column", "table"),
    [
        (0, "16@9 pool 32@7 pool 16@7 8@7"),
        (1, "20@7 pool 40@5 pool 20@5 10@5"),
        (2, "24@5 pool 48@3 pool 24@3 12@3"),
    ],
)
def test_mcnn_has_the_layers_of_its_paper(column, table):
    network = MCNN(1)
    layers = []
    for module in network.columns[column]:
        if isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0]
            assert module.padding == (kernel // 2, kernel // 2)
            layers.append(f"{module.out_channels}@{kernel}")
        elif isinstance(module, nn.MaxPool2d):
            layers.append("pool")
    assert " ".join(layers) == table
    assert (network.output.in_channels, network.output.kernel_size) == (30, (1, 1))


@pytest.mark.parametrize("kind", ["unet", "mcnn"])
def test_pictures_of_a_batch_do_not_influence_each_other(kind):
    network = _network(kind).eval()
    images = _images(3, 2, 24, 24)
    together = network(images)
    alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["unet", "mcnn"])
def test_every_parameter_is_used(kind):
    network = _network(kind)
    network(_images(2, 2, 24, 24)).sum().backward()
    unused = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not unused


def test_the_same_random_state_gives_the_same_weights():
    states = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.random.default_generator.manual_seed(3)
            states.append(build_network("unet", channels=1, widths=(4, 8)).state_dict())
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name])
