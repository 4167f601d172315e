"""Groups of parameters with options of their own, and what is kept for each parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.options import at_least_zero
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor

if TYPE_CHECKING:
    from tinygrad_bp.optim.optimizer import Optimizer

__all__ = [
    "Moments",
    "Options",
    "ParamGroup",
    "Params",
    "Slot",
    "as_real",
    "checked_options",
    "named",
]

Array: TypeAlias = np.ndarray[Any, Any]

Params: TypeAlias = Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[Mapping[str, Any]]
"""Parameters, (name, parameter) pairs, or dicts of "params" and options, a group each."""

Moments: TypeAlias = Mapping[str, float | None]
"""The moments of an optimiser by PyTorch's names, as they are before the first step."""

BLOCK = 1 << 16
"""Elements that are updated at a time; what is made of them on the way fits into a cache."""

FIXED = ("params", "param_names")
"""Entries of a group that cannot be set."""


# --- a group ----------------------------------------------------------------------------------


class Options:
    """The checked options of a group, and what an update is given of them.

    As arrays without axes they are quicker in a product with an array, since NumPy looks longer
    at a Python number; an update that reckons with them needs them as they are.
    """

    def __init__(self, values: Mapping[str, Any], *, notes: Mapping[str, Any]) -> None:
        self.values = dict(values)
        self.notes = dict(notes)
        self._arrays: dict[np.dtype[Any], dict[str, Any]] = {}

    def as_arrays(self, dtype: np.dtype[Any]) -> dict[str, Any]:
        """Return the options with numbers other than 0 as real arrays, for a parameter's dtype."""
        found = self._arrays.get(dtype)
        if found is None:
            real = np.zeros((), dtype).real.dtype
            found = self._arrays[dtype] = {
                name: np.asarray(value, real) if isinstance(value, float) and value else value
                for name, value in self.values.items()
            }
        return found


class ParamGroup(MutableMapping[str, Any]):
    """A group of parameters and its options, read and written as in PyTorch.

    Its keys are "params" and "param_names", which stay, and the options of the optimiser, which are
    checked when they are set. "name" is for messages, "initial_lr" for schedules; they may be left
    out. Anything else raises `OptimizerError`.

    >>> from tinygrad_bp import optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> optimizer.param_groups[0]["lr"] *= 0.1
    >>> optimizer.lr
    0.05
    """

    options: Options

    def __init__(self, kind: type[Optimizer], slots: Sequence[Slot], options: Options) -> None:
        self._kind = kind
        self.slots = tuple(slots)
        self.parameters = tuple(slot.parameter for slot in slots)
        self.options = options

    def __getitem__(self, key: str) -> Any:
        if key == "params":
            return self.parameters
        if key == "param_names":
            return [slot.name for slot in self.slots]
        found = self.options.notes if key in self.options.notes else self.options.values
        return found[key]

    def __setitem__(self, key: str, value: Any) -> None:
        replace_all([], [], ([self], ["options"], [self.with_options({key: value})]))

    def __delitem__(self, key: str) -> None:
        notes = dict(self.options.notes)
        if key not in notes:
            raise OptimizerError(f"'{key}' of a group of parameters cannot be deleted")
        del notes[key]
        self.options = Options(self.options.values, notes=notes)

    def __iter__(self) -> Iterator[str]:
        return iter((*FIXED, *self.options.values, *self.options.notes))

    def __len__(self) -> int:
        return len(FIXED) + len(self.options.values) + len(self.options.notes)

    def __repr__(self) -> str:
        shown = {key: value for key, value in self.items() if key != "params"}
        return f"ParamGroup({shown})"

    def with_options(self, changes: Mapping[str, Any]) -> Options:
        """Return the group's options with some of them changed, all checked."""
        return checked_options(self._kind, {**self.options.values, **self.options.notes, **changes})


def checked_options(kind: type[Optimizer], values: Mapping[str, Any]) -> Options:
    """Return options that an optimiser takes, and a group's notes; raises for any other."""
    fixed = next((name for name in FIXED if name in values), None)
    if fixed:
        raise OptimizerError(
            f"'{fixed}' of a group cannot be set. Use add_param_group() for more parameters."
        )
    notes = {name: NOTES[name](name, values[name]) for name in NOTES if name in values}
    options = {name: value for name, value in values.items() if name not in NOTES}
    return Options(kind.checked(options), notes=notes)


