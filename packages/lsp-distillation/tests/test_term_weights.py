"""Factors of the terms: schedules, and those that are set from gradients."""

import pytest
import torch

from lsp_distillation.term_weights import InactiveTermWarning, TermWeights, gradient_norm
from lsp_distillation.terms_config import AUTO, StructureConfig, TermsConfig


def weights(**fields: object) -> TermWeights:
    return TermWeights(TermsConfig(**fields))  # type: ignore[arg-type]


def test_a_share_of_the_labels_gradient() -> None:
    found = weights(share=0.5, measure_after=2)
    assert found.open == ["structure"]
    assert [found.is_due(epoch) for epoch in range(4)] == [False, False, True, True]
    assert found.at(1)["structure"] == 0
    found.settle(6.0, {"structure": 0.25})
    assert found.at(2)["structure"] == 0.5 * 6 / 0.25
    assert not found.is_due(3)


def test_the_labels_gradient_is_that_with_their_factor() -> None:
    found = weights(labels=4.0, share=0.5)
    found.settle(6.0, {"structure": 0.25})
    assert found.at(20)["structure"] * 0.25 == 0.5 * 4 * 6


def test_the_factor_survives_in_a_state_dictionary() -> None:
    found = weights()
    found.settle(1.0, {"structure": 2.0})
    other = weights()
    other.load_state_dict(found.state_dict())
    assert other.as_numbers() == found.as_numbers()
    assert other.open == []


@pytest.mark.parametrize("norm", [0.0, 3e-8])
def test_a_dead_term_is_told_and_left_out(norm: float) -> None:
    found = weights()
    with pytest.warns(InactiveTermWarning, match="structure has no gradient"):
        found.settle(1.0, {"structure": norm})
    assert found.at(50)["structure"] == 0


def test_without_labels_nothing_can_be_automatic() -> None:
    with pytest.raises(ValueError, match=r"give structure.weight a number"):
        weights(labels=0.0)
    with pytest.raises(ValueError, match=r"give hints a number"):
        weights(labels=0.0, hints=AUTO, structure=StructureConfig(weight=1.0))
    assert weights(labels=0.0, structure=StructureConfig(weight=1.0)).used == ["structure"]


def test_schedules() -> None:
    first = weights(structure=StructureConfig(weight=4.0, schedule="first", epochs=3))
    assert [first.at(e)["structure"] for e in range(5)] == [4, 4, 4, 0, 0]
    assert "structure" not in first.wanted(3)
    linear = weights(structure=StructureConfig(weight=4.0, schedule="linear", epochs=4))
    assert [linear.at(e)["structure"] for e in range(6)] == [4, 3, 2, 1, 0, 0]


def test_only_what_matters_is_wanted() -> None:
    found = weights(
        hints=AUTO, soft_labels=1.0, structure=StructureConfig(weight=0.0), measure_after=2
    )
    assert found.used == ["labels", "soft_labels", "hints"]
    assert found.wanted(0) == {"labels", "soft_labels"}
    assert found.wanted(2) == {"labels", "soft_labels", "hints"}


def test_the_norm_is_that_of_all_anchors_and_keeps_the_graph() -> None:
    a, b = torch.tensor([3.0], requires_grad=True), torch.tensor([1.0], requires_grad=True)
    loss = 3 * a + 4 * b
    assert gradient_norm(loss.sum(), (a, b)) == pytest.approx(5)
    assert gradient_norm((a * 2).sum(), (a, b)) == pytest.approx(2)
    loss.sum().backward()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"soft_labels": -2.0}, "at least 0, or -1"),
        ({"hints": float("nan")}, "at least 0, or -1"),
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"share": -0.1}, "share must be positive"),
        ({"labels": -1.0}, "labels must be at least 0"),
        ({"sampled_nodes": 2}, "at least 3"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        weights(**fields)


def test_pairs_of_layers_are_checked() -> None:
    with pytest.raises(ValueError, match="teacher_layer:student_layer"):
        StructureConfig(layers=("layers.0",))
