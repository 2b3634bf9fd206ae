"""Settings by name: the paper's are the paper's."""

import pytest

from dfad_distillation.presets import DISTILLATIONS, preset


def test_the_paper_preset_has_none_of_the_additions():
    for name in (one for one in DISTILLATIONS if one.startswith("paper")):
        config = preset(name)
        assert config.pool == config.student_steps == 5
        assert config.loss == "mae"
        assert config.regularizers.is_empty
        assert (config.replay, config.average, config.reestimate, config.select) == (0, 0, 0, False)
        assert not config.generator.crop


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
