"""Who may import whom: no doors between packages, no undeclared dependency, arrows one way inside."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from workspace import MEMBERS, PACKAGES, SHARED, Member, each

STAGES = {
    "config": 0,
    "losses": 1,
    "networks": 1,
    "data": 2,
    "augmentation": 2,
    "training": 3,
    "inference": 4,
    "evaluation": 4,
    "figures": 4,
    "cli": 5,
}
"""A module of one stage never reaches, by any path, a module of a later one; others stand where they may."""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything that the file at `path` imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            else:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def requirement_name(requirement: str) -> str:
    """Return the normalized name of the distribution that `requirement` asks for."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def declared(member: Member) -> set[str]:
    """Return the distributions that `member` declares, its extras among them."""
    extras = member.project.get("optional-dependencies", {}).values()
    return {
        requirement_name(text)
        for texts in [member.project.get("dependencies", []), *extras]
        for text in texts
    }


def undeclared(member: Member) -> list[str]:
    """Return file:line of each import that is neither standard, own nor declared."""
    installed = packages_distributions()
    allowed = declared(member)
    breaches = []
    for path in member.modules:
        for line, name in imports(path):
            top = name.split(".")[0]
            if not top:
                breaches.append(f"{path}:{line}: relative import of {name}")
            elif top != member.module and top not in sys.stdlib_module_names:
                owners = {requirement_name(owner) for owner in installed.get(top, [top])}
                in_tests_only = path.stem == "testing" and top == "pytest"
                if not owners & allowed and not in_tests_only:
                    breaches.append(f"{path}:{line}: {top} is not declared by {member.name}")
    return breaches


def forbidden(path: Path, modules: set[str]) -> list[str]:
    """Return file:line of each import of one of `modules`."""
    return [
        f"{path}:{line}: imports {name}"
        for line, name in imports(path)
        if name.split(".")[0] in modules
    ]


def graph(member: Member) -> dict[str, dict[str, str]]:
    """Return, for each module, the modules of the same package that it imports and at which file:line.

    `__init__` only lists the public names and loads them late, so it has no place in the order.
    """
    names = {
        ".".join(path.relative_to(member.source).with_suffix("").parts): path
        for path in member.modules
        if path.name != "__init__.py"
    }
    edges: dict[str, dict[str, str]] = {name: {} for name in names}
    for name, path in names.items():
        for line, imported in imports(path):
            inner = imported.removeprefix(f"{member.module}.")
            if inner == imported:
                continue
            target = inner if inner in names else inner.rpartition(".")[0]
            if target in names:
                edges[name][target] = f"{path}:{line}"
    return edges


def paths_from(start: str, edges: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Return the shortest chain of imports from `start` to each module that it reaches."""
    found: dict[str, list[str]] = {}
    queue = [[start]]
    for chain in queue:
        for target in edges[chain[-1]]:
            if target not in found:
                found[target] = [*chain, target]
                queue.append(found[target])
    return found


def backward(member: Member) -> list[str]:
    """Return file:line of each cycle and of each arrow that points to a later stage."""
    edges = graph(member)
    breaches = []
    for start in edges:
        for target, chain in paths_from(start, edges).items():
            later = STAGES.get(start, 9) < STAGES.get(target, 0)
            if target == start or later:
                kind = "cycle" if target == start else "against the arrows"
                breaches.append(f"{edges[start][chain[1]]}: {kind}: {' -> '.join(chain)}")
    return breaches


def sibling_modules(member: Member) -> set[str]:
    return {other.module for other in PACKAGES if other != member}


@each(MEMBERS)
def test_imports_are_standard_own_or_declared(member: Member):
    assert undeclared(member) == []


@each(MEMBERS)
def test_no_file_imports_a_sibling(member: Member):
    files = [*member.modules, *(member.folder / "tests").rglob("*.py")]
    assert [b for path in files for b in forbidden(path, sibling_modules(member))] == []


@each(MEMBERS)
def test_arrows_run_one_way(member: Member):
    assert backward(member) == []


def plant(folder: Path, **files: str) -> Member:
    """Write a package named `planted` with the given modules."""
    source = folder / "planted" / "src" / "planted"
    source.mkdir(parents=True)
    dependencies = '["numpy>=1", "pillow>=10", "tenfold-shared>=0.1,<0.2"]'
    (folder / "planted" / "pyproject.toml").write_text(
        f'[project]\nname = "planted"\ndependencies = {dependencies}\n'
    )
    for name, text in files.items():
        (source / f"{name}.py").write_text(text)
    return Member(folder / "planted")


def test_declared_imports_pass(tmp_path: Path):
    text = "import os\nimport numpy as np\nfrom PIL import Image\nimport tenfold_shared\n"
    member = plant(tmp_path, data=text, config="")
    assert undeclared(member) == []
    assert backward(member) == []


def test_a_planted_undeclared_import_is_found(tmp_path: Path):
    member = plant(tmp_path, data="import os\n\n\ndef late():\n    import pytest\n")
    assert [b.rpartition("/")[2] for b in undeclared(member)] == [
        "data.py:5: pytest is not declared by planted"
    ]


def test_a_planted_sibling_import_is_found(tmp_path: Path):
    member = plant(tmp_path, data="from some_sibling.losses import loss\n")
    (breach,) = forbidden(member.modules[0], {"some_sibling"})
    assert breach.endswith("data.py:1: imports some_sibling.losses.loss")
    assert undeclared(member), "test invalid: a sibling is not declared either"


def test_a_planted_cycle_is_found(tmp_path: Path):
    member = plant(
        tmp_path,
        flow="from planted.graph import Graph\n",
        graph="import planted.windows\n",
        windows="from planted import flow\n",
    )
    assert any("cycle: flow -> graph -> windows -> flow" in breach for breach in backward(member))
    assert any("flow.py:1:" in breach for breach in backward(member))


@pytest.mark.parametrize("early", ["config", "losses", "data", "training"])
def test_a_planted_arrow_backward_is_found(tmp_path: Path, early: str):
    member = plant(
        tmp_path,
        **{early: "from planted import idea\n"},
        idea="from planted.cli import main\n",
        cli="",
    )
    (breach,) = backward(member)
    assert breach.endswith(f"{early}.py:1: against the arrows: {early} -> idea -> cli")


def test_shared_imports_no_package():
    names = {package.module for package in PACKAGES}
    assert [breach for path in SHARED.modules for breach in forbidden(path, names)] == []
