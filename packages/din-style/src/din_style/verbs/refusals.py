"""What a user sees when settings do not fit: one line, and exit code 1; bugs stay tracebacks."""

import functools
import logging
from collections.abc import Callable
from typing import TypeVar

from tenfold_shared.commands import Options

logger = logging.getLogger(__name__)

Config = TypeVar("Config", bound=Options)


def refuses(verb: Callable[[Config], None]) -> Callable[[Config], int]:
    """Let a verb end in one line and exit code 1 when this project's code refuses a setting."""

    @functools.wraps(verb)
    def run(config: Config) -> int:
        try:
            verb(config)
        except ValueError as error:
            if config.debug or not _is_refusal(error):
                raise
            logger.error("%s", _sentence(error))
            return 1
        return 0

    return run


def _sentence(error: ValueError) -> str:
    """Return the message as one line without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


def _is_refusal(error: ValueError) -> bool:
    """Tell whether this project raised the error, rather than a library that was misused."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return module.partition(".")[0] in ("din_style", "tenfold_shared")
