import errno
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tenfold_shared import UserError, atomic_path, write_atomically
from tenfold_shared.files import (
    check_destination,
    lock_folder,
    make_folder,
    sweep_stale_temporaries,
)


def test_text_and_bytes_are_written_with_the_usual_rights(tmp_path):
    path = tmp_path / "new folder" / "späße.txt"
    write_atomically(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()
    write_atomically(path, memoryview(b"abc"))
    assert path.read_bytes() == b"abc"
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("old")

    def fail(temporary):
        assert temporary.suffix == ".mp4"
        assert temporary.parent == tmp_path
        temporary.write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        fail(temporary)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_keeps_the_old_file_and_says_how_much_is_needed(tmp_path, monkeypatch):
    path, real, calls = tmp_path / "c", os.write, []
    write_atomically(path, b"old")

    def write(handle, data):
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data[:1000])  # a short write first, as a real disk does

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(UserError, match=r"disk is full \(5000 bytes needed, \d+ bytes free\)"):
        write_atomically(path, b"x" * 5000)
    monkeypatch.undo()
    assert calls == [5000, 4000]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_no_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    for place, sentence in (
        (tmp_path / "folder", "it is a folder; name a file"),
        (tmp_path / "file" / "a.csv", f"{tmp_path / 'file'} is no folder"),
        (tmp_path / "file" / "b" / "a.csv", f"{tmp_path / 'file'} is no folder"),
    ):
        with pytest.raises(UserError, match=re.escape(sentence)):
            write_atomically(place, "new")
        with pytest.raises(UserError, match=re.escape(sentence)):
            check_destination(place)
    for folder in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'file'} is no folder")):
            make_folder(folder)
        with pytest.raises(UserError, match="is no folder"), lock_folder(folder):
            pass
    assert (tmp_path / "file").read_text() == "old"
    make_folder(tmp_path / "new" / "folders")
    assert (tmp_path / "new" / "folders").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="links to devices as POSIX has them")
def test_a_destination_is_checked_without_a_trace(tmp_path, monkeypatch):
    path = tmp_path / "new" / "folder" / "a.csv"
    check_destination(path)
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(UserError, match=re.escape(f"{tmp_path} is read-only")):
        check_destination(path)
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "a.csv").symlink_to(os.devnull)
    with pytest.raises(UserError, match="it is no regular file"):
        write_atomically(tmp_path / "a.csv", "new")
    assert not Path(os.devnull).is_file()


def test_a_write_in_pieces_is_complete(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:7]))
    write_atomically(tmp_path / "c", bytes(range(100)))
    assert (tmp_path / "c").read_bytes() == bytes(range(100))


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
def test_a_really_full_file_system(tmp_path):
    """Needs the right to mount; skipped without it."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2M", "none", str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("not allowed to mount a small file system")
    try:
        write_atomically(mount / "c", b"a" * 2**20)
        with pytest.raises(UserError, match="disk is full"):
            write_atomically(mount / "c", b"b" * 2**21)
        assert (mount / "c").read_bytes() == b"a" * 2**20
        assert [p.name for p in mount.iterdir()] == ["c"]
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_unwritable_places_give_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="Cannot write"):
            write_atomically(path, b"")
    with pytest.raises(UserError, match="Cannot write"):
        write_atomically(tmp_path, b"")


def test_errors_about_other_files_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_path(tmp_path / "a"):
        (tmp_path / "elsewhere" / "file").read_text()


def test_a_killed_writer_leaves_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "data"
    code = (
        "import sys; from pathlib import Path; from tenfold_shared import write_atomically\n"
        "n = 0\n"
        "while True:\n"
        "    write_atomically(Path(sys.argv[1]), bytes([n % 256]) * 300_000); n += 1\n"
    )
    for attempt in range(8):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)])
        deadline = time.monotonic() + 20
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.013 * attempt)
        process.kill()
        process.wait()
        data = path.read_bytes()
        assert len(data) == 300_000
        assert len(set(data)) == 1
        path.unlink()


def test_old_leftovers_are_swept_and_others_kept(tmp_path):
    names = [".c.safetensors.0a1b2c3d.tmp.safetensors", ".c.0a1b2c3d.tmp", ".c.00000000.tmp.png"]
    kept = [".hidden", "c.0a1b2c3d.tmp", ".c.tmp", ".c.0a1b2c3d.tmp.d.e"]
    for name in [*names, *kept]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / names[2])
    assert [p.name for p in sweep_stale_temporaries(tmp_path)] == sorted(names[:2])
    assert {p.name for p in tmp_path.iterdir()} == {*kept, names[2]}


HOLD = (
    "import sys, time; from pathlib import Path; from tenfold_shared.files import lock_folder\n"
    "with lock_folder(Path(sys.argv[1])):\n"
    "    print('locked', flush=True); time.sleep(60)\n"
)


def test_the_second_process_is_told_the_first_ones_number(tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"locked\n"
    with (
        pytest.raises(UserError, match=f"in use by process {process.pid} on "),
        lock_folder(folder),
    ):
        pass
    process.kill()
    process.communicate()
    with lock_folder(folder):  # the lock of a dead process is no obstacle
        assert str(os.getpid()) in (folder / ".lock").read_text()


def test_a_lock_holds_within_a_process_and_is_freed(tmp_path):
    with lock_folder(tmp_path):
        second = lock_folder(tmp_path)
        with pytest.raises(UserError, match=str(os.getpid())):
            second.__enter__()
    with lock_folder(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    """Data loaders fork; a worker that outlives a killed parent must not block the next run."""
    reader, writer = os.pipe()
    with lock_folder(tmp_path):
        child = os.fork()
        if child == 0:
            os.write(writer, b"forked")
            time.sleep(30)
            os._exit(0)
        assert os.read(reader, 10) == b"forked"
    try:
        with lock_folder(tmp_path):
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
