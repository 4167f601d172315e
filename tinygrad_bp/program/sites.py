"""The line of the user's that a trace is at."""

from __future__ import annotations

import contextlib
import os
import sys
from types import FrameType

import numpy as np

from tinygrad_bp.engine import Site

__all__ = ["called_by_user", "users_site"]

_INSIDE = (
    os.path.dirname(os.path.dirname(__file__)) + os.sep,
    os.path.dirname(np.__file__) + os.sep,
    contextlib.__file__,
)
_CALLED = tuple([_INSIDE[0] + part + os.sep for part in ("functional", "nn", "optim")])
"""Where the library's functions, layers and optimisers are, as opposed to arrays."""


def users_site() -> Site | None:
    """Return where the innermost call stands that neither NumPy nor the library makes."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame = frame.f_back
    return None if frame is None else Site(frame.f_code, frame.f_lasti)


def called_by_user() -> str | None:
    """Return which function, layer or optimiser of the library's asks, None if the user does."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
        name = frame.f_code.co_qualname
        is_inner = any(part.startswith(("_", "<")) for part in name.split("."))
        if frame.f_code.co_filename.startswith(_CALLED) and not is_inner:
            return f"{name}()"
        frame = frame.f_back
    return None
