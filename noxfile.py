"""Every check of the workspace; `nox -l` lists them."""

import shlex
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.8.10"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "types", "build", "tests", "docs"]

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PACKAGES = sorted(f"packages/{path.parent.name}" for path in ROOT.glob("packages/*/pyproject.toml"))
MEMBERS = ["shared", *PACKAGES]
QUICK = "not slow and not gpu and not network"
WORKSPACE = nox.project.load_toml(ROOT / "pyproject.toml")


def group(name: str) -> tuple[str, ...]:
    """Return the requirements of one dependency group of the workspace."""
    return nox.project.dependency_groups(WORKSPACE, name)


def metadata(member: str) -> dict:
    """Return the `project` table of `member`."""
    return nox.project.load_toml(ROOT / member / "pyproject.toml")["project"]


def module(member: str) -> str:
    """Return the import name of `member`."""
    return metadata(member)["name"].replace("-", "_")


def wheel(member: str, *, extras: bool = False) -> str:
    """Return the path of `member`'s wheel; `extras` asks for all of its optional dependencies.

    Installing by path cannot be hijacked by a package of the same name in a registry.
    """
    project = metadata(member)
    path = DIST / f"{module(member)}-{project['version']}-py3-none-any.whl"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `nox -s build` first")
    return f"{path}{optional(member) if extras else ''}"


def optional(member: str) -> str:
    """Return all extras of `member`, in brackets."""
    names = sorted(metadata(member).get("optional-dependencies", {}))
    return f"[{','.join(names)}]" if names else ""


def editable(*, extras: bool = False) -> list[str]:
    """Return the arguments that install every member in place."""
    paths = [f"{ROOT / member}{optional(member) if extras else ''}" for member in MEMBERS]
    return [argument for path in paths for argument in ("-e", path)]


def prepare(session: nox.Session) -> None:
    """Set the environment of a session that imports torch."""
    session.env["PYTHONDONTWRITEBYTECODE"] = None  # else every process compiles torch again
    session.env["NO_ALBUMENTATIONS_UPDATE"] = "1"  # its import would ask the network


def importable(folder: Path) -> str:
    """Let tests import what lies beside them, and the checker of shapes."""
    return f"--override-ini=pythonpath={shlex.join([str(folder), str(ROOT / 'tools')])}"


def shaped(member: str) -> list[str]:
    """Return the modules of `member` with shapes in their annotations.

    The others are left as they are: numba cannot cache what the checker wraps.
    """
    source = ROOT / member / "src"
    files = [
        path for path in sorted(source.rglob("*.py")) if "jaxtyping" in path.read_text("utf-8")
    ]
    return [".".join(path.relative_to(source).with_suffix("").parts) for path in files]


def pytest(session: nox.Session, member: str, *options: str) -> None:
    """Run the tests of `member`, or of the root (`.`), outside the tree.

    In members, the shapes in annotations are checked.
    """
    prepare(session)
    folder = ROOT / member / "tests"
    arguments = [
        f"-c={ROOT / 'pyproject.toml'}",
        f"--rootdir={folder}",
        importable(folder),
        *options,
    ]
    if member != "." and shaped(member):
        arguments.append(f"--jaxtyping-packages={','.join(shaped(member))},shapes.check")
    with session.chdir(session.create_tmp()):
        session.run("python", "-m", "pytest", *arguments, str(folder), *session.posargs)


