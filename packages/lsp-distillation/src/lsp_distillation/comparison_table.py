"""The table of a comparison: scores, paired differences, structure, speed; as rows, Markdown and CSV."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lsp_distillation.comparison import TEACHER, Cell
from lsp_distillation.paired_statistics import paired_difference
from tenfold_shared.files import write_atomically
from tenfold_shared.result_rows import result_row

Row = dict[str, Any]

MAIN_SCORES = {
    "multiclass": "accuracy",
    "multilabel": "micro-F1",
    "regression": "mean absolute error",
}
"""What is compared, by kind of target."""


def table_rows(cells: Sequence[Cell], *, name: str, score: str) -> list[Row]:
    """Return one row per figure, as benchmarks print them.

    Args:
        cells: Of one comparison.
        name: Of the data.
        score: What the main score is, such as accuracy.
    """
    by_method = {
        m: [c for c in cells if c.method == m] for m in dict.fromkeys(c.method for c in cells)
    }
    labels = by_method["labels"]
    error = score == MAIN_SCORES["regression"]
    rows = []
    for method, ones in by_method.items():
        row = result_row(
            f"{name}, {method}: test {score}",
            [one.score for one in ones],
            reference=[one.score for one in labels],
            seeds=[one.seed for one in ones],
            cpu_seconds=float(np.mean([one.cpu_seconds for one in ones])),
        )
        if method != "labels":
            row |= difference_row(ones, labels, error=error)
        rows.append(row)
    for method, ones in by_method.items():
        if method != TEACHER:
            rows += _structure_rows(f"{name}, {method}", ones, labels)
        if any(one.weight for one in ones):
            count = sum(one.dropped for one in ones)
            rows.append(
                result_row(
                    f"{name}, {method}: seeds whose validation preferred no structure term", count
                )
            )
    return rows + _cost_rows(name, by_method[TEACHER], labels)


def difference_row(ones: Sequence[Cell], others: Sequence[Cell], *, error: bool = False) -> Row:
    """Return the paired difference of scores, its 95 % interval, and what it allows to say.

    Args:
        ones: Of one method, by seed.
        others: Of another, in the same order.
        error: Whether scores are errors, smaller is better; otherwise they are shares, and differences are in points.
    """
    factor = 1 if error else 100
    sign = -1 if error else 1
    scores = [[sign * factor * cell.score for cell in cells] for cells in (ones, others)]
    found = paired_difference(*scores)
    low, high = sorted((sign * found.low, sign * found.high))
    return {
        "difference": sign * found.mean,
        "low": low,
        "high": high,
        "better_in": f"{found.better} of {found.pairs}",
        "verdict": found.verdict,
    }


def _structure_rows(title: str, ones: Sequence[Cell], labels: Sequence[Cell]) -> list[Row]:
    """Return what the ruler says, beside labels alone and beside the uniform distribution."""
    if not all(np.isfinite([one.kl for one in ones])):
        return []
    seeds = [one.seed for one in ones]
    worst = max(a.kl / b.kl for a, b in zip(ones, labels, strict=True))
    flat = max(one.kl / one.uniform_kl for one in ones)
    closer = min(a.correlation - b.correlation for a, b in zip(ones, labels, strict=True))
    return [
        result_row(
            f"{title}: KL(teacher || student) of local structures (reference: labels alone)",
            [one.kl for one in ones],
            unit="nats",
            reference=[one.kl for one in labels],
            seeds=seeds,
        ),
        result_row(f"{title}: that KL over labels alone's, worst seed", worst),
        result_row(f"{title}: that KL over the uniform distribution's, worst seed", flat),
        result_row(
            f"{title}: correlation of log p + log degree with the teacher's (reference: labels alone)",
            [one.correlation for one in ones],
            reference=[one.correlation for one in labels],
            seeds=seeds,
        ),
        result_row(f"{title}: that correlation less labels alone's, worst seed", closer),
    ]


def _cost_rows(name: str, teachers: Sequence[Cell], students: Sequence[Cell]) -> list[Row]:
    """Return how much smaller and faster a student is."""
    return [
        result_row(
            f"{name}: weights of the teacher (reference: the student)",
            teachers[0].parameters,
            reference=students[0].parameters,
        ),
        result_row(
            f"{name}: inference of the teacher (reference: the student)",
            [one.inference_seconds for one in teachers],
            unit="CPU s",
            reference=[one.inference_seconds for one in students],
            seeds=[one.seed for one in teachers],
        ),
    ]


def write_table(folder: Path, rows: Sequence[Row]) -> list[Path]:
    """Write rows as `table.md` and `table.csv`; return both paths."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, columns)
    writer.writeheader()
    writer.writerows(rows)
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_text(row.get(c)) for c in columns) + " |" for row in rows]
    paths = [folder / "table.md", folder / "table.csv"]
    write_atomically(paths[0], "\n".join(lines).replace("||", "\\|\\|") + "\n")
    write_atomically(paths[1], sheet.getvalue())
    return paths


def _text(value: Any) -> str:
    """Return a value for a cell of a table."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
