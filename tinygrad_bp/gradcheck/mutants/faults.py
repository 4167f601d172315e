"""The standard faults, and how one is planted in a rule."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.calls import name_of
from tinygrad_bp.gradcheck.contribution import contribution, slots
from tinygrad_bp.registry import Array, Each, Rule, rules

__all__ = ["FAULTS", "Fault", "FaultyCall", "breakable", "is_variadic", "moved", "plant", "rule_of"]

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class FaultyCall:
    """One use of a rule, as a fault sees it: what was passed, and the right answer on request.

    `g` is what arrives (a gradient, or in forward mode a tangent), `y` the output, `arrays` and
    `options` those of the function's call, `slot` the array that the result is for. A function of
    several outputs has tuples for `g` and `y`.
    """

    rule: Rule  # as it should be
    slot: int
    g: Any
    y: Any
    arrays: tuple[Any, ...]
    options: Mapping[str, Any]

    def right(self, **instead: Any) -> Array:
        """Return what the sound rule gives, with some of `slot`, `g`, `y`, `arrays` replaced."""
        slot, g = instead.get("slot", self.slot), instead.get("g", self.g)
        y, arrays = instead.get("y", self.y), instead.get("arrays", self.arrays)
        return contribution(self.rule, slot, g, y, *arrays, **self.options)

    @property
    def x(self) -> Array:
        """The array that the result is for."""
        return self.arrays[self.slot]

    @property
    def other(self) -> int:
        """The next array that takes a gradient; the same one if there is no other."""
        found = slots(self.rule, len(self.arrays))
        return found[(found.index(self.slot) + 1) % len(found)]


# --- what goes wrong ------------------------------------------------------------------------


def _transposed(call: FaultyCall) -> Array:
    right = call.right()
    return np.reshape(np.transpose(right), right.shape)


def _first_of_broadcast(call: FaultyCall) -> Array:
    """Of the copies that broadcasting made of an entry, only the first sends its gradient back."""
    right, wanted = call.right(), np.shape(call.x)
    extra = len(right.shape) - len(wanted)
    if extra < 0 or right.size == 0:
        return right
    first = right[(0,) * extra]
    return first[tuple(slice(0, n) for n in wanted)]


def _one_entry_zero(call: FaultyCall) -> Array:
    right = call.right()
    places = np.arange(right.size).reshape(right.shape)
    return np.where(places == right.size // 2, 0, right)


def _ignoring_g(call: FaultyCall) -> Array:
    several = isinstance(call.g, tuple)
    ones = tuple(map(np.ones_like, call.g)) if several else np.ones_like(call.g)
    return call.right(g=ones)


def _widened(right: Array) -> Array:
    return right.astype(np.result_type(right, np.float64))


def moved(value: Any, by: float = 0.001) -> Any:
    """Return about a thousandth more of whatever is an array of floats, in tuples too.

    It is not as much of every entry, since what all of them have in common may cancel. Complex
    numbers turn, too.
    """
    if isinstance(value, tuple):
        return tuple([moved(part, by) for part in value])
    dtype = getattr(value, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fc":
        return value
    step = by * (1 + 1j) if dtype.kind == "c" else by
    steps = step * np.linspace(0.5, 1.5, value.size).reshape(value.shape)
    return (value * (1 + steps)).astype(dtype)


@dataclass(frozen=True, slots=True)
class Fault:
    """A standard mistake: what a partial with it gives, and how to call it in tables."""

    short: str
    give: Callable[[FaultyCall], Array]
    forward: bool = True  # whether it makes sense of tangents, too
    arguments: int = 1  # how many must take a gradient
    of_complex: bool = False  # whether it makes sense of complex numbers only


FAULTS: dict[str, Fault] = {
    "factor 1.001": Fault("1.001", lambda call: call.right() * 1.001),
    "wrong sign": Fault("sign", lambda call: -call.right()),
    "missing transpose": Fault("T", _transposed),
    "missing sum over a broadcast axis": Fault("sum", _first_of_broadcast, forward=False),
    "arriving gradient ignored": Fault("g", _ignoring_g),
    "one entry zero": Fault("zero", _one_entry_zero),
    "missing 1/N": Fault("1/N", lambda call: call.right() * np.size(call.x)),
    "stale inputs": Fault("old x", lambda call: call.right(arrays=moved(call.arrays))),
    "stale output": Fault("old y", lambda call: call.right(y=moved(call.y))),
    "float64 leak": Fault("f64", lambda call: _widened(call.right())),
    "arguments swapped": Fault("swap", lambda call: call.right(slot=call.other), arguments=2),
    "conjugated": Fault("conj", lambda call: np.conjugate(call.right()), of_complex=True),
}
"""The standard faults by name; what is stale differs by about a thousandth from what is right."""


# --- how it is planted ----------------------------------------------------------------------


@contextmanager
def plant(function: Function, fault: str, slot: int | None = None) -> Iterator[None]:
    """Break a function's rule inside the block: what one argument receives, or each of them.

    `fault` is a name from `FAULTS`. Where forward mode uses the same partials, it is broken
    alike. On leaving, the rule is what it was, also after an error. Rules belong to the whole
    process: plant nothing while another thread differentiates. Raises `ValueError` if the
    function has no rule of its own, or no such argument.

    >>> from tinygrad_bp import grad
    >>> with plant(np.exp, "wrong sign"):
    ...     grad(np.exp)(0.0)
    array(-1.)
    >>> grad(np.exp)(0.0)
    array(1.)
    """
    rule, planted = rule_of(function), FAULTS[fault]
    rule.form  # noqa: B018  (read off the partials at the first call, so it must be there before)
    partials, pushes = rule.partials, rule.pushes
    broken = _broken(rule, planted, slot)
    try:
        rule.partials = broken
        if pushes is partials and planted.forward:
            rule.pushes = broken
        yield
    finally:
        rule.partials, rule.pushes = partials, pushes


def rule_of(function: Function) -> Rule:
    """Return the rule that can be broken. Raises `ValueError` if there is none."""
    if function not in breakable():
        raise ValueError(f"{name_of(function)} has no derivative rule of its own to break")
    return rules[function]


def breakable() -> list[Function]:
    """Return the functions with a derivative rule of their own, which is not that of others.

    >>> np.exp in breakable(), np.var in breakable()
    (True, False)
    """
    return [function for function, rule in rules.items() if rule.differentiable]


def is_variadic(rule: Rule) -> bool:
    """Return whether one and the same partial serves all arrays, however many there are."""
    return rule.together or isinstance(rule.partials, Each)


def _broken(rule: Rule, fault: Fault, slot: int | None) -> Sequence[Any]:
    sound = copy.copy(rule)

    def give(i: int, g: Any, y: Any, *arrays: Any, **options: Any) -> Array:
        return fault.give(FaultyCall(sound, i, g, y, arrays, options))

    def give_all(g: Any, y: Any, *arrays: Any, **options: Any) -> list[Array]:
        return [give(i, g, y, *arrays, **options) for i in range(len(arrays))]

    if is_variadic(rule):
        if slot is not None:
            raise ValueError("a variadic rule has one partial for all arguments: leave slot out")
        return (give_all,) if rule.together else Each(give)
    found = slots(rule, len(rule.partials))
    if slot is not None and slot not in found:
        raise ValueError(f"no gradient passes through argument {slot}, only through {found}")
    chosen = found if slot is None else [slot]
    return [functools.partial(give, i) if i in chosen else p for i, p in enumerate(rule.partials)]
