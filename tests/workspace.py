"""What the contract knows of the workspace: its members, read from their own files."""

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERBS = ("train", "evaluate", "demo", "plot", "info", "data")
"""The verbs of every package, beside its craft."""
FLAGS = ("--device", "--seed", "--out", "--config", "--json")
"""The flags of every verb."""
ADVICE = re.compile(r"[a-z-]+: warning: ")
"""Begins a line that a command prints beside its work."""


@dataclass(frozen=True)
class Member:
    """One member of the workspace: `shared` or a package."""

    folder: Path

    @cached_property
    def project(self) -> dict[str, Any]:
        """The `project` table of its pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text("utf-8"))["project"]

    @cached_property
    def contract(self) -> dict[str, Any]:
        """Its tests/contract.toml; CONTRIBUTING.md describes the format."""
        return tomllib.loads((self.folder / "tests" / "contract.toml").read_text("utf-8"))

    @property
    def name(self) -> str:
        """Name of the folder, the distribution and the command."""
        return self.folder.name

    @property
    def module(self) -> str:
        """Name by which Python imports it."""
        return self.project["name"].replace("-", "_")

    @property
    def source(self) -> Path:
        """Folder of its modules."""
        return self.folder / "src" / self.module

    @property
    def modules(self) -> list[Path]:
        """Its Python files."""
        return sorted(self.source.rglob("*.py"))

    @property
    def main(self) -> Any:
        """The function behind its console command."""
        return import_module(f"{self.module}.cli").main

    @property
    def verbs(self) -> list[str]:
        """Every verb that it must have."""
        craft = self.contract["craft"]["command"][0]
        return sorted({*VERBS, craft, *self.contract.get("verbs", [])})


SHARED = Member(ROOT / "shared")
PACKAGES = [Member(path.parent) for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]
MEMBERS = [SHARED, *PACKAGES]


def each(members: list[Member]) -> pytest.MarkDecorator:
    """Parametrize a test over `members`."""
    return pytest.mark.parametrize("member", members, ids=lambda member: member.name)


def fill(command: list[str], **values: Path) -> list[str]:
    """Return `command` with its {placeholders} replaced by paths."""
    return [word.format_map(values) if word.startswith("{") else word for word in command]


def one_line(text: str) -> bool:
    """Tell whether `text` is what a user should see of an error: one line, after lines of advice at most."""
    lines = [line for line in text.strip().splitlines() if not ADVICE.match(line)]
    return len(lines) == 1 and "Traceback" not in text
