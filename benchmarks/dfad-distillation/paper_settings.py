"""The paper's own loop with its own settings of MNIST, in CPU seconds in which its whole schedule is far away.

    TENFOLD_DATA=... OMP_NUM_THREADS=1 python benchmarks/dfad-distillation/paper_settings.py

Its 2,000 rounds of the full-size generator take hours of a CPU, so it is given the seconds that `classification.py` is
meant for, and how many rounds they paid for stands beside it; its rates do not fall. Teachers and students are those of
`classification.py`. The test pictures are read once, at the end; finished runs are kept in runs/dfad-distillation.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from _runs import ROOT, Finished, finished, first_student, part, teacher_of
from torch import nn

from dfad_distillation.adversarial_game import Players, play_round
from dfad_distillation.distillation import noise_of_round
from dfad_distillation.equal_seconds import train_within
from dfad_distillation.generators import Generator
from dfad_distillation.metrics import evaluate
from dfad_distillation.networks import lenet5_half
from dfad_distillation.optimizers import generator_optimizer, student_optimizer
from dfad_distillation.presets import preset
from dfad_distillation.rivals import Setting, Step
from dfad_distillation.teacher_config import TEACHERS
from tenfold_shared.result_rows import print_row

SECONDS = {"fashion-mnist": (80.0,)}
CLASSES = 10


def paper_loop(setting: Setting) -> Step:
    """Prepare the paper's game; a step is a round, whatever the factor of the rates."""
    config = setting.config
    generator = Generator(config.generator, config.input).to(memory_format=setting.layout)
    players = Players(setting.teacher, setting.student, generator)
    optimizers = (
        student_optimizer(setting.student, config),
        generator_optimizer(generator, config),
    )

    def step(number: int, _factor: float) -> None:
        noise = noise_of_round(
            number,
            count=config.pool + 1,
            batch=config.batch,
            latent=generator.latent,
            seed=setting.seed,
        )
        play_round(
            players,
            setting.student,
            optimizers,
            noise,
            student_steps=config.student_steps,
            pool=config.pool,
            losses=(config.loss, config.generation_loss),
        )

    return step


def play(name: str, seconds: float, seed: int, teacher: nn.Module) -> tuple[Finished, int]:
    """Return the student of one run and its rounds, played unless that was done before."""
    space = TEACHERS[name].input
    folder = ROOT / name / f"paper-{seconds:g}-{seed}"
    note = folder.with_suffix(".rounds.json")

    def run(_folder: Path) -> nn.Module:
        student = first_student(lambda: lenet5_half(CLASSES, channels=space.shape[0]), seed)
        config = dataclasses.replace(preset("paper"), input=space)
        trained = train_within(seconds, paper_loop, Setting(config, teacher, student, seed))
        note.write_text(json.dumps(trained.steps), "utf-8")
        return trained.student

    names = tuple(map(str, range(CLASSES)))
    one = finished(folder, run, source="lenet5_half", arguments={}, space=space, classes=names)
    return one, int(json.loads(note.read_text("utf-8")))


def print_set(name: str, seeds: Sequence[int]) -> None:
    """Play everything on one data set, then read its test pictures and print."""
    teacher, _ = teacher_of(name)
    played = {s: [play(name, s, seed, teacher) for seed in seeds] for s in SECONDS[name]}
    space = TEACHERS[name].input
    test = part(name, "test", space)
    known = evaluate(teacher, test, space).accuracy
    for seconds, ones in played.items():
        title = f"{name}, the paper's settings, {seconds:g} CPU s"
        scores = [evaluate(one.student, test, space).accuracy for one, _ in ones]
        cost = float(np.mean([one.cpu_seconds for one, _ in ones]))
        print_row(f"{title}: test accuracy", scores, reference=known, seeds=seeds, cpu_seconds=cost)
        rounds = [count for _, count in ones]
        whole = preset("paper").rounds
        print_row(
            f"{title}: rounds (reference: its schedule)", rounds, reference=whole, seeds=seeds
        )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SECONDS), choices=[*SECONDS, []])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.sets:
        print_set(name, arguments.seeds)


if __name__ == "__main__":
    main()
