"""One call from a teacher to a student's file."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_game import CONFIG, tiny_pair
from torch import nn

from dfad_distillation.compressing import compress
from dfad_distillation.config import DistillationConfig, InputSpace
from dfad_distillation.model_files import PACKAGE, save_model
from dfad_distillation.networks import SmallCNN
from dfad_distillation.pairing import Student, Teacher, agree_on_pair, open_saved
from dfad_distillation.weight_files import fit_weights, read_weights
from tenfold_shared.checkpoints import save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.runs import CHECKPOINT_NAME


def test_networks_in_memory_are_compressed_and_can_be_read_again(tmp_path: Path):
    teacher, student = tiny_pair()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    result = compress(teacher, tmp_path, student=student, config=CONFIG, device="cpu")
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert [one.round for one in result.table] == [2, 4, 6]
    _, again = tiny_pair()
    path = tmp_path / "student.safetensors"
    fit_weights(again, read_weights(path), path=path)
    pictures = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(again.eval()(pictures), result.student(pictures))


def test_a_smaller_student_is_chosen_and_its_file_rebuilds_it(tmp_path: Path):
    teacher, _ = tiny_pair()
    result = compress(teacher, tmp_path, config=replace(CONFIG, rounds=1), device="cpu")
    saved = open_saved(tmp_path / "student.safetensors")
    assert saved.source == "small_cnn"
    assert saved.input == CONFIG.input
    assert saved.about["teacher"].endswith(":Sequential")
    pictures = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(saved.module(pictures), result.student(pictures))


def test_a_teacher_in_memory_needs_its_input(tmp_path: Path):
    teacher, _ = tiny_pair()
    with pytest.raises(ValueError, match="input must say"):
        compress(teacher, tmp_path)
    assert not list(tmp_path.iterdir())


def test_outputs_of_both_can_be_named(tmp_path: Path):
    class Named(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, pictures):
            return {"out": self.body(pictures)}

    teacher, student = map(Named, tiny_pair())
    config = replace(CONFIG, rounds=1)
    with pytest.raises(UserError, match="dictionary"):
        compress(teacher, tmp_path / "a", student=student, config=config, device="cpu")
    result = compress(
        teacher, tmp_path / "b", student=student, config=config, device="cpu",
        teacher_outputs="out", student_outputs="out",
    )  # fmt: skip
    assert result.student(torch.randn(2, 1, 8, 8)).shape == (2, 3)


def _begin(folder: Path) -> None:
    """Write what a run has once it has begun."""
    models = {"generator": nn.Linear(1, 1), "student": nn.Linear(1, 1)}
    save_checkpoint(folder / CHECKPOINT_NAME, models=models, package=PACKAGE)


def test_a_run_folder_belongs_to_its_networks(tmp_path: Path):
    modules = tiny_pair()
    space = InputSpace(shape=(1, 8, 8))
    teacher = Teacher(module=modules[0], source="a:b", arguments={}, input=space)
    student = Student(modules[1], "c:d", {})
    agree_on_pair(tmp_path, teacher, student._replace(source="x:y"), DistillationConfig(input=space))
    agree_on_pair(tmp_path, teacher, student, DistillationConfig(input=space))
    _begin(tmp_path)
    agree_on_pair(tmp_path, teacher, student, DistillationConfig(input=space))
    with pytest.raises(UserError, match="another student"):
        agree_on_pair(
            tmp_path, teacher, student._replace(source="e:f"), DistillationConfig(input=space)
        )
    with torch.no_grad():
        next(modules[0].parameters()).add_(1)
    with pytest.raises(UserError, match="another teacher"):
        agree_on_pair(tmp_path, teacher, student, DistillationConfig(input=space))


def test_a_file_names_no_foreign_code(tmp_path: Path):
    network = SmallCNN(2, channels=1, width=2)
    path = tmp_path / "student.safetensors"
    space = InputSpace(shape=(1, 8, 8))
    save_model(path, network, source="os:system", arguments={}, input=space, classes=("a", "b"), about={})  # fmt: skip
    with pytest.raises(UserError, match="--constructor"):
        open_saved(path)
    code = "dfad_distillation.networks:SmallCNN"
    saved = open_saved(path, constructor=code, arguments={"classes": 2, "channels": 1, "width": 2})
    assert torch.equal(saved.module(torch.ones(2, 1, 8, 8)), network.eval()(torch.ones(2, 1, 8, 8)))
