"""Frames come out in order, at their size, block by block, from folders, TIFF stacks and videos."""

import numpy as np
import pytest
from PIL import Image

from tbc_tracking.frames import open_frames
from tbc_tracking.video import write_video
from tenfold_shared.errors import UserError


def save(path, value, *, size=(6, 4)):
    Image.new("L", size, value).save(path)


@pytest.fixture
def folder(tmp_path):
    for index in (10, 2, 1, 0):
        save(tmp_path / f"frame{index}.png", 20 * index)
    (tmp_path / "notes.txt").write_text("no frame")
    (tmp_path / "._frame3.png").write_bytes(b"what macOS leaves behind")
    return tmp_path


def test_a_folder_is_read_in_the_order_of_its_numbers(folder):
    frames = open_frames(folder)
    assert (frames.length, frames.size) == (4, (6, 4))
    assert [round(float(image[0, 0]) * 255) for image in frames] == [0, 20, 40, 200]
    first = next(iter(frames))
    assert (first.shape, first.dtype) == ((4, 6), np.float32)
    assert next(iter(open_frames(folder, color="rgb"))).shape == (3, 4, 6)


def test_a_motchallenge_folder_leads_to_its_frames(tmp_path):
    (tmp_path / "img1").mkdir()
    save(tmp_path / "img1" / "000001.jpg", 255)
    save(tmp_path / "preview.png", 0)
    (image,) = open_frames(tmp_path)
    assert image.min() == 1.0


@pytest.mark.parametrize(
    ("length", "overlap", "starts", "sizes"),
    [
        (4, 0, [0], [4]),
        (3, 0, [0, 3], [3, 1]),
        (2, 1, [0, 1, 2], [2, 2, 2]),
        (3, 2, [0, 1], [3, 3]),
        (9, 8, [0], [4]),
    ],
)
def test_blocks_cover_every_frame_and_share_their_overlap(folder, length, overlap, starts, sizes):
    images = np.stack(list(open_frames(folder)))
    blocks = list(open_frames(folder).blocks(length, overlap=overlap))
    assert [block.start for block in blocks] == starts
    assert [len(block.images) for block in blocks] == sizes
    for block in blocks:
        np.testing.assert_array_equal(
            block.images, images[block.start : block.start + len(block.images)]
        )


def test_blocks_take_no_more_frames_than_they_need(folder):
    opened = []
    frames = open_frames(folder)
    plain = frames.read

    def counting():
        for frame in plain():
            opened.append(frame[0])
            yield frame

    object.__setattr__(frames, "read", counting)
    next(frames.blocks(2))
    assert len(opened) == 2


def test_an_overlap_as_long_as_the_block_is_refused(folder):
    with pytest.raises(ValueError, match=r"overlap must be in \[0, 2\), got 2"):
        next(open_frames(folder).blocks(2, overlap=2))


def test_a_frame_of_another_size_is_named_with_both_sizes(folder):
    save(folder / "frame3.png", 0, size=(6, 5))
    with pytest.raises(UserError, match=r"frame3\.png has 6 x 5 pixels, but .* 6 x 4"):
        list(open_frames(folder))


def test_a_tiff_stack_keeps_sixteen_bits(tmp_path):
    path = tmp_path / "stack.tif"
    pages = [Image.fromarray(np.full((4, 6), value, np.uint16)) for value in (1, 300, 65535)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")
    frames = open_frames(path)
    assert (frames.length, frames.size) == (3, (6, 4))
    np.testing.assert_allclose([i[0, 0] for i in frames], np.array([1, 300, 65535]) / 65535)


def test_nan_in_a_decimal_tiff_is_refused(tmp_path):
    values = np.zeros((4, 6), np.float32)
    values[1, 2] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="outside 0 to 1"):
        open_frames(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_a_video_returns_its_frames_and_interval(tmp_path, suffix):
    values = np.array([0, 60, 128, 255, 30], np.uint8)
    path = tmp_path / f"video{suffix}"
    pictures = (np.full((32, 48, 3), value, np.uint8) for value in values)
    assert write_video(path, pictures, frame_interval=0.04) == 5
    frames = open_frames(path)
    assert frames.size == (48, 32)
    assert frames.frame_interval == pytest.approx(0.04, rel=0.01)
    read = np.array([image.mean() for image in frames])
    # Black is 0 and white 1: video levels (16 to 235) were stretched.
    np.testing.assert_allclose(read, values / 255, atol=0.08 if suffix == ".gif" else 0.02)
    assert next(iter(open_frames(path, color="rgb"))).shape == (3, 32, 48)


def test_nothing_to_read_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="holds no frames"):
        open_frames(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        open_frames(tmp_path / "absent.mp4")
    (tmp_path / "table.csv").write_text("frame,id,x,y\n")
    with pytest.raises(UserError, match="neither an image folder, a TIFF stack nor a video"):
        open_frames(tmp_path / "table.csv")
    with pytest.raises(ValueError, match="color must be gray or rgb"):
        open_frames(tmp_path, color="cmyk")
