"""The expressions that random programs are made of, each with the values at which it is smooth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.gradcheck.strategies.arrays import Floats

__all__ = ["NAMES", "OF_ONE", "OF_TWO", "fitting", "names_in"]

Condition: TypeAlias = Callable[..., bool]

NAMES: Mapping[str, Any] = {"np": np, "bp": sys.modules["tinygrad_bp"], "rules": rules}
"""What an expression may use beside the values of earlier lines; `bp` as users import it."""


def names_in(expression: str) -> tuple[str, ...]:
    """Return the names that an expression uses."""
    return compile(expression, "", "eval").co_names


def fitting(values: Mapping[str, Any], v: str, w: str) -> dict[str, Any]:
    """Return every expression of v, or of v and w, that is smooth there, with its value."""
    names = {**NAMES, **values}
    found = {}
    with np.errstate(all="ignore"):
        for template, smooth in (*OF_ONE.items(), *OF_TWO.items()):
            of_one = template in OF_ONE
            if not (smooth(values[v]) if of_one else smooth(values[v], values[w])):
                continue
            expression = template.format(v=v, w=w)
            value = eval(expression, dict(names))  # noqa: S307  (from the tables below)
            if np.size(value) <= 36 and np.all(np.abs(value) <= 16):
                found[expression] = value
    return found


# --- where a function is smooth -------------------------------------------------------------


def _always(*_: Any) -> bool:
    return True


def _nonzero(v: Floats) -> bool:
    return bool(np.all(np.abs(v) >= 0.25))


def _positive(v: Floats) -> bool:
    return bool(np.all(v >= 0.25))


def _has_axis(v: Floats) -> bool:
    return np.ndim(v) > 0


def _filled(v: Floats) -> bool:
    return np.ndim(v) > 0 and np.size(v) > 0


def _clear_winner(v: Floats) -> bool:
    """The largest along the last axis is so by a distance."""
    if not _filled(v):
        return False
    top = np.sort(v, axis=-1)
    return v.shape[-1] == 1 or bool(np.all(top[..., -1] - top[..., -2] >= 0.25))


def _long(v: Floats) -> bool:
    return _filled(v) and bool(np.all(np.linalg.norm(v, axis=-1) >= 0.25))


def _off_whole(v: Floats) -> bool:
    """No whole number but 0 is near; a fraction does not jump there."""
    return bool(np.all((np.abs(v) <= 0.75) | (np.abs(v - np.rint(v)) >= 0.25)))


def _off_powers(v: Floats) -> bool:
    """No power of two is near."""
    mantissa = np.abs(np.frexp(v)[0])
    return bool(np.all((mantissa >= 0.6) & (mantissa <= 0.85)))


def _fit(v: Floats, w: Floats) -> bool:
    """The shapes broadcast."""
    pairs = zip(np.shape(v)[::-1], np.shape(w)[::-1], strict=False)
    return all(m == n or 1 in (m, n) for m, n in pairs)


def _fit_apart(v: Floats, w: Floats) -> bool:
    return _fit(v, w) and _nonzero(v - w)


def _fit_with_rest(v: Floats, w: Floats) -> bool:
    """No quotient is near a whole number."""
    if not (_fit(v, w) and _nonzero(w)):
        return False
    quotient = v / w
    return bool(np.all(np.abs(quotient - np.rint(quotient)) >= 0.25))


def _alike(v: Floats, w: Floats) -> bool:
    return np.ndim(v) > 0 and np.shape(v) == np.shape(w)


def _multipliable(v: Floats, w: Floats) -> bool:
    return np.ndim(v) > 0 and np.ndim(w) in (1, 2) and np.shape(v)[-1] == np.shape(w)[0]


# --- the tables -----------------------------------------------------------------------------

# Whatever the values, some of these fit, so there is always a next line.
OF_ONE: dict[str, Condition] = {
    "-{v}": _always,
    "np.tanh({v})": _always,
    "np.sin({v})": _always,
    "rules.sigmoid({v})": _always,
    "np.square({v})": _always,
    "{v} ** 3": _always,
    "np.exp({v})": _always,
    "np.arctan({v})": _always,
    "1 / {v}": _nonzero,
    "np.abs({v})": _nonzero,
    "rules.relu({v})": _nonzero,
    "np.sqrt({v})": _positive,
    "np.log({v})": _positive,
    "np.sum({v}, axis=0)": _has_axis,
    "np.sum({v}, axis=-1, keepdims=True)": _has_axis,
    "np.mean({v})": lambda v: bool(np.size(v)),
    "np.var({v}, axis=-1)": _filled,
    "np.prod({v}, axis=-1)": _has_axis,
    "np.cumsum({v}, axis=0)": _has_axis,
    "np.max({v}, axis=-1)": _clear_winner,
    "np.linalg.norm({v}, axis=-1)": _long,
    "rules.log_softmax({v})": _filled,
    "rules.softmax({v}, axis=0)": _filled,
    "np.reshape({v}, -1)": _always,
    "np.transpose({v})": _always,
    "np.expand_dims({v}, 0)": lambda v: np.ndim(v) < 3,
    "{v}[..., ::-1]": _has_axis,
    "{v}[[0, 0]]": lambda v: np.ndim(v) > 0 and np.shape(v)[0] > 0,
    "np.concatenate([{v}, {v}])": _has_axis,
    # Arguments by name, and in another order.
    "np.sum(axis=0, a={v})": _has_axis,
    "np.clip(a={v}, a_max=1, a_min=-1)": lambda v: bool(np.all(np.abs(np.abs(v) - 1) >= 0.25)),
    "np.swapaxes(axis2=0, axis1=-1, a={v})": _has_axis,
    "np.take({v}, axis=0, indices=[0, 0])": lambda v: np.ndim(v) > 0 and np.shape(v)[0] > 0,
    # Several outputs.
    "np.subtract(*np.modf({v}))": _off_whole,
    "np.frexp({v})[0]": _off_powers,
    # Derivatives of derivatives.
    "bp.grad(lambda t: np.sum(np.sin(t) * t))({v})": _always,
    "bp.jvp(np.tanh, ({v},), ({v},))[1]": _always,
}
OF_TWO: dict[str, Condition] = {
    "{v} + {w}": _fit,
    "{v} - {w}": _fit,
    "{v} * {w}": _fit,
    "{v} / {w}": lambda v, w: _fit(v, w) and _nonzero(w),
    "np.power({v}, {w})": lambda v, w: _fit(v, w) and _positive(v),
    "np.logaddexp({v}, {w})": _fit,
    "np.maximum({v}, {w})": _fit_apart,
    "np.where({v} > {w}, {v}, np.sin({w}))": _fit_apart,
    "np.arctan2({v}, {w})": lambda v, w: _fit(v, w) and _nonzero(w),
    "np.stack([{v}, {w}])": _alike,
    "np.concatenate([{v}, {w}], axis=-1)": _alike,
    "np.einsum('...i,...i->...', {v}, {w})": _alike,
    "{v} @ {w}": _multipliable,
    "np.outer({v}, {w})": _always,
    "np.einsum({v}, [..., 0], {w}, [..., 0], [...])": _alike,
    "np.stack(axis=-1, arrays=({v}, {w}))": _alike,
    "np.multiply(*np.divmod({v}, {w}))": _fit_with_rest,
    "divmod({v}, {w})[1]": _fit_with_rest,
    "bp.grad(lambda t, u={w}: np.sum(np.sin(t) * u))({v})": _fit,
}
