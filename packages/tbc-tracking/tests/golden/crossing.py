"""Run the commands of README.md, show what differs from crossing.json, and write it again.

python packages/tbc-tracking/tests/golden/crossing.py
"""

import json
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from tbc_tracking.cli import main
from tenfold_shared.testing import run_command

FOLDER = Path(__file__).resolve().parent
EXPECTED = FOLDER / "crossing.json"
KEPT = {
    "simulate": ("frames", "tracks", "points", "mean_map_sum"),
    "track": ("objective",),
    "evaluate": ("mota", "idf1", "hota", "recall", "precision", "count_mae"),
}


def commands() -> list[list[str]]:
    """Return the commands of README.md, without the name of the program."""
    (block,) = re.findall(r"```bash\n(.*?)```", (FOLDER / "README.md").read_text("utf-8"), re.S)
    return [shlex.split(line)[1:] for line in block.splitlines()]


def measure() -> dict[str, float]:
    """Run the commands in an empty folder and return the numbers that are compared."""
    found: dict[str, float] = {}
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for command in commands():
                result = run_command(main, command)
                if result.code:
                    raise RuntimeError(result.stderr)
                found |= _numbers(command, map(json.loads, result.stdout.splitlines()))
        finally:
            os.chdir(before)
    return found


def _numbers(command: list[str], rows) -> dict[str, float]:
    """Return the kept numbers of one command under their names."""
    verb, solver = command[0], "highs" if "highs" in command else "paths"
    if verb == "evaluate":
        named = ((row["name"].rpartition(": "), row["value"]) for row in rows)
        return {f"{who}: {what}": x for (who, _, what), x in named if what in KEPT[verb]}
    (row,) = rows
    place = f"{verb} {solver}" if verb == "track" else verb
    return {f"{place}: {name}": row[name] for name in KEPT[verb]}


if __name__ == "__main__":
    old = json.loads(EXPECTED.read_text("utf-8")) if EXPECTED.exists() else {}
    new = measure()
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            sys.stdout.write(f"{name}: {old.get(name)} -> {new.get(name)}\n")
    EXPECTED.write_text(json.dumps(new, indent=2) + "\n", "utf-8")
