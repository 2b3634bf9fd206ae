"""Same seed, same bits: twice, and with any number of data workers."""

from pathlib import Path

import pytest
from workspace import Member, fill

from tenfold_shared.testing import run_command


def train(package: Member, data: Path, folder: Path, *flags: str) -> bytes:
    """Train for two seconds and return the tensors of the checkpoint."""
    train = package.contract["train"]
    command = [*fill(train["command"], data=data), "--out", str(folder), "--device", "cpu", *flags]
    result = run_command(package.main, command)
    assert result.code == 0, result.stderr
    saved = (folder / train["checkpoint"]).read_bytes()
    return saved[8 + int.from_bytes(saved[:8], "little") :]


def test_the_seed_decides_the_bits(package: Member, tiny_data: Path, tmp_path: Path):
    first = train(package, tiny_data, tmp_path / "first", "--seed", "5")
    other = train(package, tiny_data, tmp_path / "other", "--seed", "6")
    assert first != other, "test invalid: the seed changes nothing"
    assert train(package, tiny_data, tmp_path / "again", "--seed", "5") == first


def test_workers_do_not_change_the_bits(package: Member, tiny_data: Path, tmp_path: Path):
    flag = package.contract["train"].get("workers")
    if flag is None:
        pytest.skip(f"{package.name} loads its data in the training process")
    alone = train(package, tiny_data, tmp_path / "alone", flag, "0")
    assert train(package, tiny_data, tmp_path / "helped", flag, "2") == alone
