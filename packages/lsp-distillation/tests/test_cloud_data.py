import numpy as np
import pytest
import torch

from lsp_distillation.cloud_data import CloudTask, center_and_scale, pictures_to_clouds, thin_out
from lsp_distillation.splits import random_split

GOOD = {
    "name": "clouds",
    "points": torch.arange(24.0).reshape(4, 3, 2),
    "y": torch.tensor([0, 1, 0, 1]),
    "classes": 2,
}
FRONT = torch.tensor([True, True, False, False])


def test_points_lie_where_pictures_are_bright():
    image = np.zeros((4, 9, 9), np.uint8)
    image[:, 2, 3], image[:, 6, 3] = 100, 200
    cloud = pictures_to_clouds(image, points=3000, seed=0)[0]
    lower = cloud[:, 1] > 0
    assert 0.62 < lower.mean() < 0.71, "pixels are drawn by their brightness"
    for part in (cloud[lower], cloud[~lower]):
        width, height = np.ptp(part, axis=0)
        assert width == pytest.approx(height, rel=0.02), "jitter fills the pixel"
    assert np.abs(cloud.mean(0)).max() < 1e-6
    assert np.linalg.norm(cloud, axis=1).max() == pytest.approx(1)


def test_a_cloud_is_a_function_of_picture_seed_and_index():
    images = np.full((3, 5, 5), 7, np.uint8)
    clouds = pictures_to_clouds(images, points=9, seed=1)
    assert np.array_equal(clouds[:2], pictures_to_clouds(images[:2], points=9, seed=1))
    assert not np.array_equal(clouds[0], clouds[1])
    assert not np.array_equal(clouds, pictures_to_clouds(images, points=9, seed=2))


def test_thinned_clouds_are_parts_of_the_clouds():
    clouds = np.arange(60, dtype=np.float32).reshape(2, 10, 3)
    thinned = thin_out(clouds, points=4, seed=0)
    for some, whole in zip(thinned, clouds, strict=True):
        assert len({tuple(p) for p in some} & {tuple(p) for p in whole}) == 4
    with pytest.raises(ValueError, match="within 1 and 10"):
        thin_out(clouds, points=11, seed=0)


def test_coincident_points_are_centered_without_division_by_zero():
    assert not center_and_scale(np.ones((1, 4, 2), np.float32)).any()


def test_parts():
    task = CloudTask(**GOOD).with_split(random_split(4, seed=0, train=0.5, val=0.25))
    points, y = task.part("train", limit=1)
    assert points.shape == (1, 3, 2)
    assert y.shape == (1,)
    assert len(task.part("train").y) == 2
    assert len(task) == 4
    with pytest.raises(ValueError, match="no part 'train'"):
        CloudTask(**GOOD).part("train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": torch.ones(4, 3)}, "clouds, points, axes"),
        ({"points": torch.ones(4, 0, 2)}, "clouds, points, axes"),
        ({"points": torch.ones(4, 3, 2).double()}, "float32"),
        ({"points": torch.full((4, 3, 2), torch.nan)}, "24 numbers that are NaN"),
        ({"y": torch.tensor([0, 1, 2, 0])}, "within 0 and 1"),
        ({"y": torch.tensor([0.0, 1, 1, 0])}, "integers"),
        ({"y": torch.tensor([0, 1])}, "one row for each of 4"),
        ({"train_mask": FRONT, "val_mask": FRONT}, "train and val masks overlap in 2"),
        ({"train_mask": FRONT & ~FRONT}, "train mask is empty"),
        ({"class_names": ("a",)}, "name 2 classes, got 1"),
        ({"y": torch.zeros(4, device="meta").long()}, "points is on cpu and y on meta"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError, match=message):
        CloudTask(**(GOOD | changes))


def test_black_pictures_are_refused():
    with pytest.raises(ValueError, match="picture 0 is black"):
        pictures_to_clouds(np.zeros((1, 4, 4), np.uint8), points=3, seed=0)
    with pytest.raises(ValueError, match="points must be at least 1"):
        pictures_to_clouds(np.ones((1, 4, 4), np.uint8), points=0, seed=0)
