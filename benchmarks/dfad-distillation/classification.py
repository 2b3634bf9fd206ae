"""MNIST, Fashion-MNIST and a part of CIFAR-10: the method at several budgets, and its rivals at one of them.

    TENFOLD_DATA=... OMP_NUM_THREADS=1 python benchmarks/dfad-distillation/classification.py

Teachers are trained by the recipes of `TEACHERS` on the first 50,000 training pictures. Budgets are fixed in rounds;
CPU seconds are those of the whole of `distill`, on one thread. Rivals get the CPU seconds that the method took at the
same seed. The measure of progress is compared with the accuracy on the last 10,000 training pictures. All students are
trained first; then the test pictures are read once. Finished runs are kept in runs/dfad-distillation.
"""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _runs import ROOT, Finished, finished, first_student, part, print_seconds, teacher_of
from scipy.stats import spearmanr
from torch import nn

from dfad_distillation.comparison import rivals
from dfad_distillation.config import DistillationConfig
from dfad_distillation.data import normalize
from dfad_distillation.distillation import distill
from dfad_distillation.equal_seconds import train_within
from dfad_distillation.metrics import evaluate
from dfad_distillation.presets import long, photographs, quick, standard
from dfad_distillation.progress import choose, evenly_spaced, restore_state
from dfad_distillation.registry import build_network
from dfad_distillation.rivals import Rival, Setting
from dfad_distillation.run_files import open_run, read_progress
from dfad_distillation.teacher_config import TEACHERS
from tenfold_shared.result_rows import print_row

CLASSES = 10


class Plan(NamedTuple):
    """What is run on one data set."""

    budgets: dict[str, DistillationConfig]
    """Settings by the CPU seconds they are meant for."""
    rivals_at: str
    """The budget at which rivals are run."""
    related: str | None
    unrelated: str
    student: str = "lenet5_half"
    """Name of its network."""
    width: int = 0
    """Of the student, if it has a choice."""

    @property
    def arguments(self) -> dict[str, int]:
        """Return what the student's constructor is given."""
        return {"width": self.width} if self.width else {}


PLANS = {
    "mnist": Plan(
        {"60": quick(), "150": standard(), "600": long()}, "150", "digits", "fashion-mnist"
    ),
    "fashion-mnist": Plan({"80": standard(420), "300": long(1600)}, "80", None, "mnist"),
    "cifar10-subset": Plan(
        {"300": photographs()}, "300", None, "fashion-mnist", student="small_cnn", width=12
    ),
}


def settings(name: str, budget: str) -> DistillationConfig:
    """Return the settings of a budget on a data set."""
    return dataclasses.replace(PLANS[name].budgets[budget], input=TEACHERS[name].input)


def new_student(name: str, seed: int) -> nn.Module:
    """Return a student with the first weights of a seed."""
    plan, channels = PLANS[name], TEACHERS[name].input.shape[0]
    return first_student(
        lambda: build_network(
            plan.student, classes=CLASSES, channels=channels, arguments=plan.arguments
        ),
        seed,
    )


def run_method(name: str, budget: str, seed: int, teacher: nn.Module) -> Finished:
    """Return the method's student."""
    config = settings(name, budget)

    def play(folder: Path) -> nn.Module:
        student = new_student(name, seed)
        return distill(
            config, folder, teacher=teacher, student=student, seed=seed, device="cpu"
        ).student

    return _kept(ROOT / name / f"{budget}-{seed}", play, config, PLANS[name])


def run_rivals(name: str, seed: int, teacher: nn.Module, seconds: float) -> dict[str, Finished]:
    """Return the students of all rivals."""
    plan, space = PLANS[name], TEACHERS[name].input
    config = settings(name, plan.rivals_at)
    sources = {"real data": name, "related data": plan.related, "unrelated data": plan.unrelated}
    pictures = {
        label: normalize(part(where, "train", space).images, space)
        for label, where in sources.items()
        if where is not None
    }
    found = {}
    for label, rival in rivals(pictures).items():

        def play(_folder: Path, rival: Rival = rival) -> nn.Module:
            setting = Setting(config, teacher, new_student(name, seed), seed)
            return train_within(seconds, rival, setting).student

        folder = ROOT / name / f"{label.replace(' ', '-')}-{plan.rivals_at}-{seed}"
        found[label] = _kept(folder, play, config, plan)
    return found


