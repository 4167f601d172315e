"""What labelled digits buy, on a user's own digits: measured once, then kept."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.data.files import cache_folder
from tinygrad_bp.errors import DataError
from tinygrad_bp.files import replacing
from tinygrad_bp.lesson.labelled import FULL, Plan, measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tinygrad_bp.data import Mnist

__all__ = ["labelled_once", "labelled_path"]

FORMAT = 2  # of what `measure` returns: older files are not looked at


def labelled_path(data: Mnist, plan: Plan = FULL) -> Path:
    """Return the file in the user's cache folder for these digits and this plan.

    >>> from tinygrad_bp.data.sets import drawn
    >>> labelled_path(drawn(0, train=20, test=5)).parent.name
    'lesson'
    """
    digest = hashlib.sha256(f"{FORMAT} {plan}".encode())
    for part in data:
        digest.update(repr(part.shape).encode() + np.ascontiguousarray(part).tobytes())
    return cache_folder() / "lesson" / f"{digest.hexdigest()[:16]}.json"


def labelled_once(
    data: Mnist, plan: Plan = FULL, tell: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Return what `measure` returns, from the cache folder if it was measured before.

    A damaged file is measured again. Raises `DataError` if the cache folder cannot be written to.

    >>> import inspect
    >>> list(inspect.signature(labelled_once).parameters)
    ['data', 'plan', 'tell']
    """
    path = labelled_path(data, plan)
    try:
        found = json.loads(path.read_bytes())
        return {key: found[key] for key in ("digits", "share", "accuracy")}
    except (OSError, ValueError, KeyError, TypeError):
        measured = measure(data, plan, tell or (lambda _: None))
    _make_folder(path.parent)
    with replacing(path) as file:
        file.write(json.dumps(measured).encode())
    return measured


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}.") from error
