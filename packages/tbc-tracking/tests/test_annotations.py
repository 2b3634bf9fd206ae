"""Points clicked in Fiji and napari: axes, frames from 1, and the half pixel between conventions."""

import pytest

from tbc_tracking.formats import read_tracks
from tenfold_shared.errors import UserError


def write(folder, text):
    path = folder / "points.csv"
    path.write_text(text)
    return path


def test_fiji_counts_slices_from_one_and_pixels_from_their_corners(tmp_path):
    text = " ,Area,Mean,Min,Max,X,Y,Slice\n1,0,9,9,9,10.5,20.25,1\n2,0,9,9,9,3.5,4.5,7\n"
    tracks = read_tracks(write(tmp_path, text))
    assert (tracks.x.tolist(), tracks.y.tolist()) == ([10, 3], [19.75, 4])
    assert tracks.frame.tolist() == [0, 6]


def test_whole_numbers_of_fiji_name_pixels(tmp_path):
    tracks = read_tracks(write(tmp_path, " ,X,Y,Slice\n1,10,20,1\n2,3,4,7\n"))
    assert (tracks.x.tolist(), tracks.y.tolist()) == ([10, 3], [20, 4])


def test_a_hyperstack_has_frames_and_a_calibrated_one_micrometers(tmp_path):
    text = " ,X,Y,Ch,Slice,Frame\n1,5.25,10.25,1,1,3\n2,5.25,10.25,1,1,4\n"
    tracks = read_tracks(write(tmp_path, text), pixel_size=0.5)
    assert tracks.frame.tolist() == [2, 3]
    assert (tracks.x.tolist(), tracks.y.tolist()) == ([10, 10], [20, 20])


@pytest.mark.parametrize("text", ["X,Y\n1.5,2.5\n", " ,X,Y,Slice\n1,1.5,2.5,0\n"])
def test_a_single_picture_is_frame_zero(tmp_path, text):
    tracks = read_tracks(write(tmp_path, text), format="fiji")
    assert (tracks.frame.tolist(), tracks.x.tolist(), tracks.y.tolist()) == ([0], [1], [2])


def test_napari_axes_are_frame_y_x(tmp_path):
    tracks = read_tracks(write(tmp_path, "index,axis-0,axis-1,axis-2\n0,3.0,20.5,10\n1,4,1,2\n"))
    assert (tracks.frame.tolist(), tracks.x.tolist(), tracks.y.tolist()) == (
        [3, 4],
        [10, 2],
        [20.5, 1],
    )
    assert len(tracks.ids) == 2
    tracks = read_tracks(write(tmp_path, "index,axis-0,axis-1\n0,20.5,10\n"))
    assert (tracks.frame.tolist(), tracks.x.tolist(), tracks.y.tolist()) == ([0], [10], [20.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("index,axis-0,axis-1,axis-2,axis-3\n0,1,2,3,4\n", "has four axes"),
        ("index,axis-0,axis-1,axis-2\n0,1.5,2,3\n", "axis-0 must be an integer"),
    ],
)
def test_what_napari_writes_of_other_data_is_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_tracks(write(tmp_path, text))
