"""Networks and encoders by name and by file; what does not fit together is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_data import save_vgg
from tiny_networks import TINY, tiny_network

from din_style import picture_pass, strips
from din_style.baking import bake
from din_style.demo import photographs
from din_style.drawn_styles import draw_styles
from din_style.gatys import STYLE_LAYERS
from din_style.inference import StyleTransfer
from din_style.losses import style_loss
from din_style.memory import bytes_per_pixel, check_memory, estimate_gib
from din_style.network_files import save_network
from din_style.shipped import SHIPPED, VGGEncoder, load_shipped, load_weights, shipped_path
from din_style.vgg import load_vgg
from tenfold_shared.errors import UserError


@pytest.fixture
def vgg(tmp_path: Path) -> Path:
    save_vgg(tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_small_and_fit_the_shipped_encoder(name: str):
    network, encoder = load_shipped(name)
    assert network.config.preset == name
    with torch.no_grad():
        numbers = encoder(torch.rand(1, 3, 64, 64))
    assert numbers.shape == (1, network.config.style_numbers)
    assert network.predict_code(numbers).vector().shape[1] < 2000


def test_all_shipped_files_together_stay_below_four_megabytes():
    sizes = []
    for name in (*SHIPPED, "encoder"):
        with shipped_path(name) as path:
            sizes.append(path.stat().st_size)
    assert sum(sizes) < 4e6


def test_files_and_folders_of_trainings(tmp_path: Path, vgg: Path):
    config = replace(TINY, style_numbers=32)
    save_network(tmp_path / "network.safetensors", tiny_network(config), about={})
    for source in (tmp_path, tmp_path / "network.safetensors"):
        network, encoder = load_shipped(source, encoder=vgg)
        assert network.config == config
        assert encoder(torch.rand(1, 3, 64, 64)).shape == (1, 32)
    with pytest.raises(UserError, match="the compact encoder"):
        load_shipped(tmp_path)
    with pytest.raises(UserError, match="this VGG gives 32"):
        VGGEncoder(load_vgg(vgg), tiny_network(replace(TINY, style_numbers=30)))
    with pytest.raises(UserError, match="none"):
        load_weights(tmp_path / "none")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path):
    network = tiny_network()
    next(network.parameters()).fill_(float("nan"))
    save_network(tmp_path / "network.safetensors", network, about={})
    with pytest.raises(UserError, match="is not finite"):
        load_weights(tmp_path / "network.safetensors")


def test_networks_that_read_maps_take_vgg(tmp_path: Path, vgg: Path):
    config = replace(TINY, style_input="map", style_numbers=4)
    save_network(tmp_path / "network.safetensors", tiny_network(config), about={})
    _, encoder = load_shipped(tmp_path, encoder=vgg)
    assert encoder(torch.rand(1, 3, 64, 64)).shape == (1, 4, 8, 8)


def test_memory_is_estimated_and_refused_with_a_size_that_fits():
    network = tiny_network(replace(TINY, width=64))
    # Measured with this width: 112 bytes a pixel, at 12 megapixels.
    assert 112 < bytes_per_pixel(network) < 250
    assert estimate_gib(network, 12_000_000) < 6
    check_memory(network, 3000, 4000)
    with pytest.raises(UserError, match="use --size") as refused:
        check_memory(network, 30_000, 40_000)
    size = int(str(refused.value).partition("--size ")[2].partition(",")[0])
    check_memory(network, size, size * 4 // 3)
    with pytest.raises(UserError):
        check_memory(network, size + 100, (size + 100) * 4 // 3)


@pytest.fixture(scope="module")
def photo_and_style() -> tuple[torch.Tensor, torch.Tensor]:
    return photographs(["astronaut"])["astronaut"], draw_styles()["swirls"]


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", SHIPPED)
def test_style_loss_falls_with_strength(name: str, photo_and_style: tuple[torch.Tensor, ...]):
    photo, style = photo_and_style
    transfer, vgg = StyleTransfer.load(name, device="cpu"), load_vgg()
    images = [transfer.stylize(photo, style, strength=s) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    with torch.no_grad():
        known = vgg(style[None], STYLE_LAYERS)
        losses = [
            float(style_loss(vgg(image[None], STYLE_LAYERS), known, STYLE_LAYERS))
            for image in images
        ]
    assert losses == sorted(losses, reverse=True)
    share = {"fast": 0.5, "mobile": 0.6}[name]  # a drawn style, harder than paintings
    assert losses[-1] < share * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_onnx_of_shipped_weights(
    name: str, photo_and_style: tuple[torch.Tensor, ...], tmp_path: Path
):
    runtime = pytest.importorskip("onnxruntime")
    photo, style = photo_and_style
    transfer = StyleTransfer.load(name, device="cpu")
    code = transfer.encode(style)
    bake(transfer.network, code, tmp_path / "style.onnx")
    session = runtime.InferenceSession(tmp_path / "style.onnx", providers=["CPUExecutionProvider"])
    for content in (photo, photo[:, :128, :200]):
        (found,) = session.run(None, {"images": content[None].numpy()})
        expected = transfer.stylize(content, code)
        torch.testing.assert_close(torch.from_numpy(found[0]), expected, atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_strips_of_shipped_weights_equal_the_whole(
    name: str, photo_and_style: tuple[torch.Tensor, ...], monkeypatch: pytest.MonkeyPatch
):
    photo, style = photo_and_style
    transfer = StyleTransfer.load(name, device="cpu")
    code = transfer.encode(style)
    content = photo.repeat(1, 3, 1)[..., :250]
    whole = transfer.stylize(content, code)
    monkeypatch.setattr(picture_pass, "STRIPS_FROM", 1)
    monkeypatch.setattr(strips, "STRIP_PIXELS", 250 * 64)
    torch.testing.assert_close(transfer.stylize(content, code), whole, atol=1e-4, rtol=0)
