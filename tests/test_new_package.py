"""`nox -s new`: the skeleton keeps the rules, and its own tests and contract fail until it is filled."""

import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest
from test_cli_contract import undocumented_fields
from test_import_rules import backward, undeclared
from test_package_metadata import test_metadata, test_one_name_in_three_spellings
from workspace import ROOT, Member

SPEC = util.spec_from_file_location("new_package", ROOT / "tools" / "new_package.py")


@pytest.fixture
def tools():
    assert SPEC is not None
    assert SPEC.loader is not None
    module = util.module_from_spec(SPEC)
    SPEC.loader.exec_module(module)
    return module


@pytest.fixture
def skeleton(tools, tmp_path: Path) -> Member:
    tools.write_package("din-style", "1911.06953", root=tmp_path)
    return Member(tmp_path / "packages" / "din-style")


def test_the_skeleton_keeps_the_rules(skeleton: Member):
    test_metadata(skeleton)
    test_one_name_in_three_spellings(skeleton)
    assert undeclared(skeleton) == []
    assert backward(skeleton) == []
    assert undocumented_fields(skeleton.source / "config.py") == []
    assert skeleton.verbs == ["apply", "data", "demo", "evaluate", "info", "plot", "train"]


def test_nothing_of_the_template_is_left(skeleton: Member):
    root = skeleton.folder.parents[1]
    files = [path for path in root.rglob("*") if path.is_file()]
    assert root / "docs" / "packages" / "din-style" / "index.md" in files
    for path in files:
        text = path.read_text()
        assert "template" not in str(path.relative_to(root)) + text
        assert "0000.00000" not in text


def test_the_skeleton_answers_and_its_tests_fail(skeleton: Member):
    info = skeleton.source.parent / "din_style-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: din-style\nVersion: 0.1.0\n")
    environment = os.environ | {"PYTHONPATH": str(skeleton.source.parent)}

    def python(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    start = "import sys; from din_style.cli import main; sys.exit(main())"
    assert "din-style 0.1.0" in python("-c", start, "--version").stdout
    done = python("-m", "pytest", "-q", str(skeleton.folder / "tests"))
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "arxiv"), [("Din", "1911.06953"), ("din-style", "x"), ("../evil-name", "1911.06953")]
)
def test_bad_names_are_refused(tools, tmp_path: Path, name: str, arxiv: str):
    with pytest.raises(ValueError, match="got"):
        tools.write_package(name, arxiv, root=tmp_path)


def test_an_existing_package_is_left_alone(tools, skeleton: Member):
    with pytest.raises(ValueError, match="exists"):
        tools.write_package("din-style", "1911.06953", root=skeleton.folder.parents[1])
