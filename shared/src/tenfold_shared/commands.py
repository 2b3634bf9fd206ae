"""The terminal: verbs made from dataclasses, settings from files, exit codes, tables and JSON.

Exit codes: 0 done, 1 a refused file or value in one line, 2 wrong usage, 130 and 143 after Ctrl-C
and SIGTERM.
Results go to stdout, everything else to stderr. Nothing here imports torch.
"""

import dataclasses
import errno
import importlib
import importlib.metadata
import inspect
import json as json_format
import logging
import math
import os
import re
import signal
import sys
import threading
import traceback
import types
import typing
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tyro

from tenfold_shared.errors import AdviceWarning, UserError
from tenfold_shared.parsing import UsageError, parse_settings

Verb = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What every verb understands; inherit from it."""

    device: str = "auto"
    """Where to compute: auto, cpu, cuda, cuda:N or mps."""

    seed: int = 0
    """Seed of everything random."""

    out: Path | None = None
    """Where results are written."""

    config: Path | None = None
    """TOML or JSON file with settings; flags on the command line win."""

    json: bool = False
    """Print results as JSON, one object a line."""

    quiet: bool = False
    """Report warnings only."""

    verbose: bool = False
    """Report details."""

    debug: bool = False
    """Show the traceback of an error."""

    def __post_init__(self) -> None:
        """Check the values."""
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise ValueError(f"device must be auto, cpu, cuda, cuda:N or mps, got {self.device!r}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.seed >= 2**63:
            raise ValueError(f"seed must be below 2**63, got {self.seed}")


def run_commands(
    program: str,
    verbs: Mapping[str, Verb | str],
    *,
    version: str | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """Run the verb that the command line names and return the exit code of the process.

    A verb is a function of one argument, whose type is a dataclass inheriting from `Options`; its
    docstring and those of the fields become the help. It may be given as text,
    `"package.module:function"`, to be imported only when it is needed. A verb returns nothing, or
    an exit code.

    Args:
        program: Name of the command, which is the name of the distribution.
        verbs: Name of each verb and its function.
        version: Printed by `--version`; None looks it up in the installed distribution.
        argv: Arguments after the program's name; None takes those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(program, verbs, version, arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _abandon_stdout()
        code = 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is not None:
            raise
        _abandon_stdout()
        sys.stderr.write(f"{program}: error: Cannot write the results: {error.strerror}.\n")
        code = 1
    except KeyboardInterrupt:
        code = 130
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return code