def _kept(
    folder: Path, play: Callable[[Path], nn.Module], config: DistillationConfig, plan: Plan
) -> Finished:
    """Return a student, trained unless that was done before."""
    return finished(
        folder,
        play,
        source=plan.student,
        arguments=plan.arguments,
        space=config.input,
        classes=tuple(map(str, range(CLASSES))),
    )


def print_progress(name: str, budget: str, seeds: Sequence[int]) -> list[float]:
    """Print what the measure of progress is worth on one data set; return Spearman's correlations."""
    validation = part(name, "validation", TEACHERS[name].input)
    correlations, chosen, last, best, count = [], [], [], [], 0
    for seed in seeds:
        run = open_run(ROOT / name / f"{budget}-{seed}")
        table = read_progress(run)
        reader, accuracy = new_student(name, seed), {}
        for one in table:
            restore_state(run.folder, "student", one.round, reader)
            accuracy[one.round] = evaluate(reader, validation, run.config.input).accuracy
        count = len(table)
        found = spearmanr([one.agreement for one in table], list(accuracy.values()))
        correlations.append(float(found.statistic))
        bank = run.config.bank * len(evenly_spaced(run.rounds, run.config.snapshots))
        chosen.append(accuracy[choose(table, pictures=bank).round])
        last.append(accuracy[table[-1].round])
        best.append(max(accuracy.values()))
    title = f"{name}, {budget} CPU s, measure of progress over {count} states"
    print_row(
        f"{title}: Spearman's correlation with validation accuracy", correlations, seeds=seeds
    )
    print_row(
        f"{title}: accuracy of the chosen state (reference: the last)",
        chosen,
        reference=last,
        seeds=seeds,
    )
    regret = 100 * (np.array(best) - np.array(chosen))
    print_row(f"{title}: regret against the best state", regret, unit="points", seeds=seeds)
    return correlations


def train_all(
    name: str, seeds: Sequence[int], budgets: Sequence[str], teacher: nn.Module, *, rivaled: bool
) -> dict[str, list[Finished]]:
    """Return the students of all methods by their name in the table."""
    plan = PLANS[name]
    students = {
        f"DFAD, {budget} CPU s": [run_method(name, budget, s, teacher) for s in seeds]
        for budget in budgets
    }
    if rivaled and plan.rivals_at in budgets:
        ours = students[f"DFAD, {plan.rivals_at} CPU s"]
        for seed, one in zip(seeds, ours, strict=True):
            for label, other in run_rivals(name, seed, teacher, one.cpu_seconds).items():
                students.setdefault(f"{label}, {plan.rivals_at} CPU s", []).append(other)
    return students


def print_set(
    name: str, seeds: Sequence[int], budgets: Sequence[str], *, rivaled: bool
) -> list[float]:
    """Run everything on one data set, then read its test pictures and print."""
    teacher, spent = teacher_of(name)
    chosen = [budget for budget in PLANS[name].budgets if not budgets or budget in budgets]
    students = train_all(name, seeds, chosen, teacher, rivaled=rivaled)
    correlations = [c for budget in chosen for c in print_progress(name, budget, seeds)]
    test, space = part(name, "test", TEACHERS[name].input), TEACHERS[name].input
    known = evaluate(teacher, test, space).accuracy
    print_row(f"{name}, teacher: test accuracy", known, cpu_seconds=spent)
    for label, ones in students.items():
        scores = [evaluate(one.student, test, space).accuracy for one in ones]
        cost = float(np.mean([one.cpu_seconds for one in ones]))
        title = f"{name}, {label}: test accuracy"
        print_row(title, scores, reference=known, seeds=seeds, cpu_seconds=cost)
        if label.startswith("DFAD"):
            print_row(f"{title}, worst seed", min(scores), reference=known)
    at = f"{PLANS[name].rivals_at} CPU s"
    others = [ones for label, ones in students.items() if not label.startswith("DFAD")]
    print_seconds(f"{name}, {at}", students.get(f"DFAD, {at}", []), others)
    return correlations


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(PLANS), choices=[*PLANS, []])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budgets", nargs="+", default=[], help="only these CPU seconds")
    parser.add_argument("--no-rivals", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    correlations = []
    for name in arguments.sets:
        correlations += print_set(
            name, arguments.seeds, arguments.budgets, rivaled=not arguments.no_rivals
        )
    title = "all sets and budgets: median Spearman's correlation of the measure of progress"
    print_row(title, float(np.median(correlations)))


if __name__ == "__main__":
    main()
