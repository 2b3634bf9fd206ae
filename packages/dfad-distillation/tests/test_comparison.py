"""Rivals get the same student and the same budget; the table says what they reached."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_game import CONFIG, tiny_pair

from dfad_distillation import comparison
from dfad_distillation.comparison import OURS, Outcome, compare, rivals, summarize
from dfad_distillation.equal_seconds import Trained

SPACE = CONFIG.input


class Judge:
    """A score that remembers whom it saw."""

    def __init__(self):
        self.seen = []

    def __call__(self, network):
        assert not network.training
        self.seen.append(network)
        return len(self.seen) / 100


def compared(judge, *, built=None, teacher=None, **more):
    """Run the comparison of tiny networks."""

    def build(seed):
        if built is not None:
            built.append(seed)
        return tiny_pair()[1]

    settings = {"methods": rivals({"real data": torch.randn(20, *SPACE.shape)}), "seconds": 0.02}
    return list(
        compare(
            replace(CONFIG, rounds=2), teacher=teacher or tiny_pair()[0], build_student=build,
            score=judge, **(settings | more),
        )
    )  # fmt: skip


def test_all_methods_start_from_the_student_of_their_seed_and_are_scored_once(tmp_path: Path):
    judge, built = Judge(), []
    outcomes = compared(judge, built=built, seeds=(3, 4), runs=tmp_path)
    methods = ["real data", "noise", "untrained generator", "DAFL", "ZSKT"]
    assert built == [3, 4]
    assert [one.method for one in outcomes] == [OURS, *methods] * 2
    assert [one.score for one in outcomes] == [(i + 1) / 100 for i in range(12)]
    assert (tmp_path / "seed-4" / "checkpoint.safetensors").exists()


def test_each_score_is_that_of_the_methods_own_network(monkeypatch):
    teacher, _ = tiny_pair()
    results, given = [], []

    def ours(*values, **more):
        given.append((more["student"], state(more["student"])))
        results.append(real_distill(*values, **more))
        return results[-1]

    def within(seconds, rival, setting):
        given.append((setting.student, state(setting.student)))
        results.append(real_within(seconds, rival, setting))
        assert setting.teacher is teacher
        return results[-1]

    real_distill, real_within = comparison.distill, comparison.train_within
    monkeypatch.setattr(comparison, "distill", ours)
    monkeypatch.setattr(comparison, "train_within", within)
    judge = Judge()
    compared(judge, teacher=teacher, seeds=(0,))
    assert judge.seen == [one.student for one in results]
    assert len({id(one) for one in [*judge.seen, teacher]}) == 7
    first = state(tiny_pair()[1])
    for student, before in given:
        assert all(torch.equal(value, first[name]) for name, value in before.items())
        after = state(student)
        assert any(not torch.equal(value, first[name]) for name, value in after.items())


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize("seconds", [None, 7.5])
def test_rivals_get_the_seconds_of_the_method_unless_others_are_named(monkeypatch, seconds):
    given = []

    def within(budget, rival, setting):
        given.append(budget)
        return Trained(setting.student.eval(), 5, 1, budget * 1.01)

    monkeypatch.setattr(comparison, "train_within", within)
    first, *others = compared(Judge(), seeds=(0,), seconds=seconds)
    assert first.cpu_seconds > 0
    assert given == [first.cpu_seconds if seconds is None else seconds] * 5
    assert [one.cpu_seconds for one in others] == [given[0] * 1.01] * 5
    assert [one.steps for one in others] == [5] * 5


def test_the_table_has_means_worst_and_spread():
    outcomes = [Outcome("a", 0, 0.5, 1.0, 10), Outcome("b", 0, 0.2, 2.0, 5), Outcome("a", 1, 0.7, 3.0, 10)]  # fmt: skip
    first, second = summarize(outcomes, reference=0.8)
    assert first["name"] == "a"
    assert first["value"] == pytest.approx(0.6)
    assert first["ratio"] == pytest.approx(0.75)
    assert (first["worst"], first["spread"], first["seeds"]) == (0.5, pytest.approx(0.2), "0 1")
    assert first["cpu_seconds"] == 2
    assert second["spread"] == 0
