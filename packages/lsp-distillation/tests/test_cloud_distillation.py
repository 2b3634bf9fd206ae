"""Teachers and students on clouds, end to end."""

from dataclasses import replace

import pytest
import torch
from tiny_training import copied, same_state

from lsp_distillation.cloud_data import CloudTask
from lsp_distillation.cloud_distillation import (
    cloud_fidelity,
    evaluate_on_clouds,
    new_point_network,
    train_on_clouds,
)
from lsp_distillation.model_files import Student
from lsp_distillation.network_config import PointNetworkConfig
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import DistillConfig, TrainConfig, TrainingConfig
from tenfold_shared.errors import UserError

TRAINING = TrainingConfig(epochs=3, batch_graphs=8, checkpoint_every=2)
TEACHER = TrainConfig(
    points=PointNetworkConfig(widths=(6, 6), embedding=8, head=(6,), neighbors=4), training=TRAINING
)
STUDENT = DistillConfig(
    points=PointNetworkConfig(widths=(3, 3), embedding=6, head=(), neighbors=3),
    training=TRAINING,
    terms=TermsConfig(structure=StructureConfig(weight=5.0), soft_labels=1.0, hints=0.1),
)


@pytest.fixture(scope="module")
def task():
    random = torch.Generator().manual_seed(0)
    y = torch.arange(32) % 2
    points = torch.rand(32, 8, 2, generator=random) * (1 + y[:, None, None])
    numbers = torch.arange(32)
    return CloudTask(
        name="boxes", points=points, y=y, classes=2, train_mask=numbers < 18,
        val_mask=(numbers >= 18) & (numbers < 24), test_mask=numbers >= 24,
    )  # fmt: skip


@pytest.fixture(scope="module")
def teacher(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    return train_on_clouds(TEACHER, folder, task=task, device="cpu").student.network


def taught(folder, task, teacher, config=STUDENT, **more):
    return train_on_clouds(config, folder, task=task, teacher=teacher, device="cpu", **more)


def test_a_student_is_written_and_the_teacher_left_alone(task, teacher, tmp_path):
    before = copied(teacher)
    trained = taught(tmp_path, task, teacher)
    again = Student.load(tmp_path / "model.safetensors")
    assert same_state(again.network, trained.student.network)
    assert again.about["points"] == 8
    accuracy = evaluate_on_clouds(again.network, task, "val")[0].value
    assert accuracy == pytest.approx(trained.learned.validation)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    found = cloud_fidelity(again.network, teacher, task, ("layers.1", "layers.1"))
    assert found.kl >= 0
    assert cloud_fidelity(teacher, teacher, task, ("layers.1", "layers.1")).kl < 1e-6


def test_an_interrupted_training_ends_with_the_same_bits(task, teacher, tmp_path, monkeypatch):
    from lsp_distillation.cloud_problem import CloudProblem

    once = taught(tmp_path / "once", task, teacher)
    inner = CloudProblem.losses

    def losses(self, network, step, *, wanted):
        if step == 4:
            raise KeyboardInterrupt
        return inner(self, network, step, wanted=wanted)

    monkeypatch.setattr(CloudProblem, "losses", losses)
    with pytest.raises(KeyboardInterrupt):
        taught(tmp_path / "twice", task, teacher)
    monkeypatch.setattr(CloudProblem, "losses", inner)
    twice = taught(tmp_path / "twice", task, teacher)
    assert same_state(once.student.network, twice.student.network)
    files = [(tmp_path / n / "metrics.jsonl").read_bytes() for n in ("once", "twice")]
    assert files[0] == files[1]


def test_first_weights_depend_on_seed_and_role_alone(task):
    one, other = (new_point_network(STUDENT.points, task, seed=1, role="student") for _ in "ab")
    assert same_state(one, other)
    third = new_point_network(STUDENT.points, task, seed=2, role="student")
    assert not same_state(one, third)


def test_another_run_is_refused(task, teacher, tmp_path):
    taught(tmp_path, task, teacher)
    moved = replace(task, points=task.points + 0.1)
    other = new_point_network(TEACHER.points, task, seed=8, role="teacher")
    for what, call in (
        ("clouds", lambda: taught(tmp_path, moved, teacher)),
        ("teacher", lambda: taught(tmp_path, task, other)),
        ("training.epochs", lambda: taught(
            tmp_path, task, teacher, replace(STUDENT, training=replace(TRAINING, epochs=4))
        )),
    ):  # fmt: skip
        with pytest.raises(UserError, match=what):
            call()
