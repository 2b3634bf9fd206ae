"""What users hand over by mistake: damaged files, settings and data that do not fit; one sentence each."""

import io
import logging
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_commands import refused

from tbc_tracking.density_maps import open_density
from tbc_tracking.formats import FORMATS, read_tracks, write_tracks
from tbc_tracking.frames import open_frames
from tbc_tracking.tracks import Tracks
from tbc_tracking.video import write_video
from tenfold_shared.testing import damaged_files, refusal

DAMAGED = 2000
SIZE = (24, 18)


def tracks():
    frame, name = (values.ravel() for values in np.mgrid[0:3, 1:4])
    return Tracks.from_rows(
        frame,
        name,
        x=5.25 * name,
        y=4 + frame,
        width=3,
        height=5,
        pixel_size=0.5,
        frame_interval=0.1,
    )


def exhaust(path, data, read):
    """Read each damaged version; return how many were refused, naming the file every time."""
    refused = 0
    for damaged in damaged_files(data, count=DAMAGED):
        path.write_bytes(damaged)
        sentence = refusal(lambda: read(path))
        refused += sentence is not None
        assert sentence is None or path.name in sentence, sentence
    path.write_bytes(data)
    assert refusal(lambda: read(path)) is None, "test invalid: the intact file is refused"
    return refused


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.ERROR)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "ctc"])
def test_damaged_tables(tmp_path, kind):
    path = tmp_path / ("gt.txt" if kind == "mot" else "points.csv")
    write_tracks(path, tracks(), format=kind)
    refused = exhaust(path, path.read_bytes(), lambda path: read_tracks(path, pixel_size=0.5))
    assert refused > DAMAGED / 4


@pytest.mark.parametrize("name", ["res_track.txt", "mask001.tif"])
def test_damaged_results_of_the_cell_tracking_challenge(tmp_path, name):
    write_tracks(tmp_path, tracks(), format="ctc", size=SIZE)
    path = tmp_path / name
    assert exhaust(path, path.read_bytes(), lambda path: read_tracks(path.parent)) > DAMAGED / 4


def test_damaged_facts_of_motchallenge(tmp_path):
    (tmp_path / "gt").mkdir()
    write_tracks(tmp_path / "gt" / "gt.txt", tracks(), format="mot")
    path = tmp_path / "seqinfo.ini"
    data = b"[Sequence]\nframeRate=25\nseqLength=3\nimWidth=24\nimHeight=18\n"
    assert exhaust(path, data, lambda path: read_tracks(path.parent)) > DAMAGED / 4


def test_damaged_density_arrays(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, 6, 8), np.float32))
    path = tmp_path / "maps.npy"
    assert exhaust(path, buffer.getvalue(), lambda path: open_density(path)[:]) > DAMAGED / 4


def test_damaged_density_stacks(tmp_path):
    pages = [Image.fromarray(np.full((6, 8), value, np.float32)) for value in range(3)]
    path = tmp_path / "maps.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert exhaust(path, path.read_bytes(), lambda path: open_density(path)[:]) > DAMAGED / 4


def test_damaged_stacks_of_frames(tmp_path):
    pages = [Image.new("I;16", SIZE, value) for value in range(3)]
    path = tmp_path / "frames.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")
    assert exhaust(path, path.read_bytes(), lambda path: list(open_frames(path))) > DAMAGED / 4


def test_damaged_pictures_of_a_folder(tmp_path):
    for index in range(2):
        Image.new("L", SIZE, index).save(tmp_path / f"{index}.png")
    path = tmp_path / "1.png"
    assert exhaust(path, path.read_bytes(), lambda path: list(open_frames(path.parent))) > 0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_damaged_videos(tmp_path, suffix):
    path = tmp_path / f"video{suffix}"
    random = np.random.default_rng(0)
    write_video(path, (random.integers(0, 255, (16, 16, 3), np.uint8) for _ in range(2)))

    def read(path):
        return list(islice(open_frames(path), 20))

    assert exhaust(path, path.read_bytes(), read) > 0


