"""Networks of a user's own code."""

import pytest
import torch
from safetensors.torch import save_file
from tiny_training import PygTeacher, same_state

from lsp_distillation.foreign_networks import build_foreign
from tenfold_shared.testing import refusal


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_factory_is_called_and_filled(tmp_path):
    known = PygTeacher(width=4)
    save_file(known.state_dict(), tmp_path / "w.safetensors")
    torch.save(known.state_dict(), tmp_path / "w.pt")  # noqa: TID251
    for name in ("w.safetensors", "w.pt"):
        network = build_foreign("tiny_pyg:network", {"width": 4}, weights=tmp_path / name)
        assert same_state(network, known)
    assert not same_state(build_foreign("tiny_pyg:network", {"width": 4}), known)


def test_the_present_folder_is_searched(tmp_path, monkeypatch):
    (tmp_path / "own_networks_of_a_user.py").write_text(
        "from torch import nn\ndef small(): return nn.Linear(2, 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert build_foreign("own_networks_of_a_user:small", {}).out_features == 3


@pytest.mark.parametrize(
    ("source", "arguments", "words"),
    [
        ("no_such_module:network", {}, "cannot be imported"),
        ("tiny_pyg:nothing", {}, "cannot be imported"),
        ("tiny_pyg:network", {"depth": 3}, "does not take"),
        ("tiny_pyg:number", {}, "returned int, not a torch module"),
        (":network", {}, "cannot be imported"),
    ],
)
def test_what_is_no_network_is_one_sentence(source, arguments, words):
    assert words in refusal(lambda: build_foreign(source, arguments))


def test_a_module_that_fails_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "broken_networks_of_a_user.py").write_text("def small(:\n")
    monkeypatch.chdir(tmp_path)
    sentence = refusal(lambda: build_foreign("broken_networks_of_a_user:small", {}))
    assert "broken_networks_of_a_user:small" in sentence


def test_weights_that_do_not_fit_are_one_sentence_and_run_nothing(tmp_path):
    def refused(path):
        return refusal(lambda: build_foreign("tiny_pyg:network", {}, weights=path))

    save_file(PygTeacher(width=4).state_dict(), tmp_path / "other.safetensors")
    assert "does not fit the network" in refused(tmp_path / "other.safetensors")
    assert "does not exist" in refused(tmp_path / "missing.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    assert "no tensors that can be read" in refused(tmp_path / "empty.pt")
    for name in ("text.pt", "text.safetensors"):
        (tmp_path / name).write_bytes(b"nothing")
        assert name in refused(tmp_path / name)
    planted = tmp_path / "planted"
    torch.save({"w": Planted(str(planted))}, tmp_path / "bomb.pt")  # noqa: TID251
    assert "bomb.pt" in refused(tmp_path / "bomb.pt")
    assert not planted.exists()
    torch.save([torch.zeros(1)], tmp_path / "list.pt")  # noqa: TID251
    assert "no state dictionary" in refused(tmp_path / "list.pt")
