import io
import tarfile
import zipfile
from functools import partial

import pytest

from tenfold_shared import UserError, extract_archive
from tenfold_shared.testing import damaged_files, refusal


def tar_with(*members, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, data, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(data)
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def zip_with(*members, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data, kind in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            info.external_attr = kind << 28
            archive.writestr(info, data)
    return stream.getvalue()


FILES = [("a.txt", b"one"), ("deep/er/b c.bin", b"two" * 1000), ("deep/c", b"")]
GOOD_TARS = [
    tar_with(("./", b"", tarfile.DIRTYPE), *((f"./{n}", d, tarfile.REGTYPE) for n, d in FILES)),
    *(tar_with(*((n, d, b"0") for n, d in FILES), mode=f"w:{m}") for m in ("gz", "bz2", "xz")),
]
GOOD_ZIPS = [
    zip_with(*((n, d, 0) for n, d in FILES)),
    zip_with(("deep/", b"", 4), *((n, d, 8) for n, d in FILES), compression=zipfile.ZIP_STORED),
]


@pytest.mark.parametrize("data", [*GOOD_TARS, *GOOD_ZIPS])
def test_archives_unpack_whole(tmp_path, data):
    (tmp_path / "archive").write_bytes(data)
    extract_archive(tmp_path / "archive", tmp_path / "new" / "folder")
    for name, content in FILES:
        assert (tmp_path / "new" / "folder" / name).read_bytes() == content
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["folder"]
    with pytest.raises(UserError, match="already exists"):
        extract_archive(tmp_path / "archive", tmp_path / "new" / "folder")


UNSAFE = ["../out", "/abs", "a/../../out", "a//b", "./../x", "C:/x", "a\\b", "..", "", "x/."]
LINKS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]


@pytest.mark.parametrize("data", [
    *(tar_with((name, b"evil", tarfile.REGTYPE)) for name in UNSAFE),
    *(zip_with((name, b"evil", 0)) for name in UNSAFE if name),
    *(tar_with(("link", b"", kind)) for kind in LINKS),
    zip_with(("link", b"/etc/passwd", 0o12)),
    tar_with(("a", b"1", b"0"), ("a", b"2", b"0")),
    tar_with(("a", b"1", b"0"), ("a/b", b"2", b"0")),
])  # fmt: skip
def test_hostile_archives_are_refused_and_write_nothing(tmp_path, data):
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "archive").write_bytes(data)
    with pytest.raises(UserError, match="archive"):
        extract_archive(folder / "archive", folder / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["inner"]
    assert [p.name for p in folder.iterdir()] == ["archive"]


def test_bombs_stop_at_the_limit(tmp_path):
    zeros = b"\0" * 30_000_000
    bombs = [
        tar_with(("a", zeros, b"0"), mode="w:gz"),
        zip_with(("a", zeros, 0)),
        tar_with(("x" * 5_000_000, b"", b"0"), mode="w:gz"),  # the size is in a header
    ]
    path = tmp_path / "bomb"
    for bomb in bombs:
        path.write_bytes(bomb)
        assert len(bomb) < 200_000
        with pytest.raises(UserError, match="unpacks to more than 1000000 bytes"):
            extract_archive(path, tmp_path / "out", limit_bytes=1_000_000)
    path.write_bytes(tar_with(*((str(i), b"", b"0") for i in range(50))))
    with pytest.raises(UserError, match="more than 49 files"):
        extract_archive(path, tmp_path / "out", limit_files=49)
    assert list(tmp_path.iterdir()) == [path]
    extract_archive(path, tmp_path / "out", limit_files=50)


@pytest.mark.parametrize("data", [GOOD_TARS[0], GOOD_TARS[1], GOOD_TARS[3], GOOD_ZIPS[0]])
def test_damaged_archives_give_a_sentence(tmp_path, data):
    path = tmp_path / "archive"
    for index, damaged in enumerate(damaged_files(data, count=400)):
        path.write_bytes(damaged)
        folder = tmp_path / str(index)
        limits = {"limit_bytes": 10**7, "limit_files": 100}
        sentence = refusal(partial(extract_archive, path, folder, **limits))
        assert folder.exists() == (sentence is None)


def test_a_missing_archive_and_what_is_none(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        extract_archive(tmp_path / "none", tmp_path / "out")
    (tmp_path / "text").write_text("hello" * 500)
    with pytest.raises(UserError, match="cannot be unpacked"):
        extract_archive(tmp_path / "text", tmp_path / "out")
