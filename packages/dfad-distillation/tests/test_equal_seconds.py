"""Rivals get the seconds that the method took, on a machine whose speed changes, and lose no determinism by it."""

import copy
import dataclasses
from itertools import pairwise

import pytest
import torch
from tiny_game import CONFIG, tiny_pair

from dfad_distillation.comparison import on_noise
from dfad_distillation.equal_seconds import (
    clock_of,
    train_for,
    train_within,
)
from dfad_distillation.optimizers import held_then_falling
from dfad_distillation.rivals import Setting


class Machine:
    """A clock, and a rival whose steps take time by it."""

    def __init__(self, *costs, start=0.0):
        self.now, self.start, self.costs, self.factors = 100.0, start, costs, []

    def __call__(self):
        return self.now

    def rival(self, _setting):
        self.now += self.start

        def step(number, factor):
            self.factors.append(factor)
            assert number == len(self.factors)
            self.now += self.costs[number % len(self.costs)]

        return step


def setting():
    return Setting(CONFIG, *tiny_pair(), 0)


@pytest.mark.parametrize(
    ("machine", "seconds"),
    [
        (Machine(0.1), 50.0),
        (Machine(0.1), 150.0),
        (Machine(0.05, 0.3, 0.1, 0.1), 50.0),
        (Machine(0.1, 0.11, 0.12), 3.3),
        (Machine(0.1, start=2.0), 50.0),
        (Machine(*[0.5] * 6, *[0.1] * 1000), 50.0),
        (Machine(1.0), 20.0),
    ],
    ids=["even", "longer", "uneven", "short", "slow start", "slow first steps", "few steps"],
)
def test_the_seconds_are_spent_and_no_more(machine, seconds):
    trained = train_within(seconds, machine.rival, setting(), clock=machine)
    assert trained.seconds == machine.now - 100
    assert trained.seconds == pytest.approx(seconds, rel=0.05)
    assert trained.steps == len(machine.factors)


@pytest.mark.parametrize("slower", [0.5, 1.4, 2.0, 3.0])
def test_a_machine_whose_speed_changes_halfway_costs_no_more(slower):
    costs = [0.1] * 250 + [0.1 * slower] * 2000
    machine = Machine(*costs)
    trained = train_within(50.0, machine.rival, setting(), clock=machine)
    assert sum(costs[:500]) == pytest.approx(25 * (1 + slower)), "what a trial of some steps gives"
    assert trained.seconds == pytest.approx(50, rel=0.02)


@pytest.mark.parametrize("seconds", [1e-9, 1.0])
def test_there_is_one_step_at_least(seconds):
    machine = Machine(5.0)
    assert train_within(seconds, machine.rival, setting(), clock=machine).steps == 1


@pytest.mark.parametrize("seconds", [0.1, 0.35, 0.7, 1.0, 2.2, 5.05])
def test_steps_alone_decide_what_rates_there_are(seconds):
    timed, counted = Machine(0.1), Machine(0.1)
    trained = train_within(seconds, timed.rival, setting(), clock=timed)
    train_for(trained.steps, counted.rival, setting(), falling=trained.falling)
    assert timed.factors == counted.factors


def test_the_same_steps_give_the_same_student_whatever_they_cost():
    teacher, student = tiny_pair()
    slept = Machine(0.1)

    def rival(found):
        step = on_noise(found)

        def slower(number, factor):
            slept.now += 0.125
            step(number, factor)

        return slower

    trained = train_within(1.25, rival, Setting(CONFIG, teacher, copy.deepcopy(student), 3), clock=slept)  # fmt: skip
    twin = Setting(CONFIG, teacher, copy.deepcopy(student), 3)
    made = train_for(trained.steps, on_noise, twin, falling=trained.falling)
    assert (trained.steps, trained.falling) == (10, 2)
    for name, value in made.state_dict().items():
        assert torch.equal(value, trained.student.state_dict()[name]), name


def test_rates_are_held_and_fall_to_nearly_nothing():
    factors = []
    train_for(100, lambda _: lambda _, factor: factors.append(factor), setting())
    assert factors[:80] == [1.0] * 80
    assert all(later < former for former, later in pairwise(factors[79:]))
    assert 0 < factors[-1] < 0.01
    assert held_then_falling(1, 1, falling=0) == 1


def test_seconds_on_the_cpu_are_those_of_this_process():
    clock = clock_of("cpu")
    before = clock()
    sum(range(200_000))
    assert clock() > before


def test_rivals_warm_up_for_as_many_steps_as_the_methods_student():
    machine = Machine(0.1)
    config = dataclasses.replace(CONFIG, warmup=3, student_steps=3)
    train_for(40, machine.rival, setting()._replace(config=config), falling=0)
    assert machine.factors[:11] == pytest.approx([*(n / 10 for n in range(1, 11)), 1])
    cold = Machine(0.1)
    train_for(5, cold.rival, setting(), falling=0)
    assert cold.factors == [1.0] * 5
