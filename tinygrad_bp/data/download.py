"""Fetch a file from the first mirror that gives the right content."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TypeAlias

from tinygrad_bp.errors import DataError, printable
from tinygrad_bp.files import replacing

__all__ = ["Progress", "fetch"]

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called as progress(name, done_bytes, total_bytes); the total is None if a server is silent."""

CHUNK = 1 << 16


def fetch(
    target: Path,
    urls: Iterable[str],
    check: Callable[[Path], None],
    *,
    max_bytes: int,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> None:
    """Download to `target`, from the first of `urls` whose answer passes `check`.

    `check` gets the path of a temporary file in the same folder and raises DataError if that is
    not what was asked for; only afterwards does the file get its name. `timeout`, in seconds,
    bounds each wait for a server, `max_bytes` what is accepted from it.

    Raises `DataError` if no mirror gave the file (the message has the reason of each), or if the
    folder cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     _ = (folder / "there").write_bytes(b"5")
    ...     fetch(folder / "here", [(folder / "there").as_uri()], lambda path: None, max_bytes=9)
    ...     (folder / "here").read_bytes()
    b'5'
    """
    folder = target.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be made: {error.strerror}. Give another one."
        ) from error
    reasons = []
    for url in urls:
        try:
            _fetch_from(url, target, check, max_bytes=max_bytes, timeout=timeout, progress=progress)
        except _MirrorError as error:
            reasons.append(f"  {url}: {error}")
        else:
            return
    tried = "\n".join(reasons) or "  (no mirror was given)"
    raise DataError(
        f"{target.name} could not be downloaded:\n{tried}\n"
        f"Check the connection and try again, or get the file by other means and put it into "
        f"{folder}."
    )


class _MirrorError(Exception):
    """One mirror's answer will not do; another's may."""


def _fetch_from(
    url: str,
    target: Path,
    check: Callable[[Path], None],
    *,
    max_bytes: int,
    timeout: float,
    progress: Progress | None,
) -> None:
    with replacing(target) as file, contextlib.closing(_receive(url, timeout)) as answer:
        for chunk, done, total in answer:
            if done > max_bytes:
                raise _MirrorError(f"sends more than the {max_bytes} bytes the file can have")
            file.write(chunk)
            if progress is not None:
                progress(target.name, done, total)
        file.flush()
        try:
            check(Path(file.name))
        except DataError as error:
            # Its messages begin with the path, here that of a file about to vanish.
            reason = str(error).removeprefix(printable(f"{file.name} "))
            raise _MirrorError(f"the answer {reason}") from error


def _receive(url: str, timeout: float) -> Generator[tuple[bytes, int, int | None], None, None]:
    """Yield the chunks of an answer, each with the bytes so far and in all (None if not known).

    Only the network's errors are translated here: a full disk, or an error in the caller's
    progress function, is no reason to ask the next mirror.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        # Any scheme will do: what arrives is believed only for its SHA-256.
        with urlopen(url, timeout=timeout) as answer:  # noqa: S310
            length = answer.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            done = 0
            while chunk := answer.read(CHUNK):
                done += len(chunk)
                yield chunk, done, total
            if total is not None and done < total:
                raise _MirrorError(f"broke off after {done} of {total} bytes")
    except HTTPError as error:
        error.close()  # it holds the answer's page, which nobody reads
        raise _MirrorError(str(error)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _MirrorError(str(error) or type(error).__name__) from error
