import gzip

import numpy as np
import pytest
from labeled_pictures import idx_bytes, write_idx_folder

from dfad_distillation.idx_files import find_idx_pair, read_idx, read_idx_pair
from tenfold_shared.errors import UserError
from tenfold_shared.testing import damaged_files, refusal


@pytest.mark.parametrize("packed", [True, False])
def test_what_was_written_is_read(tmp_path, packed):
    parts = write_idx_folder(tmp_path / "raw", packed=packed)
    for part, (images, labels) in parts.items():
        read = read_idx_pair(find_idx_pair(tmp_path, part))
        assert np.array_equal(read[0], images)
        assert np.array_equal(read[1], labels)


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    write_idx_folder(tmp_path, packed=False)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx_bytes(np.zeros(7, np.uint8)))
    with pytest.raises(UserError, match=r"30 pictures and .* 7 labels"):
        read_idx_pair(find_idx_pair(tmp_path, "train"))


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
