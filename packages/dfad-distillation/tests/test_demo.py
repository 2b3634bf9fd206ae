"""The demonstration, with a teacher and a game that are cut short."""

from dataclasses import replace
from pathlib import Path

import pytest

from dfad_distillation import demo
from dfad_distillation.model_files import load_saved
from dfad_distillation.presets import DIGITS
from tenfold_shared.images import read_image


def test_it_writes_pictures_a_student_and_rows_beside_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    short = replace(demo.TEACHERS["digits"], epochs=1)
    monkeypatch.setitem(demo.TEACHERS, "digits", short)
    rows = demo.run_demo(tmp_path, rounds=2, device="cpu")
    assert "noise" in rows[0]["name"]
    assert rows[0]["value"] == rows[1]["value"]
    assert all({"name", "value", "unit", "reference", "ratio"} <= set(row) for row in rows)
    for path in sorted(tmp_path.glob("*.png")):
        assert read_image(path).std() > 0.02, path
    assert len(list(tmp_path.glob("*.png"))) == 4
    assert load_saved(tmp_path / "student.safetensors").input == DIGITS
