import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score

from lsp_distillation.metrics import (
    accuracy,
    f1_scores,
    mean_absolute_error,
    mean_class_accuracy,
    score_predictions,
)
from tenfold_shared.seeds import torch_stream


def draw(*shape):
    return torch.randn(*shape, generator=torch_stream(0, "metrics", *shape))


def test_class_scores_equal_those_of_scikit_learn():
    logits, targets = draw(50, 4), draw(50, 1).flatten().mul(2).round().long().clamp(0, 3)
    predicted = logits.argmax(1)
    assert accuracy(logits, targets) == pytest.approx((predicted == targets).float().mean().item())
    expected = balanced_accuracy_score(targets, predicted)
    assert mean_class_accuracy(logits, targets) == pytest.approx(expected)
    assert expected != pytest.approx(accuracy(logits, targets)), "test invalid"


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_f1_equals_that_of_scikit_learn(threshold):
    logits, targets = draw(60, 7), (draw(60, 7).roll(1) > 0.3).float()
    targets[:, 6], logits[:, 6] = 0, -9  # neither occurs nor is predicted
    found = f1_scores(logits, targets, threshold=threshold)
    predicted = (logits > threshold).numpy()
    for average in ("micro", "macro"):
        expected = f1_score(targets.numpy(), predicted, average=average, zero_division=0.0)
        assert getattr(found, average) == pytest.approx(expected)
    assert found.threshold == threshold


def test_the_threshold_decides():
    logits, targets = torch.tensor([[0.3, -1.0]]), torch.tensor([[1.0, 0.0]])
    assert f1_scores(logits, targets).micro == 1
    assert f1_scores(logits, targets, threshold=0.5).micro == 0


def test_mean_absolute_error_accepts_a_column_for_one_number():
    assert mean_absolute_error(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 5.0])) == 1.5


def test_scores_of_a_task_are_named_main_one_first():
    scores = score_predictions("multilabel", torch.ones(3, 2), torch.ones(3, 2), threshold=0.5)
    assert [(s.name, s.value, s.threshold) for s in scores] == [
        ("micro-F1", 1.0, 0.5),
        ("macro-F1", 1.0, 0.5),
    ]
    assert score_predictions("multiclass", torch.eye(3), torch.arange(3))[0].name == "accuracy"
    assert not score_predictions("regression", torch.ones(2), torch.ones(2))[0].higher_is_better


@pytest.mark.parametrize(
    ("predictions", "targets", "message"),
    [
        (np.zeros((3, 2)), np.zeros(4), "same items"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "at least one item"),
        (np.zeros((3, 2)), np.zeros((3, 4)), "as many columns"),
    ],
)
def test_what_does_not_belong_together_is_refused(predictions, targets, message):
    with pytest.raises(ValueError, match=message):
        score_predictions("multilabel", torch.tensor(predictions), torch.tensor(targets))
