"""Run the benchmarks of one package and write the table that is committed beside them.

    python tools/bench_table.py benchmarks/PACKAGE

Every `*.py` in the folder is a script that prints one JSON object a line: name, value, unit, reference, ratio,
seeds, spread, cpu_seconds. The table is benchmarks/PACKAGE.md.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

COLUMNS = ("name", "value", "unit", "reference", "ratio", "seeds", "spread", "cpu_seconds")


def rows_of(script: Path) -> list[dict[str, Any]]:
    """Run `script` and return the rows that it printed."""
    print(f"{script} ...", flush=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for row in rows:
        if not {"name", "value"} <= row.keys() <= {*COLUMNS}:
            raise SystemExit(f"{script}: a row has the columns {', '.join(COLUMNS)}, got {row}")
    return rows


def text(value: Any) -> str:
    """Return one cell; numbers with four digits, seeds in a row."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value).replace("|", "\\|")  # else it would end the cell


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows as lines of a Markdown table."""
    lines = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)]
    lines += [" | ".join(text(row.get(name)) for name in COLUMNS) for row in rows]
    return [f"| {line} |" for line in lines]


def main(folder: Path) -> None:
    """Write the table of the package whose benchmarks are in `folder`."""
    scripts = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not scripts:
        raise SystemExit(f"{folder} has no benchmarks")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [f"# {folder.name}", "", f"{date.today()}, {machine}, one thread. Made by:", ""]
    lines += ["```bash", f"nox -s bench -- {folder.name}", "```"]
    for script in scripts:
        lines += ["", f"## {script.stem.replace('_', ' ')}", "", *table(rows_of(script))]
    folder.with_suffix(".md").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
