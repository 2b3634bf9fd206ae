import numpy as np
import pytest
import torch

from tbc_tracking.calibration import Calibration, fit_calibration
from tenfold_shared.seeds import numpy_stream


def _pairs(true: Calibration):
    """Targets, and the maps of a network that is wrong by exactly the inverse of `true`."""
    random = numpy_stream(0, "maps")
    for _ in range(3):
        target = random.random((12, 9)).astype(np.float32)
        factors = true.scale + true.slope * np.arange(12)[:, None]
        yield (target / factors).astype(np.float32), target


def _rows(pairs):
    return [
        (maps.sum(1, dtype=np.float64), target.sum(1, dtype=np.float64)) for maps, target in pairs
    ]


def _sums(calibration, pairs):
    total = 0.0
    for maps, target in pairs:
        corrected = torch.from_numpy(maps) * calibration.factors(torch.from_numpy(maps))
        total += float(corrected.sum()) - float(target.sum())
    return total


@pytest.mark.parametrize("kind", ["scale", "rows"])
def test_calibrated_maps_sum_to_the_counts(kind):
    pairs = list(_pairs(Calibration(scale=0.8, slope=0.05)))
    assert abs(_sums(Calibration(), pairs)) > 1, "test invalid"
    assert _sums(fit_calibration(kind, _rows(pairs)), pairs) == pytest.approx(0, abs=1e-2)


def test_a_factor_that_grows_with_the_row_is_recovered():
    calibration = fit_calibration("rows", _rows(_pairs(Calibration(scale=0.8, slope=0.05))))
    # the first moments agree exactly for a linear error of the targets' own rows only in the mean
    assert calibration.scale == pytest.approx(0.8, abs=0.1)
    assert calibration.slope == pytest.approx(0.05, abs=0.02)


def test_none_and_empty_maps_stay_neutral():
    pairs = list(_pairs(Calibration(scale=0.5)))
    assert fit_calibration("none", _rows(pairs)) == Calibration()
    assert fit_calibration("scale", []) == Calibration()
    empty = [(np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32))]
    assert fit_calibration("rows", _rows(empty)) == Calibration()


def test_factors_stay_within_limits():
    factors = Calibration(scale=1, slope=1).factors(torch.zeros(2, 40, 3))
    assert factors.shape == (40, 1)
    assert float(factors.max()) == 2


def test_one_row_of_objects_falls_back_to_one_factor():
    maps, target = np.zeros((6, 5), np.float32), np.zeros((6, 5), np.float32)
    maps[3], target[3] = 1, 1.5
    assert fit_calibration("rows", _rows([(maps, target)])) == Calibration(scale=1.5)


@pytest.mark.parametrize("kind", ["scale", "rows"])
@pytest.mark.parametrize(
    ("factor", "warned"), [(1.9, False), (0.55, False), (3.0, True), (0.2, True)]
)
def test_a_factor_beyond_the_limits_is_told(kind, factor, warned, caplog):
    calibration = fit_calibration(kind, _rows(_pairs(Calibration(scale=factor))))
    assert calibration.at(0) == pytest.approx(np.clip(factor, 0.5, 2), rel=0.01)
    assert (f"need a factor of {factor:.2f}" in caplog.text) == warned


def test_a_factor_beyond_the_limits_in_the_last_rows_is_told(caplog):
    calibration = fit_calibration("rows", _rows(_pairs(Calibration(scale=0.8, slope=0.2))))
    assert "some rows need a factor of" in caplog.text
    assert calibration.at(11) == 2
    assert calibration.at(0) == pytest.approx(float(calibration.factors(torch.zeros(12, 9))[0]))


def test_nothing_to_calibrate_on_is_told(caplog):
    fit_calibration("scale", [(np.zeros(4), np.ones(4))])
    assert "not calibrated" in caplog.text
