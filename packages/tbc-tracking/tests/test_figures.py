"""The pictures show what they are given: looked up in the drawn artists, not in pixels."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from tiny_data import LENGTH, SIGMA, tiny_maps, tiny_tracks

from tbc_tracking.config import WindowConfig
from tbc_tracking.figures import (
    bounds_picture,
    counts_picture,
    density_picture,
    followed_names,
    residual_picture,
    space_time_picture,
    timeline_picture,
    tracks_picture,
)
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.tracks import Tracks


@pytest.fixture
def truth() -> Tracks:
    """Four objects."""
    return tiny_tracks()


def switched(truth: Tracks) -> Tracks:
    """Return the truth with the first two identities exchanged in the second half."""
    late = truth.frame >= LENGTH // 2
    names = np.where(late & (truth.id <= 2), 3 - truth.id, truth.id)
    return Tracks.from_rows(truth.frame, names, x=truth.x, y=truth.y, length=truth.length)


def test_a_density_picture_says_the_count_and_marks_points(truth: Tracks):
    density = tiny_maps(truth)[0]
    points = np.array([[3.0, 4.0], [5.0, 6.0]])
    plot = density_picture(density, points=points, truth=points[:1]).axes[0]
    assert "sums to 4.0" in plot.get_title()
    assert sorted(len(marks.get_offsets()) for marks in plot.collections) == [1, 2]


def test_tracks_are_drawn_up_to_the_frame(truth: Tracks):
    plot = tracks_picture(np.zeros((32, 40), np.float32), truth, frame=3, tail=2).axes[0]
    paths = [line for line in plot.lines if line.get_linestyle() == "-"]
    assert len(paths) == 4
    np.testing.assert_allclose(
        paths[0].get_xdata(), truth.x[(truth.id == 1) & (truth.frame < 4)][-3:]
    )
    assert "4 objects" in plot.get_title()


def test_space_time_gives_followers_the_color_of_the_truth(truth: Tracks):
    renamed = Tracks.from_rows(
        truth.frame, truth.id + 40, x=truth.x, y=truth.y + 0.5, length=truth.length
    )
    panels = {"truth": truth, "tracks": renamed}
    plain = space_time_picture(panels)
    matched = space_time_picture(panels, truth=truth, distance=2.0)
    colors = [[to_hex(line.get_color()) for line in axes.lines] for axes in plain.axes]
    assert colors[0] != colors[1], "test invalid: the names have equal colors"
    colors = [[to_hex(line.get_color()) for line in axes.lines] for axes in matched.axes]
    assert colors[0] == colors[1]
    with pytest.raises(ValueError, match="axis x or y"):
        space_time_picture(panels, axis="z")


def test_followed_names_leave_out_what_follows_nobody(truth: Tracks):
    far = Tracks.from_rows([0, 1], [99, 99], x=[500.0, 500.0], y=[0.0, 0.0], length=LENGTH)
    assert followed_names(truth, far, distance=2.0) == {}
    assert followed_names(truth, truth, distance=0.5) == {1: 1, 2: 2, 3: 3, 4: 4}


@pytest.mark.filterwarnings("error")
def test_nothing_is_drawn_without_a_warning():
    nothing = Tracks.from_rows([], [], x=[], y=[])
    assert space_time_picture({"tracks": nothing}).axes[0].get_title() == "tracks\n0 tracks"
    assert "0 objects" in timeline_picture(nothing, nothing, distance=1.0).axes[0].get_title()


def test_counts_are_drawn_over_seconds_where_known(truth: Tracks):
    figure = counts_picture({"tracks": truth.counts()}, frame_interval=0.5)
    (line,) = figure.axes[0].lines
    np.testing.assert_allclose(line.get_xdata(), 0.5 * np.arange(LENGTH))
    assert figure.axes[0].get_xlabel() == "time (s)"


def test_the_residual_is_largest_where_an_object_is_missing(truth: Tracks):
    density = tiny_maps(truth)[0]
    points = np.stack([truth.x, truth.y], axis=1)[truth.frame == 0]
    size, windows = ObjectSize(intercept=SIGMA), WindowConfig(extent=2.7, stride=0.6)
    complete = residual_picture(density, points, size=size, config=windows).axes[0].images[0]
    assert np.abs(complete.get_array()).max() < 0.01
    image = residual_picture(density, points[1:], size=size, config=windows).axes[0].images[0]
    grid = np.asarray(image.get_array())
    assert grid.max() > 0.4
    left, right, bottom, top = image.get_extent()
    row, column = np.unravel_index(grid.argmax(), grid.shape)
    x = left + (column + 0.5) * (right - left) / grid.shape[1]
    y = top + (row + 0.5) * (bottom - top) / grid.shape[0]
    assert np.hypot(x - points[0, 0], y - points[0, 1]) < SIGMA


def test_blocks_show_a_bound_where_there_is_one():
    blocks = [
        {"start": 0, "stop": 10, "objective": 5.0, "bound": 4.0},
        {"start": 10, "stop": 20, "objective": 6.0, "bound": None},
    ]
    assert len(bounds_picture(blocks).axes[0].lines) == 3


def test_the_timeline_counts_switches(truth: Tracks):
    assert "0 switches" in timeline_picture(truth, truth, distance=1.0).axes[0].get_title()
    plot = timeline_picture(truth, switched(truth), distance=1.0).axes[0]
    assert "2 switches" in plot.get_title()
