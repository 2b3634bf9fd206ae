import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from labeled_pictures import bright_quarters, bright_squares

from dfad_distillation.config import InputSpace
from dfad_distillation.model_files import load_saved
from dfad_distillation.teacher_config import TeacherConfig
from dfad_distillation.teacher_training import rate_at, teacher_step, train_teacher
from dfad_distillation.weight_files import read_weights
from tenfold_shared.errors import UserError

QUICK = TeacherConfig(epochs=6, batch=16, learning_rate=3e-3, augment="none")


def _state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_a_teacher_learns_and_its_file_answers_alike(tmp_path):
    result = train_teacher(
        QUICK, tmp_path, training=bright_quarters(), validation=bright_quarters(32, seed=1)
    )
    assert result.scores.accuracy > 0.9, "chance is 0.25"
    saved = load_saved(tmp_path / "teacher.safetensors")
    pictures = torch.rand(3, 1, 32, 32)
    assert torch.equal(saved.module(pictures), result.network(pictures))
    assert saved.classes == bright_quarters().classes
    assert saved.input == QUICK.input
    assert saved.about["validation"]["accuracy"] == result.scores.accuracy


@pytest.mark.parametrize("augment", ["shift_flip", "strong"])
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, augment, monkeypatch):
    config = dataclasses.replace(
        QUICK, network="small_cnn", width=4, epochs=2, augment=augment, checkpoint_every=1
    )
    training = bright_quarters(32)
    whole = train_teacher(config, tmp_path / "whole", training=training)

    class KilledError(Exception):
        pass

    steps = []

    def dying(*arguments, **settings):
        steps.append(1)
        if len(steps) == 3:
            raise KilledError
        return teacher_step(*arguments, **settings)

    with monkeypatch.context() as patch:
        patch.setattr("dfad_distillation.teacher_training.teacher_step", dying)
        with pytest.raises(KilledError):
            train_teacher(config, tmp_path / "cut", training=training)
    resumed = train_teacher(config, tmp_path / "cut", training=training)
    other = train_teacher(config, tmp_path / "other", training=training, seed=1)
    for name, tensor in _state(whole.network).items():
        assert torch.equal(resumed.network.state_dict()[name], tensor), name
    assert not torch.equal(other.network.head.weight, whole.network.head.weight)


def test_pixels_are_learned_without_void(tmp_path):
    config = TeacherConfig(
        network="unet",
        width=4,
        input=InputSpace(shape=(3, 16, 16)),
        epochs=12,
        batch=8,
        learning_rate=1e-2,
        augment="flip",
        loss="focal",
        class_weights=True,
    )
    result = train_teacher(
        config, tmp_path, training=bright_squares(), validation=bright_squares(12, seed=1)
    )
    assert result.scores.mean_iou > 0.8, "all dark has 0.43"
    assert int(result.scores.confusion.sum()) == 12 * 15 * 16, "the void row is not counted"


def test_one_step_changes_the_network_only():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    pictures, labels = torch.rand(5, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1])
    before, kept = _state(network), pictures.clone()
    expected = torch.nn.functional.cross_entropy(network(pictures), labels)
    loss = teacher_step(network, optimizer, pictures, labels, config=TeacherConfig())
    torch.testing.assert_close(loss, expected.detach())
    assert torch.equal(pictures, kept)
    assert not torch.equal(network[1].weight, before["1.weight"])


def test_rates_follow_their_schedules():
    def rates(schedule):
        config = TeacherConfig(schedule=schedule, learning_rate=1.0)
        return [rate_at(step, 100, config) for step in range(1, 101)]

    assert set(rates("constant")) == {1.0}
    steps = rates("steps")
    assert [steps[39], steps[40], steps[79]] == pytest.approx([1, 0.1, 0.1])
    assert steps[80] == pytest.approx(0.01)
    assert rates("cosine")[50] == pytest.approx(0.5)
    cycle = rates("one_cycle")
    assert max(cycle) == cycle[20] == 1
    assert cycle[0] == pytest.approx(0.1)
    assert cycle[-1] < 0.01


def test_data_that_do_not_fit_are_refused_before_anything_is_written(tmp_path):
    folder = tmp_path / "run"
    cases = [
        (dataclasses.replace(QUICK, network="unet"), bright_quarters(), None, "labels for"),
        (QUICK, bright_quarters(1), None, "only 1 training pictures"),
        (
            TeacherConfig(network="unet", input=InputSpace(shape=(3, 32, 32))),
            bright_squares(),
            None,
            "masks are not resized",
        ),
        (QUICK, bright_quarters(), bright_quarters(classes=3), "other classes"),
        (dataclasses.replace(QUICK, network="lenet"), bright_quarters(), None, "did you mean lenet5"),
    ]  # fmt: skip
    for config, training, validation, message in cases:
        with pytest.raises(UserError, match=message):
            train_teacher(config, folder, training=training, validation=validation)
        assert not folder.exists()


def test_settings_are_checked():
    wrong = {"epochs": 0, "learning_rate": math.nan, "label_smoothing": 1.0, "weight_decay": -1.0}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=name):
            TeacherConfig(**{name: value})


_WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from labeled_pictures import bright_squares
from dfad_distillation.config import InputSpace
from dfad_distillation.teacher_config import TeacherConfig
from dfad_distillation.teacher_training import train_teacher

torch.set_default_dtype(torch.float64)
config = TeacherConfig(
    network="unet", width=2, input=InputSpace(shape=(3, 16, 16)), epochs=2, batch=8,
    optimizer="sgd", learning_rate=0.01, augment="shift_flip", class_weights=True,
)
train_teacher(config, Path(sys.argv[2]), training=bright_squares(16), device="cpu")
"""


@pytest.mark.slow
def test_two_processes_train_the_network_of_one(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(_WORKER)
    here = str(Path(__file__).parent)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--standalone", str(script), here, str(tmp_path / "two")]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run([sys.executable, str(script), here, str(tmp_path / "one")], check=True)
    states = [read_weights(tmp_path / name / "teacher.safetensors") for name in ("one", "two")]
    assert states[0].keys() == states[1].keys()
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, atol=1e-9, rtol=1e-9)
