"""Rows of the benchmarks: one JSON object a line, as benchmarks/README.md says."""

import json
from collections.abc import Sequence

import numpy as np


def print_row(
    name: str,
    values: float | Sequence[float],
    *,
    unit: str = "",
    reference: float | Sequence[float] | None = None,
    seeds: Sequence[int] = (),
    cpu_seconds: float | None = None,
) -> None:
    """Print the mean over seeds, its spread (largest minus smallest) and the ratio to a reference."""
    numbers = np.atleast_1d(np.asarray(values, float))
    row = {"name": name, "value": float(numbers.mean()), "unit": unit}
    if reference is not None:
        known = float(np.mean(reference))
        row |= {"reference": known, "ratio": float(numbers.mean() / known) if known else None}
    if len(seeds):
        row |= {"seeds": list(seeds), "spread": float(np.ptp(numbers))}
    if cpu_seconds is not None:
        row["cpu_seconds"] = float(cpu_seconds)
    print(json.dumps(row), flush=True)
