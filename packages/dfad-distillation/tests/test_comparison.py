"""Rivals get the same student and the same budget; the table says what they reached."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_game import CONFIG, tiny_pair

from dfad_distillation import comparison
from dfad_distillation.comparison import OURS, Outcome, compare, rivals, summarize
from dfad_distillation.distillation import DistillationResult
from dfad_distillation.equal_seconds import Trained
from dfad_distillation.pairing import Student, Teacher
from tenfold_shared.checkpoints import save_checkpoint
from tenfold_shared.errors import UserError
from tenfold_shared.runs import CHECKPOINT_NAME

SPACE = CONFIG.input


class Judge:
    """A score that remembers whom it saw."""

    def __init__(self):
        self.seen = []

    def __call__(self, network):
        assert not network.training
        self.seen.append(network)
        return len(self.seen) / 100


def opened(module):
    """Return a teacher as the command opens it."""
    return Teacher(module=module, source="tiny", arguments={}, input=SPACE)


def compared(judge, *, built=None, teacher=None, **more):
    """Run the comparison of tiny networks."""

    def build(seed):
        if built is not None:
            built.append(seed)
        return Student(tiny_pair()[1], "tiny", {})

    settings = {"methods": rivals({"real data": torch.randn(20, *SPACE.shape)}), "seconds": 0.02}
    return list(
        compare(
            replace(CONFIG, rounds=2), teacher=opened(teacher or tiny_pair()[0]), build_student=build,
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
    assert first.seconds > 0
    assert given == [first.seconds if seconds is None else seconds] * 5
    assert [one.seconds for one in others] == [given[0] * 1.01] * 5
    assert [one.steps for one in others] == [5] * 5


class Player:
    """Takes the place of `distill`: ten seconds by its clock, or five if it is stopped."""

    def __init__(self, *, stopped=False):
        self.now, self.stopped, self.students = 1000.0, stopped, []

    def __call__(self):
        return self.now

    def distill(self, config, folder, **more):
        self.now += 5
        if self.stopped:
            save_tiny_checkpoint(folder)
            raise SystemExit(143)
        self.now += 5
        save_tiny_checkpoint(folder)
        return DistillationResult(more["student"].eval(), tiny_pair()[1], [], config.rounds)


def save_tiny_checkpoint(folder):
    models = {"generator": tiny_pair()[1]}
    path = folder / CHECKPOINT_NAME
    save_checkpoint(path, models=models, metadata={"step": 1}, package="dfad-distillation")


@pytest.fixture
def player(monkeypatch):
    """Return a function that lets a player play, and tells the seconds of the method and of rivals."""

    def play(folder, **more):
        one = Player(**more)
        monkeypatch.setattr(comparison, "distill", one.distill)
        monkeypatch.setattr(comparison, "clock_of", lambda _: one)
        monkeypatch.setattr(
            comparison, "train_within", lambda budget, _, s: Trained(s.student.eval(), 5, 1, budget)
        )
        outcomes = compared(Judge(), seeds=(0,), seconds=None, runs=folder)
        return {outcome.seconds for outcome in outcomes}

    return play


def test_a_second_comparison_counts_the_seconds_of_the_whole_run(player, tmp_path: Path):
    assert player(tmp_path) == {10}
    assert player(tmp_path) == {10}, "loading a finished run costs nothing"
    shutil.rmtree(tmp_path / "seed-0")
    with pytest.raises(SystemExit):
        player(tmp_path, stopped=True)
    with pytest.raises(SystemExit):
        player(tmp_path, stopped=True)
    assert player(tmp_path) == {20}, "five, five, and ten"
    assert player(tmp_path) == {20}


def test_a_run_of_which_nobody_knows_the_seconds_is_refused(player, tmp_path: Path):
    player(tmp_path)
    note = tmp_path / "seed-0" / comparison.SECONDS
    good = note.read_text()
    for bad in ("", "[]", "{}", '{"seconds": "x"}', '{"seconds": 3}'):
        note.write_text(bad)
        with pytest.raises(
            UserError, match="seed-0 holds a run of which nobody knows what it took"
        ):
            player(tmp_path)
    note.write_text(good.replace('"cpu"', '"cuda"'))
    with pytest.raises(UserError, match="go on with --device cuda"):
        player(tmp_path)
    note.unlink()
    with pytest.raises(UserError, match="it was killed"):
        player(tmp_path)


def test_a_run_that_is_killed_leaves_no_seconds(player, monkeypatch, tmp_path: Path):
    with pytest.raises(SystemExit):
        player(tmp_path, stopped=True)
    note = tmp_path / "seed-0" / comparison.SECONDS
    seen = []
    real = Player.distill
    monkeypatch.setattr(Player, "distill", lambda *v, **m: (seen.append(note.exists()), real(*v, **m))[1])  # fmt: skip
    player(tmp_path)
    assert seen == [False], "while it is played"
    assert note.exists()


def test_the_run_of_another_teacher_is_refused(tmp_path: Path):
    class Turned(torch.nn.Module):
        """The same weights, other answers."""

        def __init__(self, network):
            super().__init__()
            self.add_module("network", network)

        def forward(self, pictures):
            return -self.network(pictures)

        def state_dict(self, *values, **more):
            return self.network.state_dict(*values, **more)

    teacher, _ = tiny_pair()
    compared(Judge(), teacher=teacher, seeds=(0,), runs=tmp_path, methods={})
    compared(Judge(), teacher=teacher, seeds=(0,), runs=tmp_path, methods={})
    with pytest.raises(UserError, match="seed-0 holds a run with another teacher"):
        compared(Judge(), teacher=Turned(teacher), seeds=(0,), runs=tmp_path, methods={})


def test_the_table_has_means_worst_and_spread():
    outcomes = [Outcome("a", 0, 0.5, 1.0, 10), Outcome("b", 0, 0.2, 2.0, 5), Outcome("a", 1, 0.7, 3.0, 10)]  # fmt: skip
    first, second = summarize(outcomes, reference=0.8)
    assert first["name"] == "a"
    assert first["value"] == pytest.approx(0.6)
    assert first["ratio"] == pytest.approx(0.75)
    assert (first["worst"], first["spread"], first["seeds"]) == (0.5, pytest.approx(0.2), "0 1")
    assert first["cpu_seconds"] == 2
    assert first["ratio of seconds"] == 1
    assert second["spread"] is None
    assert second["ratio of seconds"] == 1
    third = summarize([*outcomes, Outcome("c", 0, 0.1, 5.0, 1)], reference=0.8, clock="wall")[2]
    assert (third["wall_seconds"], third["ratio of seconds"]) == (5, 2.5)
