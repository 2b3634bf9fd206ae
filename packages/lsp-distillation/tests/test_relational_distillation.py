"""Relations of sampled nodes against loops over pairs and triples."""

import itertools
import math

import pytest
import torch

from lsp_distillation.relational_distillation import relation_loss, sample_nodes, similarity_loss


def huber(a: float, b: float) -> float:
    d = abs(a - b)
    return 0.5 * d * d if d < 1 else d - 0.5


def slow_relations(student: torch.Tensor, teacher: torch.Tensor) -> float:
    lengths, cosines = [], []
    for z in (student, teacher):
        points = z.tolist()
        pairs = list(itertools.combinations(range(len(points)), 2))
        raw = [math.dist(points[i], points[j]) for i, j in pairs]
        lengths.append([d / (sum(raw) / len(raw)) for d in raw])
        found = []
        for j, i, k in itertools.product(range(len(points)), repeat=3):
            a = [x - y for x, y in zip(points[i], points[j], strict=True)]
            b = [x - y for x, y in zip(points[k], points[j], strict=True)]
            scale = math.hypot(*a) * math.hypot(*b)
            found.append(sum(x * y for x, y in zip(a, b, strict=True)) / scale if scale else 0.0)
        cosines.append(found)
    distance = [huber(a, b) for a, b in zip(*lengths, strict=True)]
    angle = [huber(a, b) for a, b in zip(*cosines, strict=True)]
    return sum(distance) / len(distance) + 2 * sum(angle) / len(angle)


def test_relations_are_those_of_all_pairs_and_triples() -> None:
    random = torch.Generator().manual_seed(5)
    student = torch.randn(6, 3, generator=random, dtype=torch.float64)
    teacher = torch.randn(6, 4, generator=random, dtype=torch.float64)
    assert float(relation_loss(student, teacher)) == pytest.approx(slow_relations(student, teacher))


def test_relations_do_not_see_rotation_and_scale_but_shape() -> None:
    z = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = torch.linalg.qr(
        torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    )[0]
    assert float(relation_loss(5 * z @ turn + 2, z)) < 1e-10
    assert float(relation_loss(z * torch.tensor([1.0, 1, 5]).double(), z)) > 1e-3


def test_coincident_nodes_have_finite_gradients() -> None:
    z = torch.ones(5, 2, requires_grad=True)
    relation_loss(z, torch.arange(10.0).view(5, 2)).backward()
    assert z.grad is not None
    assert bool(torch.isfinite(z.grad).all())


def test_similarity_by_hand() -> None:
    student = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    teacher = torch.tensor([[1.0], [3.0]])
    assert float(similarity_loss(student, teacher)) == pytest.approx(2 / 4)
    assert float(similarity_loss(-student, student)) == pytest.approx(0)


def test_samples_are_distinct_and_from_the_generator() -> None:
    one, other = (sample_nodes(50, 20, random=torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(one, other)
    assert len(one.unique()) == 20
    assert len(sample_nodes(5, 20, random=torch.Generator())) == 5
