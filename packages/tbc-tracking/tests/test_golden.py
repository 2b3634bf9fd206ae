"""The numbers that the commands of golden/README.md printed when they were last looked at."""

import importlib.util
import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
SCORES = ("mota", "idf1", "hota", "recall", "precision")


def tolerance(name: str, value: float) -> float:
    """Return by how much a number may differ, as golden/README.md says."""
    what = name.rpartition(": ")[2]
    if what in SCORES:
        return 0.03
    if what == "count_mae":
        return 0.15
    return 0.01 * abs(value) if what in ("objective", "mean_map_sum") else 0.0


def test_the_commands_print_the_expected_numbers():
    place = importlib.util.spec_from_file_location("crossing", GOLDEN / "crossing.py")
    assert place is not None
    assert place.loader is not None
    crossing = importlib.util.module_from_spec(place)
    place.loader.exec_module(crossing)
    found = crossing.measure()
    expected = json.loads((GOLDEN / "crossing.json").read_text("utf-8"))
    assert found.keys() == expected.keys()
    moved = {
        name: (value, found[name])
        for name, value in expected.items()
        if found[name] != pytest.approx(value, abs=tolerance(name, value))
    }
    assert moved == {}, "see golden/README.md: was the change meant?"
