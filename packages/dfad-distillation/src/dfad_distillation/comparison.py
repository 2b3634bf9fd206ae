"""The method beside its rivals: the same teacher, the same first weights of the student, the same CPU seconds."""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from dfad_distillation.config import DistillationConfig
from dfad_distillation.distillation import distill
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

Rival = Callable[[Setting, int], None]
"""Trains the student of a setting for a number of steps."""

OURS = "DFAD"
"""Name of the method in tables."""


class Outcome(NamedTuple):
    """What one method reached with one seed."""

    method: str
    seed: int
    score: float
    """Accuracy, or mean IoU."""
    cpu_seconds: float
    steps: int
    """Rounds or steps that the seconds paid for."""


def rivals(pictures: Mapping[str, Tensor]) -> dict[str, Rival]:
    """Return all rivals by name.

    Args:
        pictures: Normalized pictures (n, c, h, w) by the name that the table gives them, such as `real data`.
    """

    def on_pictures(images: Tensor) -> Rival:
        def run(setting: Setting, steps: int) -> None:
            source = real_pictures(images, batch=setting.config.batch, seed=setting.seed)
            teach(setting, source, steps)

        return run

    def noise(setting: Setting, steps: int) -> None:
        config = setting.config
        source = gaussian_noise(config.input.shape, batch=config.batch, seed=setting.seed)
        teach(setting, source, steps)

    def untrained(setting: Setting, steps: int) -> None:
        teach(setting, untrained_generator(setting.config, seed=setting.seed), steps)

    return {
        **{name: on_pictures(images) for name, images in pictures.items()},
        "noise": noise,
        "untrained generator": untrained,
        "DAFL": teach_by_dafl,
        "ZSKT": teach_by_zskt,
    }


def compare(
    config: DistillationConfig,
    *,
    teacher: nn.Module,
    build_student: Callable[[int], nn.Module],
    score: Callable[[nn.Module], float],
    methods: Mapping[str, Rival],
    seeds: Sequence[int],
    runs: Path | None = None,
    seconds: float | None = None,
) -> Iterator[Outcome]:
    """Train a student by the method and by each rival, and score it once at the end.

    Args:
        config: Settings of the method; rivals take batch, rates and generator from it.
        teacher: The teacher, on the CPU.
        build_student: Returns the student of a seed with its first weights.
        score: Judges a student.
        methods: See `rivals`.
        seeds: Of students and of everything random.
        runs: Keeps the method's run folders; a temporary folder if None.
        seconds: CPU seconds of the rivals; None gives them what the method took.

    Yields:
        The method's outcome first, then each rival's, seed by seed.
    """
    for seed in seeds:
        student = build_student(seed)
        ours, spent = _ours(config, teacher, copy.deepcopy(student), seed=seed, runs=runs)
        yield Outcome(OURS, seed, score(ours), spent, config.rounds)
        for name, run in methods.items():
            yield _outcome(
                name,
                run,
                Setting(config, teacher, student, seed),
                score=score,
                seconds=spent if seconds is None else seconds,
            )


def _ours(
    config: DistillationConfig,
    teacher: nn.Module,
    student: nn.Module,
    *,
    seed: int,
    runs: Path | None,
) -> tuple[nn.Module, float]:
    """Return the method's student and the CPU seconds it took."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run" if runs is None else runs / f"seed-{seed}"
        start = time.process_time()
        result = distill(config, folder, teacher=teacher, student=student, seed=seed, device="cpu")
        return result.student, time.process_time() - start


def _outcome(
    name: str,
    run: Rival,
    setting: Setting,
    *,
    score: Callable[[nn.Module], float],
    seconds: float,
) -> Outcome:
    """Run one rival for a number of seconds, on a copy of the student."""

    def trial(steps: int) -> None:
        run(setting._replace(student=copy.deepcopy(setting.student)), steps)

    steps = steps_within(seconds, trial)
    student = copy.deepcopy(setting.student)
    start = time.process_time()
    run(setting._replace(student=student), steps)
    spent = time.process_time() - start
    return Outcome(name, setting.seed, score(student.eval()), spent, steps)


def summarize(
    outcomes: Sequence[Outcome], *, reference: float, unit: str = ""
) -> list[dict[str, Any]]:
    """Return one row per method: mean and spread over seeds beside the teacher's score.

    Args:
        outcomes: Of all methods and seeds.
        reference: The teacher's score.
        unit: Of the scores.
    """
    rows = []
    for method in dict.fromkeys(one.method for one in outcomes):
        mine = [one for one in outcomes if one.method == method]
        scores = [one.score for one in mine]
        mean = statistics.fmean(scores)
        rows.append(
            {
                "name": method,
                "value": mean,
                "unit": unit,
                "reference": reference,
                "ratio": mean / reference if reference else None,
                "worst": min(scores),
                "seeds": " ".join(str(one.seed) for one in mine),
                "spread": max(scores) - min(scores),
                "cpu_seconds": statistics.fmean(one.cpu_seconds for one in mine),
            }
        )
    return rows
