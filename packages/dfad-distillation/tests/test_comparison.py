"""Rivals get the same student and the same budget; the table says what they reached."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_game import CONFIG, tiny_pair

from dfad_distillation.comparison import OURS, Outcome, compare, rivals, summarize
from dfad_distillation.rivals import (
    Setting,
    gaussian_noise,
    real_pictures,
    steps_within,
    teach,
    teach_by_dafl,
    teach_by_zskt,
    untrained_generator,
)

SPACE = CONFIG.input


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module, before):
    return any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


def lessons(name, setting):
    """Run three steps of a rival."""
    if name == "noise":
        teach(setting, gaussian_noise(SPACE.shape, batch=16, seed=0), 3)
    elif name == "untrained":
        teach(setting, untrained_generator(setting.config, seed=0), 3)
    else:
        {"dafl": teach_by_dafl, "zskt": teach_by_zskt}[name](setting, 3)


@pytest.mark.parametrize("name", ["noise", "untrained", "dafl", "zskt"])
def test_a_rival_moves_the_student_alone_and_leaves_no_gradient(name):
    teacher, student = tiny_pair()
    before, first = state(teacher), state(student)
    lessons(name, Setting(CONFIG, teacher, student, 0))
    assert changed(student, first)
    assert not changed(teacher, before)
    assert all(p.grad is None for p in teacher.parameters())


def test_sources_are_pure_functions_of_seed_and_step():
    images = torch.arange(100.0).view(100, 1, 1, 1)
    source = real_pictures(images, batch=32, seed=1)
    assert torch.equal(source(3), real_pictures(images, batch=32, seed=1)(3))
    assert not torch.equal(source(3), source(4))
    noise = gaussian_noise((1, 8, 8), batch=200, seed=0)(1)
    assert noise.shape == (200, 1, 8, 8)
    assert abs(float(noise.std()) - 1) < 0.05
    drawn = untrained_generator(CONFIG, seed=0)(1)
    assert drawn.shape == (16, *SPACE.shape)
    assert not drawn.requires_grad


def test_real_pictures_teach_more_than_noise():
    teacher, student = tiny_pair()
    images = torch.randn(256, *SPACE.shape) * 0.3 + torch.linspace(-3, 3, 8)[:, None]
    config = replace(CONFIG, student_rate=0.05)

    def distance(source):
        own = copy.deepcopy(student)
        teach(Setting(config, teacher, own, 0), source, 60)
        with torch.no_grad():
            return float((own.eval()(images) - teacher(images)).abs().mean())

    real = distance(real_pictures(images, batch=16, seed=0))
    assert real < distance(gaussian_noise(SPACE.shape, batch=16, seed=0))


def test_steps_are_as_many_as_the_seconds_pay_for():
    calls = []

    def run(steps):
        calls.append(steps)
        for _ in range(steps):
            sum(range(20_000))

    few, many = steps_within(0.05, run), steps_within(5.0, run)
    assert many > few
    assert steps_within(1e-9, run) == 1


def test_all_methods_start_from_the_student_of_their_seed_and_are_scored_once(tmp_path: Path):
    teacher, _ = tiny_pair()
    built, scored = [], []

    def build(seed):
        built.append(seed)
        return tiny_pair()[1]

    def score(network):
        scored.append(network)
        assert not network.training
        return 0.5

    methods = rivals({"real data": torch.randn(20, *SPACE.shape)})
    assert list(methods) == ["real data", "noise", "untrained generator", "DAFL", "ZSKT"]
    outcomes = list(
        compare(
            replace(CONFIG, rounds=2), teacher=teacher, build_student=build, score=score,
            methods=methods, seeds=(3, 4), runs=tmp_path, seconds=0.02,
        )
    )  # fmt: skip
    assert built == [3, 4]
    assert [one.method for one in outcomes[:6]] == [OURS, *methods]
    assert len(scored) == len(outcomes) == 12
    assert (tmp_path / "seed-4" / "checkpoint.safetensors").exists()


def test_the_table_has_means_worst_and_spread():
    outcomes = [Outcome("a", 0, 0.5, 1.0, 10), Outcome("b", 0, 0.2, 2.0, 5), Outcome("a", 1, 0.7, 3.0, 10)]  # fmt: skip
    first, second = summarize(outcomes, reference=0.8)
    assert first["name"] == "a"
    assert first["value"] == pytest.approx(0.6)
    assert first["ratio"] == pytest.approx(0.75)
    assert (first["worst"], first["spread"], first["seeds"]) == (0.5, pytest.approx(0.2), "0 1")
    assert first["cpu_seconds"] == 2
    assert second["spread"] == 0
