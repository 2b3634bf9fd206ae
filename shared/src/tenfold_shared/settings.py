"""Settings from a TOML or JSON file, as flags in front of those of the command line.

Flags, so that one parser checks the types of both.
"""

import dataclasses
import json
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import tyro

from tenfold_shared.errors import UserError


def flags_from_file(settings: type[Any], arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Expand the file that `--config` names into flags and positional values.

    Args:
        settings: The dataclass whose fields the file may set, nested ones in sections.
        arguments: The user's command line, searched for `--config`.

    Returns:
        Flags such as `--steps=7` or `--network.depth=3`, and the values of positional fields.

    Raises:
        UserError: The file is missing or damaged, or holds a key that is no setting.
    """
    file = config_file(arguments)
    if file is None:
        return [], []
    flags: list[str] = []
    positionals: list[str] = []
    for flag, kind, value in _expand(file, settings, _read(file), key_prefix="", flag_prefix=""):
        target = flags if flag else positionals
        target.extend(_as_arguments(file, flag, kind, value))
    # A list would swallow a positional value behind it; this flag, repeated, stops it.
    return [*flags, f"--config={file}"], positionals


def config_file(arguments: Sequence[str]) -> Path | None:
    """Return the value of the last `--config`."""
    found = None
    for index, argument in enumerate(arguments):
        if argument == "--config" and index + 1 < len(arguments):
            found = Path(arguments[index + 1])
        elif argument.startswith("--config="):
            found = Path(argument.removeprefix("--config="))
    return found


def _read(file: Path) -> Mapping[str, Any]:
    """Read a table of settings."""
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; check --config.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not a valid settings file: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} must hold a table of settings, not a {type(content).__name__}.")
    return cast("Mapping[str, Any]", content)


def _expand(
    file: Path, settings: type[Any], table: Mapping[str, Any], *, key_prefix: str, flag_prefix: str
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (flag, type, value) for each setting in the table; no flag for a positional field."""
    hints = typing.get_type_hints(settings, include_extras=True)
    names = [field.name for field in dataclasses.fields(settings) if field.init]
    for key, value in _with_sections(table, names, hints).items():
        if key not in names:
            near = get_close_matches(key, names, n=1)
            hint = f"perhaps you meant {near[0]}" if near else f"known are {', '.join(names)}"
            raise UserError(f"{file}: unknown setting {key_prefix}{key}; {hint}.")
        kind, markers = hints[key], getattr(hints[key], "__metadata__", ())
        kind = getattr(kind, "__origin__", kind) if markers else kind
        flag = flag_prefix + key.replace("_", "-")
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            if not isinstance(value, dict):
                raise UserError(f"{file}: {key_prefix}{key} must be a section, got {value!r}.")
            unnamed = is_unprefixed(markers)
            yield from _expand(
                file,
                kind,
                cast("Mapping[str, Any]", value),
                key_prefix=f"{key_prefix}{key}.",
                flag_prefix=flag_prefix if unnamed else f"{flag}.",
            )
        elif key_prefix or key != "config":  # a run's own record names the file that it came from
            yield ("" if tyro.conf.Positional in markers else f"--{flag}"), kind, value


def _with_sections(
    table: Mapping[str, Any], names: Sequence[str], hints: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a table with the settings whose flags have no prefix in their sections.

    So keys are spelled as flags are, and the settings that a run folder keeps repeat the run.
    """
    sections = {name: hints[name] for name in names if _is_open_section(hints[name])}
    homes = {
        field.name: name
        for name, kind in sections.items()
        for field in dataclasses.fields(kind.__origin__)
    }
    found = {key: value for key, value in table.items() if key in names or key not in homes}
    for key in [key for key in table if key not in found]:
        section = found.setdefault(homes[key], {})
        if isinstance(section, dict):  # anything else is refused with its section
            cast("dict[str, Any]", section).setdefault(key, table[key])
    return found


def _is_open_section(hint: Any) -> bool:
    """Tell whether a field is a nested dataclass whose flags go without its name."""
    kind = getattr(hint, "__origin__", None)
    return dataclasses.is_dataclass(kind) and is_unprefixed(getattr(hint, "__metadata__", ()))


def is_unprefixed(markers: Sequence[Any]) -> bool:
    """Tell whether the flags of a nested dataclass, with these annotations, go without its name."""
    unnamed = any(getattr(marker, "name", None) == "" for marker in markers)
    return unnamed or tyro.conf.OmitArgPrefixes in markers


def _as_arguments(file: Path, flag: str, kind: Any, value: Any) -> list[str]:
    """Spell one setting as the user would on the command line."""
    if isinstance(value, dict):
        raise UserError(f"{file}: {flag.removeprefix('--')} must be a value, not a section.")
    if isinstance(value, list):
        items = [str(item) for item in cast("list[Any]", value)]
        return [flag, *items] if flag else items
    if not flag:
        return [] if value is None else [str(value)]
    if kind is bool:
        if not isinstance(value, bool):
            raise UserError(f"{file}: {flag.removeprefix('--')} must be true or false.")
        head, _, last = flag.removeprefix("--").rpartition(".")
        off = f"--{head}.no-{last}" if head else f"--no-{last}"
        return [flag if value else off]
    return [f"{flag}={value}"]
