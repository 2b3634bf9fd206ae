"""What a run folder records about its settings and its surroundings, and what the terminal shows."""

import dataclasses
import json
import logging
import platform
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import torch
from tqdm import tqdm

from tenfold_shared.devices import describe_device
from tenfold_shared.distributed import current_world
from tenfold_shared.errors import UserError
from tenfold_shared.files import write_atomically

logger = logging.getLogger(__name__)

# By itself tqdm shares a lock with forked processes; killed while holding it, one would stop all.
cast("Any", tqdm).set_lock(threading.RLock())

CONFIG_NAME = "config.json"
ENVIRONMENT_NAME = "environment.json"

# Settings that may differ when a run is resumed, besides those that hold a path.
MAY_CHANGE = frozenset(
    {"steps", "device", "out", "config", "json", "quiet", "verbose", "debug", "checkpoint_every"}
)
_REPORT_SECONDS = 10


def as_json(config: Any) -> dict[str, Any]:
    """Return a settings dataclass as JSON values; paths become text.

    Raises:
        ValueError: It holds something else.
    """
    try:
        return json.loads(json.dumps(dataclasses.asdict(config), default=_path_text))
    except TypeError as error:
        raise ValueError(f"settings must be plain values in a dataclass: {error}") from error


def agree_on_config(folder: Path, config: Any) -> None:
    """Write the settings into a run folder, or refuse those that differ from what it began with.

    Raises:
        UserError: A setting that matters differs, or the file is damaged.
    """
    path, ours = folder / CONFIG_NAME, as_json(config)
    if path.exists():
        try:
            theirs = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
            changes = list(_changes(theirs, ours, dataclasses.asdict(config)))
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path} is damaged; use another folder.") from error
        if changes:
            raise UserError(
                f"{folder} holds a run with other settings: {changes[0]}; use the same settings "
                "or another folder."
            )
    write_atomically(path, json.dumps(ours, indent=2, allow_nan=False) + "\n")


def note_environment(folder: Path, config: Any, *, package: str, seed: int) -> None:
    """Append what this start runs with, for whoever wants to repeat it."""
    path = folder / ENVIRONMENT_NAME
    starts: list[Any] = []
    with suppress(OSError, ValueError):
        starts = json.loads(path.read_text(encoding="utf-8"))
    wanted = str(getattr(config, "device", "cpu"))
    on_gpu = torch.cuda.is_available() and wanted.startswith(("auto", "cuda"))
    start = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "package": package,
        "versions": {
            name: _version(name) for name in (package, "tenfold-shared", "torch", "numpy")
        },
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": describe_device(torch.device("cuda" if on_gpu else "cpu")),
        "threads": torch.get_num_threads(),
        "processes": current_world().size,
        "command": sys.argv,
        "seed": seed,
    }
    write_atomically(path, json.dumps([*starts, start], indent=2) + "\n")


@contextmanager
def show_progress(done: int, total: int) -> Generator[Callable[[], None]]:
    """Yield a function to call after each step: a bar on a terminal, else a line now and then."""
    if not current_world().is_first or not logger.isEnabledFor(logging.INFO):
        yield lambda: None
    elif sys.stderr.isatty():
        with tqdm(total=total, initial=done, unit="step", file=sys.stderr) as bar:
            yield lambda: cast("None", bar.update())
    else:
        steps, last = done, time.monotonic()

        def advance() -> None:
            nonlocal steps, last
            steps += 1
            if time.monotonic() - last > _REPORT_SECONDS:
                last = time.monotonic()
                logger.info("step %d of %d", steps, total)

        yield advance


def _changes(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], living: Mapping[str, Any], place: str = ""
) -> Iterator[str]:
    """Describe each setting that matters and differs; `living` tells which ones are paths."""
    for name in [*ours, *(key for key in theirs if key not in ours)]:
        old, new, value = theirs.get(name), ours.get(name), living.get(name)
        if old == new or name in MAY_CHANGE or isinstance(value, Path):
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = cast("Any", (old, new, value))
            yield from _changes(*inner, place=f"{place}{name}.")
        else:
            yield f"{place}{name} was {json.dumps(old)} and is now {json.dumps(new)}"


def _path_text(value: Any) -> str:
    """Return the text of a path; json.dumps calls this for what it does not know."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} cannot be written as JSON")


def _version(distribution: str) -> str | None:
    """Return the installed version of a distribution."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
