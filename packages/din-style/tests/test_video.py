"""Videos round trip; slow statistics flicker less and start anew at cuts."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from tiny_networks import tiny_transfer
from torch import Tensor

from din_style.controls import Controls
from din_style.dynamic_normalization import Statistics
from din_style.stabilization import SlowStatistics, VideoStylizer
from din_style.video import open_video, upright_pixels, write_video
from tenfold_shared.errors import UserError
from tenfold_shared.images import write_image
from tenfold_shared.seeds import torch_stream
from tenfold_shared.testing import tiny_image


def film(count: int = 6, *, noise: float = 0.02, square: bool = True) -> list[Tensor]:
    """A still scene with camera noise and a bright square that moves through."""
    stream = torch_stream(0, "film")
    scene = torch.from_numpy(tiny_image(48, 64))
    frames = []
    for number in range(count):
        frame = (scene + noise * torch.randn(scene.shape, generator=stream)).clamp(0, 1)
        if square:
            frame[:, 8:24, 8 * number : 8 * number + 16] = 1
        frames.append(frame)
    return frames


@pytest.mark.parametrize("name", ["a.mp4", "a.MKV", "a.mov", "a.gif"])
def test_videos_round_trip(name: str, tmp_path: Path):
    frames = film(noise=0)
    assert write_video(tmp_path / name, frames, rate=Fraction(10)) == 6
    video = open_video(tmp_path / name)
    again = list(video)
    assert len(again) == 6
    assert again[0].shape == (3, 48, 64)
    assert abs(float(video.rate) - 10) < 0.5
    limit = 0.2 if name.endswith("gif") else 0.05
    assert np.abs(again[3] - frames[3].numpy()).mean() < limit
    assert np.abs(again[0] - again[5]).mean() > 0.01  # anew from the first frame, in order


@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
def test_frames_of_phones_stand_upright(rotation: int):
    upright = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    stored = np.rot90(upright, k=-rotation // 90)  # the file says how to turn it back
    frame = SimpleNamespace(rotation=rotation, to_ndarray=lambda format: stored)
    found = upright_pixels(cast("Any", frame))
    np.testing.assert_allclose(found, np.moveaxis(upright, -1, 0) / 255, rtol=1e-6)


def test_odd_sizes_are_made_even(tmp_path: Path):
    write_video(tmp_path / "a.mp4", [torch.rand(3, 33, 35)] * 2)
    assert next(iter(open_video(tmp_path / "a.mp4"))).shape == (3, 34, 36)


def test_folders_are_ordered_by_numbers(tmp_path: Path):
    for number in (10, 2, 1):
        write_image(tmp_path / f"frame{number}.png", np.full((3, 32, 32), number / 20))
    levels = [float(frame.mean()) for frame in open_video(tmp_path)]
    assert levels == sorted(levels)
    write_image(tmp_path / "frame11.png", np.zeros((3, 32, 33)))
    with pytest.raises(UserError, match="make them alike"):
        list(open_video(tmp_path))


def test_refusals(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(UserError, match="cannot be decoded"):
        open_video(tmp_path / "a.mp4")
    with pytest.raises(UserError, match="does not exist"):
        open_video(tmp_path / "b.mp4")
    with pytest.raises(UserError, match="no pictures"):
        open_video(tmp_path)
    with pytest.raises(ValueError, match="must end in"):
        write_video(tmp_path / "a.txt", film())
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "c.mp4", [])
    assert not (tmp_path / "c.mp4").exists()


def flicker(memory: float, *, noise: float = 0, **controls: float) -> tuple[float, float]:
    transfer = tiny_transfer()
    code = transfer.encode(torch.rand(3, 40, 40, generator=torch_stream(1)))
    stylizer = VideoStylizer(transfer, [code], controls=Controls(**controls), memory=memory)
    for number, frame in enumerate(film(8, noise=noise, square=False)):
        frame[..., -6:] = number % 2  # changes the statistics of the whole
        stylizer(frame)
    assert stylizer.frames == 8
    return stylizer.flicker.value, stylizer.flicker.reference


def test_slow_statistics_flicker_less():
    own, reference = flicker(0.0)
    slow, _ = flicker(0.95)
    assert reference == 0, "test invalid: what stands still changes"
    assert slow < 0.7 * own
    assert flicker(0.95, strength=0.5)[0] < slow
    assert flicker(0.95, noise=0.02)[1] > 1


def test_without_memory_frames_are_as_pictures():
    transfer = tiny_transfer()
    code = transfer.encode(torch.rand(3, 40, 40, generator=torch_stream(1)))
    stylizer = VideoStylizer(transfer, [code], memory=0)
    for frame in film(3):
        torch.testing.assert_close(
            stylizer(frame), transfer.stylize(frame, code), atol=1e-5, rtol=0
        )


def test_statistics_start_anew_at_cuts():
    slow = SlowStatistics(0.9)
    dark, light = torch.zeros(1, 3, 40, 40), torch.ones(1, 3, 40, 40)
    first, second = (Statistics(torch.full((1, 2), v), torch.ones(1, 2)) for v in (0.0, 1.0))
    assert slow.see(dark)
    torch.testing.assert_close(slow("a", first).mean, first.mean)
    assert not slow.see(dark + 0.01)
    torch.testing.assert_close(slow("a", second).mean, torch.full((1, 2), 0.1))
    assert slow.see(light)
    torch.testing.assert_close(slow("a", second).mean, second.mean)
    with pytest.raises(ValueError, match="memory"):
        SlowStatistics(1.0)


def test_a_cut_is_no_flicker():
    transfer = tiny_transfer()
    code = transfer.encode(torch.rand(3, 40, 40, generator=torch_stream(1)))
    stylizer = VideoStylizer(transfer, [code])
    for level in (0.0, 0.0, 1.0, 1.0):
        stylizer(torch.full((3, 40, 40), level))
    assert stylizer.flicker.value < 1e-3
