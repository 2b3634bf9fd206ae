import json

import pytest

from tenfold_shared import UserError, read_metrics
from tenfold_shared.metrics import Metric, MetricsWriter


def test_lines_are_json_and_come_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsWriter(path) as writer:
        writer.write(1, {"loss": 0.1, "rate": 3})
        assert len(read_metrics(path)) == 2, "written at once"
        writer.write(2, {"loss": 1e-300}, split="test")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"step": 1, "split": "train", "name": "loss", "value": 0.1}
    assert read_metrics(path)[2] == Metric(2, "test", "loss", 1e-300)


def test_a_resumed_run_drops_later_lines_and_a_torn_one(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with MetricsWriter(path) as writer:
        for step in range(1, 6):
            writer.write(step, {"loss": step})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"step": 6, "spl')
    assert [metric.step for metric in read_metrics(path)] == [1, 2, 3, 4, 5]
    with MetricsWriter(path, last_step=3) as writer:
        assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:3])
        writer.write(4, {"loss": 4})
        writer.write(5, {"loss": 5})
    assert path.read_bytes() == whole


def test_undefined_numbers_are_never_written(tmp_path):
    with MetricsWriter(tmp_path / "m") as writer, pytest.raises(ValueError, match="not JSON"):
        writer.write(1, {"good": 1.0, "bad": float("nan")})
    assert read_metrics(tmp_path / "m") == []


@pytest.mark.parametrize("line", ["x", "[]", "{}", '{"step": 1}', "\xff", '{"step": 1e999}'])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "m"
    path.write_bytes(
        b'{"step": 1, "split": "a", "name": "b", "value": 1}\n' + line.encode("latin1")
    )
    assert len(read_metrics(path)) == 1, "the last line may be torn"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(UserError, match="m, line 2: not a metric"):
        read_metrics(path)


def test_a_missing_file_has_no_metrics(tmp_path):
    assert read_metrics(tmp_path / "none") == []


def test_tensorboard_is_an_extra(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(UserError, match=r"tenfold-shared\[tensorboard\]"):
        MetricsWriter(tmp_path / "m", tensorboard=True)


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_receives_the_numbers(tmp_path):
    pytest.importorskip("tensorboard")
    with MetricsWriter(tmp_path / "m", tensorboard=True) as writer:
        writer.write(1, {"loss": 0.5})
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(1, 0.5)]
