"""Every command and every Python example of every README runs, or says right above it why not.

The examples of one README run in order in one folder, which holds the tiny data of the package.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from workspace import PACKAGES, ROOT, SHARED, Member

FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
INSTALLING = re.compile(r"(?:(?:\$ )?(?:uv )?pip install [^&|;\n]*\n)+")
RUNNABLE = {"bash", "sh", "shell", "console", "python"}


@dataclass(frozen=True)
class Example:
    """One fenced block of a README."""

    language: str
    code: str
    reason: str | None
    line: int


def examples(text: str) -> list[Example]:
    """Return the fenced commands and Python blocks of a Markdown text.

    Installing is what the environment of these tests proves, so blocks that only install are left out.
    """
    return [
        Example(
            found["language"], found["code"], found["reason"], text.count("\n", 0, found.start())
        )
        for found in FENCE.finditer(text)
        if found["language"] in RUNNABLE and not INSTALLING.fullmatch(found["code"])
    ]


def run(example: Example, folder: Path) -> None:
    """Run one example and fail with what it said."""
    code = example.code
    command = [sys.executable, "-c", code]
    if example.language != "python":
        code = "\n".join(line.removeprefix("$ ") for line in code.splitlines())
        command = ["bash", "-euc", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"line {example.line + 1}: {code}\n{done.stdout}\n{done.stderr}"


def test_package_readme(package: Member, tiny_data: Path, tmp_path: Path):
    found = examples((package.folder / "README.md").read_text("utf-8"))
    assert any(example.reason is None for example in found), "a README shows at least one example"
    shutil.copytree(tiny_data, tmp_path, dirs_exist_ok=True)
    for example in found:
        if example.reason is None:
            run(example, tmp_path)


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", SHARED.folder / "README.md"], ids=["root", "shared"]
)
def test_other_readmes(path: Path, tmp_path: Path):
    for example in examples(path.read_text("utf-8")):
        if example.reason is None:
            run(example, tmp_path)


def test_readmes_name_no_unmarked_language():
    """A block without a language would be neither run nor marked."""
    paths = [ROOT / "README.md", SHARED.folder / "README.md"]
    paths += [package.folder / "README.md" for package in PACKAGES]
    for path in paths:
        for found in FENCE.finditer(path.read_text("utf-8")):
            assert found["language"], f"{path}: a fenced block says its language (text if none)"


def test_examples_are_found_run_and_fail(tmp_path: Path):
    text = (
        "# Title\n\n```bash\n$ echo 1 > made.txt\n```\n\n<!-- not run: no network -->\n"
        "```bash\nfalse\n```\n\n```python\nassert open('made.txt').read() == '1\\n'\n```\n"
        "```text\nnothing\n```\n```bash\nfalse\n```\n"
    )
    shell, skipped, python, failing = examples(text)
    assert skipped.reason == "no network"
    run(shell, tmp_path)
    run(python, tmp_path)
    with pytest.raises(AssertionError, match="false"):
        run(failing, tmp_path)
