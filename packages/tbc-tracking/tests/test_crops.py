import numpy as np
import pytest
import torch

from tbc_tracking.crops import Axis, RandomCrops, View, lay_over, load_crops
from tbc_tracking.data import read_training_data
from tbc_tracking.tracks import Tracks
from tbc_tracking.training_config import TrainingConfig
from tenfold_shared.distributed import World
from tenfold_shared.seeds import numpy_stream


def _data(*, stride=2, height=40, width=56, **settings):
    """Bright 3x3 squares on a random scene, three in each of five frames."""
    random = numpy_stream(0, "scene")
    frames = np.repeat(0.3 * random.random((1, height, width)), 5, axis=0).astype(np.float32)
    rows = []
    for frame in range(5):
        for x, y in zip(
            random.integers(2, width - 2, 3), random.integers(2, height - 2, 3), strict=True
        ):
            frames[frame, y - 1 : y + 2, x - 1 : x + 2] = 1
            rows.append((frame, x, y))
    frame, x, y = np.array(rows).T
    tracks = Tracks.from_rows(frame, np.arange(len(rows)), x=x, y=y, length=5)
    settings = {"sigma": 1.0, "crop": 24, "brightness": 0.0, "contrast": 0.0, **settings}
    config = TrainingConfig(**settings)
    return config, read_training_data(frames, tracks, config=config, stride=stride).fit


def _whole(frames):
    height, width = frames.images.shape[1:]
    return View(Axis(0, height, 1, False), Axis(0, width, 1, False))


def test_the_whole_frame_is_a_crop_of_itself():
    _, frames = _data()
    view = _whole(frames)
    np.testing.assert_array_equal(view.picture(frames.gray(1)), frames.gray(1))
    np.testing.assert_allclose(view.target(frames.points[1], frames), frames.target(1), atol=1e-6)
    np.testing.assert_array_equal(view.weights(frames), frames.weights)


