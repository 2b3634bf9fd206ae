"""The ruler against loops, and what trivial embeddings reach on it."""

import math

import pytest
import torch
from slow_structure import slow_log_probabilities, slow_similarity
from torch import Tensor

from lsp_distillation.fidelity_ruler import dynamic_structure_fidelity, structure_fidelity
from lsp_distillation.graph import Graph
from lsp_distillation.kernel_config import KernelConfig

NODES = 20


def _draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _graph() -> Graph:
    edges = torch.randint(0, NODES - 2, (2, 60), generator=torch.Generator().manual_seed(5))
    return Graph.from_edges(edges, nodes=NODES)


def test_equals_loops() -> None:
    graph, student, teacher = _graph(), _draw(0, NODES, 3), _draw(1, NODES, 6)
    found = structure_fidelity(student, teacher, graph)
    plain = graph.with_self_loops("remove")
    assert plain.edges < graph.edges
    logs = [
        slow_log_probabilities(
            slow_similarity(z, plain.sources, plain.targets, KernelConfig()), plain.targets
        )
        for z in (student, teacher)
    ]
    divergences, flat, agreed, pairs = [], [], [], [[], []]
    for node in range(NODES):
        log_s, log_t = (log_p[plain.targets == node] for log_p in logs)
        degree = len(log_s)
        if degree >= 2:
            divergences.append(float((log_t.exp() * (log_t - log_s)).sum()))
            flat.append(float((log_t.exp() * (log_t + math.log(degree))).sum()))
            agreed.append(float(log_s.argmax() == log_t.argmax()))
        if degree > 2:
            pairs[0].append(log_s + math.log(degree))
            pairs[1].append(log_t + math.log(degree))
    assert found.nodes == len(divergences) < NODES
    assert math.isclose(found.kl, sum(divergences) / found.nodes, rel_tol=1e-9)
    assert math.isclose(found.uniform_kl, sum(flat) / found.nodes, rel_tol=1e-9)
    assert math.isclose(found.top1_agreement, sum(agreed) / found.nodes, rel_tol=1e-9)
    expected = torch.corrcoef(torch.stack([torch.cat(p) for p in pairs]))[0, 1].item()
    assert math.isclose(found.correlation, expected, rel_tol=1e-9)


def test_what_a_constant_embedding_reaches() -> None:
    graph, teacher = _graph(), _draw(1, NODES, 6)
    found = structure_fidelity(torch.ones(NODES, 3), teacher, graph)
    assert math.isclose(found.kl, found.uniform_kl, rel_tol=1e-9)
    assert found.correlation == 0
    degrees = graph.with_self_loops("remove").in_degrees
    chance = (1 / degrees[degrees >= 2].double()).mean().item()
    assert math.isclose(found.top1_agreement, chance, rel_tol=1e-9)


def test_the_teacher_itself_and_its_scaled_rotation_are_perfect() -> None:
    graph, teacher = _graph(), _draw(1, NODES, 6)
    turned = 7 * teacher @ torch.linalg.qr(_draw(2, 6, 6)).Q + 3
    found = structure_fidelity(turned, teacher, graph)
    assert abs(found.kl) < 1e-12
    assert math.isclose(found.correlation, 1, rel_tol=1e-9)
    assert found.top1_agreement == 1


def test_dynamic_graphs_are_measured_on_their_union_without_self_loops() -> None:
    student, teacher = _draw(0, 1, NODES, 3), _draw(1, 1, NODES, 6)
    near_s = torch.stack([(torch.arange(NODES) + step) % NODES for step in (0, 1, 3)], 1)[None]
    near_t = torch.stack([(torch.arange(NODES) + step) % NODES for step in (0, 2, 3, 5)], 1)[None]
    found = dynamic_structure_fidelity(student, teacher, near_s, near_t)
    both = torch.cat([near_s, near_t], 2)[0]
    targets = torch.arange(NODES).repeat_interleave(7)
    graph = Graph.from_edges(torch.stack([both.flatten(), targets]), nodes=NODES)
    assert found == pytest.approx(structure_fidelity(student[0], teacher[0], graph), rel=1e-9)


def test_refuses_what_is_not_finite() -> None:
    graph, teacher = _graph(), _draw(1, NODES, 6)
    with pytest.raises(ValueError, match="student's embedding must be finite"):
        structure_fidelity(teacher * math.nan, teacher, graph)
