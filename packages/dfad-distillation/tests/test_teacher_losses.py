import pytest
import torch

from dfad_distillation.teacher_config import TeacherConfig
from dfad_distillation.teacher_losses import label_loss, rarity_weights

LOGITS = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([[[0, 1], [2, 3]], [[255, 1], [1, 255]], [[3, 3], [0, 0]]])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_that_of_torch(smoothing):
    weights = torch.tensor([1.0, 2.0, 0.5, 1.0])
    loss = label_loss(LOGITS, LABELS, config=TeacherConfig(label_smoothing=smoothing))
    expected = torch.nn.functional.cross_entropy(
        LOGITS, LABELS, ignore_index=255, label_smoothing=smoothing
    )
    torch.testing.assert_close(loss.total / loss.weight, expected)
    weighted = label_loss(LOGITS, LABELS, config=TeacherConfig(), weights=weights)
    expected = torch.nn.functional.cross_entropy(LOGITS, LABELS, ignore_index=255, weight=weights)
    torch.testing.assert_close(weighted.total / weighted.weight, expected)


def test_focal_loss_is_its_formula():
    loss = label_loss(LOGITS, LABELS, config=TeacherConfig(loss="focal"))
    chances, total = LOGITS.softmax(1), 0.0
    for b, y, x in torch.nonzero(LABELS != 255).tolist():
        p = chances[b, LABELS[b, y, x], y, x]
        total += -((1 - p) ** 2) * p.log()
    torch.testing.assert_close(loss.total, total)
    assert float(loss.weight) == 10


@pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
def test_gradients(kind):
    def loss(logits):
        return label_loss(logits.double(), LABELS[:1], config=TeacherConfig(loss=kind)).total

    logits = LOGITS[:1].clone().requires_grad_()
    loss(logits).backward()
    step = 1e-2 * torch.randn_like(logits)
    change = loss(logits.detach() + step) - loss(logits.detach() - step)
    torch.testing.assert_close(change.float(), 2 * (logits.grad * step).sum(), rtol=0.02, atol=1e-4)


def test_rare_classes_weigh_more():
    weights = rarity_weights(LABELS, classes=5)
    assert weights.shape == (5,)
    assert weights[4] == weights.max()
    assert weights[2] > weights[0]
