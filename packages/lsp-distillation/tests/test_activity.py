"""Distances from uniform and gradient shares on cases known in advance."""

import math

import torch

from lsp_distillation.activity import loss_activity
from lsp_distillation.graph import Graph
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import local_log_probabilities, local_structure_loss
from lsp_distillation.term_weights import gradient_norm


def _star() -> Graph:
    """Return node 0 with three in-neighbors and node 1 with one."""
    return Graph.from_edges(torch.tensor([[1, 2, 3, 0], [0, 0, 0, 1]]), nodes=4)


def test_gradient_norm_keeps_the_graph() -> None:
    x = torch.tensor([3.0, 4.0], requires_grad=True)
    loss = x.square().sum() / 2
    assert gradient_norm(loss, (x,)) == 5
    loss.backward()
    assert gradient_norm(torch.ones((), requires_grad=True) * 2, (x,)) == 0


def test_loss_activity_of_a_live_and_a_dead_term() -> None:
    graph, draw = _star(), torch.Generator().manual_seed(0)
    teacher = torch.randn(4, 3, generator=draw)
    for bandwidth, alive in ((1.0, True), (1e4, False)):
        kernel = KernelConfig(bandwidth=bandwidth)
        student = torch.randn(4, 2, generator=draw, requires_grad=True)
        log_t = local_log_probabilities(teacher, graph, kernel)
        log_s = local_log_probabilities(student, graph, kernel)
        structure = local_structure_loss(student, log_t, graph, kernel=kernel)
        found = loss_activity(
            structure,
            student.sum(),
            student,
            student_log_p=log_s,
            teacher_log_p=log_t,
            graph=graph,
        )
        assert found.is_active is alive
        expected = gradient_norm(structure, (student,)) / math.sqrt(8)
        assert math.isclose(found.gradient_share, expected, rel_tol=1e-6)
        flat = math.log(3) + (log_s[:3].exp() * log_s[:3]).sum().item()
        assert math.isclose(found.student_from_uniform, flat, abs_tol=1e-12)
