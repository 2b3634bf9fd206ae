"""Every format returns what was written, and is recognized without being told."""

import dataclasses
import logging

import numpy as np
import pytest

from tbc_tracking.formats import FORMATS, read_tracks, recognize_format, write_tracks
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError

SIZE = (80, 60)


def walkers():
    """Return seven targets, of which two are daughters of another."""
    random = np.random.default_rng(0)
    frame, name = (values.ravel() for values in np.mgrid[0:6, 1:8])
    keep = ~np.isin(name, [3, 4]) | (frame >= 3)
    keep &= (name != 2) | (frame < 3)
    x = 10.0 * name + random.normal(size=len(name))
    y = 5.0 * frame + 10 + random.normal(size=len(name))
    return Tracks.from_rows(
        frame[keep], name[keep], x=x[keep], y=y[keep], parents={3: 2, 4: 2}, length=6
    )


def path_of(folder, kind):
    return folder / (
        "results" if kind == "ctc" else "tracks.txt" if kind == "mot" else "tracks.csv"
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_written_is_recognized_and_read_back(tmp_path, kind):
    tracks = walkers()
    path = path_of(tmp_path, kind)
    write_tracks(path, tracks, format=kind, size=SIZE)
    assert recognize_format(path) == kind
    again = read_tracks(path)
    np.testing.assert_array_equal(again.frame, tracks.frame)
    np.testing.assert_array_equal(again.id, tracks.id)
    # A disc of whole pixels has its centroid within half a pixel of the point.
    tolerance = 0.5 if kind == "ctc" else 6e-4
    np.testing.assert_allclose(again.x, tracks.x, atol=tolerance)
    np.testing.assert_allclose(again.y, tracks.y, atol=tolerance)
    if kind in ("csv", "ctc"):
        assert again.parents == {3: 2, 4: 2}


@pytest.mark.parametrize("kind", FORMATS)
def test_no_points_are_written_and_read_back(tmp_path, kind):
    path = path_of(tmp_path, kind)
    write_tracks(path, Tracks.from_rows([], [], x=[], y=[], length=3), format=kind, size=SIZE)
    assert len(read_tracks(path, format=kind)) == 0
    if kind == "mot":
        with pytest.raises(UserError, match="is empty"):
            read_tracks(path)


def test_points_outside_the_frames_are_dropped_counted_and_warned_about(tmp_path, caplog):
    path = tmp_path / "gt.csv"
    path.write_text("frame,id,x,y\n0,1,-0.5,0\n0,2,-0.51,0\n0,3,79.4,59.4\n0,4,0,59.5\n9,5,1,1\n")
    with caplog.at_level(logging.WARNING):
        tracks = read_tracks(path, size=SIZE, length=9)
    assert tracks.id.tolist() == [1, 3]
    assert "dropped 3 of 5 points" in caplog.text
    assert "Line 3 of" in caplog.text
    assert len(read_tracks(path)) == 5, "test invalid: all points are wanted without a size"


@pytest.mark.parametrize(
    "text",
    [
        "frame,id,x,y\n0,1,5,5\n0,2,6,6\n0,1,7,7\n",
        "index,axis-0,axis-1,axis-2,track_id\n0,0,5,5,1\n1,0,6,6,2\n2,0,7,7,1\n",
        "TRACK_ID,POSITION_X,POSITION_Y,FRAME\n1,5,5,0\n2,6,6,0\n1,7,7,0\n",
        "# results\n1,1,5,5,2,2,1,-1,-1,-1\n1,2,6,6,2,2,1,-1,-1,-1\n1,1,7,7,2,2,1,-1,-1,-1\n",
    ],
)
def test_an_identity_twice_in_a_frame_is_refused_with_its_line(tmp_path, text):
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"Line 4 of .*points\.csv gives id 1 a second time"):
        read_tracks(path)


def test_feet_need_boxes(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("frame,id,x,y,w,h\n0,1,5,5,4,10\n")
    assert read_tracks(path, anchor="bottom").y.tolist() == [10.0]
    path.write_text("frame,id,x,y\n0,1,5,5\n")
    with pytest.raises(UserError, match=r"Line 2 of .*boxes\.csv has no box height"):
        read_tracks(path, anchor="bottom")


def test_pixel_size_and_frame_interval_are_carried(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("frame,id,x,y\n0,1,5,5\n")
    tracks = read_tracks(path, pixel_size=0.25, frame_interval=2.0)
    assert (tracks.pixel_size, tracks.frame_interval) == (0.25, 2.0)


def test_what_is_no_table_of_points_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("name,age\nAda,36\n")
    with pytest.raises(UserError, match=r"other\.csv is of no known format"):
        read_tracks(path)
    with pytest.raises(UserError, match=r"holds neither gt/gt\.txt"):
        read_tracks(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        read_tracks(tmp_path / "absent.csv")


def test_a_table_of_pandas_with_its_index_is_a_plain_table(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text(",frame,id,x,y\n0,0,7,5,6\n")
    assert recognize_format(path) == "csv"
    assert read_tracks(path).id.tolist() == [7]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "xml"}, "format must be auto or one of"),
        ({"anchor": "top"}, "anchor must be one of center, bottom"),
        ({"pixel_size": 0.0}, "pixel_size must be positive"),
        ({"frame_interval": -1.0}, "frame_interval must be positive"),
    ],
)
def test_wrong_arguments_of_reading_are_refused(tmp_path, arguments, message):
    path = tmp_path / "points.csv"
    path.write_text("frame,id,x,y\n0,1,5,5\n")
    with pytest.raises(ValueError, match=message):
        read_tracks(path, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "xml"}, "format must be one of"),
        ({"format": "ctc"}, "needs size="),
        ({"radius": 0.0}, "radius must be a positive"),
    ],
)
def test_wrong_arguments_of_writing_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_tracks(tmp_path / "points.csv", walkers(), **arguments)


def test_writing_does_not_change_the_tracks(tmp_path):
    tracks = walkers()
    before = dataclasses.asdict(tracks)
    for kind in FORMATS:
        write_tracks(path_of(tmp_path, kind), tracks, format=kind, size=SIZE)
    np.testing.assert_equal(dataclasses.asdict(tracks), before)
