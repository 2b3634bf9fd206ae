import sys

import numpy as np
import pytest
from test_training import TINY, run

from tbc_tracking.training_config import TrainingConfig
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream


def test_training_does_not_import_albumentations(tmp_path):
    sys.modules.pop("albumentations", None)
    run(tmp_path)
    assert "albumentations" not in sys.modules


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    monkeypatch.delitem(sys.modules, "tbc_tracking.augmentation", raising=False)
    settings = {**vars(TINY), "augmentation": "strong"}
    with pytest.raises(UserError, match=r"tbc-tracking\[augmentation\]"):
        run(tmp_path, TrainingConfig(**settings))


def test_strong_distortion_is_seeded_and_keeps_places():
    pytest.importorskip("albumentations")
    from tbc_tracking.augmentation import strong_distortion

    gray = np.full((24, 32), 0.2, np.float32)
    gray[8:14, 10:16] = 0.9
    changed = 0
    for number in range(12):
        first = strong_distortion(gray, numpy_stream(number, "crop"))
        again = strong_distortion(gray, numpy_stream(number, "crop"))
        np.testing.assert_array_equal(first, again)
        assert first.shape == gray.shape
        assert first.dtype == np.float32
        row, column = np.unravel_index(first.argmax(), first.shape)
        assert 8 <= row < 14
        assert 10 <= column < 16
        changed += not np.array_equal(first, gray)
    assert changed > 6
