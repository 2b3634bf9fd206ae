import dataclasses
import errno
import importlib.metadata
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from tqdm import tqdm

from tenfold_shared import RunFolder, UserError, load_checkpoint, read_metadata, read_metrics
from tenfold_shared.testing import run_command

TOY = Path(__file__).with_name("toy_training.py")
_spec = importlib.util.spec_from_file_location("toy_training", TOY)
toy = importlib.util.module_from_spec(_spec)
sys.modules["toy_training"] = toy
_spec.loader.exec_module(toy)


def train(folder, *arguments):
    return run_command(toy.main, ["train", "--out", folder, *arguments])


def content(folder):
    """Return what a run leaves: its checkpoint without the settings, and its metrics."""
    checkpoint = load_checkpoint(folder / "checkpoint.safetensors", package="tenfold-shared")
    tensors = dict(checkpoint.generators)
    for name, state in checkpoint.models.items():
        tensors |= {f"{name}.{key}": tensor for key, tensor in state.items()}
    for name, state in checkpoint.optimizers.items():
        for index, values in state["state"].items():
            tensors |= {f"{name}.{index}.{key}": v for key, v in values.items() if v is not None}
    return tensors, read_metrics(folder / "metrics.jsonl")


def assert_same(folder, expected):
    tensors, metrics = content(folder)
    assert metrics == expected[1]
    assert tensors.keys() == expected[0].keys()
    for key, tensor in tensors.items():
        assert torch.equal(torch.as_tensor(tensor), torch.as_tensor(expected[0][key])), key


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert train(folder).code == 0
    return content(folder)


def test_the_same_seed_gives_the_same_bits(tmp_path, uninterrupted):
    assert train(tmp_path, "--checkpoint-every", 1000).code == 0
    assert_same(tmp_path, uninterrupted)
    assert train(tmp_path / "other", "--seed", 1).code == 0
    assert content(tmp_path / "other")[1] != uninterrupted[1]


def test_stopping_and_going_on_gives_the_same_bits(tmp_path, uninterrupted):
    for steps in (1, 13, 13, 40, 60):
        assert train(tmp_path, "--steps", steps).code == 0
    assert_same(tmp_path, uninterrupted)


class Child:
    """The toy training in a forked process, which costs no second import of torch."""

    def __init__(self, folder, *arguments):
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                os.close(reader)
                sys.stdout = sys.stderr = os.fdopen(writer, "w", buffering=1)
                code = toy.main(["train", "--out", str(folder), "--mishap", "say", *arguments])
            finally:
                os._exit(code)
        os.close(writer)
        self.lines = os.fdopen(reader)

    def end(self):
        """Wait, and return the exit code or the negative number of the signal."""
        self.lines.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@needs_fork
def test_a_killed_process_leaves_no_lock_of_the_progress_bar_behind():
    lock = tqdm.get_lock()
    child = os.fork()
    if child == 0:
        lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert lock.acquire(True, 5), "a log message would wait forever"
    lock.release()


@needs_fork
@pytest.mark.parametrize("attempt", range(5))
def test_kill_nine_at_random_moments_gives_the_same_bits(tmp_path, uninterrupted, attempt):
    moment, kills = random.Random(attempt), 0
    while kills < 4:
        child = Child(tmp_path, "--pause", "0.003", "--checkpoint-every", "3")
        for _ in range(moment.randint(1, 12)):
            child.lines.readline()
        time.sleep(moment.random() * 0.01)
        os.kill(child.pid, signal.SIGKILL)
        assert child.end() == -signal.SIGKILL
        kills += 1
    step = read_metadata(tmp_path / "checkpoint.safetensors")["metadata"]["step"]
    assert step < 60, "test invalid"
    assert train(tmp_path).code == 0
    assert_same(tmp_path, uninterrupted)


