"""The method beside its rivals: the same teacher, the same first weights of the student, the same CPU seconds."""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from dfad_distillation.config import DistillationConfig
from dfad_distillation.distillation import distill
from dfad_distillation.equal_seconds import train_within
from dfad_distillation.rivals import (
    Rival,
    Setting,
    Step,
    dafl,
    gaussian_noise,
    imitation,
    real_pictures,
    untrained_generator,
    zskt,
)

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
    return {
        **{name: partial(_on_pictures, images=images) for name, images in pictures.items()},
        "noise": on_noise,
        "untrained generator": _on_untrained,
        "DAFL": dafl,
        "ZSKT": zskt,
    }


def _on_pictures(setting: Setting, *, images: Tensor) -> Step:
    source = real_pictures(images, batch=setting.config.batch, seed=setting.seed)
    return imitation(setting, source)


def on_noise(setting: Setting) -> Step:
    """Teach with Gaussian noise."""
    config = setting.config
    source = gaussian_noise(config.input.shape, batch=config.batch, seed=setting.seed)
    return imitation(setting, source)


def _on_untrained(setting: Setting) -> Step:
    return imitation(setting, untrained_generator(setting.config, seed=setting.seed))


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
        for name, rival in methods.items():
            setting = Setting(config, teacher, copy.deepcopy(student), seed)
            one = train_within(spent if seconds is None else seconds, rival, setting)
            yield Outcome(name, seed, score(one.student), one.seconds, one.steps)


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
