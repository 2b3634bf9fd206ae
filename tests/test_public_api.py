"""The public names of every member, held to a checked-in list: none comes or goes by accident."""

import ast
import json
import subprocess
import sys
from importlib import import_module

import pytest
from workspace import MEMBERS, PACKAGES, ROOT, Member, each

LISTED = {package.name: package.contract["public"] for package in PACKAGES} | {
    "shared": json.loads((ROOT / "tests" / "shared_public.json").read_text())
}
"""A package keeps its list in its contract.toml."""


def public_names(member: Member) -> list[str]:
    """Return the names that `__init__.py` passes on (`from x import y as y`)."""
    tree = ast.parse((member.source / "__init__.py").read_text("utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return sorted(
        alias.name for node in froms for alias in node.names if alias.asname == alias.name
    )


@each(MEMBERS)
def test_public_names_are_the_listed_ones(member: Member):
    listed = LISTED[member.name]
    assert public_names(member) == sorted(listed), "a public name came or went: change the list too"


@each(MEMBERS)
def test_public_names_load_and_are_documented(member: Member):
    module = import_module(member.module)
    for name in LISTED[member.name]:
        assert getattr(module, name).__doc__, name


@each(MEMBERS)
def test_no_public_name_is_that_of_a_module(member: Member):
    """Importing the module would put it in the name's place."""
    modules = {path.stem for path in member.source.iterdir()}
    assert not modules & set(LISTED[member.name])


@each(MEMBERS)
def test_importing_is_light(member: Member):
    probe = f"import sys, {member.module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


@each(MEMBERS)
def test_unknown_names_are_refused(member: Member):
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = import_module(member.module).no_such_name
