"""Files and folders that appear whole or not at all, and run folders with one owner."""

import errno
import os
import re
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tenfold_shared.errors import UserError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp(\.[^.]+)?")
_STALE_SECONDS = 3600
_MEBIBYTE = 2**20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LOCK_NAME = ".lock"


# File handles of locks held by this process: a forked child must not keep a dead parent's lock.
_held_locks: set[int] = set()


def write_atomically(path: Path, data: bytes | bytearray | memoryview | str) -> None:
    """Replace `path` by `data` so that a reader sees the old file or the new one, never a part.

    Args:
        path: The file to write; missing parent folders are created.
        data: Bytes, or text that is written as UTF-8.

    Raises:
        UserError: The file cannot be written (disk full, read-only); an old file is unharmed.
    """
    content = memoryview(data.encode() if isinstance(data, str) else data).cast("B")
    with atomic_path(path, needed_bytes=len(content)) as temporary:
        # O_CREAT with 0o666 obeys the umask; mkstemp's 0o600 would lock out colleagues.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            while len(content):
                content = content[os.write(handle, content) :]
        finally:
            os.close(handle)


@contextmanager
def atomic_path(path: Path, *, needed_bytes: int | None = None) -> Generator[Path]:
    """Yield a temporary sibling of `path` that takes its place once the block has succeeded.

    The sibling ends in the same suffix, since writers of pictures and videos choose by it. It is
    flushed to the disk before it is renamed, and removed when the block raises.

    Args:
        path: The final file; missing parent folders are created, a link is followed.
        needed_bytes: Size of the file if known, for the message when the disk is full.

    Yields:
        The path to write.

    Raises:
        UserError: The disk is full, the folder cannot be written, or `path` is a folder or a device.
    """
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(4)}.tmp{final.suffix}")
    try:
        _refuse_other_kinds(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(final)
        _flush_folder(final.parent)
    except OSError as error:
        if error.errno in _FULL or _concerns(error, final, temporary):
            raise _cannot_write(path, error, needed_bytes) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_folder(folder: Path) -> Generator[Path]:
    """Yield a temporary sibling folder that becomes `folder` once the block has succeeded.

    Args:
        folder: The final folder; it must not exist or must be empty.

    Yields:
        The folder to fill.
    """
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.replace(folder)
        _flush_folder(folder.absolute().parent)
    except OSError as error:
        if error.errno in _FULL:
            raise _cannot_write(folder, error, None) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_destination(path: Path) -> None:
    """Refuse a file that could not be written, before hours are spent on what it should hold.

    Nothing is created; a disk that fills up meanwhile is found only when the file is written.

    Raises:
        UserError: `path` is a folder or a device, or nothing can be created where it should lie.
    """
    _refuse_other_kinds(path)
    above = next(place for place in path.absolute().parents if os.path.lexists(place))
    if not above.is_dir():
        raise _cannot_write(path, NotADirectoryError(errno.ENOTDIR, "Not a directory"), None)
    if not os.access(above, os.W_OK):
        raise UserError(f"Cannot write {path}: {above} is read-only; choose another place.")


def _refuse_other_kinds(path: Path) -> None:
    """Refuse a path that is there but no regular file."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        raise UserError(f"Cannot write {path}: it is {what}; name a file.")


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, if they are missing.

    Raises:
        UserError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error, None) from error


def sweep_stale_temporaries(folder: Path) -> list[Path]:
    """Remove what killed writers left in `folder`: temporary files older than an hour.

    Returns:
        The removed files.
    """
    removed: list[Path] = []
    for file in sorted(folder.glob(".*")):
        with suppress(OSError):
            old = time.time() - file.stat().st_mtime > _STALE_SECONDS
            if old and _TEMPORARY_NAME.fullmatch(file.name) and file.is_file():
                file.unlink()
                removed.append(file)
    return removed


@contextmanager
def lock_folder(folder: Path) -> Generator[None]:
    """Own `folder`, creating it if needed, until the block ends or the process dies.

    The lock belongs to the operating system, which frees it when its process dies in any way; the
    file `.lock` that stays behind only tells others whom to look for.

    Raises:
        UserError: Another process owns the folder, or it cannot be written.
    """
    make_folder(folder)
    try:
        handle = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _cannot_write(folder, error, None) from error
    try:
        if not _try_lock(handle):
            owner = os.read(handle, 200).decode(errors="replace") or "another process"
            raise UserError(
                f"{folder} is in use by {owner}; wait until it ends or choose another folder."
            )
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except BaseException:
        os.close(handle)
        raise
    _held_locks.add(handle)
    try:
        yield
    finally:
        if handle in _held_locks:  # not so in a forked child, which has closed its copy
            _held_locks.remove(handle)
            os.close(handle)


def _try_lock(handle: int) -> bool:
    """Lock the open file without waiting; tell whether that succeeded."""
    try:
        if sys.platform == "win32":
            os.lseek(handle, _MEBIBYTE, os.SEEK_SET)  # far behind the text, which stays readable
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            os.lseek(handle, 0, os.SEEK_SET)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.lseek(handle, 0, os.SEEK_SET)
        return False
    return True


def _forget_locks() -> None:
    """Close the copies of lock files that a forked child inherits."""
    for handle in _held_locks:
        with suppress(OSError):
            os.close(handle)
    _held_locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut; a no-op where folders cannot be opened (Windows)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _concerns(error: OSError, final: Path, temporary: Path) -> bool:
    """Tell whether the error names the file being written or one of its folders."""
    if not isinstance(error.filename, str | Path):
        return False
    return Path(error.filename) in {temporary, final, *final.parents}


def _cannot_write(path: Path, error: OSError, needed: int | None) -> UserError:
    """Return the sentence for a failed write, with the space that is needed and free."""
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        above = [Path(path), *Path(path).absolute().parents]
        obstacle = next((place for place in above if place.exists() and not place.is_dir()), path)
        return UserError(f"Cannot write {path}: {obstacle} is no folder; choose another place.")
    if error.errno not in _FULL:
        return UserError(f"Cannot write {path}: {error.strerror}; choose another place for it.")
    folder = next(parent for parent in Path(path).absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    wanted = "more" if needed is None else f"{needed} bytes"
    return UserError(
        f"Cannot write {path}: the disk is full ({wanted} needed, {free} bytes free); make room "
        "or choose another folder."
    )
