import numpy as np
import pytest
import torch
from labeled_pictures import bright_quarters, bright_squares

from dfad_distillation.augmentation import augment


def _augmented(pictures, kind, seed=0):
    return augment(pictures.images, pictures.labels, kind, random=np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["none", "shift", "flip", "shift_flip", "strong"])
def test_shapes_stay_and_seeds_decide(kind):
    for pictures in (bright_quarters(6, size=16), bright_squares(6)):
        images, labels = _augmented(pictures, kind)
        assert images.shape == pictures.images.shape
        assert images.dtype == torch.uint8
        assert labels.shape == pictures.labels.shape
        assert labels.dtype == torch.int64
        again, _ = _augmented(pictures, kind)
        assert torch.equal(images, again)
        assert torch.equal(images, pictures.images) == (kind == "none")


@pytest.mark.parametrize("kind", ["shift", "shift_flip"])
def test_masks_move_with_their_pictures(kind):
    images, labels = _augmented(bright_squares(40), kind)
    known = labels != 255
    bright = images.float().mean(1) > 105
    assert torch.equal(bright[known], labels[known] == 1)
    assert int((~known).sum()) > 40 * 16, "void enters at the borders"


def test_a_shift_is_a_shift():
    pictures = bright_quarters(50, size=32)
    images, _ = _augmented(pictures, "shift")
    for old, new in zip(pictures.images, images, strict=True):
        shifted = [
            torch.equal(new[:, max(y, 0) : 32 + min(y, 0), max(x, 0) : 32 + min(x, 0)],
                        old[:, max(-y, 0) : 32 + min(-y, 0), max(-x, 0) : 32 + min(-x, 0)])
            for y in range(-4, 5) for x in range(-4, 5)
        ]  # fmt: skip
        assert any(shifted)
