"""Commands that have to succeed, or to fail in one line."""

import json

from tbc_tracking.cli import main
from tenfold_shared.testing import CommandResult, run_command


def run(*arguments: object) -> CommandResult:
    """Run a command that has to succeed."""
    result = run_command(main, arguments)
    assert result.code == 0, result.stderr
    return result


def rows(*arguments: object) -> list[dict]:
    """Run a command that has to succeed and return its JSON lines."""
    return [json.loads(line) for line in run(*arguments, "--json").stdout.splitlines()]


def refused(*arguments: object, code: int) -> str:
    """Run a command that has to fail in one line."""
    result = run_command(main, arguments)
    assert result.code == code, (result.stdout, result.stderr)
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr
