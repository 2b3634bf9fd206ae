import gzip

import numpy as np
import pytest

from lsp_distillation.idx_files import read_idx, read_idx_pair
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal


def idx_bytes(array):
    """Return an array of bytes as an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


def write_pair(folder, images, labels, *, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx_bytes(array)
        path = folder / f"t10k-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [True, False])
def test_what_was_written_is_read(tmp_path, packed):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_pair(tmp_path, images, np.array([3, 5], np.uint8), packed=packed)
    found = read_idx_pair(tmp_path, "t10k")
    assert np.array_equal(found[0], images)
    assert found[1].tolist() == [3, 5]


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    write_pair(tmp_path, np.zeros((2, 3, 3), np.uint8), np.zeros(3, np.uint8))
    with pytest.raises(UserError, match="2 pictures t10k and 3 labels"):
        read_idx_pair(tmp_path, "t10k")
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte does not exist"):
        read_idx_pair(tmp_path, "train")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file"),
        (idx_bytes(np.zeros((2, 3), np.uint8)), "no IDX file of bytes with 1 axes"),
        (idx_bytes(np.zeros(5, np.uint8))[:-1], "less than the 5 bytes"),
        (idx_bytes(np.zeros(5, np.uint8)) + b"x", "more than the 5 bytes"),
        (b"\0\0\x08\x01\xff\xff\xff\xff", "more than 2 GiB"),
    ],
)
def test_other_content_is_refused(tmp_path, content, message):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_idx(path, axes=1)


def test_damaged_files_end_in_one_sentence(tmp_path):
    content = gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8)))
    path, refused = tmp_path / "labels.gz", 0
    for damaged in damaged_files(content, count=200):
        path.write_bytes(damaged)
        sentence = refusal(lambda: read_idx(path, axes=1))
        refused += sentence is not None
        assert sentence is None or "labels.gz" in sentence
    assert refused > 100, "test invalid"