def _abandon_stdout() -> None:
    """Send what is left to nowhere, or Python complains again when it flushes at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit(rows: Iterable[Mapping[str, Any]], *, json: bool = False) -> None:
    """Print results on stdout: an aligned table, or with `json` one object a line.

    Of the processes of torchrun, which all have the same results, only the first one prints.

    Args:
        rows: One mapping per line; columns appear in the order in which they are first met.
            Undefined numbers (NaN, None) are shown as `-`, in JSON as null.
        json: Print JSON.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    table = [{str(key): _plain(value) for key, value in row.items()} for row in rows]
    if json:
        lines = [json_format.dumps(row, allow_nan=False, ensure_ascii=False) for row in table]
    else:
        lines = _table_lines(table)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield names and values of nested tables: `{"a": {"b": [1, 2]}}` gives `("a.b", "1 2")`.

    Args:
        values: What a file says of itself, JSON values.
        prefix: Stands before each name.
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(typing.cast("Mapping[str, Any]", value), f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", " ".join(map(str, typing.cast("Sequence[Any]", value)))
        else:
            yield f"{prefix}{name}", value


def _dispatch(
    program: str, verbs: Mapping[str, Verb | str], version: str | None, arguments: list[str]
) -> int:
    """Answer the options of the program itself, or parse and run one verb."""
    first = arguments[0] if arguments else ""
    if first == "--version":
        sys.stdout.write(f"{program} {version or importlib.metadata.version(program)}\n")
        return 0
    if first in ("-h", "--help"):
        sys.stdout.write(_overview(program, verbs))
        return 0
    if first.startswith("--tyro-"):  # completion scripts, over all verbs
        classes = {name: _settings_class(_load(verb)) for name, verb in verbs.items()}
        tyro.extras.subcommand_cli_from_dict(classes, prog=program, args=arguments)
        return 0
    if first not in verbs:
        near = get_close_matches(first, verbs, n=1)
        hint = f"; perhaps you meant {near[0]}" if near else ""
        problem = f"there is no verb {first!r}{hint}" if first else "a verb is missing"
        sys.stderr.write(f"{program}: {problem} (one of {', '.join(verbs)}; see --help)\n")
        return 2
    return _run_verb(program, first, _load(verbs[first]), arguments[1:])


def _run_verb(program: str, name: str, verb: Verb, arguments: list[str]) -> int:
    """Parse the verb's settings, run it, and turn a UserError into one line."""
    debug = "--debug" in arguments
    with _logging_to_stderr(program) as loggers, _advice_as_lines(program), _sigterm_unwinds():
        try:
            settings = parse_settings(
                _settings_class(verb),
                arguments,
                program=f"{program} {name}",
                text=inspect.getdoc(verb) or "",
            )
            quiet, verbose = getattr(settings, "quiet", False), getattr(settings, "verbose", False)
            level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
            for logger in loggers:
                logger.setLevel(level)
            code = verb(settings)
        except (UserError, UsageError) as error:
            if debug:
                traceback.print_exc()
            sys.stderr.write(f"{program}: error: {' '.join(str(error).split())}\n")
            return 1 if isinstance(error, UserError) else 2
    return code if isinstance(code, int) else 0


def _load(verb: Verb | str) -> Verb:
    """Import a verb that is given as "package.module:function"."""
    if not isinstance(verb, str):
        return verb
    module, _, name = verb.partition(":")
    return getattr(importlib.import_module(module), name)


def _settings_class(verb: Verb) -> type[Any]:
    """Return the dataclass that the verb's one argument is annotated with."""
    parameters = list(inspect.signature(verb).parameters)
    found = typing.get_type_hints(verb).get(parameters[0]) if len(parameters) == 1 else None
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise TypeError(f"verb {verb!r} must take one argument annotated with a dataclass")
    return found


def _overview(program: str, verbs: Mapping[str, Verb | str]) -> str:
    """Return the help of the program: its verbs with the first line of their docstrings."""
    width = max(map(len, verbs))
    lines = [f"usage: {program} VERB ...", "", "verbs:"]
    for name, verb in verbs.items():
        summary = (inspect.getdoc(_load(verb)) or "").partition("\n")[0]
        lines.append(f"  {name:<{width}}  {summary}")
    lines += ["", f"{program} VERB --help explains a verb; {program} --version prints the version."]
    return "\n".join(lines) + "\n"


@contextmanager
def _logging_to_stderr(program: str) -> Generator[list[logging.Logger]]:
    """Send log messages to stderr while a verb runs; yield the loggers that verbosity sets."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter(program))
    # Pillow logs what it also raises, and read_image makes one sentence of that.
    handler.addFilter(lambda record: not record.name.startswith("PIL."))
    root = logging.getLogger()
    loggers = [logging.getLogger(name) for name in (program.replace("-", "_"), "tenfold_shared")]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    try:
        yield loggers
    finally:
        root.removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _advice_as_lines(program: str) -> Generator[None]:
    """Show each `AdviceWarning` as one line: where it was raised helps no user, and no filter makes it a crash."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", AdviceWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, AdviceWarning):
                logging.getLogger(program.replace("-", "_")).warning("%s", message)
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield


class _Handler(logging.StreamHandler[typing.TextIO]):
    """Writes above a progress bar if one is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        progress = sys.modules.get("tqdm")
        if progress is None:
            super().emit(record)
            return
        with progress.tqdm.external_write_mode(file=self.stream):
            super().emit(record)


class _Formatter(logging.Formatter):
    """Prefixes warnings and errors with the program and the level, as compilers do."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of one record."""
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return text
        return f"{self.program}: {record.levelname.lower()}: {text}"


@contextmanager
def _sigterm_unwinds() -> Generator[None]:
    """Let SIGTERM leave through `finally`, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: types.FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _plain(value: Any) -> Any:
    """Turn numpy and torch scalars, paths and undefined numbers into what JSON knows."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in typing.cast("list[Any]", value)]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _table_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Align columns; numbers to the right with four digits, text to the left."""
    if not rows:
        return []
    columns = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {
        key: all(isinstance(row.get(key), int | float | None) for row in rows) for key in columns
    }
    cells = [columns, *([_cell(row.get(key)) for key in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines: list[str] = []
    for line in cells:
        parts = [
            text.rjust(width) if numeric[key] else text.ljust(width)
            for key, text, width in zip(columns, line, widths, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return lines


def _cell(value: Any) -> str:
    """Format one value for a table."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
