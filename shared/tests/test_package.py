import re
import subprocess
import sys
from pathlib import Path

import pytest

import tenfold_shared

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize(
    "module",
    ["", ".commands", ".errors", ".files", ".datasets", ".images", ".metrics", ".seeds", ".plots"],
)
def test_light_modules_do_not_import_torch(module):
    code = f"import sys, tenfold_shared{module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_exists():
    for names in tenfold_shared._HOMES.values():
        for name in names:
            assert getattr(tenfold_shared, name).__name__ == name
    assert re.fullmatch(r"\d+\.\d+\.\d+", tenfold_shared.__version__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tenfold_shared.nothing  # noqa: B018


def test_the_version_heads_the_changelog():
    text = (README.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"## \[?(\d+\.\d+\.\d+)", text)[0]
    assert newest == tenfold_shared.__version__


def test_the_readme_example_runs(tmp_path, monkeypatch):
    text = README.read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(README), "exec"), {"__name__": "readme"})
    assert {p.name for p in Path("runs/first").iterdir()} >= {
        "config.json",
        "environment.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
    }
