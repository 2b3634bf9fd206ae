"""TrackMate tables: with and without the three further header lines, in pixels and physical units."""

import pytest

from tbc_tracking.formats import read_tracks, write_tracks
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError

COLUMNS = "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME\n"
SPOTS = "ID1,1,0,9,2.0,4.0,0,0.0,0\nID2,2,,9,8,8,0,0.0,0\nID3,3,0,9,2.5,4.5,0,30.0,1\n"


def header(space="micron", time="sec"):
    names = "Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame\n"
    return f"{COLUMNS}{names * 2},,,(quality),({space}),({space}),({space}),({time}),\n"


def write(folder, text):
    path = folder / "spots.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("unit", "scale"), [("micron", 1), ("µm", 1), ("μm", 1), ("nm", 1000), ("mm", 0.001)]
)
def test_physical_units_become_pixels(tmp_path, unit, scale, caplog):
    text = header(unit) + SPOTS.replace("2.0,4.0", f"{2 * scale},{4 * scale}").replace(
        "2.5,4.5", f"{2.5 * scale},{4.5 * scale}"
    )
    tracks = read_tracks(write(tmp_path, text), pixel_size=0.5)
    assert tracks.x.tolist() == pytest.approx([4, 5])
    assert tracks.y.tolist() == pytest.approx([8, 9])
    assert (tracks.frame.tolist(), tracks.id.tolist()) == ([0, 1], [0, 0])
    assert (tracks.pixel_size, tracks.frame_interval) == (0.5, 30.0)
    assert "dropped 1 spots without a track" in caplog.text


def test_pixels_need_no_pixel_size(tmp_path):
    tracks = read_tracks(write(tmp_path, header("pixel", "frame") + SPOTS), pixel_size=0.5)
    assert tracks.x.tolist() == [2, 2.5]
    assert tracks.frame_interval is None


def test_older_tables_have_one_header_line_and_tell_no_unit(tmp_path):
    path = write(tmp_path, COLUMNS + SPOTS.replace(",,", ",None,"))
    assert read_tracks(path).x.tolist() == [2, 2.5]
    assert read_tracks(path, pixel_size=0.5).x.tolist() == [4, 5]


def test_a_table_without_any_track_is_one_of_points(tmp_path):
    text = COLUMNS + "ID1,1,,9,2,4,0,0,0\nID2,2,,9,8,8,0,0,0\n"
    assert len(read_tracks(write(tmp_path, text)).ids) == 2


def test_physical_positions_without_a_pixel_size_are_refused(tmp_path):
    with pytest.raises(UserError, match="positions in micron; tell the pixel size"):
        read_tracks(write(tmp_path, header() + SPOTS))
    with pytest.raises(UserError, match="'parsec', which is none of"):
        read_tracks(write(tmp_path, header("parsec") + SPOTS), pixel_size=1)


def test_a_track_that_splits_is_refused_with_the_way_out(tmp_path):
    text = COLUMNS + "ID1,1,0,9,2,4,0,0,0\nID2,2,0,9,8,8,0,0,0\n"
    with pytest.raises(UserError, match="switch splitting and merging off"):
        read_tracks(write(tmp_path, text))


def test_units_survive_a_round(tmp_path):
    tracks = Tracks.from_rows(
        [0, 1], [3, 3], x=[2, 3], y=[4, 5], pixel_size=0.5, frame_interval=2.0
    )
    write_tracks(tmp_path / "out.csv", tracks, format="trackmate")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[3] == ",,,(quality),(micron),(micron),(micron),(sec),"
    assert lines[5] == "ID1,1,3,1.0000,1.5,2.5,0,2,1"
    again = read_tracks(tmp_path / "out.csv", pixel_size=0.5)
    assert (again.x.tolist(), again.frame_interval) == ([2, 3], 2.0)
