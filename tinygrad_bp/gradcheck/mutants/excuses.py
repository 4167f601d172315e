"""Why a fault may change no bit of a gradient; calling the rule itself finds most reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_bp import rules as own
from tinygrad_bp.gradcheck.contribution import each_output
from tinygrad_bp.gradcheck.mutants.faults import FaultyCall, moved

__all__ = ["ARGUED", "EXCUSES", "excuse"]

Function = Callable[..., Any]

EXCUSES: Mapping[str, str] = {
    "zero": "the argument receives zeros, whatever arrives",
    "unread": "the rule does not read it: with NaN in its place it gives the same bits",
    "shape": "nothing to sum: what the rule gives has the argument's shape already",
    "vector": "nothing to transpose: what the rule gives has one axis",
    "same": "the partials are one and the same",
    "float64": "the function itself gives float64 for float32",
    "real": "nothing to conjugate: what the rule gives is real, or only its real part is taken",
    "decides": "the rule only asks which is larger, or for a sign: both stay as they are",
    "quotient": "the rule reads the whole part of a quotient, which a thousandth does not change",
}
"""The reasons, by name."""

ARGUED = ("decides", "quotient")
"""Those that calling the rule cannot find."""

# That a rule only lets a value decide cannot be seen from outside: these two are argued by name.
_DECIDE = {
    np.maximum, np.minimum, np.absolute, np.fabs, np.heaviside, np.copysign, np.sort, np.partition,
    own.clamp_max, own.clamp_min, own.relu,
}  # fmt: skip
_QUOTIENT = {np.remainder, np.fmod}


def excuse(function: Function, fault: str, uses: Sequence[FaultyCall]) -> str:
    """Return why a fault changes nothing in the given uses; "" if no reason is known."""
    found = (name for name, holds in _reasons(function, fault) if all(map(holds, uses)))
    return next(found, "") if uses else ""


def _reasons(function: Function, fault: str) -> Iterator[tuple[str, Callable[[FaultyCall], bool]]]:
    """The excuses that a fault may have, each with a condition on every use."""
    yield "zero", lambda use: not np.any(use.right())
    if fault == "stale inputs":
        yield "unread", lambda use: _same(use, arrays=_poisoned(use.arrays))
        yield "decides", lambda _: function in _DECIDE
        yield "quotient", lambda _: function in _QUOTIENT
    elif fault == "stale output":
        yield "unread", lambda use: _same(use, y=_poisoned(use.y))
        yield "decides", lambda _: function in _DECIDE
    elif fault == "missing transpose":
        yield "vector", lambda use: np.ndim(use.right()) <= 1
    elif fault == "missing sum over a broadcast axis":
        yield "shape", lambda use: np.shape(use.right()) == np.shape(use.x)
    elif fault == "arguments swapped":
        yield "same", lambda use: _same(use, slot=use.other)
    elif fault == "float64 leak":
        yield "float64", _gives_float64
    elif fault == "conjugated":
        yield "real", lambda use: np.isrealobj(use.x) or np.isrealobj(use.right())


def _same(use: FaultyCall, **instead: Any) -> bool:
    """Whether the sound rule gives the same bits with something else in its place."""
    right, other = (np.asarray(found) + 0.0 for found in (use.right(), use.right(**instead)))
    return right.shape == other.shape and right.tobytes() == other.tobytes()


def _poisoned(value: Any) -> Any:
    return moved(value, np.nan)


def _gives_float64(use: FaultyCall) -> bool:
    outputs = [use.y if i is None else use.y[i] for i in each_output(use.rule, use.y)]
    return all(y.dtype in (np.float64, np.complex128) for y in outputs)
