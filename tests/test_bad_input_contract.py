"""Damaged files of every accepted type: done, or one line and exit 1; never a crash or a traceback."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from workspace import PACKAGES, Member, fill, one_line

from tenfold_shared.testing import damaged_files, run_command

MUTATIONS = 2000
CASES = [
    pytest.param(package, accepted, id=f"{package.name}-{accepted['type']}")
    for package in PACKAGES
    for accepted in package.contract["accepts"]
]


@pytest.mark.parametrize(("package", "accepted"), CASES, indirect=["package"])
def test_damaged_files_end_in_one_line(
    package: Member, accepted: dict[str, Any], tiny_data: Path, trained: Path, tmp_path: Path
):
    sound = tiny_data / accepted["file"]
    command = accepted.get("command", package.contract["craft"]["command"])
    damaged = tmp_path / f"damaged{sound.suffix}"
    out = tmp_path / "out"

    def run() -> int:
        words = fill(command, file=damaged, data=tiny_data, checkpoint=trained)
        result = run_command(package.main, [*words, "--out", str(out), "--device", "cpu"])
        shutil.rmtree(out, ignore_errors=True)
        assert result.code in (0, 1), result.stderr
        assert result.code == 0 or one_line(result.stderr), result.stderr
        return result.code

    shutil.copy(sound, damaged)
    assert run() == 0, "test invalid: the sound file is refused"
    codes: Counter[int] = Counter()
    for content in damaged_files(sound.read_bytes(), count=MUTATIONS, seed=0):
        damaged.write_bytes(content)
        codes[run()] += 1
    assert codes[1] > 0, "test invalid: no damaged file is refused"


def test_an_empty_file_and_a_folder_are_refused(package: Member, trained: Path, tmp_path: Path):
    empty = tmp_path / "empty.bin"
    empty.write_bytes(b"")
    craft = package.contract["craft"]["command"]
    for place in (empty, tmp_path / "no such folder"):
        words = fill(craft, file=place, data=place, checkpoint=trained)
        result = run_command(package.main, [*words, "--out", str(tmp_path / "out")])
        assert result.code == 1, place
        assert one_line(result.stderr), result.stderr
