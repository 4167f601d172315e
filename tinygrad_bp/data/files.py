"""Files that are either whole or absent, and where the operating system wants caches kept."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tinygrad_bp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["cache_folder", "replacing"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a temporary file that takes the place of `path` only if the block succeeds.

    A crash at any point leaves either the previous file or the complete new one: the bytes are
    on the disk (fsync) before the name changes hands, and a failure removes the temporary file.

    Raises `DataError` if the folder is missing, full or cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "a.bin") as file:
    ...         _ = file.write(b"whole")
    ...     print([p.name for p in Path(folder).iterdir()])
    ['a.bin']
    """
    # Beside the target, because os.replace is atomic only within one file system; not by
    # `tempfile`, whose files are closed to the group whatever the user's umask says.
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} could not be written: {error}. Give a folder that exists, that you may write "
            "to and that has room."
        ) from error
    finally:  # whatever happened, KeyboardInterrupt too; after success there is none
        temporary.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return this user's folder for re-creatable files, which need not exist yet.

    It follows the platform: `$XDG_CACHE_HOME` or `~/.cache` on Linux, `~/Library/Caches` on
    macOS, `%LOCALAPPDATA%` on Windows.

    >>> cache_folder().name
    'tinygrad_bp'
    """
    home = Path.home()
    by_platform = {
        "darwin": ("", home / "Library" / "Caches"),
        "win32": ("LOCALAPPDATA", home / "AppData" / "Local"),
    }
    variable, default = by_platform.get(sys.platform, ("XDG_CACHE_HOME", home / ".cache"))
    given = Path(os.environ.get(variable, ""))
    # The XDG specification tells programs to ignore a relative path.
    return (given if given.is_absolute() else default) / "tinygrad_bp"
