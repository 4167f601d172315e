"""Measurements on a user's own digits, which take minutes: made once, then kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.data.files import cache_folder
from tinygrad_bp.errors import DataError
from tinygrad_bp.files import replacing
from tinygrad_bp.lesson.curves import FULL, Plan, measure
from tinygrad_bp.lesson.explorer import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tinygrad_bp.data import Mnist

__all__ = ["cached_path", "measured_once"]

FORMAT = 2  # of what `measure` returns: older files are not looked at


def cached_path(data: Mnist, plan: Plan = FULL) -> Path:
    """Return the file in the user's cache folder for these digits and this plan.

    >>> from tinygrad_bp.data.sets import drawn
    >>> cached_path(drawn(0, train=20, test=5)).parent.name
    'explorer'
    """
    digest = hashlib.sha256(f"{FORMAT} {plan}".encode())
    for part in data:
        digest.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    return cache_folder() / "explorer" / f"{digest.hexdigest()[:16]}.npz"


def measured_once(
    data: Mnist, plan: Plan = FULL, tell: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return what `measure` returns, from the cache folder if it was measured before.

    A damaged file is measured again. Raises `DataError` if the cache folder cannot be written to.

    >>> import inspect
    >>> list(inspect.signature(measured_once).parameters)
    ['data', 'plan', 'tell']
    """
    path = cached_path(data, plan)
    try:
        with path.open("rb") as file:
            return unpack(file)
    except (OSError, ValueError, KeyError, EOFError):
        measured = measure(data, plan, tell or (lambda _: None))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path.parent} cannot be made: {error.strerror}.") from error
    with replacing(path) as file:
        pack(measured, file)
    return measured
