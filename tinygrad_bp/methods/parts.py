"""Methods that cut arrays into parts, join them, and put more around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.methods.calls import Calls, choice, listed

__all__ = ["PartMethods"]

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


class PartMethods(Calls):
    """PyTorch's, with tinygrad's `shrink`, `cat`, `stack` and `pad`."""

    __slots__ = ()

    # --- cutting ----------------------------------------------------------------------------

    def shrink(self, bounds: Sequence[tuple[int, int] | None]) -> Self:
        """Return the part between two places along each axis; None keeps the axis whole."""
        cuts = tuple(slice(None) if pair is None else slice(*pair) for pair in bounds)
        return self[cuts]  # type: ignore[index]

    # --- joining ----------------------------------------------------------------------------

    def cat(self, *others: Any, dim: int = 0) -> Self:
        """Return this array and others, one after another along an axis.

        Others may be in one tuple or list.
        """
        y: Any = np.concatenate(_joined(self, others), axis=dim)
        return y

    def stack(self, *others: Any, dim: int = 0) -> Self:
        """Return this array and others of its shape along a new axis, as in `cat`."""
        y: Any = np.stack(_joined(self, others), axis=dim)
        return y

    def meshgrid(self, *others: Any, indexing: str = "ij") -> tuple[Self, ...]:
        """Return a grid of coordinates for each array, this one first; NumPy's order is "xy"."""
        return tuple(self._as_written(np.meshgrid, *others, indexing=indexing))

    def pad(self, padding: Sequence[Any], mode: str = "constant", value: float = 0) -> Self:
        """Return the elements with more around them: a value, or their own by the mode.

        `padding` is one pair (before, after) an axis, or PyTorch's numbers in one row, from the
        last axis to earlier ones. Modes are PyTorch's: "constant", "reflect", "replicate" and
        "circular"; numbers below 0 cut off. What is reflected or replicated is so before that, and
        what goes around is cut first, as in PyTorch.
        """
        choice("pad: mode", mode, _MODES)
        pairs = _pairs(padding, self.ndim)
        if mode in ("reflect", "replicate"):
            return _cut(_extended(self, pairs, mode, value), pairs)
        return _extended(_cut(self, pairs), pairs, mode, value)


def _joined(first: Any, others: tuple[Any, ...]) -> list[Any]:
    """All that is to be joined; `Tensor.stack((a, b))` has it in one tuple, as the first."""
    alone = isinstance(first, tuple | list) and not others
    return [*first] if alone else [first, *listed(others)]


def _pairs(padding: Sequence[Any], axes: int) -> list[tuple[int, int]]:
    """One pair an axis, of pairs already, or of numbers that begin with the last axis."""
    if any(pair is None or isinstance(pair, tuple | list) for pair in padding):
        return [(0, 0) if pair is None else tuple(pair) for pair in padding]
    reverse = list(zip(padding[::2], padding[1::2], strict=True))
    return [(0, 0)] * (axes - len(reverse)) + reverse[::-1]


def _cut(x: Any, pairs: list[tuple[int, int]]) -> Any:
    """What is left where widths are below 0."""
    if min(map(min, pairs), default=0) >= 0:
        return x
    ends = [(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, x.shape, strict=True)]
    if any(stop < start for start, stop in ends):
        raise ShapeError(f"pad: widths {pairs} cut off more than there is of {x.shape}")
    return x[tuple(slice(*end) for end in ends)]


def _extended(x: Any, pairs: list[tuple[int, int]], mode: str, value: float) -> Any:
    """More around the array where widths are above 0; nothing is reflected or goes around twice."""
    widths = [(max(a, 0), max(b, 0)) for a, b in pairs]
    if not any(map(any, widths)):
        return x
    room = [n - 1 for n in x.shape] if mode == "reflect" else x.shape
    more = any(max(width) > max(n, 0) for width, n in zip(widths, room, strict=True))
    if more and mode in ("reflect", "circular"):
        raise ShapeError(f"pad: widths {pairs} are more than there is of {x.shape} for {mode!r}")
    options: Any = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x, widths, mode=_MODES[mode], **options)  # type: ignore[call-overload]
