"""Memory that begins where a line of the cache does: vectors of it are read in fewer pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.state import LINE

__all__ = ["aligned"]


def aligned(shape: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """Return an array without values that begins at a line of the cache.

    >>> aligned((2, 3), np.float32).ctypes.data % LINE
    0
    """
    size = np.prod(shape, dtype=int) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -memory.ctypes.data % LINE)
