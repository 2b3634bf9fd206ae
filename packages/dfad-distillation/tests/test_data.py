import numpy as np
import pytest
import torch
from labeled_pictures import bright_quarters, write_class_folders, write_idx_folder

from dfad_distillation.config import InputSpace
from dfad_distillation.data import normalize, open_labeled, open_unlabeled
from tenfold_shared.errors import UserError


def test_the_embedded_digits_come_in_three_parts():
    sizes = {part: len(open_labeled("digits", part)) for part in ("train", "validation", "test")}
    assert sizes == {"train": 997, "validation": 300, "test": 500}
    digits = open_labeled("digits", "train")
    assert digits.images.max() == 255
    assert abs(float((digits.images / 255).mean()) - 0.305) < 0.01


def test_parts_of_idx_folders_do_not_overlap(tmp_path):
    parts = write_idx_folder(tmp_path / "numbers", train=30)
    train, held = (open_labeled(tmp_path / "numbers", part) for part in ("train", "validation"))
    assert torch.equal(torch.cat([train.images, held.images])[:, 0], torch.from_numpy(parts["train"][0]))  # fmt: skip
    assert len(held) == 3
    assert train.classes == ("0", "1", "2")
    assert open_labeled(tmp_path / "numbers", "test").labels.tolist() == parts["test"][1].tolist()


def test_mnist_is_found_where_torchvision_puts_it(tmp_path):
    write_idx_folder(tmp_path / "MNIST" / "raw", packed=False)
    assert len(open_labeled("mnist", "test", data=tmp_path)) == 10
    with pytest.raises(UserError, match=r"torchvision\.datasets\.FashionMNIST"):
        open_labeled("fashion-mnist", "test", data=tmp_path)


def test_labels_outside_the_classes_are_refused(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    write_idx_folder(folder, classes=12, packed=False)
    with pytest.raises(UserError, match=r"holds the label 11; with 10 classes labels are 0 to 9"):
        open_labeled("mnist", "train", data=tmp_path)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UserError, match=r"digits, mnist, fashion-mnist"):
        open_labeled("mnst", "train")
    with pytest.raises(ValueError, match="part must be"):
        open_labeled("digits", "val")


def test_pictures_without_labels(tmp_path):
    folder = write_class_folders(tmp_path / "pets", each=6)
    images = open_unlabeled(folder, size=(8, 8), channels=3, limit=5)
    assert images.shape == (5, 3, 8, 8)
    assert images.dtype == torch.uint8
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no pictures"):
        open_unlabeled(tmp_path / "empty", size=(8, 8), channels=3)


def test_selecting_keeps_pictures_and_labels_together():
    pictures = bright_quarters(8)
    some = pictures.select(np.array([5, 2]))
    assert torch.equal(some.images, pictures.images[[5, 2]])
    assert torch.equal(some.labels, pictures.labels[[5, 2]])


def test_normalizing_is_the_formula():
    images = torch.tensor([[[[0, 51], [255, 102]]]], dtype=torch.uint8)
    space = InputSpace(shape=(1, 2, 2), mean=(0.2,), std=(0.5,))
    expected = torch.tensor([[[[-0.4, 0.0], [1.6, 0.4]]]])
    torch.testing.assert_close(normalize(images, space), expected)
    torch.testing.assert_close(
        normalize(images, InputSpace(shape=(3, 2, 2)))[0, 2], images[0, 0] / 255
    )
    torch.testing.assert_close(normalize(images / 255, space), expected)


def test_sizes_and_channels_are_adapted():
    gray = normalize(torch.full((2, 3, 28, 28), 128, dtype=torch.uint8), InputSpace())
    assert gray.shape == (2, 1, 32, 32)
    torch.testing.assert_close(gray, torch.full_like(gray, 128 / 255))
    colors = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    colors[:, 1] = 255
    assert abs(float(normalize(colors, InputSpace(shape=(1, 4, 4))).mean()) - 0.587) < 1e-6
    with pytest.raises(ValueError, match="cannot become 3"):
        normalize(torch.zeros(1, 2, 4, 4), InputSpace(shape=(3, 4, 4)))


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "sizes", "shape"),
    [
        ("mnist", (50_000, 10_000, 10_000), (1, 28, 28)),
        ("fashion-mnist", (50_000, 10_000, 10_000), (1, 28, 28)),
        ("camvid", (367, 101, 233), (3, 96, 128)),
    ],
)
def test_real_sets_come_whole(name, sizes, shape):
    parts = [open_labeled(name, part) for part in ("train", "validation", "test")]
    assert tuple(map(len, parts)) == sizes
    for part in parts:
        assert part.images.shape[1:] == shape
        assert len(part.classes) == (11 if name == "camvid" else 10)
        classes = part.labels.unique().tolist()
        assert classes == [*range(len(part.classes)), *([255] if name == "camvid" else [])]


@pytest.mark.realdata
def test_the_parts_of_the_cifar_subset_do_not_overlap():
    parts = [open_labeled("cifar10-subset", part) for part in ("train", "validation", "test")]
    files = [file for part in parts for file in part.files]
    assert len(files) == len(set(files)) == 10_000
    assert len(parts[2]) == 2_000
    assert 700 < len(parts[1]) < 900
