"""The command: every verb does what it says, refuses in one line, and leaves files alone when it fails."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_commands import refused, rows, run
from tiny_data import HEIGHT, LENGTH, WIDTH, tiny_tracks

from tbc_tracking.bound_trace import BoundTrace
from tbc_tracking.cli import VERBS, main
from tbc_tracking.density_network import DensityNetwork
from tbc_tracking.formats import read_tracks, write_tracks
from tbc_tracking.point_metrics import evaluate_points
from tbc_tracking.verbs.tables import read_numbers
from tenfold_shared.images import read_image

ASSETS = Path(__import__("tbc_tracking").__file__).parent / "assets"
COLLOIDS, NETWORK = ASSETS / "colloids.tif", ASSETS / "colloids.safetensors"


def test_every_verb_is_listed_with_a_sentence():
    listing = run("--help").stdout
    for verb in VERBS:
        (line,) = [text for text in listing.splitlines() if text.split()[:1] == [verb]]
        assert line.endswith("."), line


def test_track_finds_the_truth_on_exact_maps(tiny: Path, tmp_path: Path):
    (row,) = rows("track", tiny / "maps.npy", "--sigma", 2, "--out", tmp_path / "all")
    assert row["tracks"] == 4
    found = read_tracks(tmp_path / "all" / "tracks.csv")
    assert evaluate_points(tiny_tracks(), found, distance=1.0).mota == 1.0
    written = sorted(path.name for path in (tmp_path / "all").iterdir())
    assert written == ["blocks.csv", "counts.csv", "look_here.csv", "tracks.csv"]
    counts = read_numbers(tmp_path / "all" / "counts.csv", ("frame", "map", "tracks"))
    assert [line["tracks"] for line in counts] == [4] * LENGTH


def test_track_scales_to_frames_and_carries_units(tiny: Path, tmp_path: Path):
    out = tmp_path / "tracks.csv"
    rows(
        "track", tiny / "maps.tif", "--sigma", 2, "--map-stride", 2, "--out", out,
        "--pixel-size", 0.5, "--frame-interval", 2,
    )  # fmt: skip
    found = read_tracks(out)
    assert found.x.max() == pytest.approx(2 * (tiny_tracks().x.max() + 0.5) - 0.5, abs=0.5)
    header, first, *_ = out.read_text().splitlines()
    assert header.endswith("x_um,y_um,time_s")
    line = dict(zip(header.split(","), map(float, first.split(",")), strict=True))
    assert line["x_um"] == pytest.approx(line["x"] / 2, abs=1e-3)


@pytest.mark.parametrize("format", ["csv", "mot", "ctc", "trackmate", "fiji", "napari"])
def test_track_writes_every_format(tiny: Path, tmp_path: Path, format: str):
    out = tmp_path / "result"
    run("track", tiny / "maps.npy", "--sigma", 2, "--out", out, "--format", format)
    names = {"mot": out / "tracks.txt", "ctc": out}
    found = read_tracks(names.get(format, out / "tracks.csv"), format=format)
    assert len(found) == 4 * LENGTH


def test_the_ending_chooses_the_format(tiny: Path, tmp_path: Path):
    run("track", tiny / "maps.npy", "--sigma", 2, "--out", tmp_path / "tracks.txt")
    assert len(read_tracks(tmp_path / "tracks.txt", format="mot").ids) == 4


def test_perspective_of_equal_rows_is_one_sigma(tiny: Path, tmp_path: Path):
    flat, sloped = tmp_path / "flat.csv", tmp_path / "sloped.csv"
    run("track", tiny / "maps.npy", "--sigma", 2, "--out", flat)
    run("track", tiny / "maps.npy", "--sigma-perspective", 2, 2, "--out", sloped)
    assert flat.read_bytes() == sloped.read_bytes()


def test_certify_proves_a_bound(tiny: Path, tmp_path: Path):
    command = ("track", tiny / "maps.npy", "--sigma", 2, "--out", tmp_path / "tracks.csv")
    (alone,) = rows(*command)
    assert alone["bound"] is None, "test invalid: path search has a bound"
    (certified,) = rows(*command, "--certify")
    assert certified["bound"] <= certified["objective"] + 1e-6
    assert certified["proven"]
    (blocks,) = rows(*command, "--certify", "--block-frames", 4, "--overlap-frames", 2)
    assert blocks["blocks"] > 1
    assert blocks["objective"] is blocks["bound"] is None, "costs of blocks add up to nothing"
    assert blocks["proven"]


def test_a_preset_is_what_the_other_flags_start_from(tiny: Path, tmp_path: Path):
    help_of = {
        name: run("track", "--preset", name, "--help").stdout for name in ("default", "paper")
    }
    assert "default: hard" not in help_of["default"], "test invalid"
    assert "default: hard" in help_of["paper"]
    settings = tmp_path / "settings.toml"
    settings.write_text('preset = "paper"\n[settings.solver]\nsolver = "scipy"\n')
    (row,) = rows(
        "track", tiny / "maps.npy", "--sigma", 2, "--config", settings, "--windows.depth", 1,
        "--out", tmp_path / "tracks.csv",
    )  # fmt: skip
    assert row["solver"] == "scipy"


def test_fixed_points_stay_where_they_are(tiny: Path, tmp_path: Path):
    truth = tiny_tracks()
    moved = truth.select((truth.id == 1) & (truth.frame == 3))
    moved = type(truth).from_rows(moved.frame, [7], x=moved.x, y=moved.y + 3.0, length=LENGTH)
    write_tracks(tmp_path / "fixed.csv", moved)
    out = tmp_path / "tracks.csv"
    run("track", tiny / "maps.npy", "--sigma", 2, "--fixed", tmp_path / "fixed.csv", "--out", out)
    found = read_tracks(out)
    here = (found.frame == 3) & (found.id == 7)
    assert found.y[here] == pytest.approx(moved.y, abs=1e-3)


def test_density_track_and_render_with_the_shipped_network(tmp_path: Path):
    maps, overlay = tmp_path / "maps.npy", tmp_path / "overlay.gif"
    (row,) = rows("density", COLLOIDS, "--checkpoint", NETWORK, "--out", maps)
    assert np.load(maps).shape == (30, 64, 80)
    assert row["mean_count"] == pytest.approx(np.load(maps).sum() / 30, rel=1e-4)
    run("density", COLLOIDS, "--checkpoint", NETWORK, "--out", tmp_path / "maps.tif")
    one = ("track", COLLOIDS, "--checkpoint", NETWORK, "--out", tmp_path / "one.csv")
    run(*one, "--overlay", overlay)
    assert overlay.stat().st_size > 10_000
    two = ("track", maps, "--checkpoint", NETWORK, "--out", tmp_path / "two.csv")
    run(*two)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    (picture,) = rows(
        "render", COLLOIDS, tmp_path / "one.csv", "--frame", 9, "--stretch", "--zoom", 2,
        "--truth", ASSETS / "colloids.csv", "--out", tmp_path / "picture.png",
    )  # fmt: skip
    assert picture["frames"] == 1
    assert (tmp_path / "picture.png").exists()


def test_the_preset_per_frame_counts_without_identities(tiny: Path, tmp_path: Path):
    command = ("track", tiny / "maps.npy", "--sigma", 2, "--out", tmp_path / "points.csv")
    (linked,) = rows(*command)
    assert linked["tracks"] == 4, "test invalid: there are no links to leave out"
    (alone,) = rows(*command, "--preset", "per-frame")
    assert alone["tracks"] == alone["points"] == 4 * LENGTH
    found = read_tracks(tmp_path / "points.csv")
    assert evaluate_points(tiny_tracks(), found, distance=1.0).recall == 1.0


def test_without_links_only_places_and_counts_are_scored(tiny: Path):
    command = ("evaluate", tiny / "maps.npy", "--truth", tiny / "points.csv")
    command += ("--sigma", 2, "--distance", 2)
    identities = {"mota", "idf1", "hota", "switches", "fragmentations", "mostly_tracked"}
    scored = {row["name"].partition(": ")[2] for row in rows(*command)}
    assert identities < scored
    scored = {row["name"].partition(": ")[2] for row in rows(*command, "--preset", "per-frame")}
    assert scored == {"recall", "precision", "motp", "count_mae", "count_bias"}
    assert "mota" not in run(*command, "--preset", "per-frame").stdout


def test_bounds_are_of_the_program_that_the_flags_describe(tiny: Path, tmp_path: Path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "tbc_tracking.bound_trace.trace_bounds",
        lambda program, config, *, seed: (
            seen.append((program, config)) or BoundTrace(*(np.ones((3, 2)) * [[1], [9], [5]]))
        ),
    )
    command = ("plot", "bounds", "--maps", tiny / "maps.npy", "--sigma", 2, "--length", 4)
    command += ("--out", tmp_path / "bounds.png")
    run(*command)
    run(*command, "--preset", "paper")
    flags = ("--flow.turn", 0.5, "--solver.gap", 0.02, "--time-limit", 7)
    stopped = run(*command, *flags).stderr
    assert [program.windows.depth for program, _ in seen] == [1, 3, 1]
    assert [program.turn for program, _ in seen] == [0, 0, 0.5]
    assert [config.gap for _, config in seen] == [0.01, 0.01, 0.02]
    assert [config.time_limit for _, config in seen] == [600, 600, 7]
    assert "the time limit of 7 s stopped HiGHS at a gap of 0.44" in stopped


def test_simulate_is_seeded_and_renders_given_tracks(tiny: Path, tmp_path: Path):
    small = ("--frames", 6, "--people", 4, "--width", 40, "--height", 30)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("simulate", *small, "--seed", seed, "--out", tmp_path / name)
    a, b, c = (np.load(tmp_path / name / "maps.npy") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    (row,) = rows(
        "simulate", "--tracks", tiny / "points.csv", "--exact", "--width", 40, "--height", 32,
        "--out", tmp_path / "given",
    )  # fmt: skip
    assert row["points"] == 4 * LENGTH
    assert row["mean_map_sum"] == pytest.approx(4, abs=0.1)


def test_evaluate_shows_all_methods_and_their_figures(tiny: Path, monkeypatch: pytest.MonkeyPatch):
    grid = {"detector": ("peaks",), "threshold": (0.3, 0.5)}  # the real ones take longer
    monkeypatch.setattr("tbc_tracking.evaluation.BASELINES", {"peaks + Hungarian": grid})
    command = ("evaluate", tiny / "maps.npy", "--truth", tiny / "points.csv", "--sigma", 2)
    command = (*command, "--distance", 3, "--validate", "0:4", "--test", "4:8")
    table = run(*command).stdout
    for method in ("tracking by counting", "peaks + Hungarian", "map sum"):
        assert method in table
    figures = {row["name"]: row for row in rows(*command)}
    ours = figures["tracking by counting: mota"]
    assert ours["value"] == 1.0
    assert set(ours) >= {"value", "unit", "reference", "ratio", "seeds", "spread", "cpu_seconds"}
    overlapping = (*command[:-1], "3:8")
    assert "share" in refused(*overlapping, code=1)


def test_count_tells_crossings_and_regions(tmp_path: Path):
    truth = tiny_tracks()
    write_tracks(tmp_path / "tracks.csv", truth)
    found = rows(
        "count", tmp_path / "tracks.csv", "--lines", "10,0,10,31", "--regions",
        "0,0,10,0,10,31,0,31", "--frame-interval", 1, "--out", tmp_path / "counts.csv",
    )  # fmt: skip
    frame, region, line = found
    assert frame["mean"] == 4
    assert region["left"] == line["to_right"] + line["to_left"] == 2
    assert line["per_minute"] == pytest.approx(2 * 60 / LENGTH)
    assert (tmp_path / "counts.csv").read_text().count("\n") == 4


def test_count_puts_the_maps_beside_the_tracks(tiny: Path):
    regions = ("--regions", "40,-1,40,32,-1,32,-1,-1", "0,0,1,0,0,1")
    found = rows("count", tiny / "points.csv", "--maps", tiny / "maps.npy", *regions)
    frame, everything, corner = found
    assert frame["map_mean"] == pytest.approx(everything["map_mean"], rel=1e-5)
    assert frame["map_mean"] == pytest.approx(4, abs=0.2)
    assert corner["map_mean"] < 0.1
    short = ("--maps", tiny / "maps.npy", "--map-stride", 0)
    assert "map_stride must be" in refused("count", tiny / "points.csv", *short, code=1)


def test_count_of_nothing_is_zero_and_told(tiny: Path, tmp_path: Path):
    empty = tmp_path / "tracks.csv"
    empty.write_text("frame,id,x,y\n")
    places = ("--lines", "10,0,10,31", "--regions", "0,0,10,0,10,31,0,31")
    result = run("count", empty, *places, "--json", "--out", tmp_path / "counts.csv")
    assert "tracks.csv holds no points, so all counts are 0" in result.stderr
    frame, region, line = map(json.loads, result.stdout.splitlines())
    assert (frame["mean"], frame["frames"]) == (0, 0)
    assert region["entered"] == region["left"] == line["to_right"] == line["to_left"] == 0
    assert (tmp_path / "counts.csv").read_text().count("\n") == 4
    (beside,) = rows("count", empty, "--maps", tiny / "maps.npy")
    assert (beside["frames"], beside["mean"]) == (LENGTH, 0)
    assert beside["map_mean"] > 3.5


def test_maps_are_shown_where_there_are_no_frames(tiny: Path, tmp_path: Path):
    out = tmp_path / "picture.png"
    shown = ("--frame", 3, "--map-stride", 3, "--out", out)
    run("render", tiny / "maps.npy", tiny / "points.csv", *shown)
    assert read_image(out).shape == (3, 3 * HEIGHT, 3 * WIDTH)
    assert read_image(out).std() > 0.05, "neither the maps nor the tracks are seen"
    (row,) = rows("render", tiny / "maps.npy", tiny / "points.csv", "--out", tmp_path / "a.gif")
    assert row["frames"] == LENGTH
    points = ("--tracks", tiny / "points.csv", "--frames", tiny / "maps.npy")
    run("plot", "tracks", *points, "--out", out)


def test_train_prints_the_calibration_that_is_applied(tiny: Path, tmp_path: Path):
    small = ("--sigma", 1, "--steps", 1, "--widths", 2, 4, "--crop", 16, "--batch", 2)
    command = ("train", tiny, *small, "--validate", "6:8", "--calibration", "rows")
    (row,) = rows(*command, "--out", tmp_path / "run")
    network = DensityNetwork.load(tmp_path / "run" / "density.safetensors")
    applied = network.description.calibration
    assert not 0.5 <= applied.scale <= 2, "test invalid: nothing is cut off"
    assert row["calibration"] == applied.at(0)
    assert row["calibration_of_last_row"] == applied.at(HEIGHT // 2 - 1)


def test_export_mps_writes_what_the_solvers_are_given(tiny: Path, tmp_path: Path):
    import highspy

    out = tmp_path / "program.mps"
    (row,) = rows("export-mps", tiny / "maps.npy", "--sigma", 2, "--stop", 4, "--out", out)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.readModel(str(out))
    assert highs.getNumCol() == row["columns"]
    assert highs.getNumRow() == row["rows"]
    highs.run()
    command = ("--sigma", 2, "--solver", "highs", "--solver.gap", 0, "--candidates.renewals", 0)
    maps = tmp_path / "four.npy"
    np.save(maps, np.load(tiny / "maps.npy")[:4])
    (solved,) = rows("track", maps, *command, "--out", tmp_path / "tracks.csv")
    assert highs.getInfo().objective_function_value == pytest.approx(solved["objective"], rel=1e-4)


def test_solvers_are_listed():
    listed = {row["solver"]: row for row in rows("solvers")}
    assert listed["paths"]["installed"]
    assert listed["highs"]["starts_from_paths"]


def test_info_and_data_tell_what_is_there(tiny: Path, tmp_path: Path):
    told = {row["name"]: row["value"] for row in rows("info", NETWORK)}
    assert told["kind"] == "unet"
    assert told["stride"] == 2
    facts = {row["name"]: row["value"] for row in rows("data", tiny)}
    assert facts["frames"] == LENGTH
    assert facts["points"] == 4 * LENGTH
    assert "points.csv" in run("data").stdout
    (tmp_path / "empty").mkdir()
    assert "holds no points" in refused("data", tmp_path / "empty", code=1)


@pytest.mark.parametrize("kind", ["density", "space-time", "counts", "residuals", "timeline"])
def test_plot_draws_every_kind(tiny: Path, tmp_path: Path, kind: str):
    out = tmp_path / "picture.png"
    points = ("--tracks", tiny / "points.csv", "--truth", tiny / "points.csv")
    more = ("--maps", tiny / "maps.npy", "--sigma", 2, "--distance", 3, "--out", out)
    run("plot", kind, *points, *more)
    assert out.read_bytes().startswith(b"\x89PNG")


def test_plot_draws_tracks_and_blocks(tiny: Path, tmp_path: Path):
    run(
        "plot",
        "tracks",
        "--frames",
        tiny,
        "--tracks",
        tiny / "points.csv",
        "--out",
        tmp_path / "t.svg",
    )
    run("track", tiny / "maps.npy", "--sigma", 2, "--certify", "--out", tmp_path / "all")
    run("plot", "blocks", "--blocks", tmp_path / "all" / "blocks.csv", "--out", tmp_path / "b.pdf")
    out = tmp_path / "bounds.png"
    run("plot", "bounds", "--maps", tiny / "maps.npy", "--sigma", 2, "--length", 6, "--out", out)
    assert out.exists()
    assert "is no table" in refused("plot", "blocks", "--blocks", tiny / "points.csv", code=1)


def test_a_failed_command_leaves_what_was_there(tiny: Path, tmp_path: Path):
    out = tmp_path / "tracks.csv"
    run("track", tiny / "maps.npy", "--sigma", 2, "--out", out)
    before = out.read_bytes()
    damaged = tmp_path / "maps.npy"
    maps = np.load(tiny / "maps.npy")
    maps[5, 3, 3] = np.nan
    np.save(damaged, maps)
    assert "NaN" in refused("track", damaged, "--sigma", 2, "--out", out, code=1)
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps.npy", "tracks.csv"]


def test_a_bug_stays_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def broken(*args: object, **settings: object) -> None:
        np.zeros(3).reshape(2, 2)

    monkeypatch.setattr("tbc_tracking.crowd.simulate_crowd", broken)
    with pytest.raises(ValueError, match="reshape"):
        main(["simulate", "--out", str(tmp_path / "crowd")])


def test_debug_shows_where_a_setting_was_refused(tiny: Path):
    with pytest.raises(ValueError, match="expected x0"):
        main(["count", str(tiny / "points.csv"), "--lines", "1", "--debug"])
