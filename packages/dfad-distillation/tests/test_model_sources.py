import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from user_networks import Plain

from dfad_distillation.config import InputSpace
from dfad_distillation.model_files import load_saved, save_model
from dfad_distillation.model_sources import load_model, open_model
from dfad_distillation.networks import lenet5
from dfad_distillation.outputs import check_teacher
from tenfold_shared.errors import UserError

HERE = Path(__file__).parent
PICTURES = torch.randn(5, 1, 12, 12, generator=torch.Generator().manual_seed(0))


def test_names_and_libraries():
    assert (
        load_model("lenet5", arguments={"classes": 7}, shape=(1, 32, 32)).head[-1].out_features == 7
    )
    network = load_model("torchvision:resnet18", arguments={"classes": 5})
    assert network(torch.rand(1, 3, 32, 32)).shape == (1, 5)
    assert not network.training
    segmenter = load_model(
        "torchvision:lraspp_mobilenet_v3_large", arguments={"classes": 5}, outputs="out"
    )
    assert segmenter(torch.rand(1, 3, 32, 32)).shape == (1, 5, 32, 32)


@pytest.mark.slow
def test_timm_networks():
    pytest.importorskip("timm")
    network = load_model("timm:resnet10t", arguments={"classes": 3}, shape=(1, 32, 32))
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 3)
    with pytest.raises(UserError, match="timm has no network"):
        load_model("timm:resnet10x")


def test_constructors_by_import_path_and_by_file(monkeypatch):
    monkeypatch.chdir(HERE)
    before = list(sys.path)
    assert isinstance(load_model("user_networks:make", arguments={"classes": 3}), Plain)
    network = load_model(f"{HERE / 'user_networks.py'}:Plain", arguments={"classes": 9})
    assert network(PICTURES).shape == (5, 9)
    assert sys.path == before


def test_double_precision_becomes_single():
    network = load_model(f"{HERE / 'user_networks.py'}:precise")
    assert network(PICTURES).dtype == torch.float32


def test_weights_fit_or_are_refused(tmp_path):
    source, network = f"{HERE / 'user_networks.py'}:make", Plain().eval()
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    assert torch.equal(load_model(source, weights=path)(PICTURES), network(PICTURES))
    with pytest.raises(UserError, match="does not fit"):
        load_model(source, arguments={"classes": 5}, weights=path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("lenet", r"pass one of lenet5.*Did you mean lenet5\?"),
        ("torchvision:resnet19", "torchvision has no network.*resnet18"),
        ("no_such_package.at_all:make", "no module no_such_package"),
        ("user_networks:mak", "user_networks has no mak; it has"),
        (
            "user_networks:broken",
            "cannot be built with no arguments: RuntimeError: no weights here",
        ),
        ("user_networks:nothing", "returns a int"),
        ("user_networks:lazy", "lazy layers without weights"),
        ("user_networks:__name__", "no constructor but a str"),
        ("nothing.py:make", "does not exist"),
        ("nothing.pt2", "does not exist"),
        ("nothing.safetensors", "does not exist"),
    ],
)
def test_what_is_no_network_is_refused(source, message):
    with pytest.raises(UserError, match=message):
        load_model(source)


def test_arguments_that_do_not_fit_are_named():
    with pytest.raises(UserError, match="depth=3"):
        load_model("user_networks:make", arguments={"depth": 3})
    with pytest.raises(UserError, match="lenet5 cannot be built"):
        load_model("lenet5", arguments={"depth": 3})
    with pytest.raises(UserError, match="reads RGB"):
        load_model("torchvision:resnet18", shape=(1, 32, 32))


def test_modules_that_fail_on_import_are_refused(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("import torch\n1 / 0\n")
    with pytest.raises(UserError, match="fails when it is imported: ZeroDivisionError"):
        load_model(f"{path}:make")


def test_exported_programs_teach(tmp_path):
    network = Plain().eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(network, (PICTURES,), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "t.pt2")
    teacher = load_model(str(tmp_path / "t.pt2"))
    torch.testing.assert_close(teacher(PICTURES[:3]), network(PICTURES[:3]))
    assert check_teacher(teacher, PICTURES).classes == 4
    teacher.train().eval()
    fixed = torch.export.export(network, (PICTURES,))
    torch.export.save(fixed, tmp_path / "fixed.pt2")
    with pytest.raises(UserError, match="free batch"):
        check_teacher(load_model(str(tmp_path / "fixed.pt2")), PICTURES)


def test_scripted_programs_teach(tmp_path):
    network = Plain().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, PICTURES).save(str(tmp_path / "t.pt"))
    teacher = load_model(str(tmp_path / "t.pt"))
    torch.testing.assert_close(teacher(PICTURES), network(PICTURES))
    assert check_teacher(teacher, PICTURES).classes == 4
    with pytest.raises(UserError, match="weights inside"):
        load_model(str(tmp_path / "t.pt"), weights=tmp_path / "t.pt")


@pytest.mark.parametrize("name", ["t.pt2", "t.pt", "t.safetensors"])
def test_files_without_a_network_are_refused(tmp_path, name):
    for content in (b"", b"PK\x03\x04 nothing", b"\x80\x02}q\x00.", b"\x08" + 8 * b"\0" + b"{}"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            load_model(str(tmp_path / name))


def test_weights_in_the_place_of_a_network_are_explained(tmp_path):
    torch.save(Plain().state_dict(), tmp_path / "w.pth")  # noqa: TID251 - as users do
    with pytest.raises(UserError, match="name the constructor as the source"):
        load_model(str(tmp_path / "w.pth"))


def test_a_program_that_was_cut_off_is_called_damaged(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Plain().eval(), PICTURES).save(str(tmp_path / "t.pt"))
    whole = (tmp_path / "t.pt").read_bytes()
    (tmp_path / "t.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged or cut off"):
        load_model(str(tmp_path / "t.pt"))


def test_model_files_bring_what_they_know(tmp_path):
    path, network = tmp_path / "m.safetensors", lenet5(3).to(memory_format=torch.channels_last)
    space = InputSpace(mean=(0.1,), std=(0.3,))
    known = {"arguments": {}, "input": space, "classes": tuple("abc"), "about": {"seed": 1}}
    save_model(path, network, source="lenet5", **known)
    opened = open_model(str(path))
    assert (opened.source, opened.input, opened.classes) == ("lenet5", space, tuple("abc"))
    pictures = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(opened.module(pictures), network(pictures))


def test_model_files_choose_no_code(tmp_path):
    path, network = tmp_path / "m.safetensors", Plain()
    known = {"arguments": {}, "input": InputSpace(), "classes": tuple("abcd"), "about": {}}
    save_model(path, network, source="user_networks:make", **known)
    with pytest.raises(UserError, match="name that constructor as the source"):
        load_saved(path)
    filled = load_saved(path, module=Plain()).module
    assert torch.equal(filled.head.weight, network.head.weight)
    assert torch.equal(
        load_model("user_networks:make", weights=path).head.weight, network.head.weight
    )
