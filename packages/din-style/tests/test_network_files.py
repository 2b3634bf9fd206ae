from functools import partial

import pytest
import torch
from tiny_networks import TINY, tiny_network

from din_style.network_files import load_network, save_network
from tenfold_shared import save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal


def test_a_network_survives_its_file(tmp_path):
    path, network = tmp_path / "network.safetensors", tiny_network()
    save_network(path, network, about={"seed": 3})
    read = load_network(path)
    assert read.fingerprint() == network.fingerprint()
    assert read.config == TINY
    assert not read.training


def test_half_precision_halves_the_file_and_keeps_the_picture(tmp_path):
    network = tiny_network()
    for half in (False, True):
        save_network(tmp_path / f"{half}.safetensors", network, about={}, half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True)]
    assert sizes[1] < 0.75 * sizes[0]
    read = load_network(tmp_path / "True.safetensors")
    content, style = torch.rand(1, 3, 32, 32), torch.rand(1, 6)
    torch.testing.assert_close(
        read(content, read.predict_code(style)),
        network(content, network.predict_code(style)),
        rtol=0,
        atol=1e-2,
    )
    assert next(network.parameters()).dtype == torch.float32


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = tiny_network()
    network.blocks[0].first.pointwise.weight[0, 0] = torch.nan
    save_network(tmp_path / "network.safetensors", network, about={})
    with pytest.raises(UserError, match="not finite"):
        load_network(tmp_path / "network.safetensors")


def test_files_of_other_things_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_checkpoint(path, models={"other": torch.nn.Linear(1, 1)}, package="din-style")
    with pytest.raises(UserError, match="holds no finished network"):
        load_network(path)
    about = {"network": {"preset": "fast", "depth": 3}}
    save_checkpoint(
        path, models={"network": torch.nn.Linear(1, 1)}, metadata=about, package="din-style"
    )
    with pytest.raises(UserError, match="describes no transfer network"):
        load_network(path)
    about = {"network": {"preset": "fast", "width": 8}}
    save_checkpoint(
        path, models={"network": torch.nn.Linear(1, 1)}, metadata=about, package="din-style"
    )
    with pytest.raises(UserError, match="does not fit"):
        load_network(path)


def test_damaged_networks_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "network.safetensors"
    save_network(path, tiny_network(), about={})
    for content in damaged_files(path.read_bytes(), count=40):
        if content == path.read_bytes():
            continue
        broken = tmp_path / "broken.safetensors"
        broken.write_bytes(content)
        sentence = refusal(partial(load_network, broken))
        assert sentence is not None
        assert str(broken) in sentence
