"""Move what a member's changelog lists under "[Unreleased]" below a numbered heading.

    python tools/changelog.py packages/NAME VERSION

The version in its CITATION.cff, if it has one, is set as well.

Ends with an error when nothing is listed there: a release says what changed.
"""

import re
import sys
from datetime import date
from pathlib import Path

UNRELEASED = re.compile(
    r"^## \[Unreleased\]\n(?P<entries>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL
)


def moved(changelog: str, version: str, day: date) -> str:
    """Return `changelog` with its unreleased entries under `version`.

    Raises:
        ValueError: if there is no section "Unreleased", or nothing in it.
    """
    found = UNRELEASED.search(changelog)
    entries = found["entries"].strip() if found else ""
    if not found or not entries:
        raise ValueError('nothing is listed under "## [Unreleased]": say first what changed')
    section = f"## [Unreleased]\n\n## [{version}] - {day}\n\n{entries}\n\n"
    return changelog[: found.start()] + section + changelog[found.end() :].lstrip("\n")


def release(member: Path, version: str) -> None:
    """Write the version into the changelog and the citation file of `member`."""
    changelog, citation = member / "CHANGELOG.md", member / "CITATION.cff"
    changelog.write_text(moved(changelog.read_text("utf-8"), version, date.today()), "utf-8")
    if citation.exists():
        text = re.sub(r"(?m)^version: .*$", f"version: {version}", citation.read_text("utf-8"))
        citation.write_text(text, "utf-8")


if __name__ == "__main__":
    release(Path(sys.argv[1]), sys.argv[2])
