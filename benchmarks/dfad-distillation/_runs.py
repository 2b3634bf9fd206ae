"""Runs of the benchmarks: finished ones are kept, so that a benchmark that was stopped goes on with the next."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from dfad_distillation.config import InputSpace
from dfad_distillation.data import LabeledPictures, open_labeled
from dfad_distillation.model_files import TEACHER_FILE, load_saved, save_model
from dfad_distillation.teacher_config import TEACHERS
from dfad_distillation.teacher_training import train_teacher
from tenfold_shared.result_rows import print_row
from tenfold_shared.seeds import seed_global_state

ROOT = Path(__file__).resolve().parents[2] / "runs" / "dfad-distillation"
"""Where runs are kept; ignored by git."""


class Finished(NamedTuple):
    """A student and what it cost."""

    student: nn.Module
    cpu_seconds: float


def part(name: str, which: str, space: InputSpace) -> LabeledPictures:
    """Return one part of a data set in the size that a teacher reads."""
    channels, *size = space.shape
    return open_labeled(name, which, size=tuple(size), channels=channels)


def teacher_of(name: str) -> tuple[nn.Module, float]:
    """Return the teacher of the committed recipe, seed 0, and the CPU seconds of its training."""
    config, folder = TEACHERS[name], ROOT / name / "teacher"
    note = folder / "cpu-seconds.txt"
    if not note.exists():
        shutil.rmtree(folder, ignore_errors=True)
        training, validation = (part(name, p, config.input) for p in ("train", "validation"))
        start = time.process_time()
        train_teacher(
            config, folder, training=training, validation=validation, seed=0, device="cpu"
        )
        note.write_text(f"{time.process_time() - start:.1f}\n", "utf-8")
    return load_saved(folder / TEACHER_FILE).module, float(note.read_text("utf-8"))


def first_student(source: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return a student with the first weights of a seed."""
    seed_global_state(seed, "student")
    return source()


def finished(
    folder: Path,
    run: Callable[[Path], nn.Module],
    *,
    source: str,
    arguments: dict[str, int],
    space: InputSpace,
    classes: tuple[str, ...],
) -> Finished:
    """Return the student of a run, playing it unless that was done before.

    A run that was interrupted begins again, because its CPU seconds are asked for.

    Args:
        folder: Of the run.
        run: Trains and returns the student.
        source: Name of the student's network.
        arguments: Of its constructor.
        space: What it reads.
        classes: Of its outputs.
    """
    note, path = folder / "cpu-seconds.json", folder / "final.safetensors"
    if not note.exists():
        shutil.rmtree(folder, ignore_errors=True)
        start = time.process_time()
        student = run(folder)
        spent = time.process_time() - start
        folder.mkdir(parents=True, exist_ok=True)
        save_model(
            path,
            student,
            source=source,
            arguments=arguments,
            input=space,
            classes=classes,
            about={},
        )
        note.write_text(json.dumps(spent), "utf-8")
    return Finished(load_saved(path).module, float(json.loads(note.read_text("utf-8"))))


def print_seconds(
    title: str, ours: Sequence[Finished], others: Iterable[Sequence[Finished]]
) -> None:
    """Print how far the CPU seconds of a rival are from those of the method at the same seed, at most."""
    ratios = [
        rival.cpu_seconds / one.cpu_seconds
        for rivals in others
        for rival, one in zip(rivals, ours, strict=True)
    ]
    if ratios:
        name = f"{title}: CPU seconds of a rival over those of the method, farthest from 1"
        print_row(name, max(ratios, key=lambda ratio: abs(ratio - 1)))