BAD_SETTINGS = [
    (["track", "{maps}"], "the size of an object is needed"),
    (["track", "{maps}", "--sigma", "0"], "sigma must be positive"),
    (["track", "{maps}", "--sigma", "2", "--sigma-perspective", "1", "2"], "exclude each other"),
    (["track", "{maps}", "--sigma", "2", "--map-stride", "0"], "map_stride must be positive"),
    (["track", "{maps}", "--sigma", "2", "--out", "tracks.xyz"], "out must end in"),
    (["track", "{maps}", "--sigma", "2", "--pixel-size", "0"], "pixel_size must be positive"),
    (["track", "{maps}", "--sigma", "2", "--overlay", "film.png"], "overlay must end in"),
    (["track", "{maps}", "--sigma", "2", "--counts", "counts.txt"], "tables end in .csv"),
    (["track", "{frames}"], "give --checkpoint"),
    (["density", "{frames}", "--checkpoint", "x", "--out", "maps.png"], "density maps end in"),
    (["count", "{points}", "--lines", "1,2,3"], "expected x0,y0,x1,y1"),
    (["count", "{points}", "--interval", "0"], "interval must be at least 1"),
    (["count", "{points}", "--lines", "1,1,1,1"], "two different points"),
    (["simulate", "--people", "0"], "people must be positive"),
    (["simulate", "--width", "1"], "at least 2 x 2 pixels"),
    (["simulate", "--sigma", "1000"], "sigma must be at most half of the map"),
    (["track", "{maps}", "--sigma", "1000"], "sigma must be at most half of the map, got 1000"),
    (["train", "{data}", "--sigma", "1000"], "sigma must be at most half of the map, got 1000"),
    (["render", "{maps}", "{points}", "--map-stride", "0"], "map_stride must be positive"),
    (["simulate", "--frames", "99999999999"], "which fill 8 GiB"),
    (["render", "{maps}", "{points}", "--map-stride", "1e9"], "more than 50 megapixels"),
    (["simulate", "--frames", "0"], "must be at least 1"),
    (["simulate", "--tracks", "{points}", "--scale", "0"], "scale must be positive"),
    (["export-mps", "{maps}", "--sigma", "2", "--start", "5", "--stop", "5"], "start must be"),
    (["export-mps", "{maps}", "--sigma", "2", "--out", "x.lp"], "ends in .mps"),
    (["plot", "counts"], "needs --tracks"),
    (["plot", "blocks"], "needs --blocks"),
    (["plot", "residuals", "--tracks", "{points}", "--maps", "{maps}"], "positive --sigma"),
    (["plot", "bounds"], "needs --maps"),
    (["plot", "bounds", "--maps", "{maps}"], "positive --sigma"),
    (["plot", "bounds", "--sigma", "2", "--maps", "{maps}", "--length", "0"], "at least 1 frame"),
    (["plot", "bounds", "--sigma", "2", "--maps", "{maps}", "--gap", "2"], "gap must be in"),
    (
        ["plot", "timeline", "--tracks", "{points}", "--truth", "{points}", "--distance", "-1"],
        "--distance must be positive, got -1.0",
    ),
    (
        ["plot", "space-time", "--tracks", "{points}", "--truth", "{points}", "--distance", "-1"],
        "--distance must be positive, got -1.0",
    ),
    (
        ["plot", "tracks", "--tracks", "{points}", "--frames", "{maps}", "--tail", "-1"],
        "--tail must not be negative, got -1",
    ),
    (["plot", "bounds", "--windows.stride", "99"], "--windows.stride must be in (0, 1]"),
    (
        ["plot", "bounds", "--sigma", "2", "--maps", "{maps}", "--time-limit", "1e-9"],
        "error: the time limit of 1e-09 s passed before HiGHS found a bound: raise",
    ),
    (["plot", "timeline", "--tracks", "{points}", "--truth", "{points}"], "positive --distance"),
    (["plot", "density", "--maps", "{maps}", "--out", "x.bmp"], "figures end in"),
    (["plot", "density", "--maps", "{maps}", "--frame", "-1"], "frames count from 0"),
    (["render", "{frames}", "{points}", "--frame", "0", "--out", "x.gif"], "ends in .png"),
    (["track", "{maps}", "--windows.stride", "99"], "--windows.stride must be in (0, 1]"),
    (["track", "{maps}", "--flow.entry", "-1"], "--flow.entry must be a finite cost of at least 0"),
    (["track", "{maps}", "--solver.solver", "gurobi"], "--solver.solver must be one of paths"),
    (["track", "{maps}", "--block-frames", "0"], "--block-frames must be at least 1, got 0"),
    (["train", "{data}", "--learning-rate", "-1"], "--learning-rate must be positive, got -1.0"),
    (["train", "{data}", "--fit", "7"], "--fit: a block of frames is written start:stop"),
    (["evaluate", "{data}", "--distance", "0"], "distance must be positive"),
    (["evaluate", "{data}", "--distance", "3", "--test", "0:4"], "give both"),
]
BAD_DATA = [
    (["track", "{absent}"], "does not exist"),
    (["track", "{maps}", "--sigma", "2", "--windows.pixels", "99"], "window"),
    (["track", "{maps}", "--sigma", "15"], "check sigma, 15, or choose a smaller window extent"),
    (["track", "{frames}", "--sigma", "2", "--treat-as", "maps"], "but no density maps"),
    (["track", "{maps}", "--sigma", "2", "--fixed", "{absent}"], "does not exist"),
    (["track", "{frames}", "--checkpoint", "{absent}"], "absent"),
    (["plot", "density", "--maps", "{maps}", "--frame", "99"], "has no frame 99"),
    (["export-mps", "{maps}", "--sigma", "2", "--start", "50"], "has no frame 50"),
    (["track", "{maps}", "--sigma", "2", "--out", "{points}/a.csv"], "points.csv is no folder"),
    (["track", "{maps}", "--sigma", "2", "--overlay", "{points}/a.mp4"], "is no folder"),
    (["simulate", "--out", "{points}"], "points.csv is no folder"),
    (["demo", "--out", "{points}"], "points.csv is no folder"),
    (["simulate", "--tracks", "{points}", "--scale", "900"], "has no point on a map"),
    (["train", "{frames}", "--steps", "1"], "points"),
    (["data", "{absent}"], "does not exist"),
]


