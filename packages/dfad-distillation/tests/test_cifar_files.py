import numpy as np
import pytest

from dfad_distillation.cifar_files import read_cifar, read_cifar_classes
from dfad_distillation.data import open_labeled
from tenfold_shared.errors import UserError


def _write(folder, *, coarse):
    folder.mkdir()
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    if coarse:
        names = ["train.bin", "test.bin"]
    for start, name in enumerate(names):
        pictures = np.full((4, 3072), start, np.uint8)
        labels = np.arange(4, dtype=np.uint8)[:, None]
        before = [np.full((4, 1), 9, np.uint8)] if coarse else []
        (folder / name).write_bytes(np.concatenate([*before, labels, pictures], 1).tobytes())
    (folder / ("fine_label_names.txt" if coarse else "batches.meta.txt")).write_text("a\nb\nc\nd\n")
    return folder


@pytest.mark.parametrize(("name", "coarse"), [("cifar-10-batches-bin", False), ("cifar-100-binary", True)])  # fmt: skip
def test_records_are_labels_and_pictures(tmp_path, name, coarse):
    folder = _write(tmp_path / name, coarse=coarse)
    images, labels = read_cifar(folder, "train")
    assert images.shape[1:] == (3, 32, 32)
    assert labels.tolist() == [0, 1, 2, 3] * (len(images) // 4), "fine labels, not coarse ones"
    assert read_cifar_classes(folder) == ("a", "b", "c", "d")
    assert len(open_labeled(folder, "test")) == 4


def test_short_files_and_missing_ones_are_refused(tmp_path):
    folder = _write(tmp_path / "cifar-10-batches-bin", coarse=False)
    path = folder / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="cut short"):
        read_cifar(folder, "train")
    (folder / "test_batch.bin").unlink()
    with pytest.raises(UserError, match=r"test_batch\.bin cannot be read"):
        read_cifar(folder, "test")
