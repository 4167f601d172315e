"""How numbers, shapes and arrays are written, and how any text is made safe to show."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "brief",
    "columns",
    "counted",
    "described",
    "in_line",
    "number",
    "plain",
    "shape_text",
    "table",
]

FEW = 3  # elements of a vector that is written out wherever it is mentioned

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


def in_line(value: Any, digits: int = 4) -> str | None:
    """Return a vector of up to three elements as these, None for what is no such vector.

    >>> in_line(np.array([-0.0896, 0.2544])), in_line(np.ones((2, 2)))
    ('[-0.0896, 0.2544]', None)
    """
    array = np.asarray(value)
    if array.ndim != 1 or not 0 < array.size <= FEW:
        return None
    return f"[{', '.join(number(x, digits) for x in array.tolist())}]"


def described(value: Any) -> str:
    """Return a scalar as a number, a short vector as its elements, an array as shape and norm.

    >>> described(0.48433), described(np.array([3.0, 4.0])), described(np.eye(4))
    ('0.4843', '[3, 4]', '(4, 4), norm 2')
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return number(array.item())
    if (elements := in_line(array)) is not None:
        return elements
    return f"{shape_text(array.shape)}, norm {number(float(np.linalg.norm(array.ravel())))}"


def brief(value: Any, digits: int = 4) -> str:
    """Return a scalar as a number, a short vector as its elements; say how large an array is.

    >>> brief(np.array(0.123456)), brief(np.ones((3, 4)))
    ('0.1235', 'an array (3, 4) of norm 3.464')
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return format(array.item(), f".{digits}g")
    if (elements := in_line(array, digits)) is not None:
        return elements
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
