"""The demonstration: offline, with a picture and a number beside the baseline's."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from din_style.cli import main
from din_style.demo import PHOTOGRAPHS, photographs
from din_style.pictures import read_picture
from tenfold_shared.testing import run_command


def test_photographs_are_real_squares():
    found = photographs(size=64)
    assert tuple(found) == PHOTOGRAPHS
    for picture in found.values():
        assert picture.shape == (3, 64, 64)
        assert picture.std() > 0.05
        assert not torch.equal(picture[0], picture[2])  # of colors


@pytest.mark.slow
def test_demo_shows_pictures_and_numbers_beside_the_baseline(tmp_path: Path):
    result = run_command(main, ["demo", "--out", tmp_path, "--json", "--device", "cpu"])
    assert result.code == 0, result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    strokes = next(row for row in rows if "strokes" in row["name"])
    assert strokes["value"] < strokes["reference"] < 1.1
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    assert len(names) == 4
    ours, transferred = (read_picture(tmp_path / names[i]).pixels for i in (0, 3))
    assert np.abs(ours - transferred).mean() > 0.02


def test_a_file_is_no_place_for_pictures(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    result = run_command(main, ["demo", "--out", tmp_path / "file"])
    assert result.code == 1
    assert "is no folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
