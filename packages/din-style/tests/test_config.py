from pathlib import Path

import pytest

from din_style.config import LossConfig, NetworkConfig, TrainingConfig, preset_network


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"crop": 30}, "multiple of 4"),
        ({"crop": 300}, "size must be at least"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"steps": -1}, "must not be negative"),
        ({"last_rate": 1.0}, "last_rate"),
        ({"clip": 0.0}, "clip"),
        ({"clip": float("inf")}, "clip must be positive and finite"),
        ({"learning_rate": float("inf")}, "learning_rate must be finite"),
        ({"average": 1.0}, "average"),
        ({"mix_styles": 1.5}, "mix_styles"),
        ({"validation_share": 1}, "validation_share"),
        ({"style_crop": 16}, "style_crop"),
    ],
)
def test_trainings_that_cannot_be_are_refused(changes, rule):
    with pytest.raises(ValueError, match=rule):
        TrainingConfig(**changes)


def test_losses_have_weights_and_layers():
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="style_weight must be finite and not negative"):
            LossConfig(style_weight=weight)
    with pytest.raises(ValueError, match="must not both be 0"):
        LossConfig(style_weight=0, content_weight=0)
    with pytest.raises(ValueError, match="at least one layer"):
        LossConfig(style_layers=())


def test_presets_are_named_after_themselves():
    for name in ("fast", "mobile", "literal", "vgg"):
        assert preset_network(name).preset == name
    assert preset_network("fast") == NetworkConfig()


def test_recipes_fit_the_settings():
    tomllib = pytest.importorskip("tomllib")
    folder = Path(__file__).parents[1] / "configs"
    recipes = list(folder.glob("*.toml"))
    if folder.exists():
        assert recipes
    for recipe in recipes:
        settings = tomllib.loads(recipe.read_text("utf-8"))["settings"]
        network, loss = settings.pop("network"), settings.pop("loss")
        TrainingConfig(
            network=preset_network(network["preset"]), loss=LossConfig(**loss), **settings
        )
