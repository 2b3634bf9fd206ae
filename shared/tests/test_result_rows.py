import json

import pytest

from tenfold_shared.result_rows import print_row, result_row


def test_means_spreads_and_ratios():
    row = result_row("a", [1.0, 4.0], unit="s", reference=[4.0, 6.0], seeds=[0, 1], cpu_seconds=3)
    assert row == {
        "name": "a", "value": 2.5, "unit": "s", "reference": 5.0, "ratio": 0.5,
        "seeds": [0, 1], "spread": 3.0, "cpu_seconds": 3.0,
    }  # fmt: skip


def test_one_value_has_no_spread_and_nothing_is_divided_by_zero():
    assert result_row("a", 2) == {"name": "a", "value": 2.0, "unit": ""}
    assert result_row("a", 2, reference=0)["ratio"] is None
    assert result_row("a", [2.0], seeds=[7])["spread"] is None


def test_a_row_is_printed_as_one_line(capsys):
    print_row("a", 1.5, unit="x")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["value"] == pytest.approx(1.5)
