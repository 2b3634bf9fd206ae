"""The method beside its rivals: the same teacher, the same first weights of the student, the same CPU seconds."""

import copy
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dfad_distillation.config import DistillationConfig
from dfad_distillation.distillation import distill
from dfad_distillation.equal_seconds import clock_of, train_within
from dfad_distillation.pairing import Student, Teacher, belonging_to
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
from tenfold_shared.devices import choose_device
from tenfold_shared.errors import UserError
from tenfold_shared.files import make_folder, write_atomically
from tenfold_shared.runs import CHECKPOINT_NAME

OURS = "DFAD"
"""Name of the method in tables."""
SECONDS = "seconds.json"
"""In a run folder: what the method took until now; a run that was killed has none."""


class Outcome(NamedTuple):
    """What one method reached with one seed."""

    method: str
    seed: int
    score: float
    """Accuracy, or mean IoU."""
    seconds: float
    """Of the CPU, unless an accelerator computed."""
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
    teacher: Teacher,
    build_student: Callable[[int], Student],
    score: Callable[[nn.Module], float],
    methods: Mapping[str, Rival],
    seeds: Sequence[int],
    runs: Path | None = None,
    seconds: float | None = None,
    device: str = "cpu",
) -> Iterator[Outcome]:
    """Train a student by the method and by each rival, and score it once at the end.

    Args:
        config: Settings of the method; rivals take batch, rates and generator from it.
        teacher: The teacher; between two seeds it is on the CPU.
        build_student: Returns the student of a seed with its first weights, on the CPU.
        score: Judges a student, which is on `device`.
        methods: See `rivals`.
        seeds: Of students and of everything random.
        runs: Keeps the method's run folders, and goes on with those that are there; a temporary folder if None.
        seconds: Of the rivals; None gives them what the method took, in all parts of an interrupted run.
        device: Where networks are trained. Seconds are of the CPU there, and of the wall on accelerators.

    Yields:
        The method's outcome first, then each rival's, seed by seed.

    Raises:
        UserError: A run folder has another teacher or student or other settings, or nobody knows what it took.
    """
    place = choose_device(device)
    for seed in seeds:
        student = build_student(seed)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "run" if runs is None else runs / f"seed-{seed}"
            own = student._replace(module=copy.deepcopy(student.module))
            ours, spent = _play(config, folder, teacher, own, seed=seed, device=place)
        yield Outcome(OURS, seed, score(ours), spent, config.rounds)
        budget = spent if seconds is None else seconds
        for name, rival in methods.items():
            copied = copy.deepcopy(student.module).to(place)
            one = train_within(budget, rival, Setting(config, teacher.module, copied, seed))
            yield Outcome(name, seed, score(one.student), one.seconds, one.steps)
        teacher.module.cpu()


def _play(
    config: DistillationConfig,
    folder: Path,
    teacher: Teacher,
    student: Student,
    *,
    seed: int,
    device: torch.device,
) -> tuple[nn.Module, float]:
    """Return the method's student, and the seconds it took since its run began."""
    make_folder(folder)
    earlier, done = _read_seconds(folder, device.type)
    clock = clock_of(device)
    with belonging_to(folder, teacher, student, config):
        if not done:
            (folder / SECONDS).unlink(missing_ok=True)
        start, ended = clock(), done
        try:
            result = distill(
                config,
                folder,
                teacher=teacher.module,
                student=student.module,
                seed=seed,
                device=str(device),
            )
            ended = True
        finally:
            spent = earlier if done else earlier + clock() - start
            if (folder / CHECKPOINT_NAME).exists():
                note = {"seconds": spent, "device": device.type, "done": ended}
                write_atomically(folder / SECONDS, json.dumps(note) + "\n")
    return result.student, spent


def _read_seconds(folder: Path, device: str) -> tuple[float, bool]:
    """Return the seconds that a run has taken, and whether it is finished.

    Raises:
        UserError: There is a run, but not what it took on such a device.
    """
    if not (folder / CHECKPOINT_NAME).exists():
        return 0.0, False
    try:
        note = json.loads((folder / SECONDS).read_text("utf-8"))
        seconds, known, done = float(note["seconds"]), str(note["device"]), bool(note["done"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{folder} holds a run of which nobody knows what it took: it was killed, is still played or is none of "
            "evaluate; delete it, or choose another --out."
        ) from error
    if known != device:
        raise UserError(f"{folder} holds a run on {known}; go on with --device {known}.")
    return seconds, done


def summarize(
    outcomes: Sequence[Outcome], *, reference: float, unit: str = "", clock: str = "cpu"
) -> list[dict[str, Any]]:
    """Return one row per method: mean and spread over seeds beside the teacher's score.

    Args:
        outcomes: Of all methods and seeds, the method's first.
        reference: The teacher's score.
        unit: Of the scores.
        clock: What tells the seconds: `cpu` or `wall`.
    """
    rows = []
    first = _mean_seconds(outcomes, outcomes[0].method) if outcomes else 0.0
    for method in dict.fromkeys(one.method for one in outcomes):
        scores = [one.score for one in outcomes if one.method == method]
        mean, seconds = statistics.fmean(scores), _mean_seconds(outcomes, method)
        rows.append(
            {
                "name": method,
                "value": mean,
                "unit": unit,
                "reference": reference,
                "ratio": mean / reference if reference else None,
                "worst": min(scores),
                "seeds": " ".join(str(one.seed) for one in outcomes if one.method == method),
                "spread": max(scores) - min(scores) if len(scores) > 1 else None,
                f"{clock}_seconds": seconds,
                "ratio of seconds": seconds / first if first else None,
            }
        )
    return rows


def _mean_seconds(outcomes: Sequence[Outcome], method: str) -> float:
    """Return the mean seconds of a method."""
    return statistics.fmean(one.seconds for one in outcomes if one.method == method)
