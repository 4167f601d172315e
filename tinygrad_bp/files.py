"""Files that are whole or absent, known to be writable beforehand, and read only if regular."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tinygrad_bp.errors import DataError, TinygradError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

__all__ = ["PathLike", "check_writable", "naming", "reading", "replacing"]

PathLike: TypeAlias = str | os.PathLike[str]


@contextlib.contextmanager
def replacing(
    path: PathLike, *, error: type[TinygradError] = DataError
) -> Iterator[io.BufferedWriter]:
    """Give a temporary file that takes the place of `path` only if the block succeeds.

    A crash at any point leaves either the previous file or the complete new one: the bytes are on
    the disk (fsync) before the name changes hands, and the folder after. A failure removes the
    temporary file, and what a killed process left of its own is removed by the next to write to
    `path`. If `path` is a symbolic link, the file that it points to is replaced; a file that is
    replaced hands its mode and owner on to the new one.

    Raises `error`, one of the library's classes, if the folder is missing, full or cannot be
    written to, or if `path` is write-protected or anything but a regular file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.bin") as file:
    ...         _ = file.write(b"whole")
    ...     print([p.name for p in Path(folder).iterdir()])
    ['a.bin']
    """
    with _writing(path, error), _part_of(_target(path)) as (file, target):
        yield file
        file.flush()
        os.fsync(file.fileno())
        if fcntl is None:  # Windows does not rename open files
            file.close()
        # While the file is locked: without the lock it would look like a dead process's.
        Path(file.name).replace(target)
        _sync_folder(target.parent)


def check_writable(path: PathLike, *, error: type[TinygradError] = DataError) -> None:
    """Raise what `replacing` would, as far as that can be known before there is anything to write.

    To be called before the hours of work whose outcome `path` is to hold. A file that is there is
    not touched.

    Raises `error` as `replacing` does; only a disk that fills up later goes unnoticed.

    >>> check_writable("no/such/folder/model.npz")
    Traceback (most recent call last):
    tinygrad_bp.errors.DataError: no/such/folder/model.npz could not be written: No such file ...
    """
    with _writing(path, error), _part_of(_target(path)):
        pass


@contextlib.contextmanager
def reading(
    path: PathLike, *, error: type[TinygradError] = DataError
) -> Iterator[io.BufferedReader]:
    """Open a regular file to read its bytes.

    Raises `error`, one of the library's classes, if there is no such file or it may not be read,
    and for a folder, a device or a pipe, from which bytes might come without end or never; also
    if reading fails inside the block.

    >>> with reading("/dev/zero") as file:
    ...     file.read()
    Traceback (most recent call last):
    tinygrad_bp.errors.DataError: /dev/zero cannot be read: it is not a regular file. Check ...
    """
    try:
        with open(_checked(path), "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("it is not a regular file")
            yield file
    except FileNotFoundError as problem:
        raise error(f"{path} does not exist. Check the folder and the name.") from problem
    except OSError as problem:
        raise error(
            f"{path} cannot be read: {_reason(problem)}. Check that it is a file you may read."
        ) from problem


# --- reading --------------------------------------------------------------------------------------


@contextlib.contextmanager
def naming(path: PathLike | None, *, error: type[TinygradError] = DataError) -> Iterator[None]:
    """Begin what an error says of a file with its name, if there is a file and it does not yet.

    >>> with naming("digits.idx"):
    ...     raise DataError("it is empty")
    Traceback (most recent call last):
    tinygrad_bp.errors.DataError: digits.idx: it is empty
    """
    try:
        yield
    except error as problem:
        if path is None or str(problem).startswith(f"{path}: "):
            raise
        raise error(f"{path}: {problem}") from problem


def _without_waiting(path: str, flags: int) -> int:
    # A pipe that nobody writes to would keep us waiting, a terminal might become ours.
    for flag in ("O_NONBLOCK", "O_NOCTTY"):
        flags |= getattr(os, flag, 0)
    return os.open(path, flags)


def _checked(path: PathLike) -> str:
    """Return the path as text; what Python refuses with a ValueError is an OSError here."""
    text = os.fspath(path)
    try:
        if b"\0" in os.fsencode(text):
            raise OSError("there is a null character in the name")
    except UnicodeEncodeError as problem:
        raise OSError(f"the name cannot be encoded in {problem.encoding}") from problem
    return text


def _reason(problem: OSError) -> str:
    return problem.strerror or str(problem)


# --- writing --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _writing(path: PathLike, error: type[TinygradError]) -> Iterator[None]:
    """Translate what the system says into the class that the caller wants."""
    try:
        yield
    except OSError as problem:
        raise error(
            f"{path} could not be written: {_reason(problem)}. Give a file in a folder that "
            "exists, that you may write to and that has room."
        ) from problem


def _target(path: PathLike) -> Path:
    """Return the file that is to be replaced, at the end of all symbolic links."""
    target = Path(os.path.realpath(_checked(path)))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if target.exists():
        if not target.is_file():
            raise OSError("it is a folder" if target.is_dir() else "it is not a regular file")
        if not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, "it is write-protected")
    return target


@contextlib.contextmanager
def _part_of(target: Path) -> Iterator[tuple[io.BufferedWriter, Path]]:
    """Give a new file beside the target, locked while we live, and remove it if it is still there.

    Beside the target, because os.replace is atomic only within one file system; not by
    `tempfile`, whose files are closed to the group whatever the user's umask says.
    """
    _remove_stale_parts(target)
    previous = target.stat() if target.exists() else None
    # A file that replaces another one is closed to everybody until it has the other's mode.
    opener = functools.partial(os.open, mode=0o666 if previous is None else 0o600)
    while True:
        part = target.with_name(f".{target.name}.{os.urandom(4).hex()}.part")
        try:
            with open(part, "xb", opener=opener) as file:
                if not _lock(file.fileno(), wait=True):
                    continue  # it was taken for a dead process's before it was locked
                if previous is not None:
                    _hand_on(previous, file.fileno())
                yield file, target
                return
        finally:  # whatever happened, KeyboardInterrupt too; after success there is none
            with contextlib.suppress(OSError):
                part.unlink()


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock a file for as long as this process has it open; False if another has, or removed it."""
    if fcntl is None:
        return wait
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # another process's, or a file system without locks, on which nothing is stale
        return wait
    return os.fstat(descriptor).st_nlink > 0


