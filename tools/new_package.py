"""Write the skeleton of a further package from templates/.

    python tools/new_package.py NAME ARXIV_ID

The template is a package of its own, named template-method: it is copied, and its name is replaced.
"""

import re
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"package": "packages", "docs": "docs/packages"}


def filled(text: str, name: str, arxiv: str) -> str:
    """Return a text of the template with the new package's names in it."""
    words = {
        "template-method": name,
        "template_method": name.replace("-", "_"),
        "0000.00000": arxiv,
        "2000-01-01": str(date.today()),
    }
    for word, replacement in words.items():
        text = text.replace(word, replacement)
    return text


def write_package(name: str, arxiv: str, *, root: Path = ROOT) -> list[Path]:
    """Write the skeleton of package `name`, which implements the paper arXiv:`arxiv`; return its files.

    Raises:
        ValueError: if the name or the id is malformed, or the package exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", name):
        raise ValueError(f"a name is lower-case words joined by dashes (din-style), got {name!r}")
    if not re.fullmatch(r"\d{4}\.\d{4,5}", arxiv):
        raise ValueError(f"an arXiv id looks like 2007.09509, got {arxiv!r}")
    if (root / "packages" / name).exists():
        raise ValueError(f"packages/{name} exists already")
    written = []
    for kind, place in PLACES.items():
        source = ROOT / "templates" / kind
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                inside = filled(str(path.relative_to(source)), name, arxiv)
                target = root / place / name / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(filled(path.read_text("utf-8"), name, arxiv), "utf-8")
                written.append(target)
    return written


if __name__ == "__main__":
    try:
        for file in write_package(*sys.argv[1:]):
            print(file.relative_to(ROOT))
    except (TypeError, ValueError) as problem:
        sys.exit(f"usage: nox -s new -- <name> <arXiv id>: {problem}")
