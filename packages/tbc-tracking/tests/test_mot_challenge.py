"""MOTChallenge counts frames and pixels from 1, and marks boxes that are not evaluated."""

import pytest

from tbc_tracking.formats import read_tracks, write_tracks
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError

INFO = """[Sequence]
name=MOT17-04
imDir=img1
frameRate=25
seqLength=9
imWidth=80
imHeight=60
imExt=.jpg
"""


@pytest.fixture
def sequence(tmp_path):
    folder = tmp_path / "MOT17-04"
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(INFO)
    (folder / "gt" / "gt.txt").write_text(
        "1,1,1,1,4,10,1,1,0.9\n2,1,3,1,4,10,1,1,0.8\n1,2,30,30,4,10,0,8,1\n3,3,70,55,30,40,1,1,0.1\n"
    )
    return folder


def test_a_folder_tells_size_length_and_interval(sequence, caplog):
    tracks = read_tracks(sequence)
    # Their corner 1 is our 0, and half of the box is 2 by 5.
    assert (tracks.x.tolist(), tracks.y.tolist()) == ([2, 4], [5, 5])
    assert tracks.frame.tolist() == [0, 1]
    assert (tracks.length, tracks.frame_interval) == (9, 0.04)
    assert "dropped 1 of 3 points" in caplog.text, "the box at the edge has its center outside"
    assert read_tracks(sequence / "gt" / "gt.txt").length == 9
    assert read_tracks(sequence, anchor="bottom").y.tolist() == [10, 10]


def test_a_folder_without_facts_is_read_too(sequence):
    (sequence / "seqinfo.ini").unlink()
    tracks = read_tracks(sequence)
    assert (len(tracks), tracks.length, tracks.frame_interval) == (3, 3, None)


@pytest.mark.parametrize(
    "text", ["", "frameRate=25", "[Sequence]\nframeRate=fast", "[Sequence]\nimWidth=-1", "[S]\n[S]"]
)
def test_damaged_facts_are_refused(sequence, text):
    (sequence / "seqinfo.ini").write_text(text)
    with pytest.raises(UserError, match=r"seqinfo\.ini"):
        read_tracks(sequence)


def test_scores_of_results_become_confidences(tmp_path):
    path = tmp_path / "results.txt"
    path.write_text("1 1 1 1 4 10 0.5\n1 2 1 1 4 10 -1\n1 3 1 1 4 10 87\n1 4 1 1 4 10 0\n")
    assert read_tracks(path).confidence.tolist() == [0.5, 1, 1, 0]


def test_detections_without_identities_get_their_own(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("1,-1,1,1,4,10,0.5\n1,-1,9,1,4,10,0.5\n")
    assert len(read_tracks(path).ids) == 2


def test_frames_from_zero_are_refused(tmp_path):
    path = tmp_path / "results.txt"
    path.write_text("1,1,1,1,4,10,1\n0,1,1,1,4,10,1\n")
    with pytest.raises(UserError, match=r"Line 2 of .*frames of MOTChallenge start at 1, got 0"):
        read_tracks(path)


def test_points_without_a_box_are_written_with_one(tmp_path):
    path = tmp_path / "results.txt"
    tracks = Tracks.from_rows([0, 0], [1, 2], x=[10, 20], y=[10, 20], width=[2, float("nan")])
    write_tracks(path, tracks, format="mot", radius=4)
    assert path.read_text() == (
        "1,1,10.000,7.000,2.000,8.000,1.0000,-1,-1,-1\n"
        "1,2,17.000,17.000,8.000,8.000,1.0000,-1,-1,-1\n"
    )
