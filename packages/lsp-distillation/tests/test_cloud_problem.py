"""Learning on clouds whose graphs change."""

import pytest
import torch
from tiny_training import NO_STRUCTURE, copied

from lsp_distillation.augmentation import CloudAugmentation
from lsp_distillation.cloud_data import CloudTask
from lsp_distillation.cloud_problem import CloudProblem, cloud_logits
from lsp_distillation.fidelity_ruler import dynamic_structure_fidelity
from lsp_distillation.learning import learn
from lsp_distillation.network_config import PointNetworkConfig
from lsp_distillation.networks import build_network
from lsp_distillation.taps import LayerTaps
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.seeds import seed_global_state

PAIRS = (("layers.1", "layers.1"),)
TEACHER = PointNetworkConfig(widths=(8, 12), embedding=16, head=(8,), neighbors=5, dropout=0.0)
STUDENT = PointNetworkConfig(widths=(4, 4), embedding=8, head=(), neighbors=4, dropout=0.0)
TRAINING = TrainingConfig(epochs=12, batch_graphs=8, learning_rate=0.01, checkpoint_every=1000)


@pytest.fixture(scope="module")
def task():
    """Rings, lines and crosses of 12 points."""
    random = torch.Generator().manual_seed(0)
    angles = torch.arange(12) / 12 * 6.2832
    ring = torch.stack([angles.cos(), angles.sin()], 1)
    line = torch.stack([torch.linspace(-1, 1, 12), torch.zeros(12)], 1)
    cross = torch.cat([line[::2], line[::2].flip(1)])
    y = torch.arange(48) % 3
    points = torch.stack([ring, line, cross])[y]
    points = points + 0.1 * torch.randn(points.shape, generator=random)
    numbers = torch.arange(48)
    return CloudTask(
        name="shapes", points=points, y=y, classes=3, train_mask=numbers < 26,
        val_mask=(numbers >= 26) & (numbers < 36), test_mask=numbers >= 36,
    )  # fmt: skip


def network_of(config, seed):
    seed_global_state(seed, "cloud")
    return build_network(config, features=2, outputs=3)


@pytest.fixture(scope="module")
def teacher(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    problem = CloudProblem(task, TRAINING)
    network = network_of(TEACHER, 0)
    return learn(TRAINING, folder, problem, network, record=TRAINING, device="cpu").network


def taught(folder, task, teacher, terms):
    network = network_of(STUDENT, 1)
    problem = CloudProblem(
        task, TRAINING, terms=terms, teacher=teacher, pairs=PAIRS, widths=(4, 12),
        augmentation=CloudAugmentation(),
    )  # fmt: skip
    learn(TRAINING, folder, problem, network, record=TRAINING, terms=terms, device="cpu")
    return network  # the last state


def union_kl(student, teacher, task):
    points = task.part("test").points
    found = []
    for network, (_, name) in ((student.eval(), PAIRS[0]), (teacher.eval(), PAIRS[0])):
        with torch.no_grad(), LayerTaps(network, [name]) as taps:
            network(points)
        found.append((taps[name], taps.neighbors[name]))
    (z_s, n_s), (z_t, n_t) = found
    return dynamic_structure_fidelity(z_s, z_t, n_s, n_t).kl


def test_a_teacher_learns_and_structure_lowers_the_divergence_over_the_union(
    task, teacher, tmp_path
):
    problem = CloudProblem(task, TRAINING)
    assert problem.score(teacher, "test") > problem.score(network_of(TEACHER, 0), "test")
    assert problem.score(teacher, "test") > 0.6
    before = copied(teacher)
    labels = TermsConfig(structure=NO_STRUCTURE)
    throughout = StructureConfig(weight=20.0, schedule="always")
    strong = TermsConfig(structure=throughout, soft_labels=0.5, hints=0.1)
    students = [
        taught(tmp_path / name, task, teacher, terms)
        for name, terms in (("labels", labels), ("lsp", strong))
    ]
    kls = [union_kl(student, teacher, task) for student in students]
    assert kls[1] < 0.8 * kls[0]
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_an_epoch_has_full_batches_of_distinct_clouds(task):
    still = CloudAugmentation()
    problem = CloudProblem(task, TRAINING, augmentation=still)
    assert problem.steps_per_epoch == 3  # 26 clouds: two are left over
    train = task.part("train")
    seen = []
    for step in (1, 2, 3):
        points, labels = problem._batch(step)
        assert points.shape == (8, 12, 2)
        for cloud, label in zip(points, labels, strict=True):
            (place,) = (train.points == cloud).flatten(1).all(1).nonzero().flatten().tolist()
            assert train.y[place] == label
            seen.append(place)
    assert len(set(seen)) == 24
    again = CloudProblem(task, TRAINING, augmentation=still)._batch(2)[0]
    assert torch.equal(again, problem._batch(2)[0])
    assert not torch.equal(problem._batch(5)[0], problem._batch(2)[0])


def test_logits_in_pieces_are_the_whole_and_leave_the_mode(task, monkeypatch):
    from lsp_distillation import cloud_problem

    network = network_of(STUDENT, 0)
    whole = cloud_logits(network.train(), task.points)
    assert network.training
    monkeypatch.setattr(cloud_problem, "CHUNK", 7)
    torch.testing.assert_close(cloud_logits(network, task.points), whole)


def test_what_does_not_fit_is_refused(task):
    with pytest.raises(ValueError, match="clouds know the terms hints, labels, soft_labels"):
        CloudProblem(task, TRAINING, terms=TermsConfig(attention=1.0))
    with pytest.raises(ValueError, match="structure need a teacher; pass one"):
        CloudProblem(task, TRAINING, terms=TermsConfig())
