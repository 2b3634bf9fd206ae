"""The demonstration over three seeds: scikit-learn's digits, the student beside its teacher and beside noise.

OMP_NUM_THREADS=1 python benchmarks/dfad-distillation/digits.py
"""

import os
import tempfile
from pathlib import Path

import torch

from dfad_distillation.demo import run_demo
from tenfold_shared.result_rows import print_row

SEEDS = (0, 1, 2)


def _cpu_seconds() -> float:
    """Return the CPU seconds of this process and of those it has waited for."""
    return sum(os.times()[:4])


def main() -> None:
    """Run the demonstration with three seeds and print."""
    torch.set_num_threads(1)
    tables, whole = [], []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            start = _cpu_seconds()
            tables.append(run_demo(Path(folder), seed=seed, device="cpu"))
            whole.append(_cpu_seconds() - start)
    for row in tables[0]:
        same = [next(r for r in table if r["name"] == row["name"]) for table in tables]
        if "cpu_seconds" in row:
            print_row(
                f"digits, {row['name']}",
                [float(one["value"]) for one in same],
                reference=[float(one["reference"]) for one in same],
                seeds=SEEDS,
                cpu_seconds=sum(float(one["cpu_seconds"]) for one in same) / len(same),
            )
    print_row("digits, the whole demonstration: CPU seconds", whole, unit="s", seeds=SEEDS)


if __name__ == "__main__":
    main()
