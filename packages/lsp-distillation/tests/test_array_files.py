import io
import zipfile

import numpy as np
import pytest

from lsp_distillation import array_files
from lsp_distillation.array_files import read_array, read_arrays
from tenfold_shared.errors import UserError


def write(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.float32(3), "c": np.ones((3, 2), order="F")}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)
    assert set(read_arrays(tmp_path / "a.npz", skip=("b",))) == {"a", "c"}


def test_arrays_of_objects_are_left_out(tmp_path):
    np.savez(tmp_path / "a.npz", texts=np.array(["a", None], object), x=np.ones(2))
    assert set(read_arrays(tmp_path / "a.npz")) == {"x"}


def test_a_header_that_announces_more_than_there_is_allocates_nothing(tmp_path):
    content = npy(np.zeros(10)).replace(b"(10,), }", b"(1%s,), }" % (b"0" * 12))
    path = write(tmp_path / "a.npz", {"x.npy": content})
    with pytest.raises(UserError, match="is damaged"):
        read_arrays(path)


def test_too_much_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "a.npz", {"x.npy": npy(np.zeros(1000))})
    monkeypatch.setattr(array_files, "LIMIT_BYTES", 8000)
    with pytest.raises(UserError, match="announces 8128 bytes of arrays, more than 8000"):
        read_arrays(path)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "holds no arrays"),
        ({"readme.txt": b"hello"}, "holds no arrays"),
        ({"x.npy": b""}, "is damaged"),
        ({"x.npy": b"\x93NUMPY\x09\x00" + b"0" * 90}, "unknown version"),
    ],
)
def test_other_archives_are_refused(tmp_path, members, message):
    with pytest.raises(UserError, match=message):
        read_arrays(write(tmp_path / "a.npz", members))


def test_one_array_in_a_file(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5))
    assert read_array(tmp_path / "a.npy").tolist() == [0, 1, 2, 3, 4]
    np.save(tmp_path / "texts.npy", np.array([None, "a"], object))
    with pytest.raises(UserError, match="pickled objects"):
        read_array(tmp_path / "texts.npy")
    with pytest.raises(UserError, match="does not exist"):
        read_array(tmp_path / "none.npy")
