"""The command of every package: the same verbs, the same flags, the same ways to fail."""

import ast
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from workspace import FLAGS, PACKAGES, Member, each, fill, one_line

from tenfold_shared.testing import run_command

PROBE = """
import contextlib, importlib, io, json, sys
main = importlib.import_module(sys.argv[1]).main
results = {}
for verb in ["", *sys.argv[2:]]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([verb, "--help"] if verb else ["--help"])
        except SystemExit as stop:
            code = stop.code
    results[verb] = {"code": code or 0, "text": out.getvalue()}
print(json.dumps({"help": results, "modules": sorted(sys.modules)}))
"""
HEAVY = {"torch", "torchvision", "scipy", "matplotlib", "numba", "av", "pandas"}


def undocumented_fields(path: Path) -> list[str]:
    """Return file:line of each dataclass field without a docstring below it."""
    breaches = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        decorators = [ast.unparse(d) for d in getattr(node, "decorator_list", [])]
        if not isinstance(node, ast.ClassDef) or not any("dataclass" in d for d in decorators):
            continue
        for field, after in zip(node.body, [*node.body[1:], None], strict=True):
            if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
                documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                if not documented:
                    breaches.append(f"{path}:{field.lineno}: {ast.unparse(field.target)}")
    return breaches


def test_help_of_every_verb_needs_nothing_heavy(package: Member):
    command = [sys.executable, "-c", PROBE, f"{package.module}.cli", *package.verbs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert HEAVY.isdisjoint(found["modules"]), "help must be immediate: import these in the verbs"
    for verb, page in found["help"].items():
        assert page["code"] == 0, f"{verb} --help"
    listing = found["help"].pop("")["text"]
    assert [verb for verb in package.verbs if verb not in listing] == []
    for verb, page in found["help"].items():
        missing = [flag for flag in FLAGS if flag not in page["text"]]
        assert missing == [], f"{package.name} {verb} lacks {missing}"


def test_version(package: Member):
    result = run_command(package.main, ["--version"])
    assert result.code == 0
    assert version(package.name) in result.stdout


def test_the_installed_command_runs(package: Member):
    done = subprocess.run([package.name, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert version(package.name) in done.stdout


def test_unknown_flags_and_verbs_are_usage_errors(package: Member):
    for command in (["info", "--no-such-flag"], ["no-such-verb"], ["demo", "--seed", "many"]):
        result = run_command(package.main, command)
        assert result.code == 2, command
        assert result.stdout == ""
        assert one_line(result.stderr), result.stderr


def test_refused_values_are_one_line_that_names_the_flag(package: Member):
    for flag, value in (("--seed", "-1"), ("--device", "abacus")):
        result = run_command(package.main, ["demo", flag, value])
        assert result.code == 1, flag
        assert result.stdout == ""
        assert one_line(result.stderr), result.stderr
        assert f"error: {flag} must" in result.stderr


def test_missing_files_are_one_line(package: Member, tmp_path: Path):
    absent = tmp_path / "absent.bin"
    craft = fill(package.contract["craft"]["command"], file=absent, data=absent, checkpoint=absent)
    for command in (["info", str(absent)], craft):
        result = run_command(package.main, [*command, "--out", str(tmp_path / "out")])
        assert result.code == 1, command
        assert one_line(result.stderr), result.stderr
        assert str(absent) in result.stderr
        assert result.stdout == ""


def test_unknown_settings_in_a_file_are_one_line(package: Member, tmp_path: Path):
    settings = tmp_path / "settings.toml"
    settings.write_text("seeed = 3\n")
    result = run_command(package.main, ["demo", "--config", str(settings)])
    assert result.code == 1
    assert one_line(result.stderr), result.stderr
    assert "seeed" in result.stderr


@each(PACKAGES)
def test_every_setting_is_documented(member: Member):
    files = [member.source / name for name in ("config.py", "cli.py")]
    assert [b for path in files if path.exists() for b in undocumented_fields(path)] == []


def test_a_planted_field_without_docstring_is_found(tmp_path: Path):
    path = tmp_path / "config.py"
    path.write_text(
        "@dataclass(frozen=True)\nclass A:\n    told: int = 1\n    '''Why.'''\n    hidden: int = 2\n"
    )
    assert undocumented_fields(path) == [f"{path}:5: hidden"]
