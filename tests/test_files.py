"""Files that are whole or absent: links, modes, locks, and processes killed at any moment."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tinygrad_bp import files
from tinygrad_bp.errors import CheckpointError, DataError
from tinygrad_bp.files import check_writable, reading, replacing


def write(path, content=b"new", **options):
    with replacing(path, **options) as file:
        file.write(content)


@pytest.fixture
def path(tmp_path):
    """A file in a folder of its own."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder / "a.bin"


@pytest.fixture
def unprivileged():
    """A folder that anybody may look into, and the rights of a user who owns nothing in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "there").write_bytes(b"old")
        (folder / "there").chmod(0o644)
        folder.chmod(0o555)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if was_root:
                os.seteuid(0)
            folder.chmod(0o755)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- what is kept of the previous file ------------------------------------------------------------


def test_a_link_stays_and_what_it_points_to_is_replaced(path, tmp_path):
    real = tmp_path / "real.bin"
    real.write_bytes(b"old")
    (path.parent / "between").symlink_to("../real.bin")
    path.symlink_to("between")
    write(path)
    assert path.is_symlink()
    assert os.readlink(path) == "between"
    assert real.read_bytes() == path.read_bytes() == b"new"
    assert names(path.parent) == ["a.bin", "between"]
    assert names(tmp_path) == ["folder", "real.bin"]


def test_a_link_to_nothing_gets_what_it_points_to(path, tmp_path):
    path.symlink_to(tmp_path / "real.bin")
    write(path)
    assert path.is_symlink()
    assert (tmp_path / "real.bin").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o755])
def test_the_mode_is_kept_from_the_first_byte_on(path, mode):
    path.write_bytes(b"old")
    path.chmod(mode)
    seen = []
    with replacing(path) as file:
        seen.append(stat.S_IMODE(os.stat(file.name).st_mode))
        file.write(b"new")
    seen.append(stat.S_IMODE(path.stat().st_mode))
    assert seen == [mode, mode]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the superuser, who alone gives files away")
def test_the_owner_is_kept(path):
    path.write_bytes(b"old")
    os.chown(path, 65534, 65533)
    write(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65533)


def test_a_new_file_has_the_mode_that_the_umask_leaves(path):
    umask = os.umask(0o027)
    try:
        write(path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# --- what cannot be written -----------------------------------------------------------------------


def a_pipe(path):
    os.mkfifo(path)


def a_loop(path):
    path.symlink_to(path)


def a_link_into_nowhere(path):
    path.symlink_to("no/such/folder")


def a_protected_file(path):
    path.write_bytes(b"old")
    path.chmod(0o444)


IN_THE_WAY = {
    Path.mkdir: "it is a folder",
    a_pipe: "it is not a regular file",
    a_loop: "symbolic links",
    a_link_into_nowhere: "No such file",
}


def what_is_there(path):
    """All that a file system knows of a path, but for when it was last looked at."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_nlink


@pytest.mark.parametrize("act", [check_writable, write])
@pytest.mark.parametrize("make", IN_THE_WAY)
def test_what_is_in_the_way_is_told_and_left(path, make, act):
    make(path)
    before = what_is_there(path)
    with pytest.raises(CheckpointError, match=f"a.bin could not be.*{IN_THE_WAY[make]}.*Give a"):
        act(path, error=CheckpointError)
    assert what_is_there(path) == before
    assert names(path.parent) == ["a.bin"]


@pytest.mark.parametrize("act", [check_writable, write])
@pytest.mark.parametrize("name", ["", "/", "a\0b", "\ud800", "n" * 300, "there/a", "no/a"])
def test_names_that_no_file_can_have(path, monkeypatch, name, act):
    monkeypatch.chdir(path.parent)
    Path("there").write_bytes(b"")
    with pytest.raises(DataError, match="could not be written"):
        act(name)
    assert names(path.parent) == ["there"]


@pytest.mark.parametrize("act", [check_writable, write])
def test_a_folder_that_is_not_ours(unprivileged, act):
    for name in "new", "there":
        with pytest.raises(DataError, match=f"{name} could not be written: .*(denied|protected)"):
            act(unprivileged / name)
    assert (unprivileged / "there").read_bytes() == b"old"


@pytest.mark.parametrize("act", [check_writable, write])
def test_a_write_protected_file_in_a_folder_of_ours(unprivileged, act):
    folder = Path(tempfile.mkdtemp())
    a_protected_file(folder / "a")
    with pytest.raises(DataError, match="write-protected"):
        act(folder / "a")
    (folder / "a").unlink()
    folder.rmdir()


@pytest.mark.parametrize("act", [check_writable, write])
def test_a_read_only_file_system(path, monkeypatch, act):
    def refuse(path, flags, mode):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with pytest.raises(CheckpointError, match="could not be written: Read-only file system"):
            act(path, error=CheckpointError)


def test_a_check_leaves_everything_as_it_was(path):
    check_writable(path)
    assert names(path.parent) == []
    path.write_bytes(b"old")
    before = path.stat()
    check_writable(str(path))
    assert path.stat() == before
    assert names(path.parent) == ["a.bin"]


def test_names_do_not_reach_the_terminal_as_commands(tmp_path):
    with pytest.raises(DataError) as caught:
        write(tmp_path / "no\x1b[2J\x9b\u202e\ud800" / "a")
    assert str(caught.value).isprintable()
    assert r"no\x1b[2J\x9b\u202e\ud800/a could not be written" in str(caught.value)


# --- how it reaches the disk ----------------------------------------------------------------------


