import warnings

import pytest
import torch
from user_networks import Plain

from dfad_distillation.config import InputSpace
from dfad_distillation.export import export_model
from dfad_distillation.model_files import SavedModel, load_saved
from dfad_distillation.model_sources import load_model
from dfad_distillation.networks import lenet5_half
from dfad_distillation.outputs import check_teacher
from dfad_distillation.unet import unet
from tenfold_shared.errors import UserError

SPACE = InputSpace(shape=(1, 32, 32), mean=(0.3,), std=(0.4,))


def _lenet():
    network = lenet5_half(3).eval().to(memory_format=torch.channels_last)
    return SavedModel(network, "lenet5_half", {}, SPACE, tuple("abc"), {"seed": 2})


def _segmenter():
    space = InputSpace(shape=(3, 24, 30), mean=(0.5,), std=(0.5,))
    return SavedModel(unet(4, width=2).eval(), "unet", {"width": 2}, space, tuple("abcd"), {})


def _run(path, pictures):
    if path.suffix == ".pt2":
        return torch.export.load(path).module()(pictures)
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"pictures": pictures.numpy()})[0])


@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
@pytest.mark.parametrize("make", [_lenet, pytest.param(_segmenter, marks=pytest.mark.slow)])
@torch.no_grad()
def test_programs_equal_the_network(tmp_path, make, suffix):
    if suffix == ".onnx":
        pytest.importorskip("onnxscript")
    model = make()
    path = tmp_path / f"student{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export_model(path, model, from_unit_range=True, temperature=2.0)
    for count in (1, 5):
        pictures = torch.rand(count, *model.input.shape)
        mean, std = model.input.mean[0], model.input.std[0]
        expected = model.module((pictures - mean) / std) / 2
        assert not torch.allclose(expected, model.module(pictures) / 2, atol=1e-3), "test invalid"
        torch.testing.assert_close(_run(path, pictures), expected, atol=1e-4, rtol=1e-4)


def test_an_exported_student_can_teach(tmp_path):
    export_model(tmp_path / "s.pt2", _lenet())
    teacher = load_model(str(tmp_path / "s.pt2"))
    assert check_teacher(teacher, torch.randn(4, 1, 32, 32)) == ("classification", 3)


def test_our_own_files_keep_what_is_known(tmp_path):
    model = _lenet()
    export_model(tmp_path / "s.safetensors", model, temperature=1.5, about={"agreement": 0.9})
    saved = load_saved(tmp_path / "s.safetensors")
    assert saved[1:5] == model[1:5]
    assert saved.about == {"seed": 2, "agreement": 0.9, "temperature": 1.5}


def test_what_cannot_be_exported_is_refused(tmp_path):
    class Branching(Plain):
        def forward(self, pictures):
            return super().forward(pictures) * (1 if float(pictures.sum()) > 0 else 2)

    model = SavedModel(Branching().eval(), "mine:net", {}, SPACE, tuple("abcd"), {})
    with pytest.raises(UserError, match="cannot be exported"):
        export_model(tmp_path / "s.pt2", model)
    with pytest.raises(ValueError, match="must end in"):
        export_model(tmp_path / "s.pt", model)
    with pytest.raises(ValueError, match="temperature"):
        export_model(tmp_path / "s.pt2", model, temperature=0)
    with pytest.raises(ValueError, match="network alone"):
        export_model(tmp_path / "s.safetensors", model, from_unit_range=True)
    assert list(tmp_path.iterdir()) == []
