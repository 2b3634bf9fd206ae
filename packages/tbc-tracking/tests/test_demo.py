"""The demonstration: it says what it should, beats its baseline, and ships what it says it ships."""

import re
from importlib.resources import files

import pytest

from tbc_tracking.baselines import BaselineConfig, detect
from tbc_tracking.cli import main
from tbc_tracking.demo import (
    CROWD_DISTANCE,
    CROWD_SIZE,
    compare_on_colloids,
    compare_on_crowd,
    tune_threshold,
)
from tbc_tracking.point_metrics import evaluate_points
from tenfold_shared.datasets import verify_sha256
from tenfold_shared.testing import run_command

ASSETS = files("tbc_tracking") / "assets"


def test_demo_writes_pictures_and_a_table(tmp_path):
    result = run_command(main, ["demo", "--out", tmp_path, "--device", "cpu"])
    assert result.code == 0, result.stderr
    assert len(list(tmp_path.glob("*.png"))) == 4
    for text in ("real colloids: MOTA", "simulated crowd: HOTA", "count MAE", "reference"):
        assert text in result.stdout


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_crowd_is_tracked_better_than_by_the_baseline(seed: int):
    _, crowd = compare_on_crowd(seed=seed)
    ours = evaluate_points(crowd.truth, crowd.ours, distance=crowd.distance)
    baseline = evaluate_points(crowd.truth, crowd.baseline, distance=crowd.distance)
    assert baseline.mota > 0.4, "test invalid: the baseline is not what it could be"
    assert ours.mota > baseline.mota + 0.05
    assert ours.count_mae < baseline.count_mae


def test_the_colloids_agree_with_the_reference_at_least_as_well():
    frames, colloids = compare_on_colloids(device="cpu")
    assert len(frames) == colloids.truth.length == 24
    ours = evaluate_points(colloids.truth, colloids.ours, distance=colloids.distance)
    baseline = evaluate_points(colloids.truth, colloids.baseline, distance=colloids.distance)
    assert ours.recall > 0.85
    assert ours.precision > 0.85
    assert ours.mota >= baseline.mota


def test_the_threshold_is_the_best_of_the_given_ones():
    maps, crowd = compare_on_crowd(seed=3)
    points = detect(maps, "peaks", size=CROWD_SIZE)
    chosen = tune_threshold(
        points,
        crowd.truth,
        size=CROWD_SIZE,
        config=BaselineConfig(),
        distance=CROWD_DISTANCE,
        thresholds=[0.3, 50.0],
    )
    assert chosen.threshold == 0.3, "at 50 peaks nothing is left"


def test_the_shipped_recordings_are_those_that_the_notice_names():
    notice = (ASSETS / "THIRD_PARTY.md").read_text("utf-8")
    named = re.findall(r"^([0-9a-f]{64})  (\S+)$", notice, re.MULTILINE)
    assert {name for _, name in named} == {"colloids.csv", "colloids.tif"}
    for digest, name in named:
        verify_sha256(ASSETS / name, digest)
