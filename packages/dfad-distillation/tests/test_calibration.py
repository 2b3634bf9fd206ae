import numpy as np
import pytest
import torch

from dfad_distillation.calibration import bin_by_confidence, fit_temperature, match_temperature


def _sure_by(temperature, count=4000, classes=5):
    """Return labels drawn from a softmax, and logits that are too sure by a factor."""
    random = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(count, classes, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random).squeeze(1)
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_of_the_data_is_found(temperature):
    logits, labels = _sure_by(temperature)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.07)
    true = logits / temperature
    assert match_temperature(logits, true) == pytest.approx(temperature, rel=1e-4)


def test_temperature_mends_the_calibration():
    logits, labels = _sure_by(4.0)
    before = bin_by_confidence(logits, labels).error
    after = bin_by_confidence(logits, labels, temperature=fit_temperature(logits, labels)).error
    assert before > 0.15
    assert after < 0.04


def test_error_equals_a_slow_version():
    logits, labels = _sure_by(2.0, count=300)
    labels[:20] = 255
    chances = logits.double().softmax(1).numpy()
    error, kept = 0.0, [i for i in range(300) if labels[i] != 255]
    for b in range(10):
        chosen = [i for i in kept if min(int(chances[i].max() * 10), 9) == b]
        if chosen:
            confidence = np.mean([chances[i].max() for i in chosen])
            right = np.mean([chances[i].argmax() == int(labels[i]) for i in chosen])
            error += len(chosen) / len(kept) * abs(confidence - right)
    found = bin_by_confidence(logits, labels, bins=10)
    assert found.error == pytest.approx(error)
    assert float(found.share.sum()) == pytest.approx(1)


def test_pixels_are_answers_like_pictures():
    logits, labels = _sure_by(2.0, count=48)
    maps = logits.view(2, 4, 6, 5).permute(0, 3, 1, 2)
    assert (
        bin_by_confidence(maps, labels.view(2, 4, 6)).error
        == bin_by_confidence(logits, labels).error
    )
    assert fit_temperature(maps, labels.view(2, 4, 6)) == fit_temperature(logits, labels)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="without classes"):
        bin_by_confidence(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match="one shape"):
        match_temperature(torch.zeros(3, 2), torch.zeros(3, 3))