def test_the_file_is_on_the_disk_before_its_name_and_the_folder_after(path, monkeypatch):
    events = []
    plain_fsync, plain_replace = os.fsync, os.replace

    def fsync(descriptor):
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        plain_fsync(descriptor)

    def replace(old, new):
        events.append("name")
        plain_replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    write(path)
    assert events == ["file", "name", "folder"]


@pytest.mark.parametrize(("number", "tolerated"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_folder_that_cannot_be_synced(path, monkeypatch, number, tolerated):
    plain_fsync = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        plain_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    expected = contextlib.nullcontext() if tolerated else pytest.raises(DataError, match="error")
    with expected:
        write(path)
    assert path.read_bytes() == b"new"


def test_a_folder_that_may_be_written_to_but_not_listed(unprivileged):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o300)
        write(folder / "a")
        folder.chmod(0o700)
        assert names(folder) == ["a"]


# --- what killed processes leave ------------------------------------------------------------------

PART = ".a.bin.0123abcd.part"


@pytest.mark.parametrize("act", [check_writable, write])
def test_stale_parts_are_removed_and_nothing_else(path, act):
    kept = [
        ".a.bin.0123abcd.partly",
        ".a.bin.0123abcde.part",
        ".a.bin.notes.part",
        ".a.bin.tmp.0123abcd.part",
        ".axbin.0123abcd.part",
        "a.bin.0123abcd.part",
    ]
    for name in [PART, ".a.bin.ffffffff.part", *kept]:
        (path.parent / name).write_bytes(b"left")
    os.mkfifo(path.parent / ".a.bin.00000001.part")
    (path.parent / ".a.bin.00000002.part").mkdir()
    (path.parent / ".a.bin.00000003.part").symlink_to("nowhere")
    act(path)
    left = [name for name in names(path.parent) if name != "a.bin"]
    assert left == sorted([*kept, *(f".a.bin.0000000{i}.part" for i in (1, 2, 3))])


def test_what_a_living_process_writes_is_not_stale(path):
    with replacing(path) as first:
        first.write(b"first")
        with replacing(path) as second:
            assert len(names(path.parent)) == 2
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert names(path.parent) == ["a.bin"]


def test_without_locks_nothing_is_taken_for_stale(path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    (path.parent / PART).write_bytes(b"left")
    monkeypatch.setattr(fcntl, "flock", refuse)
    write(path)
    assert names(path.parent) == [PART, "a.bin"]


def test_a_system_without_locks_closes_the_file_before_it_is_renamed(path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    (path.parent / PART).write_bytes(b"left")
    with replacing(path) as file:
        file.write(b"new")
    assert file.closed
    assert names(path.parent) == [PART, "a.bin"]


def test_a_part_that_is_swept_away_before_it_is_locked_is_begun_again(path, monkeypatch):
    plain_flock = fcntl.flock
    swept = []

    def late(descriptor, operation):
        if len(swept) < 3:
            (part,) = path.parent.iterdir()
            part.unlink()
            swept.append(part)
        plain_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    write(path)
    assert len(set(swept)) == 3
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["a.bin"]


def test_many_who_write_to_one_name_do_not_hinder_each_other(path):
    failures = []

    def work(letter):
        try:
            for _ in range(50):
                write(path, letter * 10_000)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert path.read_bytes() in {letter * 10_000 for letter in (b"a", b"b", b"c", b"d")}
    assert names(path.parent) == ["a.bin"]


# A process that forks, so that Python and the library are imported once; each child saves over a
# link to a file of mode 0600 and kills itself at one of the events that a profiler is told of.
KILLED = """
import os, random, signal, stat, sys
from pathlib import Path
import numpy as np
from tinygrad_bp import nn

folder = Path(sys.argv[1])
path, real = folder / "model.npz", folder / "real.npz"
path.symlink_to("real.npz")
old, new = (nn.MLP(4, 3, 2, rng=np.random.default_rng(seed)) for seed in (0, 1))
nn.save(path, new)
whole = {"new": real.read_bytes()}
nn.save(path, old)
whole["old"] = real.read_bytes()
real.chmod(0o600)

def events(kill_at=None):
    count = 0
    def profiler(frame, event, argument):
        nonlocal count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.setprofile(profiler)
    nn.save(path, new)
    sys.setprofile(None)
    return count

total = events()
outcomes, left = set(), 0
moments = random.Random(0).sample(range(1, total), 150) + list(range(total - 50, total))
for kill_at in moments:
    real.write_bytes(whole["old"])
    child = os.fork()
    if child == 0:
        events(kill_at)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status), status
    content = real.read_bytes()
    outcomes.add(next(name for name, bytes_ in whole.items() if bytes_ == content))
    left += len(list(folder.glob(".*.part"))) > 0
    nn.save(path, old)
    assert sorted(os.listdir(folder)) == ["model.npz", "real.npz"], os.listdir(folder)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600 and path.is_symlink()
    assert real.read_bytes() == whole["old"]
assert outcomes == {"old", "new"}, outcomes
assert left > 0
"""


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=True)


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (a_pipe, "cannot be read: it is not a regular file"),
        (Path.mkdir, "cannot be read: .*directory"),
        (lambda path: path.symlink_to("/dev/zero"), "cannot be read: it is not a regular file"),
        (a_loop, "cannot be read: .*symbolic links"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_no_file_to_read(path, make, match):
    make(path)
    with (
        pytest.raises(CheckpointError, match=f"{path} {match}"),
        reading(path, error=CheckpointError),
    ):
        pass


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "n" * 300])
def test_names_of_nothing_to_read(name):
    with pytest.raises(DataError), reading(name):
        pass


def test_a_file_that_may_not_be_read(unprivileged):
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        with pytest.raises(DataError, match="cannot be read: Permission denied"):
            reading(file.name).__enter__()
