"""A whole distillation: resume, determinism, states, choices, and that evaluation data cannot leak."""

import copy
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_game import ALL_TERMS, CONFIG, tiny_pair
from torch import Tensor, nn

from dfad_distillation.config import RegularizerConfig
from dfad_distillation.distillation import (
    PROGRESS,
    DistillationResult,
    distill,
    noise_of_round,
)
from dfad_distillation.optimizers import half_cosine, rate_factor, student_factor
from dfad_distillation.progress import PACKAGE, paint_bank
from tenfold_shared import load_checkpoint, read_metrics
from tenfold_shared.errors import UserError


def run(folder: Path, **changes) -> DistillationResult:
    """Distill the tiny pair."""
    teacher, student = tiny_pair()
    watch, seed = changes.pop("watch", None), changes.pop("seed", 0)
    config = dataclasses.replace(CONFIG, **changes)
    return distill(
        config, folder, teacher=teacher, student=student, seed=seed, device="cpu", watch=watch
    )


def same(one: nn.Module, other: nn.Module) -> bool:
    """Tell whether two networks have the same bits."""
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


def test_same_seed_same_bits_and_another_seed_others(tmp_path):
    first, second = run(tmp_path / "a"), run(tmp_path / "b")
    other = run(tmp_path / "c", seed=1)
    assert same(first.student, second.student)
    assert same(first.generator, second.generator)
    assert not same(first.generator, other.generator)


VARIANTS = [
    {},
    {"replay": 3, "replay_every": 1, "average": 0.5, "occlusion": 0.5},
    {"regularizers": RegularizerConfig(balance=1.0, smoothness=1.0, batch_statistics=1.0)},
    {"select": True, "reestimate": 2, "schedule": "steps", "milestones": (2, 4)},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=["plain", "memory", "terms", "choice"])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, changes):
    class KilledError(Exception):
        pass

    def kill(number: int, _student: nn.Module) -> None:
        if number == 4:
            raise KilledError

    whole = run(tmp_path / "whole", **changes)
    with pytest.raises(KilledError):
        run(tmp_path / "parts", watch=kill, **changes)
    resumed = run(tmp_path / "parts", **changes)
    assert same(whole.student, resumed.student)
    assert same(whole.generator, resumed.generator)
    assert whole.table == resumed.table
    assert (tmp_path / "whole" / PROGRESS).read_bytes() == (
        tmp_path / "parts" / PROGRESS
    ).read_bytes()


STUDENT, GENERATOR = "student", "generator"


@pytest.mark.parametrize(
    ("changes", "player"),
    [
        ({"loss": "kl"}, STUDENT),
        ({"pool": 2}, STUDENT),
        ({"momentum": 0.0}, STUDENT),
        ({"warmup": 2}, STUDENT),
        ({"weight_decay": 0.1}, STUDENT),
        ({"precision": "bf16"}, STUDENT),
        ({"occlusion": 0.5}, STUDENT),
        ({"replay": 2, "replay_every": 1}, STUDENT),
        ({"average": 0.5}, STUDENT),
        ({"reestimate": 2}, STUDENT),
        ({"schedule": "constant"}, STUDENT),
        ({"schedule": "constant", "student_rate": 1e-30}, GENERATOR),
        ({"generator_rate": 1e-4, "student_rate": 1e-30}, GENERATOR),
        ({"generation_loss": "log_mae"}, GENERATOR),
        ({"generation_loss": "mse"}, GENERATOR),
        *(
            ({"regularizers": RegularizerConfig(**{name: 1.0})}, GENERATOR)
            for name in ("balance", "smoothness", "one_hot", "batch_statistics")
        ),
    ],
    ids=str,
)
def test_every_option_has_an_effect(tmp_path, changes, player):
    rate = {"student_rate": changes["student_rate"]} if "student_rate" in changes else {}
    plain, other = run(tmp_path / "plain", **rate), run(tmp_path / "other", **changes)
    assert not same(getattr(plain, player), getattr(other, player))


