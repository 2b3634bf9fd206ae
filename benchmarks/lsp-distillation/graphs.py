"""Did distillation help? Students by several methods on every graph of the data folder, paired by seed.

    TENFOLD_DATA=... OMP_NUM_THREADS=1 python benchmarks/lsp-distillation/graphs.py

Every seed has a split of its own where splits are drawn (20 nodes per class to train on, 30 to validate), its own
teacher and first weights. What is best on validation items is scored once on test items. Recipes were chosen on
validation items of seeds that are not in the table. Finished networks are kept in runs/lsp-distillation.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from lsp_distillation.comparison import Cell, CompareConfig, compare
from lsp_distillation.comparison_table import MAIN_SCORES, difference_row, table_rows
from lsp_distillation.methods import METHODS
from lsp_distillation.named_sets import SplitRule, open_task
from lsp_distillation.node_data import GraphTask
from lsp_distillation.recipes import STUDENTS, TEACHERS
from tenfold_shared.result_rows import print_row

ROOT = Path(__file__).resolve().parents[2] / "runs" / "lsp-distillation"
"""Where runs are kept; ignored by git."""
FIRST_SEED = 10
"""Of the table; recipes were chosen with smaller ones."""
FEW = ("labels", "kd", "lsp", "lsp+kd")
_PAIRED = ("difference", "low", "high", "better_in", "verdict")


class Plan(NamedTuple):
    """What is run on one graph."""

    seeds: int
    recipe: str = "standard"
    methods: tuple[str, ...] = FEW
    split: SplitRule = "per-class"


PLANS = {
    "cora": Plan(10, methods=METHODS),
    "humango": Plan(5, "proteins", METHODS, "auto"),
    "citeseer": Plan(5),
    "photo": Plan(5),
    "pcg": Plan(5, "proteins", split="auto"),
    "eukaryotego": Plan(3, "proteins", split="auto"),
    "ppi-layout-humango": Plan(3, "proteins", split="auto"),
    "computers": Plan(3),
    "cs": Plan(3),
    "physics": Plan(3),
}


def run_set(name: str) -> list[Cell]:
    """Return the cells of one graph, trained unless that was done before."""
    plan = PLANS[name]
    config = CompareConfig(
        teacher=TEACHERS[plan.recipe],
        student=STUDENTS[plan.recipe],
        methods=plan.methods,
        seeds=tuple(range(FIRST_SEED, FIRST_SEED + plan.seeds)),
    )
    return compare(
        config,
        ROOT / name,
        task_of=lambda seed: open_task(name, split=plan.split, split_seed=seed),
        device="cpu",
    )


def print_set(name: str) -> None:
    """Print everything of one graph."""
    cells = run_set(name)
    task = open_task(name, split=PLANS[name].split)
    for row in table_rows(cells, name=name, score=MAIN_SCORES[task.task]):
        sys.stdout.write(json.dumps({n: v for n, v in row.items() if n not in _PAIRED}) + "\n")
    print_trivial(name, task)
    by_method = {m: [c for c in cells if c.method == m] for m in PLANS[name].methods}
    for method, ones in by_method.items():
        if method != "labels":
            print_difference(f"{name}, {method} less labels alone", ones, by_method["labels"])
    print_difference(f"{name}, lsp+kd less kd", by_method["lsp+kd"], by_method["kd"])


def print_difference(title: str, ones: Sequence[Cell], others: Sequence[Cell]) -> None:
    """Print the paired mean difference in points, and the bounds of its 95 % interval."""
    row = difference_row(ones, others)
    seeds = [one.seed for one in ones]
    differences = [100 * (a.score - b.score) for a, b in zip(ones, others, strict=True)]
    print_row(
        f"{title}: paired difference, {row['verdict']}", differences, unit="points", seeds=seeds
    )
    for bound in ("low", "high"):
        print_row(f"{title}: {bound} end of the 95 % interval", row[bound], unit="points")


def print_trivial(name: str, task: GraphTask) -> None:
    """Print what needs no network: the most frequent class, or all labels for everything."""
    train, test = task.mask("train"), task.mask("test")
    if task.task == "multiclass":
        common = task.y[train].mode().values
        value = float((task.y[test] == common).double().mean())
        print_row(f"{name}, the most frequent class: test accuracy", value)
    else:
        share = float(task.y[test].double().mean())
        print_row(f"{name}, every label for every node: test micro-F1", 2 * share / (1 + share))


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(PLANS), choices=[*PLANS, []])
    chosen: Sequence[str] = parser.parse_args().sets
    torch.set_num_threads(1)
    for name in chosen:
        print_set(name)


if __name__ == "__main__":
    main()
