"""Videos are written whole or not at all, turned upright, and refused in one sentence."""

import av
import numpy as np
import pytest

from tbc_tracking.video import probe_video, read_video, write_video
from tenfold_shared.errors import UserError


def picture(shade, *, size=(31, 47)):
    return np.full((*size, 3), shade, np.uint8)


def test_odd_sizes_are_padded_for_video(tmp_path):
    path = tmp_path / "odd.mp4"
    write_video(path, (picture(200) for _ in range(3)))
    images = [image for _, image in read_video(path, color="gray")]
    assert [image.shape for image in images] == [(32, 48)] * 3
    np.testing.assert_allclose(images[0], 200 / 255, atol=0.02)


def test_a_failure_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"old")

    def frames():
        yield picture(0)
        yield picture(0, size=(8, 8))

    with pytest.raises(ValueError, match="frames must have one shape"):
        write_video(path, frames())
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]


def test_a_turned_video_comes_out_upright(tmp_path, monkeypatch):
    path = tmp_path / "video.mp4"
    bright_left = picture(0, size=(32, 48))
    bright_left[:, :24] = 255
    write_video(path, [bright_left])
    monkeypatch.setattr("tbc_tracking.video.rotation_of", lambda frame: 90)
    ((_, image),) = read_video(path, color="gray")
    assert image.shape == (48, 32)
    assert image[40:].mean() > 0.9, "a quarter counterclockwise takes the left edge to the bottom"
    assert image[:8].mean() < 0.1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("video.xyz", {}, "must end in"),
        ("video.mp4", {"frame_interval": 0.0}, "positive seconds"),
        ("video.mp4", {"frames": []}, "at least one frame"),
    ],
)
def test_arguments_that_make_no_video_are_refused(tmp_path, name, options, message):
    frames = options.pop("frames", [picture(0)])
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / name, frames, **options)
    assert not list(tmp_path.iterdir())


def test_sound_without_pictures_and_other_files_are_refused(tmp_path):
    sound = tmp_path / "sound.mkv"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        samples.rate = 8000
        container.mux(stream.encode(samples))
    with pytest.raises(UserError, match=r"sound\.mkv holds no video"):
        probe_video(sound)
    text = tmp_path / "text.mp4"
    text.write_text("frame,id,x,y\n" * 100)
    with pytest.raises(UserError, match=r"text\.mp4 cannot be decoded as a video"):
        probe_video(text)
