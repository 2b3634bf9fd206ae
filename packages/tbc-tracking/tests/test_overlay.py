"""What the overlay shows: points where they are, colors that stay, tails, rings, crosses, labels."""

import numpy as np
import pytest

from tbc_tracking.frames import open_frames
from tbc_tracking.overlay import (
    OverlayStyle,
    color_of,
    draw_overlay,
    overlay_frames,
    write_overlay,
    write_overlay_picture,
)
from tbc_tracking.tracks import Tracks
from tenfold_shared.images import read_image

BLACK = np.zeros((30, 40), np.float32)
TRACKS = Tracks.from_rows(
    [0, 0, 1, 1], [1, 2, 1, 2], x=[8, 30, 14, 30], y=[10, 20, 10, 20], interpolated=[0, 0, 0, 1]
)
DOTS = OverlayStyle(tail=0, radius=1.0)


def where(picture, color):
    return np.argwhere((picture == color).all(-1))[:, ::-1]


@pytest.mark.parametrize("zoom", [1, 4])
def test_a_point_is_drawn_around_its_place_in_its_color(zoom):
    picture = draw_overlay(
        BLACK, TRACKS, frame=0, style=OverlayStyle(tail=0, radius=1.0, zoom=zoom)
    )
    assert picture.shape == (30 * zoom, 40 * zoom, 3)
    for name, place in ((1, (8, 10)), (2, (30, 20))):
        center = where(picture, color_of(name)).mean(axis=0)
        np.testing.assert_allclose((center + 0.5) / zoom - 0.5, place, atol=0.51 / zoom)


def test_the_tail_reaches_back_as_far_as_asked():
    short, long = (
        draw_overlay(BLACK, TRACKS, frame=1, style=OverlayStyle(tail=tail, radius=1.0))
        for tail in (0, 1)
    )
    assert where(short, color_of(1))[:, 0].min() > 11
    assert where(long, color_of(1))[:, 0].min() == 8


def test_an_interpolated_point_is_a_ring():
    style = OverlayStyle(tail=0, radius=4.0)
    observed, filled = (draw_overlay(BLACK, TRACKS, frame=frame, style=style) for frame in (0, 1))
    assert observed[20, 30].tolist() == list(color_of(2))
    assert filled[20, 30].tolist() == [0, 0, 0]
    assert len(where(filled, color_of(2)))


def test_truth_is_marked_with_white_crosses_and_identities_are_written():
    plain = draw_overlay(BLACK, TRACKS, frame=0, style=DOTS)
    assert not len(where(plain, (255, 255, 255)))
    crossed = draw_overlay(BLACK, TRACKS, frame=0, truth=TRACKS, style=DOTS)
    np.testing.assert_allclose(where(crossed, (255, 255, 255)).mean(axis=0), [19, 15], atol=0.5)
    labeled = draw_overlay(
        BLACK, TRACKS, frame=0, style=OverlayStyle(tail=0, radius=1, labels=True)
    )
    assert np.count_nonzero(labeled) > np.count_nonzero(plain)


def test_values_are_stretched_and_colors_kept():
    style = OverlayStyle(value_range=(0.0, 0.1))
    nobody = TRACKS.select(TRACKS.id > 5)
    gray = draw_overlay(BLACK + np.float32(0.05), nobody, frame=0, style=style)
    assert set(gray.ravel().tolist()) <= {127, 128}
    color = np.stack([BLACK, BLACK + 1, BLACK])
    assert draw_overlay(color, nobody, frame=0)[3, 3].tolist() == [0, 255, 0]


def test_colors_of_many_identities_differ():
    assert len({color_of(name) for name in range(300)}) > 250


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_video_has_every_frame_and_takes_them_one_at_a_time(tmp_path, suffix):
    taken = []

    def frames():
        for index in range(3):
            taken.append(index)
            yield BLACK

    assert next(overlay_frames(frames(), TRACKS)).shape == (30, 40, 3)
    assert taken == [0], "a later frame was read before it was needed"
    path = tmp_path / f"overlay{suffix}"
    assert write_overlay(path, frames(), TRACKS, frame_interval=0.2) == 3
    written = open_frames(path)
    assert len(list(written)) == 3
    assert written.frame_interval == pytest.approx(0.2)


def test_a_picture_is_what_was_drawn(tmp_path):
    path = tmp_path / "overlay.png"
    write_overlay_picture(path, BLACK, TRACKS, frame=1, truth=TRACKS)
    expected = draw_overlay(BLACK, TRACKS, frame=1, truth=TRACKS)
    np.testing.assert_array_equal(np.round(read_image(path) * 255), np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize(
    "options", [{"tail": -1}, {"zoom": 0}, {"radius": 0.0}, {"value_range": (1.0, 1.0)}]
)
def test_styles_that_cannot_be_drawn_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        OverlayStyle(**options)


def test_a_frame_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"got shape \(30, 40, 3\)"):
        draw_overlay(np.zeros((30, 40, 3), np.float32), TRACKS, frame=0)