UNREADABLE = [
    (["track", "{maps}", "--solver", "gurobi"], "--solver must be one of highs, paths,"),
    (["track", "{maps}", "--sigma", "two"], "--sigma must be a number, got 'two'"),
    (["track", "{maps}", "--windows.kind", "soft"], "--windows.kind must be one of kernel, hard"),
    (["track", "{maps}", "--window.extent", "3"], "perhaps you meant --windows.extent"),
]


def filled(words: list[str], tiny: Path) -> list[str]:
    """Replace the names of the tiny data."""
    places = {
        "maps": tiny / "maps.npy",
        "frames": tiny / "frames",
        "points": tiny / "points.csv",
        "data": tiny,
        "absent": tiny / "absent.npy",
    }
    return [word.format_map(places) for word in words]


@pytest.mark.parametrize(("words", "sentence"), BAD_SETTINGS)
def test_settings_that_do_not_fit_are_one_line(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(*filled(words, tiny), code=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "sentence"), UNREADABLE)
def test_what_cannot_be_read_is_wrong_usage(tiny: Path, words: list[str], sentence: str):
    assert sentence in refused(*filled(words, tiny), code=2)


@pytest.mark.parametrize(("words", "sentence"), BAD_DATA)
def test_data_that_do_not_fit_are_one_line(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(*filled(words, tiny), code=1)
    assert list(tmp_path.iterdir()) == []
