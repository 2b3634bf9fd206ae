import pytest
import torch
from tiny_vgg import tiny_vgg

from din_style.config import preset_network
from din_style.layers import Pass
from din_style.networks import build_network
from din_style.presets import VGG_CHANNELS, load_vgg_encoder
from din_style.vgg import VGG, Layer, layer_names
from tenfold_shared.seeds import torch_stream


def _vgg19():
    stream, layers, before = torch_stream(0, "vgg19"), [], 3
    for name, channels in zip(layer_names(19), VGG_CHANNELS, strict=False):
        weight = torch.randn(channels, before, 3, 3, generator=stream) * (2 / (9 * before)) ** 0.5
        layers.append(Layer(name, weight, 0.1 * torch.randn(channels, generator=stream)))
        before = channels
    return VGG(layers, description="random")


def test_the_preset_vgg_sees_contents_through_vgg19():
    with torch.random.fork_rng():
        network = build_network(preset_network("vgg"))
    vgg, images = _vgg19(), torch.rand(1, 3, 32, 40, generator=torch_stream(0, "images"))
    code = network.predict_code(torch.zeros(1, 1408))
    wanted = vgg(images, ["relu4_1"])["relu4_1"]
    run = Pass((code,))
    assert not torch.allclose(network.encode(images, run), wanted), "test invalid"
    load_vgg_encoder(network.encoder, vgg)
    torch.testing.assert_close(network.encode(images, run), wanted)
    with torch.no_grad():
        assert network(images[..., :30, :38], code).shape == (1, 3, 30, 38)
    frozen = {n.split(".")[0] for n, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {"encoder"}


def test_shallower_weights_are_refused():
    with torch.random.fork_rng():
        network = build_network(preset_network("vgg"))
    with pytest.raises(ValueError, match="VGG-19 up to relu4_1"):
        load_vgg_encoder(network.encoder, tiny_vgg())