def pytest_marked(session: nox.Session, mark: str) -> None:
    """Run the tests of every member that carry `mark`; a member without any is no failure."""
    prepare(session)
    session.install(*editable(extras=True), *group("test"))
    for member in MEMBERS:
        folder = ROOT / member / "tests"
        found = any(f"mark.{mark}" in path.read_text("utf-8") for path in folder.glob("*.py"))
        if found:
            pytest(session, member, "-m", mark)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install(*group("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check", "--diff", "--quiet")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with pyright, shared strictly."""
    prepare(session)
    session.install(*editable(), *group("types"), *group("test"), "nox")
    session.run("pyright", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build every sdist, and every wheel from its sdist, into dist/."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("uv", "build", "--all-packages", "--out-dir", str(DIST), "--quiet", external=True)


@nox.session(requires=["build"])
@nox.parametrize("member", [*MEMBERS, "."], ids=[*(Path(m).name for m in MEMBERS), "contract"])
def tests(session: nox.Session, member: str) -> None:
    """Test each member's wheel where its source cannot be imported; the contract comes last."""
    if member == ".":
        run_contract(session)
    else:
        session.install(wheel("shared"), wheel(member, extras=True), *group("test"))
        pytest(session, member, "-m", QUICK)


@nox.session(requires=["build"])
def contract(session: nox.Session) -> None:
    """Hold every package's wheel to what all of them promise."""
    run_contract(session)


def run_contract(session: nox.Session) -> None:
    """Run the tests of the root against all wheels together, without any extra."""
    session.install(*map(wheel, MEMBERS), *group("test"))
    pytest(session, ".")


@nox.session
def fast(session: nox.Session) -> None:
    """Test every member in one editable environment: the answer while you write."""
    session.install(*editable(extras=True), *group("test"))
    for member in MEMBERS:
        pytest(session, member, "-m", QUICK)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take longer than five seconds."""
    pytest_marked(session, "slow")


@nox.session
def gpu(session: nox.Session) -> None:
    """Run the tests that need an accelerator."""
    pytest_marked(session, "gpu")


@nox.session
def oldest(session: nox.Session) -> None:
    """Test every member with the lowest versions that it declares (Python 3.11)."""
    session.install(*editable(), *group("test"), "--resolution=lowest-direct")
    for member in MEMBERS:  # old releases warn about what their newer dependencies deprecate
        pytest(session, member, "-m", QUICK, "-W", "ignore::DeprecationWarning")


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure branch coverage of the fast tests: 90 % of shared, 85 % of each package."""
    prepare(session)
    session.install(*editable(extras=True), *group("coverage"))
    for member in MEMBERS:
        settings = f"--rcfile={ROOT / 'pyproject.toml'}"
        folder = ROOT / member / "tests"
        session.run(
            "coverage", "run", settings, f"--source={ROOT / member / 'src'}", "-m", "pytest", "-q",
            importable(folder), "-m", QUICK, str(folder),
        )  # fmt: skip
        floor = 90 if member == "shared" else 85
        session.run("coverage", "report", settings, f"--fail-under={floor}", "--skip-covered")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    prepare(session)
    session.install(*editable(), *group("docs"))
    session.run("sphinx-build", "-W", "-q", "-E", "docs", "docs/_build", *session.posargs)


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """Run the demonstration of every package, from its wheel; the page is demo/index.html."""
    prepare(session)
    session.install(*map(wheel, MEMBERS))
    names = [Path(member).name for member in PACKAGES]
    with session.chdir(session.create_tmp()):
        session.run("python", str(ROOT / "tools" / "demo_page.py"), str(ROOT / "demo"), *names)


@nox.session
def bench(session: nox.Session) -> None:
    """Run all benchmarks of a package and write its table again: `nox -s bench -- <package>`."""
    prepare(session)
    if not session.posargs:
        session.error("usage: nox -s bench -- <package>...")
    session.install(*editable(), *group("test"))
    for name in session.posargs:
        session.run("python", "tools/bench_table.py", f"benchmarks/{name}")


@nox.session
def golden(session: nox.Session) -> None:
    """Make the expected numbers in tests/golden/ again, by the commands that lie beside them."""
    prepare(session)
    session.install(*editable(), *group("test"))
    for script in sorted(ROOT.glob("packages/*/tests/golden/*.py")):
        session.run("python", str(script))


@nox.session
def release(session: nox.Session) -> None:
    """Prepare a release and tag it: `nox -s release -- <package> <major|minor|patch|current>`."""
    if len(session.posargs) != 2 or session.posargs[1] not in {
        "major",
        "minor",
        "patch",
        "current",
    }:
        session.error("usage: nox -s release -- <package> <major|minor|patch|current>")
    name, part = session.posargs
    member = "shared" if name in {"shared", "tenfold-shared"} else f"packages/{name}"
    if session.run("git", "status", "--porcelain", external=True, silent=True):
        session.error("the tree has uncommitted changes")
    if part != "current":
        distribution = metadata(member)["name"]
        session.run("uv", "version", "--package", distribution, "--bump", part, "--frozen")
        session.run("python", "tools/changelog.py", member, metadata(member)["version"])
    # A nested run, because the metadata that this one has read is old now.
    names = [f"tests({Path(member).name})", "tests(contract)"]
    session.run(sys.executable, "-m", "nox", "-s", *names, external=True)
    tag = f"{metadata(member)['name']}-v{metadata(member)['version']}"
    if part != "current":
        session.run("git", "commit", "--all", f"--message=Release {tag}", external=True)
    session.run("git", "tag", tag, external=True)


@nox.session
def new(session: nox.Session) -> None:
    """Write the skeleton of a further package: `nox -s new -- <name> <arXiv id>`."""
    session.run("python", "tools/new_package.py", *session.posargs)
