"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, BinaryIO

from tinygrad_bp.errors import DataError, TinygradError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: Path, *, error: type[TinygradError] = DataError) -> Iterator[BinaryIO]:
    """Give a temporary file that takes the place of `path` only if the block succeeds.

    A crash at any point leaves either the previous file or the complete new one: the bytes are
    on the disk (fsync) before the name changes hands, and a failure removes the temporary file.

    Raises `error`, one of the library's classes, if the folder is missing, full or cannot be
    written to.

    >>> import tempfile
    >>> from pathlib import Path
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
    except OSError as problem:
        raise error(
            f"{path} could not be written: {problem}. Give a folder that exists, that you may "
            "write to and that has room."
        ) from problem
    finally:  # whatever happened, KeyboardInterrupt too; after success there is none
        temporary.unlink(missing_ok=True)
