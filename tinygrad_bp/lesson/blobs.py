"""Arrays as text that a page decodes: base64 of their bytes, deflated or as they are."""

from __future__ import annotations

import base64
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["blob", "rounded", "unblob"]


def blob(array: NDArray[Any], *, compress: bool = True) -> dict[str, Any]:
    """Return an array's numbers, flat and little-endian, as a dict of JSON.

    Compressed by zlib at level 9, which browsers read by `DecompressionStream("deflate")`.

    >>> blob(np.zeros(100, np.uint8))["length"], len(blob(np.zeros(100, np.uint8))["deflate"])
    (100, 16)
    """
    content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    packed = {"deflate": zlib.compress(content, 9)} if compress else {"raw": content}
    text = {key: base64.b64encode(value).decode() for key, value in packed.items()}
    return {"dtype": array.dtype.name, "length": array.size, **text}


def unblob(packed: dict[str, Any]) -> NDArray[Any]:
    """Return the flat array that `blob` was given, bit for bit.

    >>> unblob(blob(np.array([0.1, 0.2], np.float32)))
    array([0.1, 0.2], dtype=float32)
    """
    content = base64.b64decode(packed.get("raw") or packed["deflate"])
    if "deflate" in packed:
        content = zlib.decompress(content)
    return np.frombuffer(content, np.dtype(packed["dtype"]).newbyteorder("<"))


def rounded(values: Any, digits: int = 6) -> Any:
    """Return numbers with so many significant digits, in lists as deep as the array.

    >>> rounded(np.array([[1 / 3, 12345.678]]), 4)
    [[0.3333, 12350.0]]
    """
    if isinstance(values, np.ndarray | list | tuple):
        return [rounded(value, digits) for value in values]
    number = float(values)
    if number == 0 or not math.isfinite(number):
        return number
    return round(number, digits - 1 - math.floor(math.log10(abs(number))))