def test_the_averaged_student_is_the_result(tmp_path):
    seen: list[dict[str, Tensor]] = []
    result = run(tmp_path, average=0.5, watch=lambda _, s: seen.append(s.state_dict()))
    kept = load_checkpoint(tmp_path / "checkpoint.safetensors", package=PACKAGE).models
    for name, value in result.student.state_dict().items():
        assert torch.equal(value, kept["average"][name])
        assert torch.equal(value, seen[-1][name])
    assert not torch.equal(kept["average"]["0.weight"], kept["student"]["0.weight"])


def test_reestimated_statistics_are_those_of_the_last_generators_pictures(tmp_path):
    result = run(tmp_path, reestimate=3)
    generator = copy.deepcopy(result.generator).train()
    noises = noise_of_round(0, count=3, batch=CONFIG.batch, latent=CONFIG.generator.latent, seed=0)
    with torch.no_grad():
        first = [result.student[0](generator(noise)) for noise in noises]
    mean = torch.stack([one.mean((0, 2, 3)) for one in first]).mean(0)
    torch.testing.assert_close(result.student[1].running_mean, mean)


def test_the_bank_is_painted_by_all_snapshots(tmp_path, monkeypatch):
    from dfad_distillation import distillation

    asked: list[list[int]] = []

    def record(folder, snapshots, **more):
        asked.append(list(snapshots))
        return paint_bank(folder, snapshots, **more)

    monkeypatch.setattr(distillation, "paint_bank", record)
    run(tmp_path)
    assert asked == [[2, 4, 6]]


def test_watching_changes_nothing(tmp_path):
    seen: list[int] = []

    def meddle(number: int, student: nn.Module) -> None:
        seen.append(number)
        torch.rand(100)  # an evaluation that uses up global randomness
        student.train()(torch.randn(8, 1, 8, 8))
        with torch.no_grad():
            for parameter in student.parameters():
                parameter.zero_()

    watched = run(tmp_path / "watched", watch=meddle, select=True)
    assert seen == [2, 4, 6]
    assert same(watched.student, run(tmp_path / "alone", select=True).student)


def test_metrics_and_the_table_are_written(tmp_path):
    result = run(tmp_path)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert {row.name for row in rows} == {"imitation", "discrepancy"}
    assert len(rows) == 2 * CONFIG.rounds
    written = json.loads((tmp_path / PROGRESS).read_text())
    assert written["chosen"] == result.chosen == CONFIG.rounds
    assert [one["round"] for one in written["states"]] == [2, 4, 6]


def test_select_takes_the_state_of_highest_agreement(tmp_path, monkeypatch):
    from dfad_distillation import distillation

    states: dict[int, dict[str, Tensor]] = {}

    def keep(number: int, student: nn.Module) -> None:
        states[number] = copy.deepcopy(student.state_dict())

    banks: list[int] = []

    def first(table, pictures):
        banks.append(pictures)
        return table[0]

    monkeypatch.setattr(distillation, "choose", first)
    result = run(tmp_path, select=True, watch=keep)
    assert banks == [CONFIG.snapshots * CONFIG.bank]
    assert result.chosen == 2
    assert all(torch.equal(v, states[2][n]) for n, v in result.student.state_dict().items())
    assert not all(torch.equal(v, states[6][n]) for n, v in result.student.state_dict().items())


def test_patience_stops_early_and_a_stopped_run_stays_stopped(tmp_path, monkeypatch):
    from dfad_distillation import distillation

    monkeypatch.setattr(distillation, "highest", lambda table: table[0])
    result = run(tmp_path, patience=1)
    assert result.chosen == 4
    before = (tmp_path / "metrics.jsonl").read_bytes()
    again = run(tmp_path, patience=1)
    assert again.chosen == 4
    assert same(result.student, again.student)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_patience_waits_for_the_first_snapshot(tmp_path, monkeypatch):
    from dfad_distillation import distillation

    # By default there are twice as many states as snapshots: the first state has no bank yet.
    monkeypatch.setattr(distillation, "highest", lambda table: table[0])
    result = run(tmp_path, patience=1, states=6, snapshots=2)
    assert [one.round for one in result.table] == [1, 2, 3]


