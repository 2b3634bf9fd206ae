import numpy as np
import pytest
import torch
from test_idx_files import write_pair
from test_mesh_clouds import write_meshes

from lsp_distillation.point_clouds import CLOUD_NAMES, open_clouds, read_clouds, write_clouds
from tenfold_shared.errors import UserError
from tenfold_shared.seeds import numpy_stream
from tenfold_shared.testing import damaged_files, refusal


def sizes_of(task):
    return [int(task.mask(part).sum()) for part in ("train", "val", "test")]


def test_digits_need_no_files():
    task = open_clouds("digits", points=32)
    assert task.points.shape == (1797, 32, 2)
    assert sizes_of(task) == [997, 300, 500]


def test_mnist_is_cut_in_order(tmp_path):
    images = numpy_stream(0, "images").integers(0, 256, (8100, 2, 2)).astype(np.uint8)
    images[:, 0, 0] = 1
    write_pair(tmp_path / "graphs/MNIST/raw", images, (np.arange(8100) % 10).astype(np.uint8))
    task = open_clouds("mnist", points=2, data=tmp_path)
    assert sizes_of(task) == [7000, 1000, 100]
    assert torch.equal(task.part("val").y, torch.arange(7000, 8000) % 10)
    images[5] = 0
    write_pair(tmp_path / "graphs/MNIST/raw", images, (np.arange(8100) % 10).astype(np.uint8))
    with pytest.raises(UserError, match="mnist: picture 5 is black"):
        open_clouds("mnist", points=2, data=tmp_path)


def test_meshes_are_found_and_can_be_kept_as_clouds(tmp_path):
    write_meshes(tmp_path / "ModelNet10/raw")
    task = open_clouds("modelnet10", points=20, data=tmp_path)
    write_clouds(task, tmp_path / "kept.npz")
    again = read_clouds(tmp_path / "kept.npz")
    assert torch.allclose(again.points, task.points, atol=1e-6)
    assert torch.equal(again.val_mask, task.val_mask)
    assert again.class_names == ("chair", "table")
    assert open_clouds(tmp_path / "kept.npz", points=5).points.shape == (28, 5, 3)


def test_files_without_parts_are_split_at_random(tmp_path):
    np.savez(tmp_path / "a.npz", pos=np.arange(60).reshape(10, 3, 2), label=np.arange(10) % 2)
    assert sizes_of(open_clouds(tmp_path / "a.npz", points=3)) == [6, 2, 2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"y": np.zeros(4, int)}, "points or pos is missing"),
        ({"points": np.zeros((4, 5, 2))}, "y or label is missing"),
        ({"points": np.zeros((4, 5)), "y": np.zeros(4, int)}, "clouds, points, axes"),
        ({"points": np.zeros((4, 5, 2)), "y": np.zeros(4)}, "integers"),
        ({"points": np.full((4, 5, 2), np.nan), "y": np.arange(4) % 2}, "NaN or infinity"),
        ({"points": np.ones((4, 2, 2)), "y": np.arange(4) % 2}, "within 1 and 2"),
        ({"points": np.ones((4, 5, 2)), "y": np.arange(4) % 2, "train_idx": [9]}, "out of bounds"),
        ({"points": np.ones((4, 5, 2)), "y": np.arange(4) % 2, "train_idx": [1]}, "all or none"),
        ({"points": np.array(["a"]), "y": np.arange(4) % 2}, "points holds no numbers"),
    ],
)
def test_other_files_are_refused(tmp_path, fields, message):
    np.savez(tmp_path / "a.npz", **fields)
    with pytest.raises(UserError, match=message) as refused:
        open_clouds(tmp_path / "a.npz", points=3)
    assert "\n" not in str(refused.value)


def test_names_and_numbers_that_are_none_are_refused():
    with pytest.raises(UserError, match="none of the clouds by name: digits, mnist"):
        open_clouds("mnnist")
    with pytest.raises(ValueError, match="points must be at least 1"):
        open_clouds("digits", points=0)
    assert len(CLOUD_NAMES) == 5


def test_damaged_files_end_in_one_sentence(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, points=np.arange(60.0).reshape(10, 3, 2), y=np.arange(10) % 2)
    content, refused = path.read_bytes(), 0
    for damaged in damaged_files(content, count=100):
        path.write_bytes(damaged)
        sentence = refusal(lambda: open_clouds(path, points=2))
        refused += sentence is not None
        assert sentence is None or "a.npz" in sentence
    assert refused > 40, "test invalid"


@pytest.mark.realdata
def test_real_digits_and_shapes():
    task = open_clouds("mnist")
    assert task.points.shape == (10000, 128, 2)
    assert sizes_of(task) == [7000, 1000, 2000]
    ones, zeros = (task.points[task.y == label].std((0, 1)) for label in (1, 0))
    assert ones[0] < zeros[0], "a one is narrower than a zero"
    shapes = open_clouds("chairs-and-monitors", points=64)
    assert (shapes.points.shape, shapes.class_names) == ((1354, 64, 3), ("chair", "monitor"))
