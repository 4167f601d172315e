"""What every optimiser does around its update: options, checks, and a step that is all or nothing.

An optimiser is a pure update of one parameter (`updates`) and the options it takes. A step computes
all new values beside the old ones, checks them, and then replaces everything in one stroke.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Never

import numpy as np

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor

__all__ = ["Optimizer", "Option", "at_least_zero", "finite", "switch"]

Array = np.ndarray[Any, Any]
Check = Callable[[str, Any], Any]

BLOCK = 1 << 16
"""Elements that are updated at a time; what is made of them on the way fits into a cache."""


# --- options --------------------------------------------------------------------------------


def finite(name: str, value: Any) -> float:
    """Return an option as a finite number, or raise `OptimizerError`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise OptimizerError(f"{name} must be a finite number, got {value!r}")
    return number


def at_least_zero(name: str, value: Any) -> float:
    """Return an option as a number from 0 up, or raise `OptimizerError`."""
    number = finite(name, value)
    if number < 0:
        raise OptimizerError(f"{name} must be 0 or more, got {value!r}")
    return number


def switch(name: str, value: Any) -> bool:
    """Return an option that is on or off, or raise `OptimizerError`."""
    if not isinstance(value, bool | np.bool_):
        raise OptimizerError(f"{name} must be True or False, got {value!r}")
    return bool(value)


class Option:
    """An attribute of an optimiser that is checked whenever it is set."""

    def __init__(self, check: Check) -> None:
        self.check = check

    def __set_name__(self, owner: type[Optimizer], name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Optimizer, _: type | None = None) -> Any:
        return optimizer.options.values[self.name]

    def __set__(self, optimizer: Optimizer, value: Any) -> None:
        optimizer.options = optimizer.checked({**optimizer.options.values, self.name: value})


