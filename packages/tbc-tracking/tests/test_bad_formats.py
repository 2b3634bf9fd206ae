"""Two thousand damaged files of each kind: read, or refused in one sentence that names the file."""

import io
import logging
from itertools import islice

import numpy as np
import pytest
from PIL import Image

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