@pytest.mark.slow
def test_a_killed_process_of_its_own_resumes_with_the_same_bits(tmp_path, uninterrupted):
    command = [sys.executable, str(TOY), "train", "--out", str(tmp_path), "--mishap", "say"]
    for lines in (5, 17):
        process = subprocess.Popen([*command, "--pause", "0.01"], stdout=subprocess.PIPE)
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        process.communicate()
        assert process.returncode == -9
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert_same(tmp_path, uninterrupted)


@pytest.mark.parametrize(("mishap", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_signals_save_first_and_the_rest_is_the_same(tmp_path, uninterrupted, mishap, code):
    result = train(tmp_path, "--mishap", mishap, "--checkpoint-every", 1000)
    assert result.code == code
    assert "finishing this step and saving" in result.stderr
    assert "stopped after step 10" in result.stderr
    assert read_metadata(tmp_path / "checkpoint.safetensors")["metadata"]["step"] == 10
    assert train(tmp_path).code == 0
    assert_same(tmp_path, uninterrupted)


@needs_fork
def test_a_second_signal_stops_at_once(tmp_path):
    child = Child(tmp_path, "--pause", "30")
    deadline = time.monotonic() + 60
    while not (tmp_path / "metrics.jsonl").exists() or not read_metrics(tmp_path / "metrics.jsonl"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGTERM)
    assert "once more stops at once" in child.lines.readline()
    os.kill(child.pid, signal.SIGTERM)
    assert child.end() == 143
    assert read_metadata(tmp_path / "checkpoint.safetensors")["metadata"]["step"] == 0


@pytest.mark.parametrize(
    ("mishap", "words"),
    [
        ("nan loss", "diverged at step 10: maker is nan; the last good checkpoint is"),
        ("nan weight", "diverged at step 10: 0.weight of network maker is not finite"),
    ],
)
def test_divergence_is_named_and_the_good_checkpoint_kept(tmp_path, mishap, words):
    every = 7 if mishap == "nan loss" else 5
    result = train(tmp_path, "--mishap", mishap, "--checkpoint-every", every)
    assert result.code == 1
    assert words in result.stderr
    assert "(step 7)" in result.stderr or "(step 5)" in result.stderr
    assert result.stderr.count("\n") == 1
    assert read_metadata(tmp_path / "checkpoint.safetensors")["metadata"]["step"] in (5, 7)
    assert all(metric.step <= 10 for metric in read_metrics(tmp_path / "metrics.jsonl"))


def test_the_signal_handlers_are_given_back(tmp_path):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    for mishap in ("none", "nan loss", "SIGTERM"):
        train(tmp_path / mishap, "--mishap", mishap, "--steps", 12)
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = 2
    sizes: tuple[int, ...] = (1, 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int = 5
    device: str = "cpu"
    data: Path = Path("a")
    rate: float = 0.1
    inner: Inner = dataclasses.field(default_factory=Inner)


def start(folder, config=None, *, seed=0, track=True, **options):
    config = config or Settings()
    with RunFolder(folder, config=config, package="tenfold-shared", seed=seed, **options) as run:
        if not track:
            return run, False
        model = nn.Linear(2, 1)
        resumed = run.track(models={"m": model})
        for _ in run.steps(config.steps):
            pass
    return run, resumed


def test_the_folder_records_what_is_needed_to_repeat_it(tmp_path):
    run, resumed = start(tmp_path / "new" / "run")
    assert not resumed
    config = json.loads((run.folder / "config.json").read_text())
    assert config["data"] == "a"
    assert config["inner"] == {"depth": 2, "sizes": [1, 2]}
    _, resumed = start(run.folder)
    assert resumed
    starts = json.loads((run.folder / "environment.json").read_text())
    assert len(starts) == 2
    assert starts[0]["versions"]["torch"] == importlib.metadata.version("torch")
    assert starts[0]["seed"] == 0
    assert read_metadata(run.checkpoint)["metadata"]["config"] == config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0.2}, "rate was 0.1 and is now 0.2"),
        ({"inner": Inner(depth=3)}, "inner.depth was 2 and is now 3"),
        ({"inner": Inner(sizes=(1,))}, r"inner.sizes was \[1, 2\] and is now \[1\]"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, change, words):
    start(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(UserError, match=words):
        start(tmp_path, dataclasses.replace(Settings(), **change))
    assert (tmp_path / "config.json").read_bytes() == before


def test_more_steps_another_device_and_other_paths_are_fine(tmp_path):
    start(tmp_path)
    run, resumed = start(tmp_path, Settings(steps=8, device="auto", data=Path("b")))
    assert resumed
    assert run.step == 8
    with pytest.raises(UserError, match="was started with seed 0, not 1"):
        start(tmp_path, seed=1)


def test_foreign_and_damaged_folders_are_refused(tmp_path):
    start(tmp_path)
    for text in ("{", "[]", "3", '{"inner": 3}', "[" * 100_000):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UserError):
            start(tmp_path)
    (tmp_path / "config.json").unlink()
    with (
        RunFolder(tmp_path, config=Settings(), package="other", seed=0) as run,
        pytest.raises(UserError, match="was written by tenfold-shared; other reads only"),
    ):
        run.track(models={"m": nn.Linear(2, 1)})
    (tmp_path / "environment.json").write_text("{")
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        start(tmp_path)
    (tmp_path / "checkpoint.safetensors").unlink()
    start(tmp_path)


@needs_fork
def test_two_processes_cannot_share_a_folder(tmp_path):
    first = Child(tmp_path, "--pause", "0.05")
    first.lines.readline()
    second = train(tmp_path)
    os.kill(first.pid, signal.SIGKILL)
    first.end()
    assert second.code == 1
    assert f"in use by process {first.pid} on" in second.stderr
    assert train(tmp_path, "--steps", 15).code == 0


def test_a_full_disk_is_found_before_training_and_later_keeps_the_old_state(tmp_path, monkeypatch):
    real = os.write

    def full(handle, data):
        if len(data) > 5000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        result = train(tmp_path / "a")
    assert result.code == 1
    assert "disk is full" in result.stderr
    assert read_metrics(tmp_path / "a" / "metrics.jsonl") == []
    assert train(tmp_path / "b", "--steps", 20).code == 0
    before = (tmp_path / "b" / "checkpoint.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        result = train(tmp_path / "b")
    assert result.code == 1
    assert "bytes needed" in result.stderr
    assert (tmp_path / "b" / "checkpoint.safetensors").read_bytes() == before


def test_misuse_is_named(tmp_path):
    run, _ = start(tmp_path, track=False)
    with pytest.raises(ValueError, match=r"call run\.track"):
        run.steps(3)
    with pytest.raises(ValueError, match="checkpoint_every must be at least 1"):
        start(tmp_path, checkpoint_every=0)
    with pytest.raises(ValueError, match="must not be named torch"):
        run.track(models={}, generators={"torch": torch.Generator()})
    with pytest.raises(ValueError, match="settings must be plain values"):
        start(tmp_path / "x", dataclasses.make_dataclass("Odd", [("a", object, object())])())


def test_leaving_the_loop_early_keeps_the_last_checkpoint(tmp_path):
    with RunFolder(tmp_path, config=Settings(), package="tenfold-shared", seed=0) as run:
        run.track(models={"m": nn.Linear(1, 1)})
        for step in run.steps(100):
            if step == 3:
                break
    assert run.step == 2, "a step that was left is not completed"
    assert read_metadata(run.checkpoint)["metadata"]["step"] == 0


def test_progress_is_reported(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("tenfold_shared.records._REPORT_SECONDS", -1)
    with caplog.at_level("INFO", logger="tenfold_shared"):
        start(tmp_path / "a")
    assert [r.message for r in caplog.records][:2] == ["step 1 of 5", "step 2 of 5"]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bars = []
    with caplog.at_level("INFO", logger="tenfold_shared"):
        monkeypatch.setattr("tenfold_shared.records.tqdm", lambda **k: bars.append(k) or Bar())
        start(tmp_path / "b")
    assert bars[0]["total"] == 5


class Bar:
    updates = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        assert self.updates == 5

    def update(self):
        self.updates += 1
