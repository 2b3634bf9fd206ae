"""The demonstration: it says what it should, beats its baseline, and ships what it says it ships."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from tbc_tracking.baselines import BaselineConfig, detect
from tbc_tracking.cli import main
from tbc_tracking.demo import (
    CROWD_DISTANCE,
    CROWD_SIZE,
    compare_on_crowd,
    tune_threshold,
)
from tbc_tracking.point_metrics import evaluate_points
from tenfold_shared.datasets import verify_sha256
from tenfold_shared.testing import run_command

ASSETS = files("tbc_tracking") / "assets"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict]]:
    """The folder of the pictures, and the printed rows under their names."""
    folder = tmp_path_factory.mktemp("demo")
    result = run_command(main, ["demo", "--out", folder, "--device", "cpu", "--json"])
    assert result.code == 0, result.stderr
    rows = map(json.loads, result.stdout.splitlines())
    return folder, {row["name"]: row for row in rows}


def test_demo_writes_pictures_and_a_table(shown: tuple[Path, dict[str, dict]]):
    folder, rows = shown
    assert len(list(folder.glob("*.png"))) == 4
    assert len(rows) == 14
    for row in rows.values():
        assert row["ratio"] == pytest.approx(row["value"] / row["reference"])


@pytest.mark.parametrize("score", ["MOTA", "IDF1", "HOTA"])
def test_the_printed_rows_show_what_the_method_is_better_at(
    shown: tuple[Path, dict[str, dict]], score: str
):
    colloids = shown[1][f"real colloids: {score} against the reference"]
    assert colloids["reference"] > 0.75, "test invalid: the baseline is not what it could be"
    assert colloids["value"] > colloids["reference"]
    crowd = shown[1][f"simulated crowd: {score} against the truth"]
    assert crowd["value"] > crowd["reference"] + 0.05


def test_the_printed_counts_stand_beside_those_of_the_map(shown: tuple[Path, dict[str, dict]]):
    crowd = shown[1]["simulated crowd: count MAE against the truth"]
    assert crowd["value"] < crowd["reference"]
    for name in ("real colloids", "simulated crowd"):
        (of_map,) = (row for key, row in shown[1].items() if name in key and "map sum" in key)
        assert 0 < of_map["value"] < 5


def test_the_model_card_holds_what_is_printed(shown: tuple[Path, dict[str, dict]]):
    card = " ".join((ASSETS / "MODEL_CARD.md").read_text("utf-8").split())
    for label in ("MOTA", "recall", "precision", "count MAE", "count MAE of the map sum"):
        row = shown[1][f"real colloids: {label} against the reference"]
        (written,) = re.findall(rf"(?<=, ){label} (\d\.\d+) \((\d\.\d+)\)", card)
        near = 0.15 if "count" in label else 0.015
        assert [float(x) for x in written] == pytest.approx(
            [row["value"], row["reference"]], abs=near
        )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_crowd_is_tracked_better_than_by_the_baseline(seed: int):
    _, crowd = compare_on_crowd(seed=seed)
    ours = evaluate_points(crowd.truth, crowd.ours, distance=crowd.distance)
    baseline = evaluate_points(crowd.truth, crowd.baseline, distance=crowd.distance)
    assert baseline.mota > 0.4, "test invalid: the baseline is not what it could be"
    assert ours.mota > baseline.mota + 0.05
    assert ours.count_mae < baseline.count_mae


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
