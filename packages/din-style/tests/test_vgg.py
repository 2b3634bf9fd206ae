import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_training import write_tiny_vgg
from tiny_vgg import tiny_vgg
from torch import nn

from din_style.vgg import (
    VGG,
    Layer,
    import_vgg,
    layer_names,
    layers_from_torchvision,
    load_vgg,
    mean_activations,
    normalized,
)
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import torch_stream


def _images(batch=2, size=32):
    return torch.rand(batch, 3, size, size, generator=torch_stream(0, "images"))


def _torchvision_like(depth):
    """A state dictionary with torchvision's names and two channels a layer, and its network."""
    counts = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}[depth]
    parts: list[nn.Module] = []
    before = 3
    with torch.random.fork_rng():
        for count in counts:
            for _ in range(count):
                conv = nn.Conv2d(before, 2, 3, padding=1, padding_mode="reflect")
                parts += [conv, nn.ReLU()]
                before = 2
            parts.append(nn.MaxPool2d(2))
    network = nn.Sequential(*parts)
    return {f"features.{k}": v for k, v in network.state_dict().items()}, network


def test_names_are_those_of_the_paper():
    assert layer_names(16)[:7] == ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3")
    assert len(layer_names(16)) == 13
    assert len(layer_names(19)) == 16
    assert layer_names(19)[7:9] == ("3_4", "4_1")


def test_features_are_those_of_a_plain_network():
    vgg, images = tiny_vgg(), _images()
    x = images
    for name, weight, bias in vgg.layers():
        if name in ("2_1", "3_1"):
            x = torch.nn.functional.max_pool2d(x, 2)
        x = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        x = torch.nn.functional.conv2d(x, weight, bias).relu()
        torch.testing.assert_close(vgg(images, [f"relu{name}"])[f"relu{name}"], x)


def test_normalized_filters_have_mean_activation_one():
    vgg, images = tiny_vgg(), _images(4)
    means = mean_activations(vgg.layers(), [images])
    assert abs(float(means["3_3"].mean()) - 1) > 0.1, "test invalid"
    rescaled = VGG(normalized(vgg.layers(), means), description="normalized")
    for name in vgg.names:
        features = rescaled(images, [f"relu{name}"])[f"relu{name}"].mean((0, 2, 3))
        alive = means[name] > 1e-3 * means[name].mean()
        torch.testing.assert_close(features[alive], torch.ones(int(alive.sum())))


def test_the_offline_layout_takes_rgb_in_unit_range(tmp_path):
    path = write_tiny_vgg(tmp_path / "vgg.safetensors")
    tensors, images = load_file(path), _images()
    bgr = 255 * images.flip(1) - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    padded = torch.nn.functional.pad(bgr, (1, 1, 1, 1), mode="reflect")
    expected = torch.nn.functional.conv2d(
        padded, tensors["conv1_1.weight"], tensors["conv1_1.bias"]
    ).relu()
    raw = load_vgg(path, normalize=False)(images, ["relu1_1"])["relu1_1"]
    torch.testing.assert_close(raw, expected, rtol=1e-4, atol=1e-4)
    scaled = load_vgg(path)(images, ["relu1_1"])["relu1_1"]
    torch.testing.assert_close(scaled, expected / 0.3, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [16, 19])
def test_torchvision_weights_are_imported_with_their_preparation(tmp_path, depth):
    state, network = _torchvision_like(depth)
    path = tmp_path / "imported.safetensors"
    images = _images(4, 64)
    import_vgg(state, path, images=[images])
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    prepared = (images - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    expected = network[:9](prepared)  # up to relu2_2
    raw = load_vgg(path, normalize=False)(images, ["relu2_2"])["relu2_2"]
    torch.testing.assert_close(raw, expected.detach(), rtol=2e-2, atol=2e-3)
    deep = load_vgg(path)(images, ["relu4_1"])["relu4_1"]
    assert deep.shape == (4, 2, 8, 8)


def test_other_state_dictionaries_are_refused():
    state, _ = _torchvision_like(16)
    del state["features.0.weight"]
    with pytest.raises(ValueError, match="12 convolutions"):
        layers_from_torchvision(state)


def test_files_that_are_no_vgg_are_refused(tmp_path):
    path = tmp_path / "vgg.safetensors"
    with pytest.raises(UserError, match="does not exist"):
        load_vgg(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="damaged"):
        load_vgg(path)
    save_file({"other": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="holds no VGG"):
        load_vgg(path)
    tensors = load_file(write_tiny_vgg(path))
    tensors["conv2_1.weight"][0, 0, 0, 0] = torch.nan
    save_file(tensors, path)
    with pytest.raises(UserError, match="not finite"):
        load_vgg(path)
    tensors["conv2_1.weight"] = torch.zeros(4, 5, 3, 3)
    save_file(tensors, path)
    with pytest.raises(UserError, match="holds no VGG"):
        load_vgg(path)


def test_layers_that_are_not_there_and_tiny_pictures_are_refused():
    with pytest.raises(ValueError, match="relu3_2, relu3_3"):
        tiny_vgg()(_images(), ["relu4_1"])
    with pytest.raises(ValueError, match="larger"):
        tiny_vgg()(_images(1, 4), ["relu3_3"])


def test_half_precision_is_close():
    vgg, images = tiny_vgg(), _images()
    exact = vgg(images, ["relu3_3"])["relu3_3"]
    coarse = vgg.to_bfloat16()(images, ["relu3_3"])["relu3_3"]
    assert coarse.dtype == torch.bfloat16
    assert float((coarse.float() - exact).square().mean() / exact.square().mean()) < 1e-3


@pytest.mark.realdata
def test_the_offline_file_is_vgg16_up_to_relu3_3():
    vgg = load_vgg()
    assert vgg.names == layer_names(16)[:7]
    assert [vgg.channels(f"relu{n}") for n in vgg.names] == [64, 64, 128, 128, 256, 256, 256]


def test_layers_keep_their_order():
    layer = tiny_vgg().layers()[0]
    assert isinstance(layer, Layer)
    assert layer.name == "1_1"


def test_a_file_that_lacks_a_convolution_is_refused(tmp_path):
    write_tiny_vgg(tmp_path / "vgg.safetensors")
    whole = load_file(tmp_path / "vgg.safetensors")
    load_vgg(tmp_path / "vgg.safetensors")
    for name in ("1_2", "3_1", "3_2", "3_3"):
        part = {key: value for key, value in whole.items() if f"conv{name}" not in key}
        save_file(part, tmp_path / "part.safetensors")
        with pytest.raises(UserError, match="holds no VGG with mean activations"):
            load_vgg(tmp_path / "part.safetensors")
