"""Sigma over the rows: clipped line, other resolutions, and the fit to annotated boxes."""

import numpy as np
import pytest

from tbc_tracking.object_size import SIGMA_PER_HEIGHT, ObjectSize, fit_object_size


def test_sigma_is_a_clipped_line():
    size = ObjectSize(intercept=1.0, slope=0.1, minimum=1.5, maximum=3.0)
    rows = np.arange(-5, 40)
    expected = [min(3.0, max(1.5, 1.0 + 0.1 * row)) for row in rows]
    np.testing.assert_allclose(size.at(rows), expected)
    assert {1.5, 3.0} < set(expected)
    assert size.at(10.0).shape == ()


def test_another_resolution_scales_rows_and_sigma_alike():
    size = ObjectSize(intercept=1.0, slope=0.1, minimum=1.5, maximum=3.0)
    rows = np.linspace(0, 40, 9)
    np.testing.assert_allclose(size.scaled(2.5).at(2.5 * rows), 2.5 * size.at(rows))


def test_the_fit_recovers_a_perspective():
    rows = np.array([10.0, 30, 50, 70, 90])
    heights = 8 + 0.2 * rows
    size = fit_object_size(rows, heights, minimum=0.1, maximum=50)
    np.testing.assert_allclose(size.at(rows), SIGMA_PER_HEIGHT * heights)
    # Boxes without a height say nothing.
    with_holes = fit_object_size(
        np.append(rows, [50, 50]), np.append(heights, [np.nan, 0.0]), minimum=0.1, maximum=50
    )
    np.testing.assert_allclose(with_holes.at(rows), size.at(rows))
    assert fit_object_size(rows, heights).at(0.0) == 1.3


def test_boxes_in_one_row_give_one_size():
    size = fit_object_size([20.0, 20.0], [10.0, 14.0], minimum=0.1)
    assert size.slope == 0
    assert size.at(0.0) == pytest.approx(SIGMA_PER_HEIGHT * 12)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"intercept": np.nan}, "sigma must be finite, got nan"),
        ({"intercept": 1.0, "slope": np.inf}, "sigma must be finite"),
        ({"intercept": 1.0, "minimum": 0.0}, "0 < minimum <= maximum, got 0.0"),
        ({"intercept": 1.0, "minimum": 5.0, "maximum": 2.0}, "got 5.0 and 2.0"),
    ],
)
def test_impossible_sizes_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        ObjectSize(**given)


def test_a_fit_without_heights_says_what_to_give_instead():
    with pytest.raises(ValueError, match="give a fixed sigma"):
        fit_object_size([1.0, 2.0], [np.nan, np.nan])


def test_a_sigma_in_other_pixels_is_refused():
    ObjectSize.constant(10.0).refuse_misfit((20, 30))
    with pytest.raises(ValueError, match="at most half of the map, got 1000 for maps of 30 x 20"):
        ObjectSize.constant(1000.0).refuse_misfit((20, 30))
    with pytest.raises(ValueError, match=r"at most half of the map, got 10\.9"):
        ObjectSize(intercept=1.4, slope=0.5).refuse_misfit((20, 30))
