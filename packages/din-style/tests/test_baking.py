"""Baked files compute what the network does, at sizes and batches that they were not traced with."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_networks import TINY, tiny_network

from din_style.baking import BakedNetwork, bake
from din_style.config import NetworkConfig
from tenfold_shared.seeds import torch_stream

MOBILE = NetworkConfig(preset="mobile", width=8, stem=4, blocks=1, style_numbers=6)
SIZES = ((1, 32, 48), (3, 100, 64))


@pytest.mark.parametrize(
    ("config", "suffix"),
    [
        pytest.param(TINY, ".onnx", id="fast onnx"),
        pytest.param(TINY, ".pt2", id="fast pt2", marks=pytest.mark.slow),
        pytest.param(MOBILE, ".onnx", id="mobile onnx", marks=pytest.mark.slow),
        pytest.param(MOBILE, ".pt2", id="mobile pt2", marks=pytest.mark.slow),
    ],
)
@torch.no_grad()
def test_files_equal_the_network(config: NetworkConfig, suffix: str, tmp_path: Path):
    network = tiny_network(config)
    first, second = (
        network.predict_code(torch.randn(1, 6, generator=torch_stream(n))) for n in (0, 1)
    )
    path = tmp_path / f"style{suffix}"
    bake(tiny_network(config), first, path)
    if suffix == ".onnx":
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in SIZES:
        images = torch.rand(size[0], 3, *size[1:], generator=torch_stream(2))
        expected = network(images, first)
        assert (expected - network(images, second)).abs().max() > 1e-2, "test invalid"
        if suffix == ".onnx":
            found = torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
        else:
            found = torch.export.load(path).module()(images)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_other_operators_codes_and_names_are_refused(tmp_path: Path):
    network = tiny_network()
    code = network.predict_code(torch.randn(1, 6))
    for operator in ("depthwise", "deformable", "spherical", "full"):
        size = 3 if operator != "full" else 1
        other = tiny_network(replace(TINY, conv_op=operator, kernel_size=size))
        with pytest.raises(ValueError, match="conv_op=pointwise"):
            bake(other, other.predict_code(torch.randn(1, 6)), tmp_path / "a.pt2")
    with pytest.raises(ValueError, match="ends in"):
        bake(network, code, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="another network"):
        BakedNetwork(network, replace(code, fingerprint="0" * 16))
    with pytest.raises(ValueError, match="one style"):
        BakedNetwork(network, network.predict_code(torch.randn(2, 6)))
    assert list(tmp_path.iterdir()) == []