def _hand_on(previous: os.stat_result, descriptor: int) -> None:
    """Give a file the owner and mode of the one that it replaces."""
    if os.name != "posix":
        return
    for owner, group in ((-1, previous.st_gid), (previous.st_uid, -1)):
        with contextlib.suppress(OSError):  # only the superuser gives files away
            os.fchown(descriptor, owner, group)
    os.fchmod(descriptor, stat.S_IMODE(previous.st_mode) & 0o777)


def _remove_stale_parts(target: Path) -> None:
    """Remove what processes that were killed have left of this target.

    A file is such a part if it has the name of one and nobody holds its lock, which ends with the
    process that took it. Where there are no locks, all are left.
    """
    is_part = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.part").fullmatch
    # Whatever cannot be listed, opened or removed can stay.
    with contextlib.suppress(OSError):
        for name in filter(is_part, os.listdir(target.parent)):
            with contextlib.suppress(OSError, TinygradError), reading(target.parent / name) as file:
                if _lock(file.fileno(), wait=False):
                    (target.parent / name).unlink()


def _sync_folder(folder: Path) -> None:
    """Make a new name in the folder outlast a power cut, where the system can do that."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # to list the folder, which is not needed to write into it
        return
    try:
        os.fsync(descriptor)
    except OSError as problem:
        if problem.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system has it
            raise
    finally:
        os.close(descriptor)
