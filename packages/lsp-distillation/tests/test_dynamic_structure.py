"""Unions of dynamic graphs against brute force."""

import math

import pytest
import torch
from slow_structure import slow_loss
from torch import Tensor

from lsp_distillation.dynamic_structure import dynamic_structure_loss, union_graph
from lsp_distillation.graph import Graph
from lsp_distillation.kernel_config import KernelConfig
from lsp_distillation.local_structure import local_log_probabilities, local_structure_loss
from lsp_distillation.neighbor_search import nearest_neighbors

CLOUDS, POINTS = 2, 9


def _draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _case() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Embeddings of student and teacher, with coinciding and zero ones, and their neighbors."""
    student, teacher = _draw(1, CLOUDS, POINTS, 3), _draw(2, CLOUDS, POINTS, 5)
    student[0, 4], student[1, 2] = student[0, 5], 0.0
    tables = nearest_neighbors(student, 4), nearest_neighbors(teacher, 5)
    tables[0][0, 0, 1] = tables[0][0, 0, 2]  # the same neighbor twice in one list
    return student, teacher, *tables


def _edges(table: Tensor) -> Tensor:
    """Return the edges of the points of all clouds, one after the other."""
    return torch.tensor(
        [
            (cloud * POINTS + int(j), cloud * POINTS + i)
            for cloud in range(CLOUDS)
            for i in range(POINTS)
            for j in table[cloud, i]
        ]
    ).T


def test_clouds_in_two_processes_are_those_in_one() -> None:
    case, kernel = _case(), KernelConfig()
    whole = dynamic_structure_loss(*case, kernel=kernel)
    sums: list[Tensor] = []

    def remember(both: Tensor) -> Tensor:
        sums.append(both)
        return both

    parts = [[tensor[i : i + 1] for tensor in case] for i in range(CLOUDS)]
    for part in parts:  # sums of the teacher and then of the student
        dynamic_structure_loss(*part, kernel=kernel, reduce=remember)
    added = [sums[0] + sums[2], sums[1] + sums[3]]
    losses = []
    for part in parts:
        answers = iter(added)
        losses.append(
            dynamic_structure_loss(
                *part, kernel=kernel, count=CLOUDS * POINTS, reduce=lambda _, a=answers: next(a)
            )
        )
    torch.testing.assert_close(sum(losses), whole, rtol=1e-12, atol=0)


@pytest.mark.parametrize("direction", ["teacher", "student"])
@pytest.mark.parametrize(
    "name", ["euclidean", "linear", "polynomial", "rbf", "gaussian", "laplacian", "cosine"]
)
def test_loss_and_gradient_are_those_of_the_slow_form(name: str, direction: str) -> None:
    values, teacher, near_s, near_t = _case()
    edges = torch.cat([_edges(near_s), _edges(near_t)], 1)
    distinct = edges.unique(dim=1)
    assert distinct.shape[1] < edges.shape[1]
    kernel = KernelConfig(name=name)
    student, slow_student = (values.clone().requires_grad_() for _ in range(2))
    loss = dynamic_structure_loss(
        student, teacher, near_s, near_t, kernel=kernel, direction=direction
    )
    expected = slow_loss(
        slow_student.flatten(0, 1), teacher.flatten(0, 1), distinct, kernel, direction=direction
    )
    loss.backward()
    expected.backward()
    assert student.grad is not None
    assert slow_student.grad is not None
    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-9)
    error = (student.grad - slow_student.grad).abs().max()
    assert error <= 1e-9 * slow_student.grad.abs().max()


def test_equals_the_loss_on_the_union_graph() -> None:
    student, teacher, near_s, near_t = _case()
    graphs = [Graph.from_edges(_edges(t), nodes=CLOUDS * POINTS) for t in (near_t, near_s)]
    union, kernel = union_graph(*graphs), KernelConfig()
    log_t = local_log_probabilities(teacher.flatten(0, 1), union, kernel)
    flat = local_structure_loss(student.flatten(0, 1), log_t, union, kernel=kernel)
    found = dynamic_structure_loss(student, teacher, near_s, near_t, kernel=kernel)
    assert math.isclose(found.item(), flat.item(), rel_tol=1e-12)
    with pytest.raises(ValueError, match="same nodes"):
        union_graph(union, Graph.from_edges(torch.zeros(2, 0, dtype=torch.long), nodes=3))


def test_refusals() -> None:
    student, teacher, near_s, near_t = _case()
    cases = [
        ("student's embedding", (student[0], teacher, near_s, near_t)),
        ("teacher's embedding", (student, teacher[:, 1:], near_s, near_t)),
        ("int64", (student, teacher, near_s.int(), near_t)),
        ("same clouds", (student, teacher, near_s, near_t[:1])),
        ("own cloud", (student, teacher, near_s, near_t + 5)),
        ("own cloud", (student, teacher, near_s - 5, near_t)),
    ]
    for match, arguments in cases:
        with pytest.raises(ValueError, match=match):
            dynamic_structure_loss(*arguments, kernel=KernelConfig())
