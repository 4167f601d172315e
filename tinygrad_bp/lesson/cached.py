"""Measurements on a user's own digits, which take minutes: made once, then kept."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tinygrad_bp.data.files import cache_folder
from tinygrad_bp.errors import DataError
from tinygrad_bp.files import replacing
from tinygrad_bp.lesson import labelled
from tinygrad_bp.lesson.curves import FULL, Plan, measure
from tinygrad_bp.lesson.explorer import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tinygrad_bp.data import Mnist

__all__ = ["cached_path", "labelled_once", "labelled_path", "measured_once"]

FORMAT = 2  # of what `measure` returns: older files are not looked at


def labelled_path(data: Mnist, plan: labelled.Plan = labelled.FULL) -> Path:
    """Return the file in the user's cache folder for these digits and this plan.

    >>> from tinygrad_bp.data.sets import drawn
    >>> labelled_path(drawn(0, train=20, test=5)).parent.name
    'lesson'
    """
    return cache_folder() / "lesson" / f"{_digest(data, plan)}.json"


def labelled_once(
    data: Mnist,
    plan: labelled.Plan = labelled.FULL,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return what `labelled.measure` returns, from the cache folder if it was measured before.

    A damaged file is measured again. Raises `DataError` if the cache folder cannot be written to.

    >>> import inspect
    >>> list(inspect.signature(labelled_once).parameters)
    ['data', 'plan', 'tell']
    """

    def read(content: bytes) -> dict[str, Any]:
        found = json.loads(content)
        return {key: found[key] for key in ("digits", "share", "accuracy")}

    def make() -> dict[str, Any]:
        return labelled.measure(data, plan, tell or (lambda _: None))

    def write(measured: dict[str, Any], file: BinaryIO) -> None:
        file.write(json.dumps(measured).encode())

    return _once(labelled_path(data, plan), read, make, write)


def _once(
    path: Path,
    read: Callable[[bytes], dict[str, Any]],
    make: Callable[[], dict[str, Any]],
    write: Callable[[dict[str, Any], BinaryIO], None],
) -> dict[str, Any]:
    """Return what a file holds; if it is not there, or damaged, make that and write it."""
    try:
        return read(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        made = make()
    _make_folder(path.parent)
    with replacing(path) as file:
        write(made, file)
    return made


def _digest(data: Mnist, plan: object) -> str:
    digest = hashlib.sha256(f"{FORMAT} {plan}".encode())
    for part in data:
        digest.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}.") from error


def cached_path(data: Mnist, plan: Plan = FULL) -> Path:
    """Return the file in the user's cache folder for these digits and this plan.

    >>> from tinygrad_bp.data.sets import drawn
    >>> cached_path(drawn(0, train=20, test=5)).parent.name
    'explorer'
    """
    return cache_folder() / "explorer" / f"{_digest(data, plan)}.npz"


def measured_once(
    data: Mnist, plan: Plan = FULL, tell: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return what `measure` returns, from the cache folder if it was measured before.

    A damaged file is measured again. Raises `DataError` if the cache folder cannot be written to.

    >>> import inspect
    >>> list(inspect.signature(measured_once).parameters)
    ['data', 'plan', 'tell']
    """

    def make() -> dict[str, Any]:
        return measure(data, plan, tell or (lambda _: None))

    return _once(cached_path(data, plan), lambda content: unpack(io.BytesIO(content)), make, pack)
