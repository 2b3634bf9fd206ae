"""Settings by name: the paper's are the paper's."""

import dataclasses

import pytest

from dfad_distillation.config import DistillationConfig
from dfad_distillation.presets import DISTILLATIONS, preset

PAPER = {
    "input", "generator", "batch", "rounds", "pool", "generation_loss", "student_rate",
    "weight_decay", "schedule", "milestones", "decay",
}  # fmt: skip
"""What the paper, or its code, says."""


def test_the_paper_presets_have_none_of_the_additions():
    for name in (one for one in DISTILLATIONS if one.startswith("paper")):
        config = preset(name)
        assert config.pool == config.student_steps == 5
        assert config.generation_loss in ("mae", "log_mae")
        assert not config.generator.crop
        others = {f.name for f in dataclasses.fields(config)} - PAPER
        assert {n: getattr(config, n) for n in others} == {
            n: getattr(DistillationConfig(), n) for n in others
        }
    plain = DistillationConfig()
    assert plain.loss == "mae"
    assert plain.regularizers.is_empty
    assert (plain.replay, plain.average, plain.reestimate, plain.occlusion) == (0, 0, 0, 0)
    assert (plain.select, plain.patience, plain.precision) == (False, 0, "fp32")


def test_the_paper_schedules():
    mnist, cifar, nyu = (preset(name) for name in ("paper", "paper-cifar", "paper-nyuv2"))
    assert (mnist.batch, mnist.rounds, mnist.schedule) == (512, 2000, "constant")
    assert (cifar.rounds, cifar.milestones, cifar.weight_decay) == (25_000, (5000, 10_000), 5e-4)
    assert (nyu.generation_loss, nyu.decay, nyu.generator.name) == ("log_mae", 0.3, "b")


def test_presets_are_longer_or_shorter():
    assert preset("quick").rounds < preset("standard").rounds < preset("long").rounds


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="preset must be one of quick"):
        preset("nonsense")
