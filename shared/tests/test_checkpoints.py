import json
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tenfold_shared import UserError, load_checkpoint, read_metadata, save_checkpoint
from tenfold_shared.seeds import seed_global_state
from tenfold_shared.testing import damaged_files, refusal

PACKAGE = "tenfold-shared"


def network(seed=0):
    seed_global_state(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def update(model, optimizer, generator):
    loss = model(torch.randn(8, 3, generator=generator)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@pytest.fixture
def saved(tmp_path):
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    generator = torch.Generator().manual_seed(1)
    update(model, optimizer, generator)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(
        path,
        models={"net": model},
        optimizers={"adam": optimizer},
        generators={"noise": generator},
        metadata={"step": 1, "text": "0" * 64},
        package=PACKAGE,
    )
    return path


@pytest.mark.parametrize(
    "make",
    [
        torch.optim.Adam,
        torch.optim.AdamW,
        torch.optim.Adagrad,
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01), amsgrad=True),
        lambda p: torch.optim.RMSprop(p, centered=True, momentum=0.5),
        lambda p: torch.optim.SGD([{"params": [q], "lr": 0.1 / (i + 1)} for i, q in enumerate(p)]),
    ],
)
def test_restored_training_continues_with_the_same_bits(tmp_path, make):
    model, generator = network(), torch.Generator().manual_seed(1)
    optimizer = make(model.parameters())
    for _ in range(3):
        update(model, optimizer, generator)
    tracked = {"noise": generator, "torch": torch.default_generator}
    save_checkpoint(
        tmp_path / "c.safetensors",
        models={"net": model},
        optimizers={"o": optimizer},
        generators=tracked,
        package=PACKAGE,
    )
    expected = [update(model, optimizer, generator) for _ in range(3)]

    other, fresh = network(5), torch.Generator().manual_seed(9)
    other_optimizer = make(other.parameters())
    assert not torch.equal(other[0].weight, model[0].weight), "test invalid"
    checkpoint = load_checkpoint(tmp_path / "c.safetensors", package=PACKAGE)
    checkpoint.restore(
        models={"net": other},
        optimizers={"o": other_optimizer},
        generators={"noise": fresh, "torch": torch.default_generator},
    )
    assert [update(other, other_optimizer, fresh) for _ in range(3)] == expected
    for mine, theirs in zip(other.state_dict().values(), model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert type(other_optimizer.param_groups[0].get("betas", ())) is tuple


def test_shared_strided_and_unusual_tensors_survive(tmp_path):
    model = nn.Module()
    model.first = nn.Linear(4, 4)
    model.second = nn.Linear(4, 4)
    model.second.weight = model.first.weight
    model.register_buffer("transposed", torch.arange(6.0).reshape(2, 3).T)
    model.register_buffer("halves", torch.tensor([1.5], dtype=torch.bfloat16))
    model.register_buffer("empty", torch.zeros(0, 3))
    model.register_buffer("flag", torch.tensor(True))
    save_checkpoint(tmp_path / "c", models={"net": model}, package=PACKAGE)
    stored = load_checkpoint(tmp_path / "c", package=PACKAGE).models["net"]
    for key, tensor in model.state_dict().items():
        assert torch.equal(stored[key], tensor)
        assert stored[key].dtype == tensor.dtype


def test_wrapped_and_plain_networks_have_the_same_checkpoint(tmp_path):
    model = network()
    compiled = torch.compile(model)
    save_checkpoint(tmp_path / "a", models={"net": model}, package=PACKAGE)
    save_checkpoint(tmp_path / "b", models={"net": compiled}, package=PACKAGE)
    assert "_orig_mod.0.weight" in compiled.state_dict(), "test invalid"
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_metadata_are_read_without_the_tensors(saved):
    found = read_metadata(saved)
    assert found["metadata"]["step"] == 1
    assert found["package"] == PACKAGE
    assert found["optimizers"] == ["adam"]
    assert found["parameters"] == {"net": sum(t.numel() for t in network().state_dict().values())}


def test_every_cut_is_refused(saved):
    data = saved.read_bytes()
    for sixteenth in range(16):
        saved.write_bytes(data[: len(data) * sixteenth // 16])
        with pytest.raises(UserError, match=r"checkpoint\.safetensors"):
            load_checkpoint(saved, package=PACKAGE)
        with pytest.raises(UserError, match=r"checkpoint\.safetensors"):
            read_metadata(saved)
    saved.write_bytes(data + b"\0")
    with pytest.raises(UserError, match="damaged"):
        load_checkpoint(saved, package=PACKAGE)


def test_a_flip_of_any_byte_is_refused(saved):
    data = saved.read_bytes()
    load_checkpoint(saved, package=PACKAGE)
    header = 8 + int.from_bytes(data[:8], "little")
    places = [*range(0, header, 7), *range(header, len(data), 5), len(data) - 1]
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        saved.write_bytes(damaged)
        with pytest.raises(UserError, match=r"checkpoint\.safetensors"):
            load_checkpoint(saved, package=PACKAGE)


def test_two_thousand_damaged_files_give_sentences(saved):
    data = saved.read_bytes()
    for damaged in damaged_files(data, count=2000):
        saved.write_bytes(damaged)
        sentence = refusal(lambda: load_checkpoint(saved, package=PACKAGE))
        assert damaged == data if sentence is None else str(saved) in sentence
        refusal(lambda: read_metadata(saved))


def test_forged_files_with_a_right_checksum_give_sentences(saved):
    """An attacker can compute a checksum; nonsense behind it must not crash."""
    from tenfold_shared import checkpoints

    good = {
        "package": PACKAGE,
        "package_version": "0",
        "format_version": 1,
        "metadata": {},
        "models": [],
        "optimizers": {},
    }
    forged = [
        {},
        {**good, "models": 3},
        {**good, "models": [["a"]]},
        {**good, "optimizers": []},
        {**good, "optimizers": {"a": 1}},
        {**good, "optimizers": {"a": {"state": {"x": {}}}}},
        {**good, "format_version": "one"},
        {**good, "format_version": None},
    ]
    for header in forged:
        saved.write_bytes(checkpoints._serialize({"model.a.b": torch.zeros(2)}, header))
        with pytest.raises(UserError):
            load_checkpoint(saved, package=PACKAGE)
    for name in ("x", "model", "model.a", "optim.a.b", "optim.a.0.b", "rng"):
        saved.write_bytes(checkpoints._serialize({name: torch.zeros(2)}, good))
        with pytest.raises(UserError):
            load_checkpoint(saved, package=PACKAGE)


@pytest.mark.parametrize(
    "read", [read_metadata, lambda path: load_checkpoint(path, package=PACKAGE)]
)
def test_only_checkpoints_are_called_damaged(saved, read):
    data = saved.read_bytes()
    saved.write_bytes(data[: len(data) // 2])
    assert "is damaged" in refusal(lambda: load_checkpoint(saved, package=PACKAGE))
    saved.write_bytes(data[:100])
    assert "is damaged (it is cut short)" in refusal(lambda: read(saved))
    for other in (b"frame,id,x,y\n0,1,2,3\n", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(8), b"{}"):
        saved.write_bytes(other)
        assert "is no safetensors file; pass a checkpoint" in refusal(lambda: read(saved))
    saved.write_bytes(b"")
    assert "is empty; pass a checkpoint" in refusal(lambda: read(saved))


def test_foreign_files_are_named(saved, tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, foreign)
    with pytest.raises(UserError, match="is a safetensors file of another program"):
        load_checkpoint(foreign, package=PACKAGE)
    with pytest.raises(UserError, match="written by tenfold-shared; din-style reads only"):
        load_checkpoint(saved, package="din-style")
    with pytest.raises(UserError, match="does not exist"):
        load_checkpoint(tmp_path / "none", package=PACKAGE)
    with pytest.raises(UserError, match="cannot be read"):
        load_checkpoint(tmp_path, package=PACKAGE)


def test_newer_and_older_formats_are_named(tmp_path):
    path = tmp_path / "c"
    save_checkpoint(path, models={}, package=PACKAGE, format_version=3)
    with pytest.raises(UserError, match=r"in format 3, this version reads format 1, 2; upgrade"):
        load_checkpoint(path, package=PACKAGE, formats=(1, 2))
    with pytest.raises(UserError, match="train again"):
        load_checkpoint(path, package=PACKAGE, formats=(4,))


class Bomb:
    def __reduce__(self):
        return (open, ("/nonexistent/bomb", "w"))


@pytest.mark.parametrize("second", [2, 3, 4, 5])
def test_a_header_whose_size_looks_like_a_pickle_is_read(tmp_path, second):
    path, model = tmp_path / "a.safetensors", nn.Linear(2, 2)
    for length in range(0, 2000, 8):
        save_checkpoint(path, models={"n": model}, metadata={"t": "x" * length}, package=PACKAGE)
        if path.read_bytes()[:2] == bytes([0x80, second]):
            break
    else:
        pytest.fail("no header has that size")
    assert torch.equal(load_checkpoint(path, package=PACKAGE).models["n"]["weight"], model.weight)


def test_pickles_are_refused_unopened(tmp_path):
    path = tmp_path / "evil.pt"
    for protocol in (2, 3, 4, 5):
        path.write_bytes(pickle.dumps({"w": Bomb()}, protocol=protocol))
        with pytest.raises(UserError, match="is a pickle"):
            load_checkpoint(path, package=PACKAGE)
    torch.save({"w": torch.zeros(2)}, path)  # noqa: TID251
    assert zipfile.is_zipfile(path), "test invalid"
    with pytest.raises(UserError, match="is a pickle"):
        load_checkpoint(path, package=PACKAGE)
    torch.save({"w": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)  # noqa: TID251
    with pytest.raises(UserError, match="is a pickle"):
        load_checkpoint(path, package=PACKAGE)


def test_another_network_is_refused_and_nothing_changes(saved):
    checkpoint = load_checkpoint(saved, package=PACKAGE)
    twin, wider = network(3), nn.Sequential(nn.Linear(3, 4))
    before = {key: tensor.clone() for key, tensor in twin.state_dict().items()}
    with pytest.raises(UserError, match="holds no network called 'other'"):
        checkpoint.restore(models={"net": twin, "other": wider})
    with pytest.raises(UserError, match="does not fit network 'net': only the file has"):
        checkpoint.restore(models={"net": wider})
    wider = network()
    wider[0] = nn.Linear(4, 4)
    with pytest.raises(UserError, match=r"0.weight is \(4, 3\), not \(4, 4\)"):
        checkpoint.restore(models={"net": wider})
    with pytest.raises(UserError, match="holds no random generator"):
        checkpoint.restore(models={"net": twin}, generators={"x": torch.Generator()})
    optimizer = torch.optim.Adam(list(twin.parameters())[:2])
    with pytest.raises(UserError, match="does not fit optimizer 'adam'"):
        checkpoint.restore(models={}, optimizers={"adam": optimizer})
    assert all(torch.equal(tensor, before[key]) for key, tensor in twin.state_dict().items())


def test_what_is_no_json_is_refused_at_once(tmp_path):
    for value in (tmp_path, float("nan"), {1, 2}):
        with pytest.raises(ValueError, match="must be finite JSON values"):
            save_checkpoint(tmp_path / "c", models={}, package=PACKAGE, metadata={"a": value})
    with pytest.raises(ValueError, match="must not contain a dot"):
        save_checkpoint(tmp_path / "c", models={"a.b": network()}, package=PACKAGE)
    assert not list(tmp_path.iterdir())


def test_saving_does_not_disturb_the_training(saved):
    first = read_metadata(saved)
    assert json.loads(json.dumps(first)) == first
    state = torch.get_rng_state()
    save_checkpoint(
        saved, models={}, generators={"torch": torch.default_generator}, package=PACKAGE
    )
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_fused_optimizers_go_on_in_channels_last(tmp_path, name):
    def player():
        seed_global_state(0)
        model = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        more = {"momentum": 0.9} if name == "SGD" else {}
        return model, getattr(torch.optim, name)(model.parameters(), lr=0.1, fused=True, **more)

    def step(model, optimizer, number):
        optimizer.zero_grad()
        pictures = torch.arange(600.0).reshape(2, 3, 10, 10).add(number).sin()
        model(pictures).pow(3).mean().backward()
        optimizer.step()

    whole, optimizer = player()
    step(whole, optimizer, 1)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, models={"m": whole}, optimizers={"o": optimizer}, package=PACKAGE)
    step(whole, optimizer, 2)
    resumed, other = player()
    checkpoint = load_checkpoint(path, package=PACKAGE)
    checkpoint.restore(models={"m": resumed}, optimizers={"o": other})
    step(resumed, other, 2)
    assert torch.equal(whole.weight, resumed.weight)
