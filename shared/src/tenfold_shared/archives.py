"""Archives from strangers, unpacked within limits and inside their folder."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, cast

from tenfold_shared.errors import UserError
from tenfold_shared.files import atomic_folder

_CHUNK_BYTES = 2**18
_DECOMPRESSORS = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
_ARCHIVE_ERRORS = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    ValueError, RuntimeError, NotImplementedError, OverflowError,
)  # fmt: skip


class _Member(NamedTuple):
    """One entry of an archive; `content` is None for a folder."""

    name: str
    content: IO[bytes] | None


def extract_archive(
    archive: Path,
    folder: Path,
    *,
    limit_bytes: int = 2**33,
    limit_files: int = 200_000,
) -> None:
    """Unpack a zip or tar archive (plain, gz, bz2, xz) into the new folder `folder`.

    Only files and folders whose names stay inside are unpacked: absolute names, `..`, links and
    devices are refused, as is an archive that grows beyond the limits while it is being read. The
    folder appears complete or not at all.

    Args:
        archive: The file to unpack.
        folder: Where to; it must not exist or must be empty.
        limit_bytes: Most bytes to unpack, headers included.
        limit_files: Most files and folders to create.

    Raises:
        UserError: The archive is missing, damaged, hostile or too large, or the folder is in use.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} already exists; move it away or choose another folder.")
    try:
        with atomic_folder(folder) as temporary, archive.open("rb") as source:
            budget = _Budget(archive, limit_bytes)
            members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
            for count, member in enumerate(members(source, budget), start=1):
                if count > limit_files:
                    raise UserError(f"{archive} holds more than {limit_files} files; not unpacked.")
                _unpack(member, temporary, budget)
    except FileNotFoundError as error:
        raise UserError(f"{archive} does not exist; check the path.") from error
    except _ARCHIVE_ERRORS as error:
        raise UserError(f"{archive} cannot be unpacked ({error}); fetch it again.") from error


class _Budget:
    """Counts unpacked bytes and stops at the limit, whatever the headers claim."""

    def __init__(self, archive: Path, limit: int) -> None:
        self.archive, self.limit, self.spent = archive, limit, 0

    def spend(self, count: int) -> None:
        self.spent += count
        if self.spent > self.limit:
            raise UserError(
                f"{self.archive} unpacks to more than {self.limit} bytes; not unpacked. Raise the "
                "limit only for a source that you trust."
            )


class _BoundedReader:
    """A readable stream that spends from a budget: tar headers may claim gigabytes, too."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self.stream, self.budget = stream, budget

    def read(self, count: int) -> bytes:
        data = self.stream.read(count)
        self.budget.spend(len(data))
        return data


def _zip_members(source: IO[bytes], budget: _Budget) -> Iterator[_Member]:
    """Yield the entries of a zip file."""
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            kind = info.external_attr >> 28  # Unix file type, 0 where none is recorded
            if kind not in {0, 0o10, 0o04}:
                raise UserError(f"{budget.archive} holds the link or device {info.filename}.")
            if info.is_dir():
                yield _Member(info.filename.rstrip("/"), None)
            else:
                with archive.open(info) as content:
                    yield _Member(info.filename, content)


def _tar_members(source: IO[bytes], budget: _Budget) -> Iterator[_Member]:
    """Yield the entries of a tar file, reading it once from front to back."""
    opener = _DECOMPRESSORS.get(source.read(2))
    source.seek(0)
    stream = opener(source) if opener else source
    reader = _BoundedReader(stream, budget)  # type: ignore[arg-type]
    with tarfile.open(fileobj=reader, mode="r|") as archive:  # type: ignore[arg-type]
        for info in cast("Iterator[tarfile.TarInfo]", archive):
            if not (info.isfile() or info.isdir()):
                raise UserError(f"{budget.archive} holds the link or device {info.name}.")
            yield _Member(info.name.removeprefix("./"), cast("Any", archive).extractfile(info))


def _unpack(member: _Member, folder: Path, budget: _Budget) -> None:
    """Write one entry below `folder` after checking that its name stays there."""
    name = member.name
    safe = PurePosixPath(name)
    if name == "." and member.content is None:
        return
    if str(safe) != name or safe.is_absolute() or ".." in safe.parts or "\\" in name or ":" in name:
        raise UserError(f"{budget.archive} holds the unsafe name {name!r}; not unpacked.")
    target = folder / safe
    if member.content is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as written:
        while chunk := member.content.read(_CHUNK_BYTES):
            budget.spend(len(chunk))
            written.write(chunk)