def test_an_unzoomed_crop_is_cut_out_of_frame_and_map_alike():
    _, frames = _data()
    view = View(Axis(6, 20, 1, False), Axis(10, 16, 1, False))
    np.testing.assert_array_equal(view.picture(frames.gray(0)), frames.gray(0)[6:26, 10:26])
    expected = frames.target(0)[3:13, 5:13]
    np.testing.assert_allclose(view.target(frames.points[0], frames), expected, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_nobody_cares_along_sides_that_cut_through_the_frame(reverse):
    _, frames = _data()
    view = View(Axis(0, 20, 1, reverse), Axis(10, 16, 1, reverse))
    weights = view.weights(frames, margin=2.0)
    assert weights.shape == (10, 8)
    rows, columns = weights.any(axis=1), weights.any(axis=0)
    border = rows[::-1] if reverse else rows
    np.testing.assert_array_equal(border, [True] * 8 + [False] * 2)
    np.testing.assert_array_equal(columns, [False] * 2 + [True] * 4 + [False] * 2)
    assert view.weights(frames, margin=0.0).all()


def test_crops_have_the_margin_of_their_settings():
    config, frames = _data(crop=24, margin=2.0)
    kept = [float(RandomCrops(frames, config, seed=0)[k].weight.mean()) for k in range(20)]
    assert min(kept) == pytest.approx((8 / 12) ** 2)
    config, frames = _data(crop=24)
    assert all(bool(RandomCrops(frames, config, seed=0)[k].weight.all()) for k in range(20))


def test_a_window_that_ends_at_the_border_has_no_margin_there_even_when_zoomed():
    _, frames = _data()
    view = View(Axis(40 - 20 / 1.6, 20, 1.6, False), Axis(0, int(56 * 1.6), 1.6, False))
    weights = view.weights(frames, margin=2.0)
    np.testing.assert_array_equal(weights[:, 0], [0, 0] + [1] * 8)
    assert weights[5].all()


def test_windows_drawn_beyond_the_frame_see_its_border_more_often():
    def at_border(overshoot):
        config, frames = _data(crop=24, overshoot=overshoot)
        crops = RandomCrops(frames, config, seed=0)
        views = [crops._view(numpy_stream(3, k)) for k in range(300)]
        for view in views:
            assert 0 <= view.vertical.start <= 40 - 24
            assert 0 <= view.horizontal.start <= 56 - 24
        return sum(view.vertical.start in (0, 16) for view in views) / len(views)

    assert at_border(0.0) < 0.25
    assert at_border(1.0) == pytest.approx(48 / 64, abs=0.1)  # 24 beyond either end of 16 places


@pytest.mark.parametrize("zoom", [1.0, 1.6, 0.7])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("stride", [2, 4])
def test_the_density_stays_on_the_objects(zoom, reverse, stride):
    """Objects are the only bright pixels, so that the centers of mass of both must agree."""
    _, frames = _data(stride=stride)
    random = numpy_stream(1, "places")
    picture = np.zeros((40, 56), np.float32)
    x, y = random.uniform(18, 36), random.uniform(14, 24)
    row, column = np.mgrid[0:40, 0:56]
    picture = np.exp(-((column - x) ** 2 + (row - y) ** 2) / 8).astype(np.float32)
    view = View(Axis(2.5, 34, zoom, reverse), Axis(3.25, 48, zoom, reverse))
    seen = view.picture(picture)
    points = np.array([[(x + 0.5) / stride - 0.5, (y + 0.5) / stride - 0.5]])
    target = view.target(points, frames)
    for axis in (0, 1):
        image_mass, map_mass = seen.sum(1 - axis), target.sum(1 - axis)
        in_frame = (image_mass * np.arange(len(image_mass))).sum() / image_mass.sum()
        on_map = (map_mass * np.arange(len(map_mass))).sum() / map_mass.sum()
        assert (in_frame + 0.5) / stride - 0.5 == pytest.approx(on_map, abs=0.1)


def test_crops_of_a_frame_count_what_is_in_them_on_average():
    config, frames = _data(zoom=1.3, shrink=1.3, steps=100)
    crops = RandomCrops(frames, config, seed=0)
    share = (24 * 24) / (40 * 56)
    counts = [float(crops[number].target.sum()) for number in range(300)]
    assert 0.3 * 3 * share < np.mean(counts) < 3 * 3 * share


@pytest.mark.parametrize(
    "settings", [{}, {"zoom": 1.5, "shrink": 1.2, "overlay": 0.5, "contrast": 0.3, "flips": "both"}]
)
def test_a_crop_is_a_function_of_seed_and_number(settings):
    config, frames = _data(**settings)
    first, again = (RandomCrops(frames, config, seed=4) for _ in range(2))
    other = RandomCrops(frames, config, seed=5)
    for number in (0, 7, 19):
        crop = first[number]
        assert all(torch.equal(a, b) for a, b in zip(crop, again[number], strict=True))
    assert any(not torch.equal(first[n].image, other[n].image) for n in range(4))
    assert not torch.equal(first[0].image, first[5].image)


def test_every_frame_is_shown_once_per_epoch():
    config, frames = _data(crop=64)
    crops = RandomCrops(frames, config, seed=0)
    shown = {float(crops[number].image[0].sum()) for number in range(5)}
    assert len(shown) == 5


def test_a_frame_smaller_than_the_crop_is_shown_whole():
    config, frames = _data(height=21, width=33, crop=64)
    crop = RandomCrops(frames, config, seed=0)[0]
    assert crop.image.shape == (2, 21, 33)
    assert crop.target.shape == crop.weight.shape == (1, 11, 17)
    assert float(crop.target.sum()) == pytest.approx(3, abs=1e-3)


def test_brightness_moves_the_frame_and_its_background_together():
    config, frames = _data(brightness=0.5, background="median")
    plain, _ = _data(brightness=0.0)
    changed, original = (RandomCrops(frames, settings, seed=0) for settings in (config, plain))
    moved = torch.stack([changed[n].image - original[n].image for n in range(8)])
    assert moved[:, 0].abs().mean() > 0.1, "test invalid"
    assert 0 < moved[:, 1].abs().max() <= 0.1 + 1e-6


def test_two_workers_give_the_bits_of_none():
    config, frames = _data(steps=3, batch=2, zoom=1.3)
    batches = {}
    for workers in (0, 2):
        settings = TrainingConfig(steps=3, batch=2, zoom=1.3, crop=24, workers=workers)
        crops = RandomCrops(frames, settings, seed=0)
        batches[workers] = list(load_crops(crops, first_step=1, world=World(0, 1)))
    assert len(batches[0]) == config.steps
    for alone, shared in zip(batches[0], batches[2], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


def test_processes_share_each_batch_and_a_late_start_skips_steps():
    config, frames = _data(steps=3, batch=4)
    crops = RandomCrops(frames, config, seed=0)
    whole = list(load_crops(crops, first_step=2, world=World(0, 1)))
    assert len(whole) == 2
    assert torch.equal(whole[0].image[1], crops[5].image)
    parts = [list(load_crops(crops, first_step=2, world=World(rank, 2))) for rank in range(2)]
    assert torch.equal(parts[0][0].image, whole[0].image[0::2])
    assert torch.equal(parts[1][0].image, whole[0].image[1::2])


def test_overlaid_frames_have_the_objects_of_both():
    background = np.full((4, 4), 0.5, np.float32)
    one, two = background.copy(), background.copy()
    one[0, 0], two[3, 3] = 1, 0
    expected = background.copy()
    expected[0, 0], expected[3, 3] = 1, 0
    np.testing.assert_array_equal(lay_over(one, two, background), expected)


def test_overlay_adds_the_densities():
    config, frames = _data(crop=64, overlay=1.0)
    counts = [float(RandomCrops(frames, config, seed=0)[n].target.sum()) for n in range(3)]
    np.testing.assert_allclose(counts, 6, rtol=1e-3)
