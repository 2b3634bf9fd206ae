"""Losses of a step beside their formulas."""

from dataclasses import replace

import pytest
import torch
from tiny_training import NO_STRUCTURE, as_labels, as_numbers, blocks, teacher_config
from torch.nn import functional

from lsp_distillation import graph_problem
from lsp_distillation.distillation import new_network
from lsp_distillation.graph_problem import GraphProblem
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.label_losses import soft_label_losses
from lsp_distillation.local_structure import local_structure_loss, renormalized
from lsp_distillation.network_config import NetworkConfig
from lsp_distillation.teacher_outputs import compute_outputs
from lsp_distillation.terms_config import StructureConfig, TermsConfig
from lsp_distillation.training_config import TrainingConfig
from tenfold_shared.distributed import World

PAIR = (("layers.0", "layers.0"),)
EVERYTHING = TermsConfig(
    structure=StructureConfig(weight=1.0), soft_labels=1.0, temperature=2.0, hints=1.0,
    attention=1.0, relations=1.0, similarity=1.0, sampled_nodes=9,
)  # fmt: skip


def problem_of(task, terms=EVERYTHING, pairs=PAIR, **training):
    teacher = new_network(teacher_config().network, task, seed=0, role="teacher")
    layers = [name for name, _ in pairs]
    outputs = compute_outputs(teacher, task, layers=layers, structure=terms.structure)
    config = TrainingConfig(**training)
    return GraphProblem(task, config, terms=terms, teacher=outputs, pairs=pairs, widths=(3, 6))


def student_of(task):
    return new_network(NetworkConfig(width=3), task, seed=1, role="student")


def wanted_of(problem):
    return {"labels", *problem.used}


def test_terms_are_their_formulas():
    task = blocks()
    problem, student = problem_of(task), student_of(task)
    found = problem.losses(student, 1, wanted=wanted_of(problem))
    logits, train = student(task.x, task.graph), task.mask("train")
    assert set(found.terms) == {"labels", *problem.used}
    torch.testing.assert_close(
        found.terms["labels"], functional.cross_entropy(logits[train], task.y[train])
    )
    teacher = problem.teacher
    soft = soft_label_losses(logits, teacher.logits, task="multiclass", temperature=2.0).mean()
    torch.testing.assert_close(found.terms["soft_labels"], soft)
    (anchor,) = found.anchors
    graph = task.graph.with_self_loops("remove")
    structure = local_structure_loss(
        anchor, teacher.structures["layers.0"], graph, kernel=KernelConfig()
    )
    torch.testing.assert_close(found.terms["structure"], structure)
    hints = (problem.hints.map(anchor) - teacher.features["layers.0"]).square().mean()
    torch.testing.assert_close(found.terms["hints"], hints)
    assert all(term.requires_grad and term.ndim == 0 for term in found.terms.values())


def test_only_what_is_wanted_is_computed():
    task = blocks()
    problem = problem_of(task)
    found = problem.losses(student_of(task), 1, wanted={"soft_labels"})
    assert set(found.terms) == {"labels", "soft_labels"}


def test_a_step_is_a_pure_function():
    task = blocks()
    problem = problem_of(task, fanouts=(2, 2), batch_nodes=5)
    student = student_of(task)
    torch.rand(3)
    first, again, other = (
        problem.losses(student, step, wanted=wanted_of(problem)).terms for step in (2, 2, 3)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(not torch.equal(first[name], other[name]) for name in first)


def test_of_a_sample_the_seeds_alone_count():
    task = blocks()
    problem, student = problem_of(task, fanouts=(2, 2), batch_nodes=5), student_of(task)
    batch = problem.batches.at(1)
    found = problem.losses(student, 1, wanted=wanted_of(problem))
    logits = student(batch.x, batch.graph)[:5]
    nodes = batch.nodes[:5]
    torch.testing.assert_close(
        found.terms["labels"], functional.cross_entropy(logits, task.y[nodes])
    )
    soft = soft_label_losses(
        logits, problem.teacher.logits[nodes], task="multiclass", temperature=2.0
    )
    torch.testing.assert_close(found.terms["soft_labels"], soft.mean())
    known = renormalized(batch.of_edges(problem.teacher.structures["layers.0"]), batch.structure)
    structure = local_structure_loss(
        found.anchors[0], known, batch.structure, kernel=KernelConfig(),
        node_weights=batch.seeds.double(),
    )  # fmt: skip
    torch.testing.assert_close(found.terms["structure"], structure)
    every = local_structure_loss(found.anchors[0], known, batch.structure, kernel=KernelConfig())
    assert not torch.allclose(every, structure)


def test_pairs_of_layers_are_added_or_averaged_and_equal_students_are_one_anchor():
    task = blocks()
    pairs = (("layers.0", "layers.0"), ("layers.1", "layers.0"))
    losses = {}
    for reduction in ("sum", "mean"):
        terms = TermsConfig(structure=StructureConfig(weight=1.0, reduction=reduction))
        problem = problem_of(task, terms, pairs)
        found = problem.losses(student_of(task), 1, wanted={"structure"})
        assert len(found.anchors) == 1
        losses[reduction] = float(found.terms["structure"].detach())
    assert losses["sum"] == pytest.approx(2 * losses["mean"])


def test_scores_of_errors_are_negative():
    alone = TermsConfig(structure=NO_STRUCTURE)
    task = as_numbers(blocks())
    student = student_of(task)
    score = problem_of(task, alone).score(student, "val")
    mask = task.mask("val")
    error = (student(task.x, task.graph).squeeze(1) - task.y)[mask].abs().mean()
    assert score == pytest.approx(-float(error.detach()), rel=1e-5)
    labels = as_labels(blocks())
    assert 0 <= problem_of(labels, alone).score(student_of(labels), "val") <= 1


def test_yes_weighs_more_where_balance_says_so():
    task = as_labels(blocks())
    student = student_of(task)
    losses = [
        float(problem_of(task, balance=b).losses(student, 1, wanted=set()).terms["labels"].detach())
        for b in (0.0, 1.0)
    ]
    assert losses[1] > 1.2 * losses[0]


def test_what_is_missing_is_refused(monkeypatch):
    task = blocks()
    problem = GraphProblem(task, TrainingConfig(), terms=replace(EVERYTHING, hints=0.0))
    with pytest.raises(ValueError, match="needs a teacher"):
        problem.losses(student_of(task), 1, wanted={"soft_labels"})
    monkeypatch.setattr(graph_problem, "current_world", lambda: World(0, 2))
    with pytest.raises(ValueError, match="use a single process"):
        problem_of(task)
