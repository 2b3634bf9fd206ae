"""Metrics of a run: one JSON object a line, the truth that survives kills and is easy to search."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically


class Metric(NamedTuple):
    """One number of one step."""

    step: int
    split: str
    name: str
    value: float


class MetricsWriter:
    """Appends metrics to a file, and to TensorBoard if asked and installed.

    Args:
        path: The file, `metrics.jsonl` in a run folder.
        last_step: Keep lines up to this step and drop later ones, which a killed run wrote after
            its last checkpoint and a resumed run writes again.
        tensorboard: Also write event files into the folder `tensorboard` beside the file.

    Raises:
        UserError: The old file is damaged, or TensorBoard is asked for and not installed.
    """

    def __init__(self, path: Path, *, last_step: int = 0, tensorboard: bool = False) -> None:
        kept = [metric for metric in read_metrics(path) if metric.step <= last_step]
        write_atomically(path, "".join(map(_line, kept)))
        self._file = path.open("a", encoding="utf-8")
        self._board = _open_board(path.parent / "tensorboard", last_step) if tensorboard else None

    def write(self, step: int, values: Mapping[str, float], *, split: str = "train") -> None:
        """Append finite numbers; they are in the file when the call returns."""
        lines = [_line(Metric(step, split, name, float(value))) for name, value in values.items()]
        self._file.write("".join(lines))
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{split}/{name}", value, step)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_metrics(path: Path) -> list[Metric]:
    """Read the metrics of a run in the order of writing; a missing file has none.

    A last line that a kill cut short is ignored.

    Raises:
        UserError: A line in the middle is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    # What follows the last line break is empty, or was being written when the run was killed.
    return [_parse(path, number, line) for number, line in enumerate(lines[:-1], start=1)]


def _line(metric: Metric) -> str:
    """Return one line; JSON knows no NaN, so that a number that is none raises ValueError."""
    return json.dumps(metric._asdict(), allow_nan=False) + "\n"


def _parse(path: Path, number: int, line: bytes) -> Metric:
    """Read one line."""
    try:
        entry = json.loads(line)
        return Metric(
            int(entry["step"]), str(entry["split"]), str(entry["name"]), float(entry["value"])
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{path}, line {number}: not a metric; remove that line or use another run folder."
        ) from error


def _open_board(folder: Path, last_step: int) -> Any:
    """Open TensorBoard's writer, which hides later steps of an earlier start."""
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise UserError(
            'TensorBoard is not installed; run pip install "tenfold-shared[tensorboard]".'
        ) from error
    return SummaryWriter(str(folder), purge_step=last_step + 1)
