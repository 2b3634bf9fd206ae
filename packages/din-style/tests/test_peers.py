"""The peers' networks: shapes, special cases, and refusal of other weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from din_style.adain import AdaINNetwork
from din_style.foreign_weights import read_tensors
from din_style.microast import MicroAST, adaptive_instance_norm, load_microast
from din_style.mobilenet import load_mobilenet
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import torch_stream


def test_adaptive_instance_norm_gives_the_statistics_of_the_style():
    stream = torch_stream(0)
    content = torch.randn(2, 4, 9, 9, generator=stream)
    style = 3 + 2 * torch.randn(2, 4, 7, 8, generator=stream)
    moved = adaptive_instance_norm(content, style)
    torch.testing.assert_close(moved.mean((2, 3)), style.mean((2, 3)))
    torch.testing.assert_close(moved.std((2, 3)), style.std((2, 3)), rtol=1e-4, atol=1e-4)


def test_microast_has_the_parameters_of_its_authors_and_keeps_sizes():
    network = MicroAST().eval()
    assert 0.46e6 < sum(p.numel() for p in network.parameters()) < 0.48e6
    with torch.no_grad():
        code = network.encode(torch.rand(1, 3, 48, 64))
        assert network(torch.rand(1, 3, 64, 36), code).shape == (1, 3, 64, 36)


def test_weights_of_microast_round_trip(tmp_path: Path):
    network = MicroAST()
    tensors = {}
    for name, tensor in network.state_dict().items():
        head, _, tail = name.rpartition(".")
        tensors[f"{head}.conv_layer.{tail}"] = tensor.contiguous()
    save_file(tensors, tmp_path / "w.safetensors")
    loaded = load_microast(tmp_path / "w.safetensors")
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("load", [load_microast, load_mobilenet])
def test_other_weights_are_refused(load, tmp_path: Path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="holds no weights"):
        load(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match="damaged"):
        load(path)
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path / "none.safetensors")
    save_file({"a": torch.tensor([float("nan")])}, path)
    with pytest.raises(UserError, match="NaN"):
        read_tensors(path)


def test_adain_costs_what_is_published():
    from torch.utils.flop_counter import FlopCounterMode

    network = AdaINNetwork().eval()
    with torch.device("meta"):
        network = network.to("meta")
        style = (torch.zeros(1, 512, 1, 1), torch.ones(1, 512, 1, 1))
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            out = network(torch.zeros(1, 3, 256, 256), style)
    assert out.shape == (1, 3, 256, 256)
    assert abs(counter.get_total_flops() / 2 / 31.63e9 - 1) < 0.01


@pytest.mark.realdata
def test_published_weights_load():
    load_microast()
    load_mobilenet()
