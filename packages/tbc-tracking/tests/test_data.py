import numpy as np
import pytest

from tbc_tracking.data import choose_size, read_training_data, split_frames, to_frame, to_map
from tbc_tracking.tracks import Tracks
from tbc_tracking.training_config import TrainingConfig
from tenfold_shared.errors import UserError
from tenfold_shared.images import write_image
from tenfold_shared.seeds import numpy_stream


def _frames(length=6, height=21, width=31):
    return numpy_stream(0, "frames").random((length, height, width)).astype(np.float32)


def _points(frame, x, y, **columns):
    return Tracks.from_rows(frame, np.arange(len(frame)), x=x, y=y, length=6, **columns)


def _read(tracks, frames=None, *, stride=2, **settings):
    config = TrainingConfig(**{"sigma": 1.5, "background": "none", **settings})
    frames = _frames() if frames is None else frames
    return read_training_data(frames, tracks, config=config, stride=stride)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("place", [(0, 0), (30, 20), (13, 7), (16.5, 9.25)])
def test_a_point_lands_on_the_map_pixel_that_covers_it(stride, place):
    x, y = place
    data = _read(_points([0], [x], [y]), stride=stride, sigma=0.3)
    target = data.fit.target(0)
    assert target.shape == (-(-21 // stride), -(-31 // stride))
    assert target.sum() == pytest.approx(1, abs=1e-4)
    row, column = np.unravel_index(target.argmax(), target.shape)
    # map pixel i covers the frame's pixels [i s, (i + 1) s), whose centers are integers
    assert column * stride <= x + 0.5 <= (column + 1) * stride
    assert row * stride <= y + 0.5 <= (row + 1) * stride


def test_to_frame_is_the_inverse_of_to_map():
    places = np.array([-0.5, 0, 3.25, 99])
    np.testing.assert_allclose(to_frame(to_map(places, stride=4), stride=4), places)
    assert to_map(0.5, stride=2) == 0, "the first two pixels share map pixel 0"


def test_frames_without_points_are_unlabeled_unless_listed_as_empty():
    tracks = _points([0, 3], [4, 9], [4, 9])
    assert _read(tracks).fit.numbers.tolist() == [0, 3]
    assert _read(tracks, empty=("3:5",)).fit.numbers.tolist() == [0, 3, 4]
    empty = _read(tracks, empty=("4:5",)).fit
    assert empty.target(2).sum() == 0


def test_blocks_choose_and_validation_is_left_out_of_the_fit():
    tracks = _points([0, 1, 2, 3, 4], [4] * 5, [4] * 5)
    data = _read(tracks, fit=("0:2", "4:6"), validate=("2:4",))
    assert data.fit.numbers.tolist() == [0, 1, 4]
    assert data.validate.numbers.tolist() == [2, 3]
    assert _read(tracks, validate=("1:3",)).fit.numbers.tolist() == [0, 3, 4]


def test_images_and_points_belong_together():
    frames = _frames()
    data = _read(_points([5, 2, 2], [1, 2, 3], [1, 2, 3]), frames, stride=1)
    assert data.fit.numbers.tolist() == [2, 5]
    np.testing.assert_allclose(data.fit.gray(0), frames[2], atol=1e-5)
    np.testing.assert_allclose(data.fit.points[0], [[2, 2], [3, 3]])
    np.testing.assert_allclose(data.fit.points[1], [[1, 1]])


def test_many_frames_are_thinned_evenly():
    tracks = _points(np.arange(6), [4] * 6, [4] * 6)
    assert _read(tracks, frames_limit=3).fit.numbers.tolist() == [0, 2, 5]


def test_points_outside_are_dropped_with_a_warning(caplog):
    data = _read(_points([0, 0, 1], [4, 31, -0.7], [4, 4, 4]), empty=("1:2",))
    assert [len(points) for points in data.fit.points] == [1, 0]
    assert "dropped 2 points" in caplog.text


def test_the_object_size_comes_from_the_boxes_of_the_fit_frames():
    tracks = _points([0, 1, 2], [4, 4, 4], [2, 12, 20], height=[4.0, 14.0, 400.0], width=3.0)
    config = TrainingConfig(sigma=None, sigma_minimum=0.1, sigma_maximum=50)
    size = choose_size(tracks.select(tracks.frame < 2), config, stride=2)
    rows = to_map(np.array([2.0, 12.0]), stride=2)
    np.testing.assert_allclose(size.at(rows), [0.144 * 4 / 2, 0.144 * 14 / 2], rtol=1e-6)
    data = _read(tracks, sigma=None, fit=("0:2",), validate=("2:3",), sigma_minimum=0.1)
    np.testing.assert_allclose(data.fit.size.at(rows), size.at(rows))


@pytest.mark.parametrize("sigma", [6.0, 1000.0])
def test_a_sigma_larger_than_the_frame_is_refused(sigma: float):
    assert _read(_points([0], [4], [4]), sigma=5.0).fit.size.at(0) == 5
    with pytest.raises(
        ValueError, match=f"at most half of the map, got {sigma:g} for maps of 16 x"
    ):
        _read(_points([0], [4], [4]), sigma=sigma)


def test_points_without_boxes_need_a_sigma():
    with pytest.raises(UserError, match="sigma"):
        _read(_points([0], [4], [4]), sigma=None)


def test_ignored_pixels_have_no_weight(tmp_path):
    mask = np.zeros((3, 21, 31), np.float32)
    mask[:, :, 30] = 1
    mask[:, 5, 7] = 1
    write_image(tmp_path / "ignore.png", mask)
    weights = _read(_points([0], [4], [4]), ignore=tmp_path / "ignore.png").fit.weights
    expected = np.ones((11, 16))
    expected[:, 15] = 0
    expected[2, 3] = 0
    np.testing.assert_array_equal(weights, expected)


def test_a_mask_of_another_size_or_of_everything_is_refused(tmp_path):
    write_image(tmp_path / "small.png", np.zeros((3, 8, 8), np.float32))
    with pytest.raises(UserError, match="8 x 8"):
        _read(_points([0], [4], [4]), ignore=tmp_path / "small.png")
    write_image(tmp_path / "all.png", np.ones((3, 21, 31), np.float32))
    with pytest.raises(UserError, match="whole frame"):
        _read(_points([0], [4], [4]), ignore=tmp_path / "all.png")


def test_blocks_beyond_the_video_are_refused():
    config = TrainingConfig(validate=("4:7",))
    with pytest.raises(UserError, match="4:7"):
        split_frames(_points([0], [4], [4]), config, length=6)


def test_nothing_to_fit_is_refused():
    with pytest.raises(UserError, match="No frame to learn from"):
        _read(_points([0], [4], [4]), fit=("1:3",))


def test_tiny_frames_are_refused():
    with pytest.raises(UserError, match="8 x 8"):
        _read(_points([0], [4], [4]), _frames(6, 7, 31))


def test_the_range_of_the_training_video_is_kept():
    data = _read(_points([0], [4], [4]), _frames() * 0.01, normalization="training")
    assert 0 < data.inputs.low < data.inputs.high < 0.011
    assert data.fit.gray(0).max() > 0.9
