"""The table of tracks: sorted, checked, and cut without surprises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbc_tracking.tracks import COLUMNS, Tracks


def example(**given):
    rows = {
        "frame": [2, 0, 0, 1, 2],
        "id": [7, 9, 3, 3, 3],
        "x": [5.0, 1.0, 2.0, 3.0, 4.0],
        "y": [0.0, 1.0, 2.0, 3.0, 4.0],
    } | given
    return Tracks.from_rows(rows.pop("frame"), rows.pop("id"), **rows)


def test_rows_are_sorted_by_frame_and_then_by_id():
    tracks = example(confidence=[0.1, 0.2, 0.3, 0.4, 0.5])
    assert tracks.frame.tolist() == [0, 0, 1, 2, 2]
    assert tracks.id.tolist() == [3, 9, 3, 3, 7]
    assert tracks.x.tolist() == [2, 1, 3, 4, 5]
    assert tracks.confidence.tolist() == [0.3, 0.2, 0.4, 0.5, 0.1]
    assert tracks.length == 3
    assert tracks.ids.tolist() == [3, 7, 9]
    assert len(tracks) == 5


def test_defaults_are_repeated_for_every_point():
    tracks = example()
    assert (tracks.confidence == 1).all()
    assert not tracks.interpolated.any()
    assert np.isnan(tracks.width).all()
    assert {len(getattr(tracks, name)) for name in COLUMNS} == {5}


def test_no_points_are_a_sequence_too():
    tracks = Tracks.from_rows([], [], x=[], y=[], length=4)
    assert tracks.counts().tolist() == [0, 0, 0, 0]
    assert Tracks.from_rows([], [], x=[], y=[]).length == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"x": [1.0, 2.0]}, r"every column must have 5 rows.*got x with shape \(2,\)"),
        ({"y": [0, 1, 2, np.nan, 4]}, "must be finite: drop points"),
        ({"x": [0, 1, 2, np.inf, 4]}, "must be finite"),
        ({"frame": [2, 0, 0, -1, 2]}, r"frames must lie in \[0, 3\), got -1 to 2"),
        ({"length": 2}, r"frames must lie in \[0, 2\), got 0 to 2; pass length"),
        ({"id": [3, 9, 3, 3, 3]}, "once per frame, got id 3 twice in frame 2"),
    ],
)
def test_what_no_part_can_work_with_is_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        example(**given)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), unique=True, max_size=30))
def test_counts_and_cuts_agree_with_loops(cells):
    frame, name = np.array(cells, int).reshape(-1, 2).T
    tracks = Tracks.from_rows(frame, name, x=frame * 1.0, y=name * 1.0, length=11)
    assert tracks.counts().tolist() == [sum(f == t for f, _ in cells) for t in range(11)]
    part = tracks.between(3, 7)
    assert part.length == 4
    expected = sorted((f - 3, n) for f, n in cells if 3 <= f < 7)
    assert list(zip(part.frame.tolist(), part.id.tolist(), strict=True)) == expected


def test_a_cut_beyond_the_end_is_as_long_as_what_is_there():
    assert example(length=10).between(8, 99).length == 2


def test_lineage_is_kept_only_between_ids_that_are_left():
    tracks = example(parents={7: 3, 9: 3})
    assert tracks.parents == {7: 3, 9: 3}
    assert tracks.select(tracks.id != 9).parents == {7: 3}
    assert tracks.select(tracks.id != 3).parents == {}
