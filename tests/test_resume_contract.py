"""A training that is killed and started again ends in the same bits as one that was left alone."""

import random
import subprocess
import time
from pathlib import Path

from workspace import Member, fill

from tenfold_shared import read_metrics


def start(package: Member, data: Path, folder: Path) -> subprocess.Popen[str]:
    train = package.contract["train"]
    command = fill(train.get("long", train["command"]), data=data)
    return subprocess.Popen(
        [package.name, *command, "--out", str(folder), "--device", "cpu"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def kill_after_a_checkpoint(process: subprocess.Popen[str], checkpoint: Path) -> None:
    """Kill `process` at a random moment after it replaced its first checkpoint, the untrained one."""
    written: set[int] = set()
    while process.poll() is None:
        if checkpoint.exists():
            written.add(checkpoint.stat().st_mtime_ns)
        if len(written) == 2:
            time.sleep(random.uniform(0, 0.1))
            process.kill()
            break
        time.sleep(0.001)
    process.communicate()
    assert process.returncode == -9, "it ended first: give [train] a `long` command with more steps"


def test_kill_and_resume_equals_the_uninterrupted_run(
    package: Member, tiny_data: Path, tmp_path: Path
):
    name = package.contract["train"]["checkpoint"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(package, tiny_data, whole))
    kill_after_a_checkpoint(start(package, tiny_data, killed), killed / name)
    unfinished = (killed / name).read_bytes()
    finish(start(package, tiny_data, killed))
    assert unfinished != (whole / name).read_bytes(), "test invalid: it was killed after the end"
    assert tensor_bytes(killed / name) == tensor_bytes(whole / name)
    assert curve(killed) == curve(whole)


def tensor_bytes(path: Path) -> bytes:
    """Return all that follows the header of a safetensors file: the tensors, in order of their names."""
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def curve(folder: Path) -> list[tuple[object, ...]]:
    """Return what was logged, without the times."""
    metrics = read_metrics(folder / "metrics.jsonl")
    return [tuple(metric) for metric in metrics if "seconds" not in metric.name]
