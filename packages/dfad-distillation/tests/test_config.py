"""Settings are checked when they are made."""

import subprocess
import sys

import pytest

from dfad_distillation.config import (
    DistillationConfig,
    GeneratorConfig,
    InputSpace,
    RegularizerConfig,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "settings", "name"),
    [
        *[(DistillationConfig, {name: 0}, name) for name in
          ("rounds", "student_steps", "pool", "bank", "snapshots", "student_rate", "decay", "log_every")],
        *[(DistillationConfig, {name: value}, name) for name in ("student_rate", "generator_rate")
          for value in (NAN, INF, -1)],
        (DistillationConfig, {"batch": 1}, "batch"),
        (DistillationConfig, {"pool": 6}, "pool"),
        (DistillationConfig, {"momentum": 1.0}, "momentum"),
        (DistillationConfig, {"average": NAN}, "average"),
        (DistillationConfig, {"milestones": (3, 3)}, "milestones"),
        (DistillationConfig, {"states": 0, "select": True}, "states"),
        (DistillationConfig, {"weight_decay": NAN}, "weight_decay"),
        (DistillationConfig, {"weight_decay": INF}, "weight_decay"),
        (GeneratorConfig, {"latent": 0}, "latent"),
        (RegularizerConfig, {"balance": NAN}, "balance"),
        (RegularizerConfig, {"smoothness": INF}, "smoothness"),
        (InputSpace, {"mean": (0.5,)}, "mean"),
        (InputSpace, {"mean": (0.5, 0.5), "std": (1.0,)}, "mean"),
        (InputSpace, {"mean": (NAN,), "std": (1.0,)}, "mean"),
        (InputSpace, {"mean": (0.5,), "std": (0.0,)}, "std"),
        (InputSpace, {"shape": (1, 0, 3)}, "shape"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(kind, settings, name):
    with pytest.raises(ValueError, match=name):
        kind(**settings)


def test_one_value_or_one_per_channel():
    for values in ((0.5,), (0.5, 0.4, 0.3)):
        assert InputSpace(shape=(3, 4, 4), mean=values, std=values).is_normalized
    assert not InputSpace().is_normalized
    assert not InputSpace(mean=(0.0,), std=(1.0,)).is_normalized
    assert InputSpace(mean=(0.0,), std=(0.5,)).is_normalized


def test_settings_need_no_torch():
    probe = "import sys, dfad_distillation.presets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
