"""From a command line to settings, or to one sentence that says which flag was refused, and why.

Tyro explains refusals in boxes of several lines; here they are condensed. What a settings class
refuses in `__post_init__` is told apart from what cannot be read at all, since the first is a wrong
value and the second wrong usage.
"""

import dataclasses
import inspect
import io
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from itertools import pairwise
from pathlib import Path
from typing import Any

import tyro

from tenfold_shared.errors import UserError
from tenfold_shared.settings import config_file, flags_from_file, is_unprefixed

_WORDS = {"INT": "a whole number", "FLOAT": "a number", "PATH": "a path"}
_PLURALS = {"INT": "whole numbers", "FLOAT": "numbers", "PATH": "paths"}
_WIDE = "10000"  # columns, so that no sentence is broken


class UsageError(Exception):
    """The command line cannot be read: an unknown flag, a missing or an unreadable value."""


@dataclasses.dataclass(frozen=True)
class _Failure:
    """What tyro said, or the value error that it met."""

    text: str
    refused: ValueError | None

    @property
    def is_missing(self) -> bool:
        """Tell whether only a positional or required value is lacking."""
        return self.refused is None and "Missing" in self.text


def parse_settings(
    settings: type[Any], arguments: Sequence[str], *, program: str, text: str
) -> Any:
    """Return the settings of the flags of `--config` and of the user's own, which win.

    Args:
        settings: Dataclass of the verb.
        arguments: The user's command line after the verb.
        program: Program and verb, for the help.
        text: Description of the verb, for the help.

    Raises:
        UserError: A value is refused by its settings class, or the file is unusable.
        UsageError: The command line cannot be read.
        SystemExit: Help was asked for and printed.
    """
    flags, positionals = flags_from_file(settings, arguments)
    _refuse_lists(settings, flags, config_file(arguments))

    def parse(*words: str) -> Any:
        return tyro.cli(settings, prog=program, args=words, description=text)

    if {"-h", "--help"} & set(arguments):
        return parse(*flags, *positionals, *arguments)
    found = _attempt(parse, *flags, *arguments)
    if positionals and isinstance(found, _Failure) and found.is_missing:
        # Positional values of the file count only where the command line gives none.
        found = _attempt(parse, *flags, *positionals, *arguments)
    if not isinstance(found, _Failure):
        return found
    if found.refused is not None:
        flag, sentence = _name_setting(settings, found.refused, arguments)
    else:
        flag, sentence = _condense(found.text)
    file = config_file(arguments)
    if file and flag and flag in _given(flags) - _given(arguments):
        raise UserError(f"{file}: {sentence}.") from found.refused
    if found.refused is not None:
        raise UserError(f"{sentence}.") from found.refused
    raise UsageError(f"{sentence}; see {program} --help")


def _refuse_lists(settings: type[Any], flags: Sequence[str], file: Path | None) -> None:
    """Refuse a list in a file for a setting of one value: its rest would be taken for positional values."""
    kinds = dict(_kinds(settings))
    for flag, value in pairwise(flags):
        if flag in kinds and not value.startswith("--") and not _takes_several(kinds[flag]):
            raise UserError(f"{file}: {flag} must be {_word(kinds[flag])}, got a list.")


def _kinds(settings: type[Any], prefix: str = "--") -> Iterator[tuple[str, Any]]:
    """Yield the flag and the type of every setting."""
    hints = typing.get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        markers = getattr(hints[field.name], "__metadata__", ())
        kind = hints[field.name].__origin__ if markers else hints[field.name]
        flag = prefix + field.name.replace("_", "-")
        if inspect.isclass(kind) and dataclasses.is_dataclass(kind):
            yield from _kinds(kind, prefix if is_unprefixed(markers) else f"{flag}.")
        else:
            yield flag, kind


