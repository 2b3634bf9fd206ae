"""Checkpoints: readable by `info`, and refused in one sentence when damaged, foreign or newer."""

import json
from pathlib import Path

import pytest
import torch
from workspace import Member, one_line

import tenfold_shared
from tenfold_shared.testing import run_command


def info(package: Member, path: Path, *flags: str):
    return run_command(package.main, ["info", str(path), *flags])


def refused(package: Member, path: Path) -> None:
    """Assert that `info` refuses the file at `path` with one line that names it."""
    result = info(package, path)
    assert result.code == 1, result.stdout
    assert one_line(result.stderr), result.stderr
    assert str(path) in result.stderr


def test_info_tells_what_is_inside(package: Member, trained: Path):
    assert info(package, trained).code == 0
    result = info(package, trained, "--json")
    assert result.code == 0
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows
    assert all(isinstance(row, dict) for row in rows)


@pytest.mark.parametrize("part", range(16))
def test_a_truncated_checkpoint_is_refused(
    package: Member, trained: Path, tmp_path: Path, part: int
):
    data = trained.read_bytes()
    path = tmp_path / trained.name
    path.write_bytes(data[: len(data) * part // 16])
    refused(package, path)


def test_flipped_bits_are_refused(package: Member, trained: Path, tmp_path: Path):
    data = trained.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    path = tmp_path / trained.name
    for position in range(header, len(data), max(1, (len(data) - header) // 24)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        refused(package, path)


def test_foreign_files_are_refused(package: Member, tmp_path: Path):
    foreign = tmp_path / "foreign.safetensors"
    for content in (b"", b"not a checkpoint", b"\x89PNG\r\n\x1a\n" + bytes(100)):
        foreign.write_bytes(content)
        refused(package, foreign)


def test_another_package_and_a_newer_format_are_refused(package: Member, tmp_path: Path):
    models = {"model": torch.nn.Linear(2, 2)}
    path = tmp_path / "other.safetensors"
    tenfold_shared.save_checkpoint(path, models=models, metadata={}, package="another-method")
    refused(package, path)
    tenfold_shared.save_checkpoint(
        path, models=models, metadata={}, package=package.name, format_version=99
    )
    refused(package, path)
