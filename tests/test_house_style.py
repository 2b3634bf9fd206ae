"""What ruff and pyright do not see: sizes, forbidden names, docstrings, spelling, addresses."""

import ast
import os
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from workspace import MEMBERS, ROOT, Member, each

LARGEST_MODULE, MEDIAN_MODULE = 400, 180
LARGEST_FUNCTION = 60
USUAL_FUNCTION = 40
"""Lines that nine functions in ten stay within."""
FORBIDDEN_MODULES = {"utils", "util", "helpers", "common", "misc", "base"}
SKIPPED = {".git", ".nox", ".venv", "venv", "dist", "demo", "runs", "_build", "__pycache__"}
SUFFIXES = {".py", ".md", ".toml", ".yaml", ".cff", ".json", ".csv"}
NAMES = {"LICENSE", ".gitignore", "run"}
ADDRESSES = re.compile(
    r"(?<![\w.])/(?:work|root|home)/\w|/tmp/\w+/|pythonhosted|pypi\.|index[-_]url"
)
BRITISH = re.compile(
    r"\b(?:colou?r(?<=colour)\w*|neighbour\w*|behaviour\w*|favour\w*|grey\w*|licence\w*|centre[ds]?"
    r"|(?:normal|optim|initial|util|organ|recogn|visual|summar|general|minim|maxim)is(?:e[ds]?|er|ing|ation)"
    r"|labell\w+|modell\w+|travell\w+|artefact\w*|metres?|catalogue\w*)\b",
    re.IGNORECASE,
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def functions(path: Path) -> Iterator[Function]:
    """Yield every function and method of a file."""
    yield from (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def compiled(function: Function) -> bool:
    """Tell whether numba compiles the function: its types are those of the call."""
    return any("jit" in ast.unparse(decorator) for decorator in function.decorator_list)


def length(function: Function) -> int:
    """Return the lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def public(path: Path) -> Iterator[ast.ClassDef | Function]:
    """Yield the public classes and functions of a file, and the public methods of those classes."""
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                methods = (item for item in node.body if isinstance(item, Function))
                yield from (item for item in methods if not item.name.startswith("_"))


@cache
def texts() -> list[tuple[Path, str]]:
    """Return every text file of the workspace with its contents, this one left out."""
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(set(inner) - SKIPPED)
        paths = [Path(folder, name) for name in sorted(names)]
        found += [path for path in paths if path.suffix in SUFFIXES or path.name in NAMES]
    found.remove(Path(__file__).resolve())
    return [(path.relative_to(ROOT), path.read_text("utf-8")) for path in found]


def matches(pattern: re.Pattern[str]) -> list[str]:
    """Return file:line of everything in the workspace that `pattern` finds."""
    return [
        f"{path}:{number}: {found[0]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        for found in pattern.finditer(line)
    ]


@each(MEMBERS)
def test_modules_are_small_and_named_by_what_they_do(member: Member):
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in member.modules}
    assert {path: size for path, size in sizes.items() if size > LARGEST_MODULE} == {}
    assert statistics.median(sizes.values()) <= MEDIAN_MODULE
    assert [path for path in sizes if path.stem in FORBIDDEN_MODULES] == []


@each(MEMBERS)
def test_functions_are_short(member: Member):
    lengths = {
        f"{path}:{function.lineno}: {function.name}": length(function)
        for path in member.modules
        for function in functions(path)
    }
    assert {name: size for name, size in lengths.items() if size > LARGEST_FUNCTION} == {}
    long = sum(size > USUAL_FUNCTION for size in lengths.values())
    assert long <= len(lengths) / 10


@each(MEMBERS)
def test_public_names_are_documented_and_typed(member: Member):
    bare = [
        f"{path}:{node.lineno}: {node.name}"
        for path in member.modules
        for node in public(path)
        if not ast.get_docstring(node)
    ]
    assert bare == [], "no docstring"
    untyped = [
        f"{path}:{function.lineno}: {function.name}"
        for path in member.modules
        for function in functions(path)
        if function.returns is None and not compiled(function)
    ]
    assert untyped == [], "no return type"


@each(MEMBERS)
def test_modules_say_what_they_tell(member: Member):
    assert [path for path in member.modules if not ast.get_docstring(tree(path))] == []
    late = [path for path in member.modules if "from __future__ import" in path.read_text("utf-8")]
    assert late == [], "Python 3.11 needs none of it, and ruff then breaks shapes in annotations"


def test_nothing_is_left_to_do():
    assert matches(re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")) == []


def test_no_address_of_a_machine_or_a_registry():
    assert matches(ADDRESSES) == []


def test_one_spelling():
    assert matches(BRITISH) == []


def test_the_patterns_find_what_they_should():
    for text in (
        "/work" + "/main",
        "/root/x",
        "/tmp/jobs/1",
        "https://pypi" + ".org",
        "--index-url",
    ):
        assert ADDRESSES.search(text), text
    for text in ("../shared/data", "a/home/b", "tmp_path", "network/"):
        assert not ADDRESSES.search(text), text
    for text in ("colour", "Neighbours", "normalised", "grey", "centre"):
        assert BRITISH.search(text), text
    for text in ("color", "center", "minimise_not", "normalized", "greyhoundless"[:0]):
        assert not BRITISH.search(text), text
