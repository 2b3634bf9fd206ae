import ast
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

import tbc_tracking.training_config
from tbc_tracking.training_config import TrainingConfig, parse_blocks, refuse_overlap

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("network", "resnet"),
        ("background", "mean"),
        ("steps", 0),
        ("batch", 0),
        ("crop", 7),
        ("learning_rate", 0.0),
        ("calibration_scale", 2.5),
        ("margin", 1000.0),
        ("overshoot", 1e308),
        ("zoom", 1e300),
        ("calibration_scale", 0.4),
        ("learning_rate", float("nan")),
        ("sigma", -1.0),
        ("average", 1.0),
        ("contrast", 1.5),
        ("widths", (8,)),
        ("sigma_minimum", 9.0),
        ("fit", ("0-100",)),
        ("fit", ("100:100",)),
        ("precision", "fp16"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=r"must|written"):
        TrainingConfig(**{field: value})


def test_overlay_needs_a_background():
    TrainingConfig(overlay=0.5)
    with pytest.raises(ValueError, match="overlay"):
        TrainingConfig(overlay=0.5, background="none")


def test_blocks_are_parsed_and_sorted():
    assert parse_blocks(("200:300", "0:100")) == ((0, 100), (200, 300))


def test_fit_and_validation_must_not_overlap():
    refuse_overlap(((0, 100), (200, 300)), ((100, 200),))
    with pytest.raises(ValueError, match="share frames"):
        TrainingConfig(fit=("0:100",), validate=("99:120",))


def test_every_setting_is_documented():
    tree = ast.parse(Path(tbc_tracking.training_config.__file__).read_text())
    body = next(
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "TrainingConfig"
    )
    for field, following in pairwise(body):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(following, ast.Expr), ast.unparse(field)


def test_settings_do_not_need_torch():
    code = "import sys, tbc_tracking.training_config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not CONFIGS.is_dir(), reason="the tests run without the source tree")
@pytest.mark.parametrize("name", ["pets", "nuclei", "colloids"])
def test_the_shipped_settings_are_valid(name):
    settings = tomllib.loads((CONFIGS / f"{name}.toml").read_text())
    config = TrainingConfig(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    )
    assert config.fit
    assert config.validate
