"""Figures of benchmarks: one JSON object a line, as benchmarks/README.md says."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np


def result_row(
    name: str,
    values: float | Sequence[float],
    *,
    unit: str = "",
    reference: float | Sequence[float] | None = None,
    seeds: Sequence[int] = (),
    cpu_seconds: float | None = None,
) -> dict[str, Any]:
    """Return one figure: the mean over seeds, its spread, and its ratio to a reference.

    Args:
        name: Says what it is.
        values: One number, or one per seed.
        unit: Of the value.
        reference: What it is compared with; its mean, if there are several.
        seeds: Of the values; the spread is the largest minus the smallest, None of a single one.
        cpu_seconds: What it took.
    """
    numbers = np.atleast_1d(np.asarray(values, float))
    row: dict[str, Any] = {"name": name, "value": float(numbers.mean()), "unit": unit}
    if reference is not None:
        known = float(np.mean(reference))
        row |= {"reference": known, "ratio": float(numbers.mean() / known) if known else None}
    if len(seeds):
        row |= {"seeds": list(seeds), "spread": float(np.ptp(numbers)) if len(seeds) > 1 else None}
    if cpu_seconds is not None:
        row["cpu_seconds"] = float(cpu_seconds)
    return row


def print_row(name: str, values: float | Sequence[float], **more: Any) -> None:
    """Print a figure on stdout; arguments are those of `result_row`."""
    sys.stdout.write(json.dumps(result_row(name, values, **more)) + "\n")
    sys.stdout.flush()
