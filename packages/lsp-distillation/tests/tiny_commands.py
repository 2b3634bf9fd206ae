"""The command in process, and what its tests ask of every refusal."""

import json
from typing import Any

from lsp_distillation.cli import main
from tenfold_shared.testing import CommandResult, run_command

SMALL = (
    "--network.width", "3", "--network.heads", "1", "--training.epochs", "3", "--terms.measure-after", "1",
)  # fmt: skip
"""A student that is trained at once."""
SMALL_TEACHER = ("--network.width", "4", "--network.heads", "1", "--training.epochs", "3")


def call(verb: str, *words: object) -> CommandResult:
    """Run a verb on the CPU."""
    return run_command(main, [verb, *words, "--device", "cpu"])


def done(verb: str, *words: object) -> CommandResult:
    """Run a verb that must succeed."""
    result = call(verb, *words)
    assert result.code == 0, result.stderr
    return result


def rows_of(verb: str, *words: object) -> list[dict[str, Any]]:
    """Run a verb that must succeed, and return its rows."""
    return [json.loads(line) for line in done(verb, *words, "--json").stdout.splitlines()]


def refused(result: CommandResult, *words: object) -> None:
    """Assert exit 1 with one line that holds all `words`, and nothing on stdout."""
    assert result.code == 1, result.stderr or result.stdout
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in map(str, words):
        assert word in result.stderr, result.stderr
    assert result.stdout == ""
