"""Arrays with the same elements in other places of memory.

A rule that takes the order in memory for the order of the axes is right for one layout only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

__all__ = ["LAYOUTS", "Layout", "as_it_is", "fortran", "reversed_in_memory", "spaced"]

Layout: TypeAlias = Callable[[Any], Any]


def as_it_is(a: Any) -> Any:
    """Return the array."""
    return a


def fortran(a: Any) -> Any:
    """Return a copy in which the first axis is the dense one.

    >>> fortran(np.zeros((2, 3))).strides
    (8, 16)
    """
    return np.array(a, order="F")


def reversed_in_memory(a: Any) -> Any:
    """Return a copy whose last element comes first in memory.

    >>> reversed_in_memory(np.zeros((2, 3))).strides
    (-24, -8)
    """
    return np.flip(np.flip(a).copy())


def spaced(a: Any) -> Any:
    """Return a copy with a gap after every element along the last axis.

    >>> spaced(np.zeros((2, 3))).strides
    (48, 16)
    """
    if not np.ndim(a):
        return a
    room = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    room[..., ::2] = a
    return room[..., ::2]


LAYOUTS: dict[str, Layout] = {
    "in Fortran order": fortran,
    "with negative strides": reversed_in_memory,
    "with gaps in memory": spaced,
}
