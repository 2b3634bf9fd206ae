"""Maps that are no densities are refused at the door, lazily, with the frame in the sentence."""

import numpy as np
import pytest

from tbc_tracking.checked_maps import checked_maps
from tbc_tracking.object_size import ObjectSize

SIZE = ObjectSize(intercept=2.0)


def maps(count=3):
    return [np.full((6, 8), 0.01 * (k + 1)) for k in range(count)]


def test_good_maps_pass_as_float32_without_small_negative_values():
    given = maps()
    given[1][2, 3] = -0.0005
    passed = list(checked_maps(given, SIZE))
    assert [image.dtype for image in passed] == [np.float32] * 3
    assert passed[1][2, 3] == 0
    assert given[1][2, 3] == -0.0005, "the caller's map is left alone"
    np.testing.assert_allclose(passed[2], given[2], rtol=1e-6)


def test_noise_around_nothing_is_measured_on_the_peak_of_an_object():
    # One object of sigma 2 has its peak at 0.04.
    list(checked_maps([np.full((6, 8), -0.0019)], SIZE))
    with pytest.raises(ValueError, match=r"must not be negative, got -0\.0021 in frame 0"):
        list(checked_maps([np.full((6, 8), -0.0021)], SIZE))


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (np.full((6, 8), np.nan), "must be finite.*frame 1: replace"),
        (np.array([[np.inf] * 8] * 6), "must be finite"),
        (np.full((6, 8), -0.5), "must not be negative, got -0.5 in frame 1.*clip the maps"),
        (np.zeros((6, 9)), r"one size, got \(6, 9\) in frame 1 after \(6, 8\)"),
        (np.zeros((6, 8, 1)), r"must be \(height, width\), got shape \(6, 8, 1\) in frame 1"),
        (np.zeros((0, 8)), "must be"),
        (np.float32(0.3), "must be"),
    ],
)
def test_what_is_no_density_is_refused_where_it_comes(bad, sentence):
    stream = checked_maps([maps()[0], bad, None], SIZE)
    next(stream)
    with pytest.raises(ValueError, match=sentence):
        next(stream)
