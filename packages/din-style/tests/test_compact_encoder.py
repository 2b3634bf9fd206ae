import pytest
import torch
from tiny_training import write_pictures
from torch.nn import functional

from din_style.compact_encoder import (
    CHANNELS,
    CompactEncoder,
    load_encoder,
    save_encoder,
)
from din_style.config import OFFLINE_STYLE_LAYERS
from din_style.encoder_training import (
    ENCODER_FILE,
    EncoderConfig,
    distillation_step,
    train_encoder,
)
from din_style.losses import stack_moments
from din_style.vgg import VGG, Layer, layer_names
from tenfold_shared import save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import torch_stream


def _teacher():
    """VGG-16 up to relu3_3 with random weights of the right variance."""
    stream, layers, before = torch_stream(0, "teacher"), [], 3
    for name, channels in zip(layer_names(16), (64, 64, 128, 128, 256, 256, 256), strict=False):
        weight = torch.randn(channels, before, 3, 3, generator=stream) * (2 / (9 * before)) ** 0.5
        layers.append(Layer(name, weight, torch.zeros(channels)))
        before = channels
    return VGG(layers, description="random")


def _encoder():
    with torch.random.fork_rng():
        return CompactEncoder()


def _images(size=32):
    return torch.rand(2, 3, size, size, generator=torch_stream(0, "images"))


def test_moments_of_the_first_layer_are_exact():
    encoder, teacher = _encoder(), _teacher()
    exact = stack_moments(teacher(_images(), ["relu1_1"]), ["relu1_1"])
    assert not torch.allclose(encoder(_images())[:, :128], exact), "test invalid"
    encoder.features.factorize(teacher, _images())
    torch.nn.init.ones_(encoder.expand.bias)
    torch.testing.assert_close(encoder(_images())[:, :128], exact, rtol=1e-4, atol=1e-5)


def test_a_convolution_of_few_directions_is_factorized_exactly():
    teacher = _teacher()
    stream = torch_stream(0, "directions")
    basis = torch.randn(64, 10, generator=stream) / 4
    second = torch.einsum("or,rihw->oihw", basis, torch.randn(10, 64, 3, 3, generator=stream) / 24)
    layers = teacher.layers()
    layers[1] = Layer("1_2", second, 0.1 * torch.randn(64, generator=stream))
    teacher = VGG(layers, description="low rank")
    encoder = _encoder()
    encoder.features.factorize(teacher, _images())
    features = encoder.features
    first = teacher(_images(), ["relu1_1"])["relu1_1"]
    found = functional.relu(features.expand["1_2"](features.reduce["1_2"](first)))
    wanted = teacher(_images(), ["relu1_2"])["relu1_2"]
    inner = (..., slice(1, -1), slice(1, -1))  # borders are padded with zeros here
    torch.testing.assert_close(found[inner], wanted[inner], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(found, wanted, rtol=1e-3, atol=1e-3), "test invalid"


@pytest.mark.parametrize("size", [32, 30, 35])
def test_maps_have_the_sizes_of_vgg(size):
    found = _encoder().features(_images(size))
    wanted = _teacher()(_images(size), OFFLINE_STYLE_LAYERS)
    assert {n: m.shape for n, m in found.items()} == {n: m.shape for n, m in wanted.items()}
    assert _encoder()(_images(size)).shape == (2, 2 * sum(CHANNELS))


def test_a_step_changes_the_encoder_and_not_its_first_convolution():
    encoder, teacher = _encoder(), _teacher()
    encoder.features.factorize(teacher, _images())
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    optimizer = torch.optim.Adam([p for p in encoder.parameters() if p.requires_grad])
    distillation_step(encoder, optimizer, _images(), teacher=teacher)
    same = {n for n, tensor in encoder.state_dict().items() if torch.equal(tensor, before[n])}
    fixed = {"mean", "std", "features.first.weight", "features.first.bias"}
    # The correction is fitted in the end.
    assert same == fixed | {"reduce.weight", "expand.weight", "expand.bias"}


def test_the_correction_finds_what_is_missing():
    stream = torch_stream(0, "moments")
    hidden = torch.randn(300, 12, generator=stream)
    true = hidden @ torch.randn(12, 2 * sum(CHANNELS), generator=stream)
    found = 0.7 * true + 0.5
    found[:, :128] = true[:, :128]
    encoder = _encoder().requires_grad_(False)
    assert torch.equal(encoder.correct(found), found), "at first there is no correction"
    encoder.fit_correction(found[:200], true[:200])
    corrected = encoder.correct(found)
    assert torch.equal(corrected[:, :128], found[:, :128])
    before = (found - true)[200:].square().mean()
    assert float((corrected - true)[200:].square().mean()) < 0.05 * float(before)


def test_a_batch_is_learned():
    encoder, teacher = _encoder(), _teacher()
    encoder.features.factorize(teacher, _images())
    optimizer = torch.optim.Adam([p for p in encoder.parameters() if p.requires_grad], lr=1e-3)
    first = distillation_step(encoder, optimizer, _images(), teacher=teacher)
    for _ in range(40):
        last = distillation_step(encoder, optimizer, _images(), teacher=teacher)
    assert float(last.moments) < 0.3 * float(first.moments)


def test_an_encoder_survives_its_file_in_half_precision(tmp_path):
    encoder = _encoder()
    save_encoder(tmp_path / "encoder.safetensors", encoder, half=True)
    read = load_encoder(tmp_path / "encoder.safetensors")
    torch.testing.assert_close(read(_images()), encoder(_images()), rtol=1e-2, atol=1e-2)
    assert (tmp_path / "encoder.safetensors").stat().st_size < 1_100_000
    assert encoder.reduce.weight.dtype == torch.float32


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, models={"other": torch.nn.Linear(1, 1)}, package="din-style")
    with pytest.raises(UserError, match="holds no style encoder"):
        load_encoder(path)


def test_distillation_resumes_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr("din_style.encoder_training.load_vgg", lambda data: _teacher())
    pictures = {
        "contents": write_pictures(tmp_path / "contents", count=3, seed=0),
        "styles": write_pictures(tmp_path / "styles", count=3, seed=50),
    }
    config = EncoderConfig(
        steps=3, batch=2, size=32, crop=32, validation_share=0, checkpoint_every=1
    )
    whole = train_encoder(config, tmp_path / "whole", **pictures, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr("din_style.encoder_training.save_encoder", _interrupt)
        patch.setattr("din_style.encoder_training.distillation_step", _interrupted_after(2))
        with pytest.raises(KeyboardInterrupt):
            train_encoder(config, tmp_path / "parts", **pictures, device="cpu")
    train_encoder(config, tmp_path / "parts", **pictures, device="cpu")
    read = load_encoder(tmp_path / "parts" / ENCODER_FILE)
    for name, tensor in read.state_dict().items():
        assert torch.equal(tensor, whole.state_dict()[name]), name


def _interrupt(*_):
    raise KeyboardInterrupt


def _interrupted_after(steps):
    done = 0

    def step(*arguments, **settings):
        nonlocal done
        done += 1
        if done > steps:
            raise KeyboardInterrupt
        return distillation_step(*arguments, **settings)

    return step


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"crop": 30}, "multiple of 4"),
        ({"steps": 0}, "at least 1"),
        ({"content_share": 2}, "share"),
    ],
)
def test_settings_that_train_nothing_are_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        EncoderConfig(**changes)
