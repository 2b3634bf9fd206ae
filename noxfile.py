"""Every check of the workspace; `nox -l` lists them."""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2026.8.10"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "types", "build", "tests", "docs"]

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PACKAGES = sorted(f"packages/{path.parent.name}" for path in ROOT.glob("packages/*/pyproject.toml"))
MEMBERS = ["shared", *PACKAGES]
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
    names = sorted(project.get("optional-dependencies", {})) if extras else []
    return f"{path}[{','.join(names)}]" if names else str(path)


def editable(*, extras: str = "") -> list[str]:
    """Return the arguments that install every member in place."""
    return [argument for member in MEMBERS for argument in ("-e", f"{ROOT / member}{extras}")]


def pytest(session: nox.Session, folder: Path, *arguments: str, members: list[str]) -> None:
    """Run a test suite outside the tree, with the shapes in annotations checked by beartype."""
    session.env["PYTHONDONTWRITEBYTECODE"] = None  # else every process compiles torch again
    session.env["NO_ALBUMENTATIONS_UPDATE"] = "1"
    shapes = f"--jaxtyping-packages={','.join(map(module, members))},beartype.beartype"
    with session.chdir(session.create_tmp()):
        session.run(
            "python", "-m", "pytest", f"-c={ROOT / 'pyproject.toml'}", f"--rootdir={folder}", shapes,
            *arguments, str(folder), *session.posargs,
        )  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install(*group("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", "--check", "--diff", "--quiet")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with pyright, shared strictly."""
    session.env["PYTHONDONTWRITEBYTECODE"] = None
    session.install(*editable(), *group("types"), *group("test"), "nox")
    session.run("pyright", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build every sdist, and every wheel from its sdist, into dist/."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.run("uv", "build", "--all-packages", "--out-dir", str(DIST), "--quiet", external=True)


@nox.session(requires=["build"])
@nox.parametrize(
    "member", [*MEMBERS, "contract"], ids=[Path(m).name for m in [*MEMBERS, "contract"]]
)
def tests(session: nox.Session, member: str) -> None:
    """Test each member's wheel where its source cannot be imported; the contract comes last."""
    if member == "contract":
        return run_contract(session)
    session.install(wheel("shared"), wheel(member, extras=True), *group("test"))
    marks = ["-m", "not slow and not gpu and not network"]
    pytest(session, ROOT / member / "tests", *marks, members=[member])
    return None


@nox.session(requires=["build"])
def contract(session: nox.Session) -> None:
    """Hold every package's wheel to what all of them promise."""
    run_contract(session)


def run_contract(session: nox.Session) -> None:
    """Run the tests of the root against all wheels together."""
    session.install(*map(wheel, MEMBERS), *group("test"))
    pytest(session, ROOT / "tests", members=MEMBERS)
