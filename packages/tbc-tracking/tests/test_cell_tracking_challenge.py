"""Label images and lineages: centroids, gaps, crowding, and contradictions between the two."""

import logging

import numpy as np
import pytest
from PIL import Image

from tbc_tracking.formats import read_tracks, write_tracks
from tbc_tracking.formats.label_discs import draw_label_discs
from tbc_tracking.tracks import Tracks
from tenfold_shared.errors import UserError


@pytest.fixture
def truth(tmp_path):
    """Return a folder with one cell that divides."""
    folder = tmp_path / "01_GT" / "TRA"
    folder.mkdir(parents=True)
    for frame, boxes in enumerate([{7: (2, 4, 10, 13)}, {300: (2, 4, 8, 10), 9: (2, 4, 13, 15)}]):
        labels = np.zeros((20, 30), np.uint16)
        for label, (top, bottom, left, right) in boxes.items():
            labels[top:bottom, left:right] = label
        Image.fromarray(labels).save(folder / f"man_track{frame:03d}.tif", compression="tiff_lzw")
    (folder / "man_track.txt").write_text("7 0 0 0\n9 1 1 7\n300 1 1 7\n")
    return folder.parent


def test_truth_is_the_centroids_with_their_lineage(truth):
    tracks = read_tracks(truth)
    assert tracks.id.tolist() == [7, 9, 300]
    assert (tracks.x.tolist(), tracks.y.tolist()) == ([11, 13.5, 8.5], [2.5, 2.5, 2.5])
    assert (tracks.parents, tracks.length) == ({9: 7, 300: 7}, 2)
    assert len(read_tracks(truth / "TRA")) == len(read_tracks(truth / "TRA" / "man_track.txt")) == 3


@pytest.mark.parametrize(
    ("lineage", "message"),
    [
        ("7 0 0 0\n9 1 1 7\n", r"man_track001\.tif has label 300, which .* does not list there"),
        ("7 0 0 0\n9 0 0 7\n300 1 1 7\n", r"man_track001\.tif has label 9"),
        ("7 0 0 0\n7 1 1 7\n", r"Line 2 of .*ids must be new"),
        ("7 1 0 0\n", r"Line 1 of .*ids must be new"),
        ("7 0 0\n", "lacks the column parent"),
        ("7 0 zero 0\n", "Line 1 of .*last frame must be a number"),
    ],
)
def test_contradictions_and_damage_are_refused(truth, lineage, message):
    (truth / "TRA" / "man_track.txt").write_text(lineage)
    with pytest.raises(UserError, match=message):
        read_tracks(truth)


def test_label_images_must_be_there_and_alike(truth):
    Image.new("I;16", (30, 21)).save(truth / "TRA" / "man_track001.tif")
    with pytest.raises(UserError, match=r"man_track001\.tif differs in size"):
        read_tracks(truth)
    for file in truth.glob("TRA/*.tif"):
        file.unlink()
    with pytest.raises(UserError, match="holds no label images"):
        read_tracks(truth)


def test_gaps_are_filled_on_the_line_between_their_neighbors(tmp_path, caplog):
    tracks = Tracks.from_rows([0, 1, 4], [1, 1, 1], x=[10, 10, 19], y=[5, 6, 12], length=6)
    with caplog.at_level(logging.INFO):
        write_tracks(tmp_path / "out", tracks, format="ctc", size=(40, 20), radius=2)
    assert "filled 2 missing points" in caplog.text
    again = read_tracks(tmp_path / "out")
    assert again.frame.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(again.x, [10, 10, 13, 16, 19], atol=1e-9)
    np.testing.assert_allclose(again.y, [5, 6, 8, 10, 12], atol=1e-9)
    assert again.length == 6
    assert (tmp_path / "out" / "res_track.txt").read_text() == "1 0 4 0\n"


def test_large_ids_are_renumbered_with_their_parents(tmp_path):
    tracks = Tracks.from_rows(
        [0, 1, 1], [10**6, 10**7, 10**8], x=[5, 3, 8], y=[5, 5, 5], parents={10**7: 10**6}
    )
    write_tracks(tmp_path / "out", tracks, format="ctc", size=(20, 20), radius=1)
    assert (tmp_path / "out" / "res_track.txt").read_text() == "1 0 0 0\n2 1 1 1\n3 1 1 0\n"


def test_a_parent_that_lives_on_is_left_out_with_a_warning(tmp_path, caplog):
    tracks = Tracks.from_rows([0, 1, 1], [1, 1, 2], x=[5, 5, 9], y=[5, 5, 5], parents={2: 1})
    write_tracks(tmp_path / "out", tracks, format="ctc", size=(20, 20), radius=1)
    assert (tmp_path / "out" / "res_track.txt").read_text() == "1 0 1 0\n2 1 1 0\n"
    assert "id 2 begins before its parent 1 ends" in caplog.text


def test_masks_of_a_longer_sequence_are_not_left_among_new_ones(tmp_path):
    for length in (3, 3, 2):
        tracks = Tracks.from_rows([0], [1], x=[5], y=[5], length=length)
        if length == 3:
            write_tracks(tmp_path / "out", tracks, format="ctc", size=(20, 20))
    with pytest.raises(UserError, match=r"mask002\.tif belongs to other results"):
        write_tracks(tmp_path / "out", tracks, format="ctc", size=(20, 20))


def test_a_pixel_belongs_to_the_nearest_of_overlapping_discs():
    points, labels = np.array([[4.0, 5], [9, 5], [50, -7]]), np.array([1, 2, 3], np.uint16)
    picture = draw_label_discs(points, labels, size=(15, 11), radius=3.5)
    y, x = np.mgrid[0:11, 0:15]
    distance = np.hypot(x[..., None] - [4, 9, 14], y[..., None] - [5, 5, 0])
    expected = np.where(distance.min(-1) <= 3.5, distance.argmin(-1) + 1, 0)
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("radius", [0.5, 3.0])
def test_every_object_of_a_pile_keeps_a_pixel(radius):
    points, labels = np.full((9, 2), 3.2), np.arange(1, 10, dtype=np.uint16)
    assert not np.ptp(points), "test invalid: the points differ"
    picture = draw_label_discs(points, labels, size=(7, 7), radius=radius)
    assert set(labels.tolist()) <= set(picture.ravel().tolist())


def test_more_objects_than_pixels_and_no_radius_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        draw_label_discs(np.zeros((5, 2)), np.arange(1, 6, dtype=np.uint16), size=(2, 2), radius=1)
    with pytest.raises(ValueError, match="radius must be positive"):
        draw_label_discs(np.zeros((1, 2)), np.ones(1, np.uint16), size=(2, 2), radius=0)