class _Options:
    """Checked options, and what an update is given of them for parameters of each dtype.

    Numbers are arrays without axes there, since NumPy looks longer at a Python number, at every
    use. What is 0 or False is left to the update's defaults.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self._arrays: dict[np.dtype[Any], dict[str, Any]] = {}

    def of(self, dtype: np.dtype[Any]) -> dict[str, Any]:
        found = self._arrays.get(dtype)
        if found is None:
            found = self._arrays[dtype] = {
                name: value if isinstance(value, bool) else np.asarray(value, dtype)
                for name, value in self.values.items()
                if value or name == "lr"
            }
        return found


# --- the state of one parameter ---------------------------------------------------------------


class _Slot:
    """What an optimiser keeps for one parameter: its moments, and room for new values."""

    def __init__(self, parameter: Tensor, moments: int) -> None:
        self.parameter = parameter
        self.moments: tuple[Any, ...] = (None,) * moments
        self.room: tuple[Any, ...] = ()  # for long parameters: fresh memory costs page faults

    def updated_by_blocks(
        self, update: Callable[..., Any], g: Array, options: Mapping[str, Any]
    ) -> Any:
        """Return the new value and the new moments of a long parameter, block by block."""
        p = self.parameter._value
        self.room = self.room or tuple(np.empty(p.shape, p.dtype) for _ in (p, *self.moments))
        room = [a.reshape(-1) for a in self.room]
        flat = [None if a is None else a.reshape(-1) for a in (p, g, *self.moments)]
        kept: Any = ()
        for start in range(0, p.size, BLOCK):
            part = slice(start, start + BLOCK)
            kept = update(*[None if a is None else a[part] for a in flat], **options)
            for place, values in zip(room, kept, strict=True):
                if values is not None:
                    place[part] = values
        return tuple(None if last is None else a for a, last in zip(self.room, kept, strict=True))


class Optimizer:
    """The base of optimisers: a subclass names its update, its options and how many moments it has.

    `params` are tensors, or (name, tensor) pairs from `named_parameters()`. Raises `OptimizerError`
    for no parameters, the same one twice, or options out of range.
    """

    update: ClassVar[Callable[..., Any]]
    moments: ClassVar[int] = 0

    lr = Option(at_least_zero)

    def __init__(
        self, params: Iterable[Tensor] | Iterable[tuple[str, Tensor]], lr: float, **options: Any
    ) -> None:
        if not finite("lr", lr) > 0:
            raise OptimizerError(f"lr must be a positive number, got {lr}")
        self.names, self.parameters = _named(params)
        self.options = self.checked({"lr": lr, **options})
        self._slots = [_Slot(p, self.moments) for p in self.parameters]

    def checked(self, values: Mapping[str, Any]) -> _Options:
        """Return options, each of them checked; a subclass adds what must hold between them."""
        checks = {name: inspect.getattr_static(type(self), name, None) for name in values}
        unknown = [name for name, option in checks.items() if not isinstance(option, Option)]
        if unknown:
            raise OptimizerError(f"{type(self).__name__} has no option {unknown[0]!r}")
        return _Options({name: checks[name].check(name, value) for name, value in values.items()})

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter; call it before each `backward()`."""
        for p in self.parameters:
            p._grad, p._passes, p._used = None, 0, False

    def step(self, *, accumulated: bool = False) -> None:
        """Move every parameter against its gradient: all of them, or none.

        Raises `OptimizerError`, with all weights untouched, if a gradient is missing, not finite,
        already used by an earlier step, or the sum of several backward passes, and if a new value
        or moment would not be finite. To sum gradients on purpose, call `step(accumulated=True)`.
        Frozen parameters stay where they are.
        """
        update, options = self.update, self.options
        slots, new, places = [], [], []
        for slot in self._slots:
            p = slot.parameter
            if not p._requires_grad:
                continue
            if p._used or (p._passes != 1 and not (accumulated and p._passes)):
                self._refuse(p)
            g: Any = p._grad
            g = g._value if isinstance(g, Tensor) else g
            value, given = p._value, options.of(p._value.dtype)
            if value.size <= BLOCK:
                new.append(update(value, g, *slot.moments, **given))
            else:
                new.append(slot.updated_by_blocks(update, g, given))
            slots.append(slot)
            places.append(value)
        values, *moments = zip(*new, strict=True) if new else [()]
        if not _surely_finite((values, *moments)):
            self._check_finite(slots, new)
        replace_all(places, values, _changes(slots, new))

    def _refuse(self, parameter: Tensor) -> Never:
        name = self._name_of(parameter)
        if parameter.backward_passes == 0:
            raise OptimizerError(
                f"step(): '{name}' has no gradient. Call backward() on a loss that depends on it, "
                "or leave it out of the optimiser."
            )
        if parameter.gradient_used:
            raise OptimizerError(
                f"step(): no backward() since the last step, the gradient of '{name}' was used "
                "already. Call zero_grad() and backward() before each step()."
            )
        raise OptimizerError(
            f"step(): the gradient of '{name}' is the sum of {parameter.backward_passes} backward "
            "passes, with no zero_grad() in between. Call zero_grad() before each backward(), or "
            "step(accumulated=True) if the sum is meant."
        )

    def _name_of(self, parameter: Tensor) -> str:
        pairs = zip(self.names, self.parameters, strict=True)
        return next(name for name, p in pairs if p is parameter)

    def _check_finite(self, slots: Sequence[_Slot], new: Sequence[Any]) -> None:
        for slot, found in zip(slots, new, strict=True):
            name, p = self._name_of(slot.parameter), slot.parameter
            _require_finite(p.grad.data, f"step(): the gradient of '{name}' is")  # type: ignore[union-attr]
            for array in found:
                if array is not None:
                    _require_finite(array, f"step(): '{name}' would become")

    # --- its state ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return options and moments, all that is needed to go on where this left off."""
        return {
            "options": dict(self.options.values),
            "moments": [
                [None if m is None else np.array(m) for m in slot.moments] for slot in self._slots
            ],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of an optimiser of the same parameters.

        Raises `OptimizerError`, with nothing changed, if it does not fit.
        """
        try:
            options, moments = self.checked(dict(state["options"])), list(state["moments"])
        except (KeyError, TypeError, ValueError) as error:
            raise OptimizerError(f"this is no state of an optimiser: {error!r}") from error
        if set(options.values) != set(self.options.values) or len(moments) != len(self._slots):
            raise OptimizerError(
                f"the state is that of another optimiser: it has the options "
                f"{', '.join(options.values)} and moments of {len(moments)} parameters, not "
                f"{', '.join(self.options.values)} and {len(self._slots)}"
            )
        loaded = [
            tuple(_fitting(m, slot.parameter, name) for m in row)
            for row, slot, name in zip(moments, self._slots, self.names, strict=True)
        ]
        if any(len(row) != self.moments for row in loaded):
            raise OptimizerError(f"{type(self).__name__} keeps {self.moments} moments a parameter")
        names = ["options"] + ["moments"] * len(loaded)
        replace_all([], [], ([self, *self._slots], names, [options, *loaded]))


def _changes(
    slots: Sequence[_Slot], new: Sequence[Any]
) -> tuple[list[object], list[str], list[Any]]:
    """What a step sets beside the values: gradients are used up, and moments take turns with room.

    The moments that were are the room of the next step, unless there were none.
    """
    objects: list[Any] = [slot.parameter for slot in slots]
    names, values = ["_used"] * len(slots), list[Any]([True] * len(slots))
    for slot, found in zip(slots, new, strict=True):
        if found[-1] is not None and len(found) > 1:  # there are moments
            fresh = any(m is None for m in slot.moments)
            room = () if fresh or not slot.room else (slot.room[0], *slot.moments)
            objects += slot, slot
            names += "room", "moments"
            values += room, found[1:]
    return objects, names, values


def _fitting(moment: Any, parameter: Tensor, name: str) -> Any:
    """A copy of a moment that was saved, if it is one of this parameter."""
    if moment is None:
        return None
    array = np.array(moment)
    if array.shape != parameter.shape or array.dtype != parameter.dtype:
        raise OptimizerError(
            f"the moment of '{name}' is {array.dtype} of shape {array.shape}, the parameter "
            f"{parameter.dtype} of shape {parameter.shape}"
        )
    _require_finite(array, f"the moment of '{name}' is")
    return array


def _require_finite(array: Array, what: str) -> None:
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise OptimizerError(
            f"{what} {array[at]} at {at}; no weight was changed. Find where it began with "
            "trace_nans(), or lower the learning rate."
        )


def _surely_finite(new: Iterable[Iterable[Any]]) -> bool:
    """Whether all is finite, at a fraction of what looking at each element costs.

    False may be wrong: squares overflow where the numbers themselves do not, and where the user
    has asked for it (`np.errstate`), squares of tiny numbers raise.
    """
    try:
        flat = [array.ravel() for arrays in new for array in arrays if array is not None]
        return math.isfinite(abs(sum([a.dot(a) for a in flat])))
    except FloatingPointError:
        return False


def _named(
    params: Iterable[Tensor] | Iterable[tuple[str, Tensor]],
) -> tuple[list[str], list[Tensor]]:
    """Names for messages: given ones, a tensor's own, or its position."""
    names: list[str] = []
    tensors: list[Tensor] = []
    for i, item in enumerate(params):
        name, tensor = item if isinstance(item, tuple) else (None, item)
        if not isinstance(tensor, Tensor):
            raise OptimizerError(f"parameter {i} is a {type(tensor).__name__}, not a Tensor")
        names.append(name or tensor.name or f"parameter {i}")
        tensors.append(tensor)
        if not (tensor.is_leaf and tensor.trainable):
            raise OptimizerError(
                f"'{names[-1]}' is not a leaf with requires_grad=True: nothing can be trained there"
            )
    if not tensors:
        raise OptimizerError(
            "no parameters to optimise; an iterator such as model.parameters() can be read once"
        )
    positions: dict[int, str] = {}
    for name, tensor in zip(names, tensors, strict=True):
        if id(tensor) in positions:
            raise OptimizerError(
                f"'{name}' is given twice (also as '{positions[id(tensor)]}'): it would move twice"
            )
        positions[id(tensor)] = name
    return names, tensors
