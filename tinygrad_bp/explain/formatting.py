"""How numbers, shapes and arrays are written, and how any text is made safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["brief", "columns", "counted", "described", "number", "plain", "shape_text", "table"]

# Unicode's categories of what cannot be seen: control and format characters, separators of lines.
_UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


def number(value: Any, digits: int = 4) -> str:
    """Return a number with that many significant digits; anything but a float stays as it is.

    >>> number(-0.0741341), number(3), number("nan")
    ('-0.07413', '3', 'nan')
    """
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as Python writes it.

    >>> shape_text([16])
    '(16,)'
    """
    return str(tuple(shape))


def counted(count: int, one: str, many: str = "") -> str:
    """Return a count and its noun, whose plural takes an s unless it is given.

    >>> counted(1, "step"), counted(12_000, "step"), counted(2, "pass", "passes")
    ('1 step', '12,000 steps', '2 passes')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def described(value: Any) -> str:
    """Return a scalar as a number, an array as its shape and norm.

    >>> described(0.48433), described(np.array([3.0, 4.0]))
    ('0.4843', '(2,), norm 5')
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return number(array.item())
    return f"{shape_text(array.shape)}, norm {number(float(np.linalg.norm(array.ravel())))}"


def brief(value: Any, digits: int = 4) -> str:
    """Return a scalar as a number, and say of an array in words how large it is.

    >>> brief(np.array(0.123456)), brief(np.ones((3, 4)))
    ('0.1235', 'an array (3, 4) of norm 3.464')
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return format(array.item(), f".{digits}g")
    if array.dtype.kind not in "fc":
        return f"an array {array.shape} of {array.dtype}"
    with np.errstate(all="ignore"):
        norm = float(np.sqrt(np.sum(np.square(array, dtype=np.float64))))
    return f"an array {array.shape} of norm {norm:.{digits}g}"


def plain(text: str) -> str:
    r"""Return the text without anything that would steer a terminal or reorder a line.

    >>> plain("w\x1b[31m")
    'w�[31m'
    """
    return "".join("\ufffd" if unicodedata.category(c) in _UNSEEN else c for c in text)


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    >>> columns("w3"), columns("重み")
    (2, 4)
    """
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)


def table(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> list[str]:
    """Return rows as lines, with their cells in columns.

    >>> table([("leaf", "gradient"), ("w", "-0.07")])
    ['  leaf  gradient', '  w     -0.07']
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    return [
        (indent + "  ".join(_padded(cell, w) for cell, w in zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))
