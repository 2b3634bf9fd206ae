"""Baselines: detectors that find lone objects, linking as the assignment of the loops."""

import numpy as np
import pytest
from tiny_programs import render

from tbc_tracking.baselines import BaselineConfig, detect, link_detections
from tbc_tracking.evaluation import MapSequence, by_count, by_mota, tune_baseline
from tbc_tracking.object_size import ObjectSize
from tbc_tracking.tracks import Tracks

SIZE = ObjectSize(intercept=1.6)


@pytest.mark.parametrize("detector", ["peaks", "deconvolution"])
def test_lone_objects_are_found_in_their_places_with_a_score_of_one(detector):
    points = [(0, 6.3, 8.0), (0, 19.6, 9.4), (2, 12.0, 12.0)]
    maps = render(points, frames=3, sigma=1.6, shape=(24, 28))
    found = detect(maps, detector, size=SIZE)
    strong = found[found[:, 3] > 0.5]
    assert strong[:, 0].tolist() == [0, 0, 2]
    for t, x, y, score in strong:
        assert min(np.hypot(x - a, y - b) for s, a, b in points if s == t) < 0.35
        assert score == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("smoothing", [0.25, 0.5, 1.0])
def test_the_score_of_a_peak_is_in_objects_whatever_the_smoothing(smoothing):
    maps = render([(0, 12.0, 12.0)], frames=1, sigma=1.6, shape=(24, 28))
    for mass in (1.0, 0.4):
        found = detect(mass * maps, "peaks", size=SIZE, smoothing=smoothing)
        assert found[:, 3].max() == pytest.approx(mass, rel=0.06)


def test_an_empty_video_has_nothing():
    for detector in ("peaks", "deconvolution"):
        found = detect(np.zeros((3, 24, 28), np.float32), detector, size=SIZE)
        tracks = link_detections(found, 3, size=SIZE, config=BaselineConfig(gap_frames=2))
        assert len(tracks) == 0
        assert tracks.length == 3


def table(rows):
    return np.array([(t, x, y, 1.0) for t, x, y in rows])


def test_the_threshold_decides_who_counts():
    rows = table([(0, 5.0, 5.0), (1, 5.0, 5.0)])
    rows[1, 3] = 0.3
    for threshold, count in ((0.2, 2), (0.5, 1), (1.0, 0)):
        config = BaselineConfig(threshold=threshold)
        assert len(link_detections(rows, 2, size=SIZE, config=config)) == count


def test_links_are_the_cheapest_within_reach():
    # Greedy would link 5 -> 6 and leave the others alone; together they are cheaper crosswise.
    rows = table([(0, 5.0, 5.0), (0, 7.4, 5.0), (1, 6.4, 5.0), (1, 8.6, 5.0), (1, 20.0, 20.0)])
    config = BaselineConfig(reach=1.0)  # 1.6 pixels
    tracks = link_detections(rows, 2, size=SIZE, config=config)
    names = {
        (int(t), float(x)): int(k)
        for t, x, k in zip(tracks.frame, tracks.x, tracks.id, strict=True)
    }
    assert names[0, 5.0] == names[1, 6.4]
    assert names[0, 7.4] == names[1, 8.6]
    assert len(tracks.ids) == 3
    short = link_detections(rows, 2, size=SIZE, config=BaselineConfig(reach=0.5))
    assert len(short.ids) == 5


def test_gaps_are_closed_only_when_asked_for():
    rows = table([(t, 5.0, 5.0) for t in (0, 1, 4, 5)])
    names = [
        len(link_detections(rows, 6, size=SIZE, config=BaselineConfig(gap_frames=gap)).ids)
        for gap in (0, 1, 2, 3)
    ]
    assert names == [2, 2, 1, 1]
    closed = link_detections(rows, 6, size=SIZE, config=BaselineConfig(gap_frames=2))
    assert closed.interpolated.tolist() == [False, False, True, True, False, False]


def test_a_baseline_is_tuned_by_what_it_is_asked_for():
    strong, weak, wrong = (10.0, 10.0), (22.0, 10.0), (34.0, 10.0)
    maps = sum(
        mass * render([(t, *place) for t in range(3)], frames=3, sigma=1.6, shape=(20, 44))
        for mass, place in ((1.0, strong), (0.25, weak), (0.45, wrong))
    )
    frame = np.repeat(np.arange(3), 2)
    x, y = np.array([strong, weak] * 3).T
    truth = Tracks.from_rows(frame=frame, id=np.tile([1, 2], 3), x=x, y=y, length=3)
    sequence = MapSequence(maps=maps, truth=truth)
    grid = {"detector": ("peaks",), "threshold": (0.35, 0.7), "smoothing": (0.3,)}
    chosen = [
        tune_baseline(grid, [sequence], size=SIZE, distance=2.0, value=value).threshold
        for value in (by_mota, by_count)
    ]
    assert chosen == [0.7, 0.35]  # one false and one missed point count right, and match badly
