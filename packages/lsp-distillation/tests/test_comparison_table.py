"""The table of invented cells, beside sums by hand."""

import csv
import io

import pytest

from lsp_distillation.comparison import Cell
from lsp_distillation.comparison_table import difference_row, table_rows, write_table

EMPTY = Cell(
    method="labels", seed=0, score=0.5, validation=0.5, epoch=1, kl=0.1, uniform_kl=0.2,
    correlation=0.5, weight=0.0, parameters=10, inference_seconds=0.1, cpu_seconds=1.0,
)  # fmt: skip


def cells_of(method, scores, **columns):
    return [
        EMPTY._replace(
            method=method, seed=seed, score=score, **{n: v[seed] for n, v in columns.items()}
        )
        for seed, score in enumerate(scores)
    ]


@pytest.fixture
def cells():
    nan = (float("nan"),) * 3
    return [
        *cells_of(
            "teacher", (0.8, 0.8, 0.8), kl=nan, uniform_kl=nan, correlation=nan,
            parameters=(100,) * 3, inference_seconds=(0.6, 0.5, 0.7),
        ),
        *cells_of("labels", (0.70, 0.60, 0.65), kl=(0.10, 0.20, 0.10), correlation=(0.5, 0.6, 0.5)),
        *cells_of("lsp", (0.72, 0.64, 0.68), kl=(0.05, 0.06, 0.08), correlation=(0.7, 0.7, 0.6)),
        *cells_of("kd", (0.60, 0.66, 0.65), kl=(0.05, 0.30, 0.08)),
    ]  # fmt: skip


def test_rows_by_hand(cells):
    rows = {row["name"]: row for row in table_rows(cells, name="set", score="accuracy")}
    row = rows["set, lsp: test accuracy"]
    assert row["value"] == pytest.approx(0.68)
    assert row["reference"] == pytest.approx(0.65)
    assert row["difference"] == pytest.approx(3.0)
    # 2, 4 and 3 points: standard deviation 1, error 1 / sqrt(3), Student's t of two degrees 4.302653
    assert row["low"] == pytest.approx(3 - 4.302653 / 3**0.5, rel=1e-6)
    assert row["high"] == pytest.approx(3 + 4.302653 / 3**0.5, rel=1e-6)
    assert (row["better_in"], row["verdict"]) == ("3 of 3", "better")
    assert row["seeds"] == [0, 1, 2]
    assert row["spread"] == pytest.approx(0.08)
    none = rows["set, kd: test accuracy"]
    assert (none["better_in"], none["verdict"]) == ("1 of 3", "no significant difference")
    assert "difference" not in rows["set, labels: test accuracy"]
    assert rows["set, lsp: that KL over labels alone's, worst seed"]["value"] == pytest.approx(0.8)
    assert rows["set, kd: that KL over labels alone's, worst seed"]["value"] == pytest.approx(1.5)
    flat = rows["set, kd: that KL over the uniform distribution's, worst seed"]
    assert flat["value"] == pytest.approx(1.5)
    closer = rows["set, lsp: that correlation less labels alone's, worst seed"]
    assert closer["value"] == pytest.approx(0.1)
    assert not any(name.startswith("set, teacher: KL") for name in rows)
    assert rows["set: weights of the teacher (reference: the student)"]["ratio"] == 10
    speed = rows["set: inference of the teacher (reference: the student)"]
    assert speed["ratio"] == pytest.approx(6.0)


def test_of_errors_smaller_is_better(cells):
    labels, lsp = cells[3:6], cells[6:9]
    shares = difference_row(lsp, labels)
    errors = difference_row(lsp, labels, error=True)
    assert (shares["verdict"], errors["verdict"]) == ("better", "worse")
    assert errors["better_in"] == "0 of 3"
    assert errors["difference"] == pytest.approx(0.03)
    assert errors["low"] < errors["difference"] < errors["high"]
    row = table_rows(cells, name="set", score="mean absolute error")[2]
    assert row["verdict"] == "worse"


def test_one_seed_says_nothing(cells):
    ones = [cell for cell in cells if cell.seed == 0]
    rows = table_rows(ones, name="set", score="accuracy")
    assert rows[2]["verdict"] == "one seed says nothing"


def test_the_table_is_written_twice(cells, tmp_path):
    rows = table_rows(cells, name="set", score="accuracy")
    markdown, sheet = write_table(tmp_path, rows)
    found = list(csv.DictReader(io.StringIO(sheet.read_text())))
    assert [row["name"] for row in found] == [row["name"] for row in rows]
    assert float(found[2]["value"]) == rows[2]["value"]
    lines = markdown.read_text().splitlines()
    assert len(lines) == len(rows) + 2
    columns = lines[0].count("|")
    assert all(line.replace("\\|", "").count("|") == columns for line in lines)
