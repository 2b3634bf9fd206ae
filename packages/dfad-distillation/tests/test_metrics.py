import numpy as np
import pytest
import torch
from labeled_pictures import bright_quarters, bright_squares
from torch import nn

from dfad_distillation.config import InputSpace
from dfad_distillation.metrics import Scores, agreement, confusion_matrix, evaluate, logits_of
from dfad_distillation.networks import SmallCNN

SPACE = InputSpace(shape=(1, 32, 32))


def _slow_iou(truth, predicted, classes):
    scores = []
    for c in range(classes):
        pairs = [(t == c, p == c) for t, p in zip(truth, predicted, strict=True) if t != 255]
        both, either = sum(t and p for t, p in pairs), sum(t or p for t, p in pairs)
        if either:
            scores.append(both / either)
    return np.mean(scores)


def test_intersection_over_union_equals_a_slow_version():
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    truth[:20] = 255
    counts = confusion_matrix(torch.from_numpy(truth), torch.from_numpy(predicted), classes=6)
    scores = Scores(task="segmentation", confusion=counts, classes=tuple("abcdef"))
    assert scores.mean_iou == pytest.approx(_slow_iou(truth, predicted, 6))
    assert list(scores.per_class) == list("abcd"), "classes that do not occur have no score"
    assert np.mean(list(scores.per_class.values())) == pytest.approx(scores.mean_iou)
    assert int(counts.sum()) == 180
    assert scores.main == scores.mean_iou


def test_accuracy_is_by_true_class():
    counts = confusion_matrix(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 1]), classes=2)
    assert counts.tolist() == [[1, 2], [0, 1]]
    scores = Scores(task="classification", confusion=counts, classes=("a", "b"))
    assert scores.accuracy == scores.main == 0.5
    assert scores.per_class == pytest.approx({"a": 1 / 3, "b": 1.0})


class _Brightest(nn.Module):
    """Knows the answer: the quarter with the highest mean."""

    def forward(self, pictures):
        return nn.functional.adaptive_avg_pool2d(pictures, 2).flatten(1)


def test_evaluation_finds_the_right_model_right():
    pictures = bright_quarters(30)
    assert evaluate(_Brightest(), pictures, SPACE, batch=7).accuracy == 1
    with pytest.raises(ValueError, match="3 classes and the model 4 outputs"):
        evaluate(_Brightest(), bright_quarters(classes=3), SPACE)


def test_pixels_are_evaluated_without_void():
    class Threshold(nn.Module):
        def forward(self, pictures):
            bright = pictures.mean(1, keepdim=True) - 0.4
            return torch.cat([-bright, bright], 1)

    scores = evaluate(Threshold(), bright_squares(), InputSpace(shape=(3, 16, 16)), batch=5)
    assert scores.numbers() == {"mean_iou": 1.0, "pixel_accuracy": 1.0}
    coarse = evaluate(Threshold(), bright_squares(), InputSpace(shape=(3, 8, 8)))
    assert coarse.confusion.sum() == scores.confusion.sum(), "in the size of the masks"
    assert 0.7 < coarse.mean_iou < 1


def test_evaluation_leaves_the_model_as_it_was():
    model = SmallCNN(4, channels=1, width=2)
    statistics = model.stages[0][1].running_mean.clone()
    list(logits_of(model, bright_quarters(4).images, SPACE))
    assert model.training
    assert torch.equal(model.stages[0][1].running_mean, statistics)


def test_agreement_counts_equal_answers():
    first = torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    assert agreement(first, first * 5 - 3) == 1
    assert agreement(first, torch.tensor([[1.0, 0], [1, 0], [0, 1]])) == pytest.approx(2 / 3)


def test_void_pixels_do_not_agree():
    first = torch.tensor([[[[1.0, 1, 0, 0]], [[0.0, 0, 1, 1]]]])
    second = first.clone()
    second[:, :, :, 3] = first[:, :, :, 3].flip(1)
    labels = torch.tensor([[[0, 0, 1, 255]]])
    assert agreement(first, second) == 0.75
    assert agreement(first, second, labels=labels) == 1
    assert agreement(first, second, labels=torch.full_like(labels, 255)) == 0
