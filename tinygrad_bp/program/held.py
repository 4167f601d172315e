"""What objects hold before a run and after it, beside what is written into memory."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.operands import is_foreign
from tinygrad_bp.program.listing import Move, Value
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import NotKept, Tensor

__all__ = [
    "OF_GRADIENTS",
    "Held",
    "Kind",
    "array_in",
    "drop_gradients",
    "drop_unchanged",
    "lay_out",
]

OF_GRADIENTS = ("_grad", "_passes", "_used")
"""The attributes of a tensor that are about its gradient."""


class Kind:
    """What a run needs to find in a place that each run reads: an array of this kind."""

    def __init__(self, array: Any) -> None:
        self._found = self._of(array)

    def fits(self, array: Any) -> bool:
        """Whether an array, perhaps in a tensor that tracks nothing, is of this kind."""
        if isinstance(array, Tensor) and not array._requires_grad:
            array = array._value
        is_array = isinstance(array, np.ndarray) or is_foreign(array)
        return is_array and self._of(array) == self._found

    def _of(self, array: Any) -> Any:
        return type(array), array.shape, array.dtype, getattr(array, "strides", None)


@dataclass(frozen=True, eq=False)
class Held:
    """What a tensor or slot holds after a run, beside what is written into memory."""

    owner: Any
    before: dict[str, Any]
    """What decided how the run went; a run of the program needs it to be the same."""
    after: dict[str, Any]
    """Attributes as they are afterwards, with values in the places of arrays."""

    def is_as_before(self) -> bool:
        """Whether the object holds what it held, moments perhaps in other arrays."""
        return all(
            _are_alike(self.owner.moments, was)
            if name == "moments"
            else _is_alike(getattr(self.owner, name), was)
            for name, was in self.before.items()
        )

    def leaves_its_kind(self) -> bool:
        """Whether a run leaves moments of the kind that it finds."""
        pairs = zip(self.after["moments"], self.before["moments"], strict=True)
        return all(
            _is_alike(new, was) or (isinstance(new, Value) and new.is_number) for new, was in pairs
        )

    def bring_home(self) -> None:
        """Copy moments back into the program's arrays, if a step of another kind made new ones."""
        slot, found = self.owner, []
        for now, home in zip(slot.moments, self.before["moments"], strict=True):
            is_away = isinstance(home, np.ndarray) and now is not home
            if is_away:
                home[...] = now
            found.append(home if is_away else now)
        if any(map(operator.is_not, found, slot.moments)):
            slot.moments = tuple(found)
            slot.room = ()  # which may be these arrays


def _are_alike(now: tuple[Any, ...], was: tuple[Any, ...]) -> bool:
    return all(
        type(new) is type(old) and new.shape == old.shape and new.dtype == old.dtype
        if isinstance(old, np.ndarray) or is_foreign(old)
        else _is_alike(new, old)
        for new, old in zip(now, was, strict=True)
    )


def _is_alike(now: Any, was: Any) -> bool:
    if isinstance(was, Kind):
        return was.fits(now)
    if isinstance(was, int | float) and not isinstance(was, bool):
        return type(now) is type(was)
    return now is was


def array_in(item: Any) -> Any:
    """Return the array that a tensor holds, and anything else as it is."""
    return item._value if isinstance(item, Tensor) else item


# --- what becomes of it when a program is made ------------------------------------------------


def drop_unchanged(held: Iterable[Held]) -> None:
    """Leave out moments that stay what they are: arrays are written in their place."""
    for one in held:
        moments = zip(one.after.get("moments", ()), one.before.get("moments", ()), strict=False)
        if all(new is was for new, was in moments):
            one.after.pop("moments", None)


def drop_gradients(held: Iterable[Held], not_kept: NotKept) -> None:
    """Leave out gradients that a step makes anew and uses up itself."""
    for one in held:
        used = one.after.get("_used", getattr(one.owner, "_used", False))
        if used and "_grad" in one.after and "_grad" not in one.before:
            one.after["_grad"] = not_kept


def lay_out(moves: Sequence[Move], held: Iterable[Held]) -> None:
    """Lay arrays where planning wants them, and let those hold them there who held them before."""
    new = {id(move.old): move.new for move in moves}
    if not new:
        return
    for move in moves:
        move.new[...] = move.old
    objects, names, values = [], [], []
    for one in held:
        for name, was in one.before.items():
            now = _moved(was, new)
            if now is not was:
                one.before[name] = now
                objects.append(one.owner)
                names.append(name)
                values.append(now)
        if "moments" in one.after:
            one.after["moments"] = _moved(one.after["moments"], new)
    replace_all([], [], (objects, names, values))


def _moved(item: Any, new: Mapping[int, Any]) -> Any:
    if isinstance(item, tuple):
        found = tuple([new.get(id(part), part) for part in item])
        return item if all(map(operator.is_, found, item)) else found
    return new.get(id(item), item)
