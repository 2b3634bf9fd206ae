"""Plain CSV: any order of columns, optional ones, and complaints that name the line."""

import numpy as np
import pytest

from tbc_tracking.formats import read_tracks, write_tracks
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError


def write(folder, text, *, encoding="utf-8"):
    path = folder / "points.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "frame,id,x,y,w,h\n0,4,1.5,2,3,4\n2,4,2.5,3,3,4\n",
        "y,x,height,ID,width,Frame\n2,1.5,4,4,3,0\n3,2.5,4,4,3,2\n",
        '"frame";"id";"x";"y";"w";"h"\r\n0;4;1,5;2;3;4\r\n2;4;2,5;3;3;4\r\n',
        "\ufeffframe\tid\tx\ty\tw\th\n0\t4.0\t1.5\t2\t3\t4\n\n2\t4\t2.5\t3\t3\t4\n",
        "# made by hand\nframe id  x y w h\n0   4 1.5 2 3 4\n 2 4 2.5 3 3 4\n",
        "frame,id,x,y,w,h,note\n2,4,2.5,3,3,4,\n0,4,1.5,2,3,4,first\n",
    ],
    ids=["plain", "order and case", "semicolons", "tabs", "blanks", "other columns"],
)
def test_the_same_points_in_every_spelling(tmp_path, text):
    tracks = read_tracks(write(tmp_path, text))
    assert tracks.frame.tolist() == [0, 2]
    assert tracks.id.tolist() == [4, 4]
    assert (tracks.x.tolist(), tracks.y.tolist()) == ([1.5, 2.5], [2, 3])
    assert (tracks.width.tolist(), tracks.height.tolist()) == ([3, 3], [4, 4])
    assert (tracks.length, tracks.confidence.tolist()) == (3, [1, 1])


def test_points_without_id_get_one_each_and_a_warning(tmp_path, caplog):
    tracks = read_tracks(write(tmp_path, "frame,x,y\n0,1,1\n0,2,2\n1,1,1\n"))
    assert len(tracks.ids) == 3
    assert "has no identities" in caplog.text


def test_everything_that_tracks_know_survives_a_round(tmp_path):
    tracks = Tracks.from_rows(
        [0, 1, 2],
        [1, 1, 2],
        x=[1.23456, 2, 3],
        y=[0, 0.1, -0.25],
        confidence=[1, 0.5, 0.25],
        interpolated=[False, True, False],
        width=[4, np.nan, 5],
        height=[8, np.nan, 9],
        parents={2: 1},
        pixel_size=0.5,
        frame_interval=0.04,
    )
    path = tmp_path / "out.csv"
    write_tracks(path, tracks)
    lines = path.read_text().splitlines()
    assert lines[0] == "frame,id,x,y,w,h,confidence,interpolated,parent,x_um,y_um,time_s"
    assert lines[1] == "0,1,1.2346,0,4,8,1,0,,0.6173,0,0"
    assert lines[2] == "1,1,2,0.1,,,0.5,1,,1,0.05,0.04"
    again = read_tracks(path)
    assert again.interpolated.tolist() == [False, True, False]
    assert again.confidence.tolist() == [1, 0.5, 0.25]
    np.testing.assert_array_equal(again.width, tracks.width)
    assert again.parents == {2: 1}


def test_unknown_facts_leave_no_columns(tmp_path):
    write_tracks(tmp_path / "out.csv", Tracks.from_rows([0], [1], x=[1], y=[2]))
    assert (tmp_path / "out.csv").read_text() == (
        "frame,id,x,y,confidence,interpolated\n0,1,1,2,1,0\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,x\n1,2\n", "lacks the columns frame, y; its first line names id, x"),
        ("frame,id,x,y\n0,1,2,3\n0,2,two,3\n", r"Line 3 of .*: x must be a number, got 'two'"),
        ("frame,id,x,y\n0,1,nan,3\n", r"Line 2 of .*: x must be a number, got 'nan'"),
        ("frame,id,x,y\n0,1,,3\n", r"Line 2 of .*: x must be a number, got ''"),
        ("frame,id,x,y\n0.5,1,2,3\n", r"Line 2 of .*: frame must be an integer, got '0.5'"),
        ("frame,id,x,y\n0,1e30,2,3\n", r"Line 2 of .*: id must be an integer"),
        ("frame,id,x,y\n-1,1,2,3\n", r"Line 2 of .* has a point in frame -1"),
        ("frame,id,x,y\n99999999,1,2,3\n", r"Line 2 of .* has a point in frame 99999999"),
        ("frame,id,x,y\n0,1,2\n", r"Line 2 of .* has 3 cells, but the first line has 4"),
        ("frame,id,x,y\n\n0,1,2,3,4\n", r"Line 3 of .* has 5 cells"),
        ("frame,id,x,y,x\n0,1,2,3,4\n", "names the column 'x' twice"),
        ("", "is empty"),
        ("\n \n", "is empty"),
    ],
)
def test_complaints_name_the_file_the_line_and_the_cell(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_tracks(write(tmp_path, text), format="csv")


def test_latin_1_and_a_file_that_cannot_be_opened(tmp_path):
    assert (
        len(read_tracks(write(tmp_path, "frame,id,x,y,x (µm)\n0,1,2,3,4\n", encoding="latin-1")))
        == 1
    )
    with pytest.raises(UserError, match="cannot be read"):
        read_tracks(tmp_path, format="csv")
