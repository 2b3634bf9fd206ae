"""Recipes: teachers and students of the same names, and students that are smaller."""

import pytest

from lsp_distillation.networks import build_network
from lsp_distillation.recipes import STUDENTS, TEACHERS


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_is_at_most_a_fifth_of_its_teacher(name):
    sizes = []
    for recipe in (TEACHERS[name], STUDENTS[name]):
        network = recipe.points if name == "points" else recipe.network
        built = build_network(network, features=3 if name == "points" else 50, outputs=12)
        sizes.append(sum(p.numel() for p in built.parameters()))
    assert 5 * sizes[1] <= sizes[0]


def test_every_teacher_has_a_student():
    assert list(TEACHERS) == list(STUDENTS)
    assert all(recipe.terms.structure.weight == -1 for recipe in STUDENTS.values())
