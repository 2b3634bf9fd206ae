"""`--preset`: the settings that all other flags start from, known before the flags are parsed."""

import sys
import tomllib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Literal

from tbc_tracking.config import TrackConfig, paper_preset, per_frame_preset

Preset = Literal["default", "paper", "per-frame"]

_PRESETS = {"default": TrackConfig, "paper": paper_preset, "per-frame": per_frame_preset}
_chosen: ContextVar[str] = ContextVar("preset", default="default")


@contextmanager
def choose_preset(argv: Sequence[str] | None) -> Generator[None]:
    """Let `preset_settings` return what the command line or its settings file asks for.

    Args:
        argv: arguments after the program's name; None takes those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = _last_value(arguments, "--preset") or _from_file(arguments)
    token = _chosen.set(name if name in _PRESETS else "default")
    try:
        yield
    finally:
        _chosen.reset(token)


def preset_settings() -> TrackConfig:
    """Return the settings of the chosen preset."""
    return _PRESETS[_chosen.get()]()


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
    name = settings.get("preset")
    return name if isinstance(name, str) else None