def test_only_the_rate_of_the_student_warms_up(tmp_path, monkeypatch):
    from dfad_distillation import distillation

    rates: dict[str, list[float]] = {"SGD": [], "Adam": []}
    monkeypatch.setattr(
        distillation, "set_rate", lambda one, rate: rates[type(one).__name__].append(rate)
    )
    run(tmp_path, warmup=3, schedule="constant", student_rate=0.4, generator_rate=0.5)
    assert rates["SGD"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert rates["Adam"] == [0.5] * 6


def test_the_memory_takes_a_batch_every_few_rounds(tmp_path):
    run(tmp_path, replay=4, replay_every=2)
    state = load_checkpoint(tmp_path / "checkpoint.safetensors", package=PACKAGE)
    assert int(state.models["memory"]["written"]) == CONFIG.rounds // 2


def test_without_states_there_is_no_table(tmp_path):
    result = run(tmp_path, states=0)
    assert result.table == []
    assert not (tmp_path / PROGRESS).exists()


def test_the_teacher_is_frozen_and_unchanged(tmp_path):
    teacher, student = tiny_pair()
    before = copy.deepcopy(teacher.state_dict())
    distill(CONFIG, tmp_path, teacher=teacher.train(), student=student, device="cpu")
    assert not teacher.training
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_student_learns(tmp_path):
    result = run(tmp_path, rounds=150, states=3, snapshots=3, checkpoint_every=100)
    assert result.table[-1].agreement > 0.8
    untrained = run(tmp_path / "untrained", rounds=1, states=1, student_rate=1e-9)
    assert untrained.table[0].agreement < 0.7


def test_divergence_is_one_sentence_and_keeps_the_last_good_state(tmp_path):
    with pytest.raises(UserError, match=r"diverged at step \d+.*last good checkpoint"):
        run(tmp_path, student_rate=1e30, rounds=30)


def test_rates():
    config = dataclasses.replace(CONFIG, rounds=10, schedule="steps", milestones=(3, 6), decay=0.5)
    assert [rate_factor(n, config) for n in (1, 3, 4, 6, 7, 10)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    warm = dataclasses.replace(config, warmup=3)
    assert [student_factor(n, warm) for n in (1, 2, 3, 4, 7)] == [0.25, 0.5, 0.75, 0.5, 0.25]
    assert student_factor(1, config) == 1
    assert half_cosine(1, 10) == 1
    assert half_cosine(6, 10) == pytest.approx(0.5)
    assert rate_factor(9, dataclasses.replace(CONFIG, schedule="constant")) == 1
    held = dataclasses.replace(CONFIG, schedule="held", rounds=10)
    assert [rate_factor(n, held) for n in range(1, 9)] == [1] * 8
    assert 1 > rate_factor(9, held) > rate_factor(10, held) > 0


PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tiny_game import ALL_TERMS, CONFIG, tiny_pair
from dfad_distillation.distillation import distill
config = ALL_TERMS if sys.argv[2] == "all" else CONFIG
teacher, student = (network.double() for network in tiny_pair())
distill(config, Path(sys.argv[1]), teacher=teacher, student=student, device="cpu")
"""


@pytest.mark.slow
@pytest.mark.parametrize("terms", ["plain", "all"])
def test_two_processes_equal_one(tmp_path, terms):
    config = ALL_TERMS if terms == "all" else CONFIG
    teacher, student = (network.double() for network in tiny_pair())
    single = distill(config, tmp_path / "single", teacher=teacher, student=student, device="cpu")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--master-port=0", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    subprocess.run(
        [*command, str(program), str(tmp_path / "double"), terms],
        env=environment,
        check=True,
        capture_output=True,
        timeout=300,
    )
    resumed = distill(config, tmp_path / "double", teacher=teacher, student=student, device="cpu")
    for ours, theirs in ((single.student, resumed.student), (single.generator, resumed.generator)):
        state = theirs.state_dict()
        for name, value in ours.state_dict().items():
            torch.testing.assert_close(value, state[name], rtol=0, atol=1e-9, msg=name)


def test_batches_that_processes_cannot_share_are_refused(tmp_path, monkeypatch):
    from dfad_distillation import distillation
    from tenfold_shared.distributed import World

    monkeypatch.setattr(distillation, "start", lambda place: World(0, 3))
    with pytest.raises(ValueError, match="multiple of the 3 processes, got 16"):
        run(tmp_path)
