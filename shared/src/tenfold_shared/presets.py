"""`--preset`: settings by name that all other flags start from, known before the flags are parsed."""

import sys
import tomllib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Generic, TypeVar

Settings = TypeVar("Settings")

FLAG = "--preset"


class Presets(Generic[Settings]):
    """Named settings of one verb.

    Pass `settings` as the default factory of the verb's field, and run the command line inside `chosen_by`.

    Args:
        table: What makes the settings of each name.
        default: The name that holds without the flag.
    """

    def __init__(self, table: Mapping[str, Callable[[], Settings]], *, default: str) -> None:
        if default not in table:
            raise ValueError(f"default must be one of {', '.join(table)}, got {default!r}")
        self._table, self._default = dict(table), default
        self._chosen: ContextVar[str] = ContextVar(FLAG, default=default)

    def settings(self) -> Settings:
        """Return the settings of the chosen preset."""
        return self._table[self._chosen.get()]()

    @contextmanager
    def chosen_by(self, argv: Sequence[str] | None) -> Generator[None]:
        """Let `settings` return what the command line or its settings file asks for.

        A name that is not in the table is left to the parser, which says what there is.

        Args:
            argv: Arguments after the program's name; None takes those of the process.
        """
        arguments = list(sys.argv[1:] if argv is None else argv)
        name = _last_value(arguments, FLAG) or _from_file(arguments)
        token = self._chosen.set(name if name in self._table else self._default)
        try:
            yield
        finally:
            self._chosen.reset(token)


def _last_value(arguments: Sequence[str], flag: str) -> str | None:
    """Return the value of the last `flag`."""
    found = None
    for index, argument in enumerate(arguments):
        if argument == flag and index + 1 < len(arguments):
            found = arguments[index + 1]
        elif argument.startswith(f"{flag}="):
            found = argument.removeprefix(f"{flag}=")
    return found


def _from_file(arguments: Sequence[str]) -> str | None:
    """Return the preset that a settings file names; what is wrong with the file is told later."""
    file = _last_value(arguments, "--config")
    try:
        settings = tomllib.loads(Path(file).read_text("utf-8")) if file else {}
    except (OSError, ValueError, RecursionError):
        return None
    name = settings.get(FLAG.removeprefix("--"))
    return name if isinstance(name, str) else None
