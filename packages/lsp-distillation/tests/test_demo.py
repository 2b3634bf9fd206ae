"""The demonstration, with networks that are trained at once; the true one is a slow test of the command."""

from dataclasses import replace

import pytest
from tiny_training import blocks

from lsp_distillation import demo
from lsp_distillation.model_files import Student
from lsp_distillation.recipes import STUDENTS, TEACHERS


@pytest.fixture
def quick(monkeypatch):
    """Two epochs, and a small graph in place of the digits."""
    for recipes in (TEACHERS, STUDENTS):
        short = replace(recipes["digits"].training, epochs=2)
        monkeypatch.setitem(recipes, "digits", replace(recipes["digits"], training=short))
    task = blocks(nodes_per_class=350)
    monkeypatch.setattr(demo, "open_task", lambda name, split_seed: task)


def test_everything_is_written(quick, tmp_path):
    rows = demo.run_demo(tmp_path, seed=3, seeds=2, device="cpu")
    assert {row["name"].split(":")[0] for row in rows if "test accuracy" in row["name"]} == {
        f"digits, {method}" for method in ("teacher", *demo.METHODS)
    }
    assert all(row["seeds"] == [3, 4] for row in rows if "test accuracy" in row["name"])
    for picture in ("1_differences.png", "2_neighborhoods.png"):
        assert (tmp_path / picture).read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "table.md").exists()
    assert Student.load(tmp_path / "student.safetensors").reading.features == 5