def _group_name(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise OptimizerError(f"the {name} of a group must be a text, got {value!r}")
    return value


NOTES: dict[str, Callable[[str, Any], Any]] = {"name": _group_name, "initial_lr": at_least_zero}
"""What a group may hold beside its parameters and options, with the check of each."""


# --- what is kept for one parameter -----------------------------------------------------------


class Slot:
    """A parameter with its name, its moments, and room for new values of long ones."""

    __slots__ = ("at_once", "is_complex", "moments", "name", "parameter", "room")

    def __init__(self, name: str, parameter: Tensor, moments: Moments) -> None:
        self.name = name
        self.parameter = parameter
        self.moments: tuple[Any, ...] = tuple(moments.values())
        self.room: tuple[Any, ...] = ()  # for long parameters: fresh memory costs page faults
        self.is_complex = parameter.dtype.kind == "c"
        self.at_once = parameter.size <= BLOCK and not self.is_complex

    def room_after(self, found: Sequence[Any]) -> tuple[Any, ...]:
        """Return the room of the next step: that of the values, and the moments that were."""
        if self.is_complex:
            return ()
        return found[0], *(m if isinstance(m, np.ndarray) else None for m in self.moments)

    def updated(
        self, update: Callable[..., Any], g: Array, options: Mapping[str, Any]
    ) -> list[Any]:
        """Return the new value and the new moments of a complex or long parameter."""
        arrays = [self.parameter._value, g, *self.moments]
        if self.is_complex:
            found = update(*map(as_real, arrays), **options)
            return [self._as_complex(a) for a in found]
        return self._updated_by_blocks(update, arrays, options)

    def _as_complex(self, found: Any) -> Any:
        """Return pairs of real numbers as complex ones in the parameter's shape."""
        if not isinstance(found, np.ndarray):
            return found
        value = self.parameter._value
        return found.view(value.dtype).reshape(value.shape)

    def _updated_by_blocks(
        self, update: Callable[..., Any], arrays: Sequence[Any], options: Mapping[str, Any]
    ) -> list[Any]:
        p, _, *moments = arrays
        fits = bool(self.room) and self.room[0].dtype == p.dtype  # or the dtype was changed
        room: list[Any] = list(self.room) if fits else [None] * (1 + len(moments))
        flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arrays]
        new: list[Any] = []
        for start in range(0, p.size, BLOCK):
            part = slice(start, start + BLOCK)
            cut = [a[part] if isinstance(a, np.ndarray) else a for a in flat]
            new = list(update(*cut, **options))
            for i, found in enumerate(new):
                if isinstance(found, np.ndarray):
                    if room[i] is None:
                        room[i] = np.empty(p.shape, p.dtype)
                    room[i].reshape(-1)[part] = found
        return [
            place if isinstance(found, np.ndarray) else found
            for place, found in zip(room, new, strict=True)
        ]


def as_real(array: Any) -> Any:
    """Return complex numbers as pairs of real ones, which is how every update treats them."""
    if not isinstance(array, np.ndarray | np.generic):
        return array
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype)


# --- names ------------------------------------------------------------------------------------


def named(params: Any, before: Sequence[Slot]) -> list[tuple[str, Tensor]]:
    """Return parameters with names for messages: given ones, a tensor's own, or its position.

    Raises `OptimizerError` for what is no parameter, and for one that is there `before` or twice.
    """
    found: list[tuple[str, Tensor]] = []
    for i, item in enumerate(_ordered(params), start=len(before)):
        name, tensor = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        if not isinstance(tensor, Tensor):
            raise OptimizerError(f"parameter {i} is a {type(tensor).__name__}, not a Tensor")
        found.append((name or tensor.name or f"parameter {i}", tensor))
        if not (tensor.is_leaf and tensor.trainable):
            raise OptimizerError(
                f"'{found[-1][0]}' is not a leaf with requires_grad=True: nothing can be trained "
                "there"
            )
    if not found:
        raise OptimizerError(
            "no parameters to optimise; an iterator such as model.parameters() can be read once"
        )
    names = {id(slot.parameter): slot.name for slot in before}
    for name, tensor in found:
        if id(tensor) in names:
            raise OptimizerError(
                f"'{name}' is given twice (also as '{names[id(tensor)]}'): it would move twice"
            )
        names[id(tensor)] = name
    return found


def _ordered(params: Any) -> Iterable[Any]:
    """Return parameters in an order that is the same in every run."""
    if isinstance(params, Tensor):
        return [params]
    if isinstance(params, set | frozenset | Mapping | str) or not isinstance(params, Iterable):
        raise OptimizerError(
            f"parameters come as a list or from model.parameters(), not as a "
            f"{type(params).__name__}; of a dict of tensors, give its items()"
        )
    return params
