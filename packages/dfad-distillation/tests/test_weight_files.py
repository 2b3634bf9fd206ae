from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from user_networks import Plain

from dfad_distillation.weight_files import fit_weights, read_weights
from tenfold_shared import save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal


def _save(path, content):
    torch.save(content, path)  # noqa: TID251 - as users do
    return path


def _equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_weights_come_from_many_kinds_of_files(tmp_path):
    state = Plain().state_dict()
    save_file({**state}, tmp_path / "a.safetensors")
    save_checkpoint(
        tmp_path / "b.safetensors", models={"net": Plain()}, package="dfad-distillation"
    )
    assert _equal(read_weights(tmp_path / "a.safetensors"), state)
    assert read_weights(tmp_path / "b.safetensors").keys() == state.keys()
    for number, content in enumerate(
        (
            state,
            {"state_dict": state, "epoch": 3},
            {"model": {f"module.{key}": value for key, value in state.items()}},
            {f"_orig_mod.module.{key}": value for key, value in state.items()},
        )
    ):
        assert _equal(read_weights(_save(tmp_path / f"{number}.pt", content)), state)


def test_the_name_of_an_owner_is_taken_off_all_or_none():
    source, target = Plain(), Plain()
    owned = {f"model.{name}": value for name, value in source.state_dict().items()}
    fit_weights(target, owned, path=Path("file"))
    assert _equal(target.state_dict(), source.state_dict())
    owner = torch.nn.ModuleDict({"model": Plain()})
    fit_weights(owner, owned, path=Path("file"))
    assert _equal(owner["model"].state_dict(), source.state_dict())
    mixed = owned | {"other.weight": torch.zeros(1)}
    assert "does not fit" in refusal(lambda: fit_weights(Plain(), mixed, path=Path("file")))


def test_half_precision_becomes_single(tmp_path):
    path = _save(tmp_path / "half.pt", Plain().half().state_dict())
    weights = read_weights(path)
    assert {t.dtype for t in weights.values()} == {torch.float32, torch.int64}
    fit_weights(Plain(), weights, path=path)


def test_files_that_run_code_are_refused(tmp_path):
    with pytest.raises(UserError, match="needs unpickling of code"):
        read_weights(_save(tmp_path / "whole.pt", Plain()))


@pytest.mark.parametrize(
    ("content", "message"),
    [([1, 2], "no state dictionary"), ({"epoch": 3}, "holds no weights"), ({}, "holds no weights"),
     ({"w": torch.tensor([float("nan")])}, "NaN or infinity in w")],
)  # fmt: skip
def test_other_content_is_refused(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_weights(_save(tmp_path / "other.pt", content))
    with pytest.raises(UserError, match="cannot be read"):
        read_weights(tmp_path / "nothing.pt")


def test_misfits_name_the_first_few(tmp_path):
    network = Plain(7)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(UserError, match=r"head.weight is \(4, 6\), not \(7, 6\)"):
        fit_weights(network, Plain(4).state_dict(), path=tmp_path / "w.pt")
    weights = {f"x.y.{name}": tensor for name, tensor in before.items()}
    with pytest.raises(UserError, match=r"it lacks body.weight, body.bias, norm.weight and 5 more"):
        fit_weights(network, weights, path=tmp_path / "w.pt")
    assert _equal(network.state_dict(), before), "a refused network is unharmed"


def test_counters_of_batch_normalization_may_be_missing(tmp_path):
    weights = Plain().state_dict()
    del weights["norm.num_batches_tracked"]
    network = Plain()
    fit_weights(network, weights, path=tmp_path / "old.pt")
    assert torch.equal(network.head.weight, weights["head.weight"])


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_damaged_files_end_in_one_sentence(tmp_path, ending):
    path = tmp_path / f"weights.{ending}"
    if ending == "pt":
        _save(path, Plain().state_dict())
    else:
        save_file(Plain().state_dict(), path)
    refused = 0
    for content in damaged_files(path.read_bytes(), count=100):
        path.write_bytes(content)
        sentence = refusal(lambda: read_weights(path))
        refused += sentence is not None
        assert sentence is None or path.name in sentence
    assert refused > 20, "test invalid"
