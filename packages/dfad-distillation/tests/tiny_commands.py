"""The command in process, and what its tests ask of every refusal."""

from collections.abc import Sequence

from dfad_distillation.cli import main
from tenfold_shared.testing import CommandResult, run_command


def call(verb: str, *words: object) -> CommandResult:
    """Run a verb on the CPU."""
    return run_command(main, [verb, *words, "--device", "cpu"])


def done(verb: str, *words: object) -> CommandResult:
    """Run a verb that must succeed."""
    result = call(verb, *words)
    assert result.code == 0, result.stderr
    return result


def refused(result: CommandResult, *words: object) -> None:
    """Assert exit 1 with one line that holds all `words`, and nothing on stdout."""
    assert result.code == 1, result.stderr or result.stdout
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in map(str, words):
        assert word in result.stderr, result.stderr
    assert result.stdout == ""


def flags(settings: dict[str, object]) -> Sequence[str]:
    """Return settings as words of a command line."""
    return [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
