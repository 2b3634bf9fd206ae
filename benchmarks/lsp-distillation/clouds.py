"""Dynamic graphs: point clouds of MNIST's digits, a DGCNN teacher, and students with and without LSP.

    TENFOLD_DATA=... OMP_NUM_THREADS=1 python benchmarks/lsp-distillation/clouds.py

2,000 training clouds of 64 points, 1,000 to validate, 2,000 to test. Students of one seed begin with the same weights.
Finished networks are kept in runs/lsp-distillation/clouds.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from lsp_distillation.cloud_data import CloudTask
from lsp_distillation.cloud_distillation import (
    cloud_fidelity,
    evaluate_on_clouds,
    train_on_clouds,
)
from lsp_distillation.distillation import matched_layers
from lsp_distillation.methods import terms_of
from lsp_distillation.model_files import MODEL_FILE, Student
from lsp_distillation.point_clouds import open_clouds
from lsp_distillation.recipes import STUDENTS, TEACHERS
from lsp_distillation.training_config import TrainConfig
from tenfold_shared.result_rows import print_row

ROOT = Path(__file__).resolve().parents[2] / "runs" / "lsp-distillation" / "clouds"
CLOUDS, POINTS = 2000, 64
SEEDS = (10, 11, 12)
METHODS = ("labels", "kd", "lsp", "lsp+kd")


def clouds() -> CloudTask:
    """Return the clouds, with the first of the training part only."""
    task = open_clouds("mnist", points=POINTS)
    known = task.mask("train")
    return replace(task, train_mask=known & (known.cumsum(0) <= CLOUDS))


def trained(
    config: TrainConfig, name: str, task: CloudTask, *, seed: int, teacher: nn.Module | None = None
) -> tuple[Student, float]:
    """Return a network and the CPU seconds of its training, trained unless that was done before."""
    folder = ROOT / f"{name}-{seed}"
    note = folder / "cpu-seconds.json"
    if not note.exists():
        start = time.process_time()
        train_on_clouds(config, folder, task=task, teacher=teacher, seed=seed, device="cpu")
        note.write_text(json.dumps(time.process_time() - start), "utf-8")
    return Student.load(folder / MODEL_FILE), float(json.loads(note.read_text("utf-8")))


def students_of(teacher: nn.Module, task: CloudTask, method: str) -> list[tuple[Student, float]]:
    """Return the students of a method, one per seed, and their CPU seconds."""
    base = STUDENTS["points"]
    config = replace(base, terms=terms_of(method, base.terms))
    return [trained(config, method, task, seed=seed, teacher=teacher) for seed in SEEDS]


def main() -> None:
    """Train what is missing, then read the test clouds and print."""
    torch.set_num_threads(1)
    task = clouds()
    teacher, seconds = trained(TEACHERS["points"], "teacher", task, seed=SEEDS[0])
    students = {method: students_of(teacher.network, task, method) for method in METHODS}
    known = evaluate_on_clouds(teacher.network, task)[0].value
    print_row("MNIST clouds, teacher: test accuracy", known, cpu_seconds=seconds)
    print_row(
        "MNIST clouds, weights of the student (reference: the teacher)",
        students["labels"][0][0].parameters,
        reference=teacher.parameters,
    )
    labels = task.part("train")[1], task.part("test")[1]
    common = float((labels[1] == labels[0].mode().values).double().mean())
    print_row("MNIST clouds, the most frequent class: test accuracy", common)
    structure = STUDENTS["points"].terms.structure
    pair = matched_layers(structure, teacher.network, students["lsp"][0][0].network)[0]
    plain: list[float] = []
    for method, ones in students.items():
        scores = [evaluate_on_clouds(one.network, task)[0].value for one, _ in ones]
        print_row(
            f"MNIST clouds, {method}: test accuracy (reference: the teacher)",
            scores,
            reference=known,
            seeds=SEEDS,
            cpu_seconds=sum(spent for _, spent in ones) / len(ones),
        )
        networks = [one.network for one, _ in ones]
        plain = print_structure(method, networks, teacher.network, task, pair, plain)
    times = [_seconds(one.network, task) for one in (teacher, students["lsp"][0][0])]
    print_row(
        "MNIST clouds, inference of the teacher, 200 clouds (reference: the student)",
        times[0],
        unit="CPU s",
        reference=times[1],
    )


def print_structure(
    method: str,
    networks: list[nn.Module],
    teacher: nn.Module,
    task: CloudTask,
    pair: tuple[str, str],
    plain: list[float],
) -> list[float]:
    """Print how alike local structures are, and return the KL of labels alone, which come first."""
    found = [cloud_fidelity(one, teacher, task, pair) for one in networks]
    kl, title = [one.kl for one in found], f"MNIST clouds, {method}"
    plain = plain or kl
    print_row(
        f"{title}: KL(teacher || student) over the union (reference: labels alone)",
        kl,
        unit="nats",
        reference=plain,
        seeds=SEEDS,
    )
    worst = max(a / b for a, b in zip(kl, plain, strict=True))
    print_row(f"{title}: that KL over labels alone's, worst seed", worst)
    uniform = max(one.kl / one.uniform_kl for one in found)
    print_row(f"{title}: that KL over the uniform distribution's, worst seed", uniform)
    print_row(
        f"{title}: correlation of log p + log degree with the teacher's",
        [one.correlation for one in found],
        seeds=SEEDS,
    )
    return plain


def _seconds(network: nn.Module, task: CloudTask) -> float:
    """Return the least CPU seconds of five passes over 200 test clouds."""
    points = task.part("test", limit=200).points
    taken = []
    with torch.inference_mode():
        for _ in range(5):
            start = time.process_time()
            network(points)
            taken.append(time.process_time() - start)
    return min(taken)


if __name__ == "__main__":
    main()
