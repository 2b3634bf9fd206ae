"""The demonstration: a teacher of scikit-learn's handwritten digits, half of it that never saw one, and noise."""

import dataclasses
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dfad_distillation.comparison import on_noise
from dfad_distillation.compression import compression_report
from dfad_distillation.config import DistillationConfig
from dfad_distillation.data import LabeledPictures, normalize, open_labeled
from dfad_distillation.distillation import distill
from dfad_distillation.equal_seconds import train_for
from dfad_distillation.figures import as_arrays, confusion_on_samples, progress, sample_rows
from dfad_distillation.metrics import evaluate
from dfad_distillation.model_files import STUDENT_FILE, TEACHER_FILE, load_saved, save_model
from dfad_distillation.networks import lenet5_half
from dfad_distillation.presets import DIGITS, digits
from dfad_distillation.rivals import Setting
from dfad_distillation.run_files import open_run
from dfad_distillation.teacher_config import TEACHERS
from dfad_distillation.teacher_training import train_teacher
from dfad_distillation.watching import AccuracyCurve
from tenfold_shared.images import image_grid, write_image
from tenfold_shared.plots import save_figure
from tenfold_shared.result_rows import result_row
from tenfold_shared.seeds import seed_global_state

NOISE_STEPS = 10
"""Of noise's student, for each round of ours: they cost about as many CPU seconds, and do not depend on the load."""

_NOISE_FILE = "noise.safetensors"


def run_demo(
    folder: Path, *, rounds: int = 0, seed: int = 0, device: str = "auto"
) -> list[dict[str, Any]]:
    """Run everything, write pictures into a folder and return the table.

    Args:
        folder: Where pictures and the student go.
        rounds: Of the game; 0 takes those of the preset `digits`.
        seed: Of teacher, student and game.
        device: Where the networks run.
    """
    config = digits()
    if rounds:
        config = dataclasses.replace(config, rounds=rounds)
    folder.mkdir(parents=True, exist_ok=True)
    with _one_thread():
        return _compare(config, folder, seed=seed, device=device)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep networks that are this small on one core: several only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _compare(
    config: DistillationConfig, folder: Path, *, seed: int, device: str
) -> list[dict[str, Any]]:
    """Train the teacher and both students, write everything and return the table."""
    test = open_labeled("digits", "test")
    spawn = multiprocessing.get_context("spawn")  # a copy of a process that uses a GPU is broken
    with (
        tempfile.TemporaryDirectory() as temporary,
        ProcessPoolExecutor(1, mp_context=spawn) as beside,
    ):
        place = Path(temporary)
        teacher = _teacher(place / "teacher", seed=seed, device=device)
        rival = beside.submit(taught_by_noise, config, place, seed=seed)
        start = time.process_time()
        curve = AccuracyCurve(place / "run", "digits", input=DIGITS, data=None, device=device)
        result = distill(
            config,
            place / "run",
            teacher=teacher,
            student=_student(seed),
            seed=seed,
            device=device,
            watch=curve,
        )
        seconds = time.process_time() - start
        student = result.student.cpu()
        _write_pictures(folder, place / "run", teacher, student, test)
        noise_seconds = rival.result()
        noisy = load_saved(place / _NOISE_FILE).module
    _save(folder / STUDENT_FILE, student, about={"rounds": config.rounds, "seed": seed})
    return _table((teacher, student, noisy), test, seconds=(seconds, noise_seconds))


def _save(path: Path, student: nn.Module, *, about: Mapping[str, int]) -> None:
    """Write a student."""
    save_model(
        path,
        student,
        source="lenet5_half",
        arguments={},
        input=DIGITS,
        classes=tuple(map(str, range(10))),
        about=about,
    )


def _teacher(folder: Path, *, seed: int, device: str) -> nn.Module:
    """Train the teacher by the recipe of the tables."""
    parts = [open_labeled("digits", part) for part in ("train", "validation")]
    result = train_teacher(
        TEACHERS["digits"], folder, training=parts[0], validation=parts[1], seed=seed, device=device
    )
    return result.network.cpu()


def _student(seed: int) -> nn.Module:
    """Return the student with the first weights of a seed."""
    seed_global_state(seed, "student")
    return lenet5_half()


def taught_by_noise(config: DistillationConfig, folder: Path, *, seed: int) -> float:
    """Teach the same student with noise for about as long, in a process of its own: the second core is free.

    Args:
        config: Of our game.
        folder: Holds the teacher in `teacher/`; the student is written beside it.
        seed: Of the student.

    Returns:
        The CPU seconds of the training.
    """
    with _one_thread():
        teacher = load_saved(folder / "teacher" / TEACHER_FILE).module
        start = time.process_time()
        setting = Setting(config, teacher, _student(seed), seed)
        student = train_for(NOISE_STEPS * config.rounds, on_noise, setting)
        seconds = time.process_time() - start
    _save(folder / _NOISE_FILE, student, about={"seed": seed})
    return seconds


def _write_pictures(
    folder: Path, run: Path, teacher: nn.Module, student: nn.Module, test: LabeledPictures
) -> None:
    """Write what the generator painted, real digits for comparison, and two figures."""
    opened = open_run(run)
    write_image(folder / "1_samples_over_rounds.png", sample_rows(opened, count=12))
    real = normalize(test.images[:24], DIGITS)
    write_image(folder / "2_real_digits.png", image_grid(as_arrays(real, DIGITS), columns=12))
    save_figure(progress(opened), folder / "3_progress.png")
    save_figure(confusion_on_samples(opened, teacher, student), folder / "4_agreement.png")


def _table(
    networks: tuple[nn.Module, nn.Module, nn.Module],
    test: LabeledPictures,
    *,
    seconds: tuple[float, float],
) -> list[dict[str, Any]]:
    """Return the scores of teacher, student and noise's student, and what the student saves."""
    teacher, ours, noise = (evaluate(one, test, DIGITS).accuracy for one in networks)
    return [
        result_row(
            "accuracy of the student on real digits (reference: taught by noise)",
            ours, reference=noise, cpu_seconds=seconds[0],
        ),
        result_row(
            "accuracy of the student (reference: its teacher)",
            ours, reference=teacher, cpu_seconds=seconds[0],
        ),
        result_row(
            "accuracy of the student taught by noise (reference: its teacher)",
            noise, reference=teacher, cpu_seconds=seconds[1],
        ),
        *compression_report(networks[0], networks[1], DIGITS.shape),
    ]  # fmt: skip
