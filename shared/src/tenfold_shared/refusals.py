"""What a user sees when settings do not fit: one line, and exit code 1; bugs stay tracebacks."""

import functools
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tenfold_shared.commands import Options
from tenfold_shared.errors import UserError

Config = TypeVar("Config", bound=Options)


def refuses(verb: Callable[[Config], None]) -> Callable[[Config], int]:
    """Let a verb end in one line and exit code 1 when its package's code refuses a setting."""
    package = verb.__module__.partition(".")[0]

    @functools.wraps(verb)
    def run(config: Config) -> int:
        try:
            verb(config)
        except ValueError as error:
            if config.debug or not _is_refusal(error, package):
                raise
            logging.getLogger(verb.__module__).error("%s.", _sentence(error))
            return 1
        return 0

    return run


@contextmanager
def blamed_on(path: Path, *, package: str) -> Generator[None]:
    """Turn refusals by a package's code into a UserError about a file: its content does not fit.

    Args:
        path: The file.
        package: Import name of the package whose refusals these are.
    """
    try:
        yield
    except ValueError as error:
        if not _is_refusal(error, package):
            raise
        raise UserError(f"{path}: {_sentence(error)}.") from error


def _sentence(error: ValueError) -> str:
    """Return the message as one line without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


def _is_refusal(error: ValueError, package: str) -> bool:
    """Tell whether this project raised the error, rather than a library that was misused."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return module.partition(".")[0] in (package, "tenfold_shared")
