"""What is told before a training."""

import pytest
import torch
from tiny_training import (
    NO_STRUCTURE,
    PygTeacher,
    blocks,
    copied,
    student_config,
    teacher_config,
    unequal_graphs,
)

from lsp_distillation.checking import check_distillation, check_training
from lsp_distillation.distillation import new_network, train_teacher
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.terms_config import AUTO, StructureConfig, TermsConfig


def named(rows):
    return {row["name"]: row["value"] for row in rows}


def test_a_training_is_estimated_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = named(check_training(teacher_config(), task=blocks(), device="cpu"))
    network = new_network(NetworkConfig(width=6), blocks(), seed=0, role="teacher")
    assert found["weights"] == sum(p.numel() for p in network.parameters())
    assert found["CPU minutes for 20 epochs"] == pytest.approx(
        found["CPU seconds an epoch"] / 3, rel=1e-9
    )
    assert found["CPU seconds an epoch"] > 0
    assert found["peak memory so far, MB"] > 50
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("bandwidth", "said"), [("auto", "alive"), (1e5, "dead")])
@pytest.mark.filterwarnings("ignore:LSP is inactive")
def test_it_tells_a_dead_term_from_a_live_one(bandwidth, said):
    task, teacher = blocks(), PygTeacher()
    before = copied(teacher)
    structure = StructureConfig(
        kernel=KernelConfig(bandwidth=bandwidth), layers=("inner:layers.0",)
    )
    config = student_config(TermsConfig(structure=structure, hints=AUTO))
    found = named(check_distillation(config, task=task, teacher=teacher, device="cpu"))
    assert found["the term"] == said
    assert found["matched layers"] == "inner:layers.0"
    degrees = task.graph.with_self_loops("remove").in_degrees
    assert found["nodes with less than two in-neighbors, share"] == pytest.approx(
        float((degrees < 2).double().mean())
    )
    assert (found["gradient of the term over that of the labels"] > 1e-4) == (said == "alive")
    assert all(torch.equal(value, before[n]) for n, value in teacher.state_dict().items())


def test_sampled_neighborhoods_and_other_methods_are_checked_too(tmp_path):
    task = blocks()
    teacher = train_teacher(teacher_config(), tmp_path, task=task, device="cpu").student.network
    sampled = student_config(fanouts=(4, 3), batch_nodes=8, network=NetworkConfig(width=3))
    found = named(check_distillation(sampled, task=task, teacher=teacher, device="cpu"))
    assert found["the term"] == "alive"
    soft = student_config(TermsConfig(structure=NO_STRUCTURE, soft_labels=1.0))
    assert "the term" not in named(
        check_distillation(soft, task=task, teacher=teacher, device="cpu")
    )


def test_many_graphs():
    config = student_config(batch_graphs=2)
    teacher = new_network(NetworkConfig(width=6), unequal_graphs(), seed=0, role="teacher")
    found = named(check_distillation(config, task=unequal_graphs(), teacher=teacher, device="cpu"))
    assert found["the term"] == "alive"
