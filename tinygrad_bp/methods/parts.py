"""Methods that cut arrays into parts, join them, and put more around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.methods.calls import Calls

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
        """Return this array and others, one after another along an axis."""
        return self._call_as_written(np.concatenate, ([self, *others],), {"axis": dim})

    def stack(self, *others: Any, dim: int = 0) -> Self:
        """Return this array and others of its shape along a new axis."""
        return self._call_as_written(np.stack, ([self, *others],), {"axis": dim})

    def pad(self, padding: Sequence[Any], mode: str = "constant", value: float = 0) -> Self:
        """Return the elements with more around them: a value, or their own by the mode.

        `padding` is one pair (before, after) an axis, or PyTorch's numbers in one row, from the
        last axis to earlier ones. Modes are PyTorch's: "constant", "reflect", "replicate" and
        "circular"; numbers below 0 cut off.
        """
        pairs = _pairs(padding, self.ndim)
        cuts = tuple(
            slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, self.shape, strict=True)
        )
        if any(cut.stop < cut.start for cut in cuts):
            raise ShapeError(f"widths {pairs} cut off more than there is of {self.shape}")
        kept: Any = self[cuts] if min(map(min, pairs), default=0) < 0 else self  # type: ignore[index]
        width = [(max(a, 0), max(b, 0)) for a, b in pairs]
        if not any(map(any, width)):
            return kept
        options = {"constant_values": value} if mode == "constant" else {}
        return np.pad(kept, width, mode=_MODES[mode], **options)  # type: ignore[call-overload]


def _pairs(padding: Sequence[Any], axes: int) -> list[tuple[int, int]]:
    """One pair an axis, of pairs already, or of numbers that begin with the last axis."""
    if any(pair is None or isinstance(pair, tuple | list) for pair in padding):
        return [(0, 0) if pair is None else tuple(pair) for pair in padding]
    reverse = list(zip(padding[::2], padding[1::2], strict=True))
    return [(0, 0)] * (axes - len(reverse)) + reverse[::-1]
