"""What every package says about itself, so that it can be installed, cited and trusted."""

import re
import zipfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from workspace import MEMBERS, PACKAGES, ROOT, Member, each

MEGABYTE = 2**20


def newest_release(changelog: str) -> str:
    """Return the version of the topmost numbered entry."""
    found = re.search(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert found, "no numbered entry"
    return found[1]


@each(MEMBERS)
def test_files_that_travel_with_a_distribution(member: Member):
    for name in ["README.md", "CHANGELOG.md", "LICENSE"]:
        assert (member.folder / name).exists(), name
    assert (member.folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert (member.source / "py.typed").exists()
    assert (member.source / "__init__.py").read_text().lstrip().startswith('"""')


@each(MEMBERS)
def test_metadata(member: Member):
    project = member.project
    assert project["requires-python"] == ">=3.11", "a floor, never an upper cap"
    assert project["license"] == "MIT"
    assert project["license-files"] == ["LICENSE"]
    assert project["readme"] == "README.md"
    assert project["description"].endswith(".")
    assert len(project["dependencies"]) <= 12
    for requirement in project["dependencies"]:
        assert ">=" in requirement, f"{requirement} has no floor"


@each(MEMBERS)
def test_version_is_said_once_and_everywhere_alike(member: Member):
    stated = member.project["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", stated)
    assert version(member.project["name"]) == stated
    assert import_module(member.module).__version__ == stated
    changelog = (member.folder / "CHANGELOG.md").read_text()
    assert "\n## [Unreleased]\n" in changelog
    assert newest_release(changelog) == stated


@each(PACKAGES)
def test_one_name_in_three_spellings(member: Member):
    assert member.project["name"] == member.name
    assert member.project["scripts"] == {member.name: f"{member.module}.cli:main"}
    assert member.source.is_dir()


@each(PACKAGES)
def test_shared_is_asked_for_by_range(member: Member):
    (wanted,) = [d for d in member.project["dependencies"] if d.startswith("tenfold-shared")]
    assert re.fullmatch(r"tenfold-shared(\[[a-z,]+\])?>=0\.(\d+),<0\.(\d+)", wanted)
    assert version("tenfold-shared").startswith(wanted.partition(">=")[2].partition(",")[0])


@each(PACKAGES)
def test_the_paper_is_cited(member: Member):
    citation = (member.folder / "CITATION.cff").read_text()
    assert citation.startswith("cff-version: 1.2.0\n")
    assert f"\nversion: {member.project['version']}\n" in citation
    _, _, paper = citation.partition("\nreferences:\n")
    assert re.search(r"title: .{10,}", paper)
    assert "family-names: " in paper
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|doi: 10\.", paper)


@each(PACKAGES)
def test_shipped_weights_have_a_card(member: Member):
    weights = list((member.source / "assets").rglob("*.safetensors"))
    cards = list(member.source.rglob("MODEL_CARD.md"))
    assert bool(weights) <= bool(cards), "MODEL_CARD.md: data, licenses, command, seed, figures"


@each(MEMBERS)
def test_wheel_is_small_and_holds_the_sources_only(member: Member):
    path = ROOT / "dist" / f"{member.module}-{member.project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
    assert not [name for name in names if "__pycache__" in name]
    assert path.stat().st_size < 5 * MEGABYTE
    assert f"{member.module}/py.typed" in names
    tops = {Path(name).parts[0] for name in names}
    assert tops == {member.module, f"{member.module}-{member.project['version']}.dist-info"}


@each(MEMBERS)
def test_the_installed_wheel_is_what_is_tested(member: Member):
    place = Path(import_module(member.module).__file__ or "")
    assert not place.is_relative_to(ROOT / member.folder), f"{place} is the source tree"
