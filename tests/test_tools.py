"""The small programs behind `nox -s demo`, `bench` and `release`."""

import sys
from datetime import date
from importlib import util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintParamViolation
from jaxtyping import Float
from workspace import ROOT


def tool(name: str) -> ModuleType:
    spec = util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(folder: Path, name: str, text: str) -> None:
    """Write an executable Python program."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)


def test_the_demo_page_holds_pictures_numbers_and_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    command(
        tmp_path,
        "shows-much",
        "import sys, pathlib\n"
        "out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])\n"
        "(out / 'a_picture.png').write_bytes(b'pixels')\n"
        'print(\'{"name": "MOTA <b>", "value": 0.87654, "reference": 0.5}\')\n',
    )
    command(tmp_path, "fails-early", "import sys\nsys.exit('fails-early: error: no <data>')\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    page = tool("demo_page")
    assert page.main(tmp_path / "demo", ["shows-much"]) == 0
    assert page.main(tmp_path / "demo", ["fails-early", "shows-much"]) == 1
    text = (tmp_path / "demo" / "index.html").read_text()
    assert "data:image/png;base64,cGl4ZWxz" in text
    assert "MOTA &lt;b&gt;" in text
    assert "0.8765" in text
    assert "no &lt;data&gt;" in text
    assert "src=" not in text.replace('src="data:', ""), "the page is self-contained"


def test_the_table_of_benchmarks(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    folder = tmp_path / "din-style"
    folder.mkdir()
    (folder / "speed.py").write_text(
        'print(\'{"name": "KL(a || b)", "value": 15.25, "seeds": [0, 1]}\')'
    )
    bench = tool("bench_table")
    bench.main(folder)
    table = (tmp_path / "din-style.md").read_text()
    assert r"| KL(a \|\| b) | 15.25 |  |  |  | 0 1 |  |  |" in table
    assert "nox -s bench -- din-style" in table
    (folder / "speed.py").write_text('print(\'{"name": "ratio", "result": 1}\')')
    with pytest.raises(SystemExit, match="columns"):
        bench.main(folder)


def test_a_release_moves_what_is_unreleased(tmp_path: Path):
    changelog = tool("changelog")
    before = "# Changelog\n\n## [Unreleased]\n\n- New.\n\n## [0.1.0] - 2026-01-01\n\n- First.\n"
    after = changelog.moved(before, "0.2.0", date(2026, 11, 22))
    assert after == (
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-22\n\n- New.\n\n"
        "## [0.1.0] - 2026-01-01\n\n- First.\n"
    )
    with pytest.raises(ValueError, match="nothing is listed"):
        changelog.moved(after, "0.3.0", date(2026, 11, 22))
    (tmp_path / "CHANGELOG.md").write_text(before)
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.1.0\n")
    changelog.release(tmp_path, "0.2.0")
    assert (tmp_path / "CITATION.cff").read_text() == "cff-version: 1.2.0\nversion: 0.2.0\n"


def test_only_shapes_are_checked():
    check = tool("shapes").check

    def double(image: Float[np.ndarray, " pixels"], factor: float) -> Float[np.ndarray, " pixels"]:
        return image * factor

    assert check(double)(np.ones(3), 2).sum() == 6, "an int for a float is nobody's shape"
    with pytest.raises(BeartypeCallHintParamViolation):
        check(double)(np.ones((3, 3)), 2.0)
