"""Run the demonstration of every package and put what it shows on one self-contained page.

    python tools/demo_page.py FOLDER PACKAGE...

Each package writes into FOLDER/PACKAGE; the page is FOLDER/index.html, with every picture inside it.
"""

import base64
import html
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEDIA = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".svg": "svg+xml"}
COLUMNS = ("name", "value", "unit", "reference", "ratio", "seeds", "spread")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 1.5rem 0; } img { max-width: 100%; border: 1px solid #ccc; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; border-bottom: 1px solid #ddd; }
th { text-align: left; } td { font-variant-numeric: tabular-nums; } .failed { color: #a00; }
"""


@dataclass(frozen=True)
class Demonstration:
    """What one package showed."""

    package: str
    code: int
    rows: list[dict[str, Any]]
    errors: str
    seconds: float
    cpu_seconds: float
    pictures: list[Path]


def demonstrate(package: str, folder: Path) -> Demonstration:
    """Run `package demo` into `folder` and collect its rows and pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    began, before = time.perf_counter(), os.times()
    done = subprocess.run(
        [package, "demo", "--out", str(folder), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    after = os.times()
    return Demonstration(
        package=package,
        code=done.returncode,
        rows=[json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")],
        errors=done.stderr,
        seconds=time.perf_counter() - began,
        cpu_seconds=after.children_user + after.children_system
        - before.children_user - before.children_system,
        pictures=sorted(path for path in folder.rglob("*") if path.suffix.lower() in MEDIA),
    )  # fmt: skip


def figure(path: Path) -> str:
    """Return a picture with its bytes inside the page."""
    kind = MEDIA[path.suffix.lower()]
    data = base64.b64encode(path.read_bytes()).decode()
    title = html.escape(path.stem.replace("_", " ").replace("-", " "))
    image = f'<img alt="{title}" src="data:image/{kind};base64,{data}">'
    return f"<figure>{image}<figcaption>{title}</figcaption></figure>"


def cell(value: Any) -> str:
    """Return one table cell; numbers with four digits."""
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"<td>{html.escape(text)}</td>"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a table of the columns that any of them fills."""
    columns = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(cell(row.get(name)) for name in columns)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>" if rows else ""


def section(shown: Demonstration) -> str:
    """Return the part of the page that belongs to one package."""
    title = f"<h2>{html.escape(shown.package)}</h2>"
    took = f"<p>{shown.cpu_seconds:.1f} CPU seconds, {shown.seconds:.1f} s on the clock.</p>"
    if shown.code:
        return f'{title}<pre class="failed">{html.escape(shown.errors)}</pre>'
    return title + took + table(shown.rows) + "".join(map(figure, shown.pictures))


def page(demonstrations: list[Demonstration]) -> str:
    """Return the whole page."""
    parts = "".join(map(section, demonstrations)) or "<p>No package has a command yet.</p>"
    head = f'<meta charset="utf-8"><title>tenfold</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}<body><h1>tenfold</h1>{parts}</body></html>\n'


def main(folder: Path, packages: list[str]) -> int:
    """Write the page; return 1 if a demonstration failed."""
    demonstrations = []
    for package in packages:
        print(f"{package} demo ...", flush=True)
        shown = demonstrate(package, folder / package)
        print(shown.errors if shown.code else f"  {shown.cpu_seconds:.1f} CPU s", flush=True)
        demonstrations.append(shown)
    (folder / "index.html").write_text(page(demonstrations), "utf-8")
    print(f"open {folder / 'index.html'}")
    return int(any(shown.code for shown in demonstrations))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
