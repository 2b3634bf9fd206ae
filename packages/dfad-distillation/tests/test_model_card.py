from torch import nn

from dfad_distillation.config import InputSpace
from dfad_distillation.model_card import card_path, model_card, write_card
from dfad_distillation.model_files import SavedModel

SPACE = InputSpace(shape=(3, 32, 32), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.25))


def _card(**settings):
    model = SavedModel(nn.Identity(), "unet", {"width": 8}, SPACE, ("road", "a|b"), {})
    return model_card("student.pt2", model, teacher="mine:net", **settings)


def test_a_card_says_what_it_must():
    row = {"name": "parameters", "value": 20, "unit": "values", "reference": 60, "ratio": 1 / 3}
    text = _card(
        scores={"agreement on generated pictures": 0.93256},
        settings={"rounds": 300, "generator": {"name": "a"}},
        compression=[row],
        temperature=1.25,
    )
    for words in (
        "distilled from mine:net without its data",
        "mean 0.5, 0.4, 0.3, std 0.2, 0.2, 0.25",
        "(batch, 3, 32, 32), RGB",
        "| agreement on generated pictures | 0.9326 |",
        "| generator.name | a |",
        "| parameters (values) | 60 | 20 | 0.3333 |",
        "divided by the temperature 1.25",
        "No privacy follows",
    ):
        assert words in text, words


def test_normalization_inside_is_told():
    assert "the file normalizes them" in _card(from_unit_range=True)
    assert "the file normalizes them" not in _card()


def test_cards_lie_beside_their_files(tmp_path):
    path = tmp_path / "student.pt2"
    assert write_card(path, _card()) == card_path(path) == tmp_path / "student.pt2.md"
    assert card_path(path).read_text("utf-8").startswith("# student.pt2")