def _takes_several(kind: Any) -> bool:
    """Tell whether a setting of this type is a tuple or another sequence."""
    origin = typing.get_origin(kind) or kind
    if origin in (typing.Union, types.UnionType):
        return any(map(_takes_several, typing.get_args(kind)))
    return inspect.isclass(origin) and issubclass(origin, Sequence) and origin is not str


def _word(kind: Any) -> str:
    """Say what one value of a type is."""
    choices = [str(choice) for choice in typing.get_args(kind) if not inspect.isclass(choice)]
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {', '.join(choices)}"
    words = {int: "a whole number", float: "a number", Path: "a path", bool: "true or false"}
    listed = typing.get_args(kind) or (kind,)
    return next((words[one] for one in listed if one in words), "one value")


def _attempt(parse: Callable[..., Any], *words: str) -> Any:
    """Return the settings, or a `_Failure`."""
    heard = io.StringIO()
    try:
        with _wide_terminal(), redirect_stderr(heard):
            found = parse(*words)
    except ValueError as error:  # of fields without a prefix, which tyro lets through
        if _refusing_settings(error) is None:
            raise
        return _Failure(heard.getvalue(), error)
    except SystemExit as stop:
        if stop.code != 2:  # help was printed, or a signal arrived meanwhile
            raise
        return _Failure(heard.getvalue(), _refused_value(stop))
    sys.stderr.write(heard.getvalue())
    return found


@contextmanager
def _wide_terminal() -> Generator[None]:
    """Keep tyro from breaking lines."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _WIDE
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def _refused_value(stop: SystemExit) -> ValueError | None:
    """Return the error of the `__post_init__` that made tyro stop, None if it was something else."""
    error: BaseException | None = stop
    while error is not None:
        if isinstance(error, ValueError) and _refusing_settings(error) is not None:
            return error
        error = error.__context__
    return None


def _refusing_settings(error: ValueError) -> Any:
    """Return the settings object whose `__post_init__` raised an error, None if none did."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "__post_init__":
            return trace.tb_frame.f_locals.get("self")
        trace = trace.tb_next
    return None


def _name_setting(
    settings: type[Any], error: ValueError, arguments: Sequence[str]
) -> tuple[str | None, str]:
    """Return the flag that a settings class refused, and a sentence that begins with it."""
    message = " ".join(str(error).split()).rstrip(".")
    owner: Any = _refusing_settings(error).__class__
    names = [field.name for field in dataclasses.fields(owner)]
    named = [word for word in re.findall(r"\w+", message) if word in names]
    flags = {
        f"--{prefix}{name.replace('_', '-')}": name
        for name in named
        for prefix in _prefixes(settings, owner)
    }
    given = _given(arguments)
    if not flags:  # the value may tell whose it was
        typed = [flag for flag, value in pairwise(arguments) if f"got {value!r}" in message]
        return next(((f, f"{f}: {message}") for f in typed if f in given), (None, message))
    flag = next((flag for flag in flags if flag in given), next(iter(flags)))
    if message.startswith(f"{flags[flag]} "):
        return flag, f"{flag}{message.removeprefix(flags[flag])}"
    return flag, f"{flag}: {message}"


def _prefixes(settings: type[Any], owner: type[Any], prefix: str = "") -> Iterator[str]:
    """Yield what stands before the names of the fields of `owner` in flags, as in "windows."."""
    if settings is owner:
        yield prefix
    hints = typing.get_type_hints(settings, include_extras=True)
    for field in dataclasses.fields(settings):
        markers = getattr(hints[field.name], "__metadata__", ())
        kind = hints[field.name].__origin__ if markers else hints[field.name]
        if inspect.isclass(kind) and dataclasses.is_dataclass(kind):
            inner = "" if is_unprefixed(markers) else f"{field.name.replace('_', '-')}."
            yield from _prefixes(kind, owner, prefix + inner)


def _given(arguments: Sequence[str]) -> set[str]:
    """Return the flags of a command line, spelled with hyphens."""
    return {word.partition("=")[0].replace("_", "-") for word in arguments if word[:2] == "--"}


