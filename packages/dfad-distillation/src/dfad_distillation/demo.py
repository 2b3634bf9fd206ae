"""The demonstration: a teacher of scikit-learn's handwritten digits, half of it that never saw one, and noise."""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

from torch import nn

from dfad_distillation.compression import compression_report
from dfad_distillation.config import DistillationConfig
from dfad_distillation.data import LabeledPictures, normalize, open_labeled
from dfad_distillation.distillation import distill
from dfad_distillation.figures import as_arrays, confusion_on_samples, progress, sample_rows
from dfad_distillation.metrics import evaluate
from dfad_distillation.model_files import STUDENT_FILE, save_model
from dfad_distillation.networks import lenet5_half
from dfad_distillation.presets import DIGITS, digits
from dfad_distillation.rivals import Setting, gaussian_noise, steps_within, teach
from dfad_distillation.run_files import open_run
from dfad_distillation.teacher_config import TEACHERS
from dfad_distillation.teacher_training import train_teacher
from dfad_distillation.watching import AccuracyCurve
from tenfold_shared.images import image_grid, write_image
from tenfold_shared.plots import save_figure
from tenfold_shared.seeds import seed_global_state


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
    test = open_labeled("digits", "test")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        teacher = _teacher(Path(temporary) / "teacher", seed=seed, device=device)
        start = time.process_time()
        run = Path(temporary) / "run"
        curve = AccuracyCurve(run, "digits", input=DIGITS, data=None, device=device)
        result = distill(
            config,
            run,
            teacher=teacher,
            student=_student(seed),
            seed=seed,
            device=device,
            watch=curve,
        )
        seconds = time.process_time() - start
        student = result.student.cpu()
        _write_pictures(folder, run, teacher, student, test)
    noisy = _taught_by_noise(config, teacher, seconds=seconds, seed=seed)
    save_model(
        folder / STUDENT_FILE,
        student,
        source="lenet5_half",
        arguments={},
        input=DIGITS,
        classes=test.classes,
        about={"rounds": config.rounds, "seed": seed},
    )
    return _table(teacher, student, noisy, test, seconds)


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


def _taught_by_noise(
    config: DistillationConfig, teacher: nn.Module, *, seconds: float, seed: int
) -> nn.Module:
    """Teach the same student with noise for as many CPU seconds."""
    source = gaussian_noise(config.input.shape, batch=config.batch, seed=seed)
    trial = Setting(config, teacher, _student(seed), seed)
    steps = steps_within(seconds, lambda count: teach(trial, source, count))
    student = _student(seed)
    teach(trial._replace(student=student), source, steps)
    return student.eval()


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
    teacher: nn.Module,
    student: nn.Module,
    noisy: nn.Module,
    test: LabeledPictures,
    seconds: float,
) -> list[dict[str, Any]]:
    """Return the scores beside the baseline's."""
    scores = {
        name: evaluate(network, test, DIGITS).accuracy
        for name, network in (("teacher", teacher), ("ours", student), ("noise", noisy))
    }
    return [
        {
            "name": "accuracy of the student on real digits (reference: taught by noise)",
            "value": scores["ours"], "unit": "", "reference": scores["noise"],
            "ratio": scores["ours"] / scores["noise"], "cpu_seconds": seconds,
        },
        {
            "name": "accuracy of the student (reference: its teacher)",
            "value": scores["ours"], "unit": "", "reference": scores["teacher"],
            "ratio": scores["ours"] / scores["teacher"], "cpu_seconds": seconds,
        },
        *compression_report(teacher, student, DIGITS.shape),
    ]  # fmt: skip
