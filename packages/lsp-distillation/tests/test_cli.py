"""The command, called in process."""

import json
from pathlib import Path

from lsp_distillation.cli import main
from tenfold_shared.testing import run_command


def test_demo_shows_a_picture_and_a_number_beside_the_baseline(tmp_path: Path):
    result = run_command(main, ["demo", "--out", str(tmp_path), "--json"])
    assert result.code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert any(row["reference"] is not None for row in rows)
    assert list(tmp_path.glob("*.png"))


def test_info_refuses_a_file_that_is_no_checkpoint(tmp_path: Path):
    path = tmp_path / "picture.safetensors"
    path.write_bytes(b"\x89PNG")
    result = run_command(main, ["info", str(path)])
    assert result.code == 1
    assert str(path) in result.stderr