def _condense(box: str) -> tuple[str | None, str]:
    """Return the flag that tyro's box of several lines is about, and its content as a sentence."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines()]
    lines = [line for line in lines if line and "──" not in line]
    text = "\n".join(lines)
    for pattern, condensed in _CONDENSED:
        match = re.search(pattern, text, re.DOTALL)
        if match:
            sentence = condensed(match, text)
            flag = re.search(r"--[\w.-]+", sentence)
            return flag and flag[0], sentence
    return None, " ".join(lines[:-1] or ["the command line cannot be read"])


def _choice(match: re.Match[str], _text: str) -> str:
    """Word a value that is none of the choices."""
    value, flag, listed = match.groups()
    flag = flag if flag.startswith("-") else flag.upper()
    choices = [choice for choice in re.findall(r"'(.*?)'", listed) if choice != "None"]
    if "'None'" in listed:  # tyro shuffles these
        choices.sort()
    return f"{flag} must be one of {', '.join(choices)}, got {value}"


def _unreadable(match: re.Match[str], text: str) -> str:
    """Word a value of another type."""
    flag, said = match.groups()
    usage = re.search(r"^Argument helptext:\n(?:--[\w.-]+ )?(.*)$", text, re.MULTILINE)
    values = re.search(r"(\[.*\]|'[^']*')\.?$", said.partition("\n")[0])
    if usage is None or values is None:
        return f"{flag}: {' '.join(said.split())}"
    got = values[1].strip("'")
    if got.startswith("["):
        got = " ".join(re.findall(r"'(.*?)'", got))
    return f"{flag} must be {_kind(usage[1])}, got {repr(got) if got else 'nothing'}"


def _kind(usage: str) -> str:
    """Say in words what tyro writes as INT, {None}|FLOAT, {FLOAT FLOAT} or [INT [INT ...]]."""
    usage = usage.removeprefix("{None}|")
    words = usage.strip("{}[]").split()
    if words[-1] == "..." and words[0] in _PLURALS:
        return _PLURALS[words[0]]
    if len(words) > 1 and set(words) <= set(_PLURALS) and len(set(words)) == 1:
        return f"{len(words)} {_PLURALS[words[0]]}"
    return _WORDS.get(usage, usage)


def _unknown(match: re.Match[str], text: str) -> str:
    """Word flags or values that mean nothing."""
    tokens = match[1].split(", ")
    flag = next((token for token in tokens if token.startswith("-")), None)
    if flag is None:
        return f"{tokens[0]!r} is one value too many"
    near = re.search(r"^(?:Perhaps you meant|Arguments similar to .*):\n(--[\w.-]+)", text, re.M)
    return f"there is no flag {flag}" + (f"; perhaps you meant {near[1]}" if near else "")


def _missing(match: re.Match[str], _text: str) -> str:
    """Word what is required and lacks."""
    name, described = match.groups()
    name = "a value" if name.startswith("{") else name
    return f"{name} is missing: {' '.join(described.replace('(required)', '').split()).rstrip('.')}"


def _valueless(match: re.Match[str], _text: str) -> str:
    """Word a flag at the end, or a positional value that a flag has swallowed."""
    name = match[1]
    return f"{name} needs a value" if name.startswith("-") else f"{name.upper()} is missing"


_CONDENSED = (
    (r"invalid choice '(.*?)' for argument '(.*?)'\. Expected one of \((.*?)\)", _choice),
    (r"Error parsing (\S+): (.*)", _unreadable),
    (r"Unrecognized options: ?([^\n]*)", _unknown),
    (r"Missing from [^\n]*:\n([^\n]+)\n([^\n]*)", _missing),
    (r"Missing value for argument '(.*?)'\.", _valueless),
)
"""What tyro writes in its boxes, and how it is said here."""
