import numpy as np
import pytest

from tbc_tracking.inputs import InputConfig, measure_video, stack_channels, value_range
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream


def _video(length=9, height=70, width=11):
    """A fixed scene of random gray values with an object that moves by its width in every frame."""
    random = numpy_stream(0, "scene")
    scene = random.random((height, width)).astype(np.float32)
    frames = np.repeat(scene[None], length, axis=0)
    for index in range(length):
        frames[index, 4 * index : 4 * index + 3] = 1
    return scene, frames


def test_the_median_is_the_scene_without_what_moves():
    scene, frames = _video()
    assert not np.array_equal(frames[0], scene), "test invalid"
    background = measure_video(frames, InputConfig()).background
    np.testing.assert_array_equal(background, scene)


def test_the_sample_is_bounded_seeded_and_uniform():
    frames = np.arange(200, dtype=np.float32)[:, None, None] / 200 * np.ones((1, 8, 8), np.float32)
    config = InputConfig(background_frames=41)
    first = measure_video(iter(frames), config, seed=1)
    again = measure_video(iter(frames), config, seed=1)
    other = measure_video(iter(frames), config, seed=2)
    assert first.length == 200
    np.testing.assert_array_equal(first.background, again.background)
    assert not np.array_equal(first.background, other.background)
    assert first.background is not None
    assert abs(float(first.background[0, 0]) - 0.5) < 0.25


def test_no_background_means_one_channel():
    _, frames = _video()
    statistics = measure_video(frames, InputConfig(background="none"))
    assert statistics.background is None
    assert stack_channels(frames[0], None).shape == (1, 70, 11)


def test_channels_are_gray_and_distance_to_the_background():
    gray, background = np.full((8, 8), 0.25, np.float32), np.full((8, 8), 0.75, np.float32)
    channels = stack_channels(gray, background)
    assert channels.dtype == np.float32
    np.testing.assert_array_equal(channels, [gray, np.full((8, 8), 0.5)])


def test_dark_video_is_stretched_by_its_own_range():
    _, frames = _video()
    dark = frames * np.float32(0.01)
    plain = measure_video(dark, InputConfig(background="none"))
    stretched = measure_video(dark, InputConfig(background="none", normalization="video"))
    assert plain.normalize(dark[0]).max() < 0.011, "test invalid"
    assert stretched.normalize(dark[0]).max() > 0.95


def test_the_range_of_the_training_video_serves_for_others():
    _, frames = _video()
    low, high = value_range(frames)
    config = InputConfig(background="none", normalization="training", low=low, high=high)
    statistics = measure_video(frames * np.float32(0.5), config)
    assert (statistics.low, statistics.high) == (low, high)


def test_a_constant_video_has_a_range():
    low, high = value_range([np.full((8, 8), 0.5, np.float32)])
    assert low < high


def test_an_empty_video_is_refused():
    with pytest.raises(UserError, match="no frame"):
        measure_video([], InputConfig())


def test_a_range_without_extent_is_refused():
    with pytest.raises(ValueError, match="below"):
        InputConfig(low=1, high=1)
