"""CamVid at 128 x 96, a U-Net and its half: real data, noise, an untrained generator and the method, 300 CPU s each.

TENFOLD_DATA=... OMP_NUM_THREADS=1 python benchmarks/dfad-distillation/segmentation.py

Settings were chosen on the validation pictures. The budget of the method is rounds; the rivals get its CPU seconds. The
test pictures are read once, at the end; sequence 0001TP is cut in two between training and test, so that its frames are
also left out. Finished runs are kept in runs/dfad-distillation.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _runs import ROOT, Finished, finished, first_student, part, print_seconds, teacher_of
from torch import nn

from dfad_distillation.comparison import rivals
from dfad_distillation.data import LabeledPictures, normalize
from dfad_distillation.distillation import distill
from dfad_distillation.equal_seconds import train_within
from dfad_distillation.metrics import Scores, evaluate
from dfad_distillation.presets import camvid
from dfad_distillation.rivals import Rival, Setting
from dfad_distillation.teacher_config import TEACHERS
from dfad_distillation.unet import unet_half
from tenfold_shared.result_rows import print_row

NAME = "camvid"
CUT = "0001TP"
"""The sequence that is in training and test."""


def student(classes: int, seed: int) -> nn.Module:
    """Return half of the teacher with the first weights of a seed."""
    return first_student(lambda: unet_half(classes, channels=3), seed)


def kept(
    label: str, seed: int, play: Callable[[Path], nn.Module], classes: tuple[str, ...]
) -> Finished:
    """Return a student, trained unless that was done before."""
    folder = ROOT / NAME / f"{label.replace(' ', '-')}-{seed}"
    space = TEACHERS[NAME].input
    return finished(folder, play, source="unet_half", arguments={}, space=space, classes=classes)


def students_of(seed: int, teacher: nn.Module, classes: tuple[str, ...]) -> dict[str, Finished]:
    """Return the students of all methods."""
    config, space = camvid(), TEACHERS[NAME].input

    def ours(folder: Path) -> nn.Module:
        first = student(len(classes), seed)
        return distill(
            config, folder, teacher=teacher, student=first, seed=seed, device="cpu"
        ).student

    found = {"DFAD": kept("DFAD", seed, ours, classes)}
    real = normalize(part(NAME, "train", space).images, space)
    methods = rivals({"real data": real})
    for label in ("real data", "noise", "untrained generator"):

        def play(_folder: Path, rival: Rival = methods[label]) -> nn.Module:
            setting = Setting(config, teacher, student(len(classes), seed), seed)
            return train_within(found["DFAD"].cpu_seconds, rival, setting).student

        found[label] = kept(label, seed, play, classes)
    return found


def constant(pictures: LabeledPictures) -> float:
    """Return the mean IoU of the best answer that is one class everywhere."""
    counts = torch.bincount(pictures.labels[pictures.labels != 255].long())
    classes = int((counts > 0).sum())
    return float(counts.max() / counts.sum()) / classes


def uncut(pictures: LabeledPictures) -> LabeledPictures:
    """Return the pictures of sequences that are not in training."""
    return pictures.select(np.array([i for i, f in enumerate(pictures.files) if CUT not in f]))


def print_scores(
    label: str, scores: list[Scores], seeds: list[int], teacher: Scores, cost: float
) -> None:
    """Print mean IoU, pixel accuracy and IoU by class of one method."""
    more = {"seeds": seeds, "cpu_seconds": cost}
    print_row(
        f"{label}: mean IoU", [s.mean_iou for s in scores], reference=teacher.mean_iou, **more
    )
    print_row(
        f"{label}: pixel accuracy", [s.accuracy for s in scores], reference=teacher.accuracy, **more
    )
    for name in teacher.per_class:
        values = [s.per_class.get(name, 0.0) for s in scores]
        print_row(f"{label}: IoU of {name}", values, reference=teacher.per_class[name], seeds=seeds)


def main() -> None:
    """Train everything, then read the test pictures once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    space = TEACHERS[NAME].input
    teacher, spent = teacher_of(NAME)
    classes = part(NAME, "validation", space).classes
    every = [students_of(seed, teacher, classes) for seed in seeds]
    rivals_of = [[one[label] for one in every] for label in every[0] if label != "DFAD"]
    print_seconds("CamVid", [one["DFAD"] for one in every], rivals_of)
    test = part(NAME, "test", space)
    for title, pictures in (("CamVid", test), (f"CamVid without {CUT}", uncut(test))):
        known = evaluate(teacher, pictures, space)
        print_row(f"{title}, one class everywhere: mean IoU", constant(pictures))
        print_scores(f"{title}, teacher", [known], [0], known, spent)
        for label in every[0]:
            ones = [students[label] for students in every]
            scores = [evaluate(one.student, pictures, space) for one in ones]
            cost = float(np.mean([one.cpu_seconds for one in ones]))
            print_scores(f"{title}, {label}", scores, seeds, known, cost)


if __name__ == "__main__":
    main()
