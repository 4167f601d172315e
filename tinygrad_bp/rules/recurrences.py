"""Recurrent layers over whole sequences, each as one node of the graph: RNN, LSTM and GRU.

A step is written once, with how gradients go back through it and how tangents go forward; a loop
takes all steps one after the other. Examples are columns, so that each gate is a block of rows:

    z        (steps, gates, examples), W_ih x of every step
    weight   (gates, features), W_hh, which meets the state h of the step before
    bias     (gates,)
    h, c     (features, examples), the states before the first step

Numbers go back through what the forward pass kept. Gradients of gradients see all steps once
more, in registered functions, and keep nothing that might hide a dependence.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_bp.registry import Array, composite, primitive, rule, why
from tinygrad_bp.rules.matrices import mT

__all__ = ["gru", "gru_backward", "lstm", "lstm_backward", "rnn", "rnn_backward"]

States: TypeAlias = tuple[Array, ...]
"""h, which the weight meets, and any others."""


class _Cell(NamedTuple):
    """One step of a recurrence, and its two derivatives."""

    step: Callable[..., tuple[Array, States]]
    """From z, q = W h + b and the states to what it keeps and the states after it."""
    back: Callable[..., tuple[Array, Array, States]]
    """From gradients of the states after it, what it kept, and the states before and after it, to
    gradients of z, of q, and of the states before it, except by way of q."""
    push: Callable[..., States]
    """From tangents of z, of q, and of the states before it, what it kept, and the states before
    and after it, to tangents of the states after it."""
    sums: bool = True
    """Whether z and q only ever occur as z + q, and have one gradient."""


# --- the steps ------------------------------------------------------------------------------


def _sigmoid(x: Array) -> Array:
    """σ by way of tanh, which takes NumPy less time than exp, and cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _rnn_cell(activation: Callable[[Array], Array], slope: Callable[[Array], Array]) -> _Cell:
    """H' = activation(z + q), whose slope is a function of h'."""

    def step(z: Array, q: Array, h: Array) -> tuple[Array, States]:
        after = activation(z + q)
        return after, (after,)

    def back(g: States, y: Array, before: States, after: States) -> tuple[Array, Array, States]:
        dz = g[0] * slope(y)
        return dz, dz, (0,)

    def push(tz: Array, tq: Array, t: States, y: Array, before: States, after: States) -> States:
        return ((tz + tq) * slope(y),)

    return _Cell(step, back, push)


@functools.cache
def _lstm_scale(dtype: Any) -> Array:
    """Three gates are sigmoids, σ(a) = (1 + tanh(a / 2)) / 2; the third, of four, is a tanh."""
    return np.reshape(np.array([0.5, 0.5, 1, 0.5], dtype), (4, 1, 1))


def _lstm_step(z: Array, q: Array, h: Array, c: Array) -> tuple[Array, States]:
    """Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000."""
    a = np.reshape(z + q, (4, *c.shape))
    scale = _lstm_scale(a.dtype)
    y = scale * np.tanh(scale * a) + (1 - scale)
    i, f, g, o = y
    after = f * c + i * g
    return y, (o * np.tanh(after), after)


def _lstm_slope(y: Array) -> Array:
    """Y (1 - y) for the sigmoids, (1 + y) (1 - y) for the tanh."""
    return (y + (2 * _lstm_scale(y.dtype) - 1)) * (1 - y)


def _lstm_back(g: States, y: Array, before: States, after: States) -> tuple[Array, Array, States]:
    (dh, dc), (_, c), (i, f, new, o) = g, before, y
    m = np.tanh(after[1])
    dc = dc + dh * o * (1 - m * m)
    dz = np.stack([dc * new, dc * c, dc * i, dh * m]) * _lstm_slope(y)
    dz = np.reshape(dz, (4 * c.shape[0], c.shape[1]))
    return dz, dz, (0, dc * f)


def _lstm_push(tz: Array, tq: Array, t: States, y: Array, before: States, after: States) -> States:
    (_, c), (i, f, g, o) = before, y
    m = np.tanh(after[1])
    ti, tf, tg, to = np.reshape(tz + tq, y.shape) * _lstm_slope(y)
    tc = tf * c + f * t[1] + ti * g + i * tg
    return to * m + o * (1 - m * m) * tc, tc


def _gru_step(z: Array, q: Array, h: Array) -> tuple[Array, States]:
    """Cho et al. 2014, with the reset after the product, as PyTorch has it."""
    n = h.shape[0]
    r, u = np.reshape(_sigmoid(z[: 2 * n] + q[: 2 * n]), (2, *h.shape))
    new = np.tanh(z[2 * n :] + r * q[2 * n :])
    return np.stack([r, u, new, q[2 * n :]]), (new + u * (h - new),)


def _gru_back(g: States, y: Array, before: States, after: States) -> tuple[Array, Array, States]:
    (dh,), (h,), (r, u, new, q) = g, before, y
    dnew = dh * (1 - u) * (1 - new * new)
    dr = dnew * q * (r * (1 - r))
    du = dh * (h - new) * (u * (1 - u))
    return np.concatenate([dr, du, dnew]), np.concatenate([dr, du, dnew * r]), (dh * u,)


def _gru_push(tz: Array, tq: Array, t: States, y: Array, before: States, after: States) -> States:
    (th,), (h,), (r, u, new, q) = t, before, y
    n = h.shape[0]
    tr = (tz[:n] + tq[:n]) * (r * (1 - r))
    tu = (tz[n : 2 * n] + tq[n : 2 * n]) * (u * (1 - u))
    tnew = (tz[2 * n :] + tr * q + r * tq[2 * n :]) * (1 - new * new)
    return (tnew * (1 - u) + tu * (h - new) + u * th,)


_RNN = {
    "tanh": _rnn_cell(np.tanh, lambda y: 1 - y * y),
    "relu": _rnn_cell(lambda a: np.maximum(a, 0), lambda y: np.astype(y > 0, y.dtype)),
}
_LSTM = _Cell(_lstm_step, _lstm_back, _lstm_push)
_GRU = _Cell(_gru_step, _gru_back, _gru_push, sums=False)


# --- all steps ------------------------------------------------------------------------------


def _steps(
    cell: _Cell, z: Array, weight: Array, bias: Array, *states: Array
) -> tuple[list[States], list[Array]]:
    """The states after each step, and what each step kept."""
    bias = np.repeat(np.expand_dims(bias, 1), z.shape[2], axis=1)
    found: list[States] = []
    kept: list[Array] = []
    for z_t in z:
        y, states = cell.step(z_t, weight @ states[0] + bias, *states)
        found.append(states)
        kept.append(y)
    return found, kept


def _back(
    cell: _Cell,
    g: Sequence[Array],
    weight: Array,
    start: States,
    found: Iterable[States],
    kept: Iterable[Array],
) -> tuple[Array, ...]:
    """Gradients of z, weight, bias and the states before the first step.

    `g` is what arrives at h after every step, and at any other states after the last one.
    """
    places = [start, *found]
    steps = zip(g[0], kept, places, places[1:], strict=False)
    across = mT(weight)
    arriving: States = (0, *g[1:])
    dzs: list[Array] = []
    dqs: list[Array] = []
    for g_t, y, before, after in reversed(list(steps)):
        dz, dq, direct = cell.back((g_t + arriving[0], *arriving[1:]), y, before, after)
        arriving = (across @ dq + direct[0], *direct[1:])
        dzs.append(dz)
        dqs.append(dq)
    dz = _beside(dzs[::-1])
    dq = dz if cell.sums else _beside(dqs[::-1])
    dq = _matrix(dq)
    h = _matrix(_beside([states[0] for states in places[:-1]]))
    return np.moveaxis(dz, 1, 0), dq @ mT(h), np.sum(dq, axis=1), *arriving


def _beside(parts: list[Array]) -> Array:
    """The same row of all steps in one row: (rows, steps, examples)."""
    return np.stack(parts, axis=1)


def _matrix(a: Array) -> Array:
    return np.reshape(a, (a.shape[0], a.shape[1] * a.shape[2]))


def _push(
    cell: _Cell, t: Sequence[Array], z: Array, weight: Array, bias: Array, *states: Array
) -> list[States]:
    """Tangents of the states after each step, as all arguments move."""
    tz, tweight, tbias, *ts = t
    found, kept = _steps(cell, z, weight, bias, *states)
    moved: list[States] = []
    tangents = tuple(ts)
    for tz_t, y, before, after in zip(tz, kept, [states, *found], found, strict=False):
        tq = tweight @ before[0] + weight @ tangents[0] + np.expand_dims(tbias, 1)
        tangents = cell.push(tz_t, tq, tangents, y, before, after)
        moved.append(tangents)
    return moved


def _every(i: int, found: list[States]) -> Array:
    """One of the states, after each step."""
    return np.stack([states[i] for states in found])


# --- three layers ---------------------------------------------------------------------------


@primitive
def rnn(z: Array, weight: Array, bias: Array, h: Array, nonlinearity: str = "tanh") -> Array:
    """Return h after every step, h' = tanh(z + weight h + bias), or relu: (steps, n, examples).

    >>> h = rnn(np.array([[[0.5]], [[0.0]]]), np.eye(1), np.zeros(1), np.zeros((1, 1)))
    >>> h.ravel(), np.tanh([0.5, np.tanh(0.5)])
    (array([0.46211716, 0.43180818]), array([0.46211716, 0.43180818]))
    """
    found, _ = _steps(_RNN[nonlinearity], z, weight, bias, h)
    return _every(0, found)


@primitive
def lstm(z: Array, weight: Array, bias: Array, h: Array, c: Array) -> tuple[Array, ...]:
    """Return h after every step, c after the last one, c after every step, and the gates.

    The gates are in the order i, f, g, o: (steps, 4, n, examples). The last two outputs are what
    the backward pass reads, and take no gradient.

    >>> h, *_ = lstm(np.ones((1, 4, 1)), np.zeros((4, 1)), np.zeros(4), *np.zeros((2, 1, 1)))
    >>> h.round(4)
    array([[[0.3696]]])
    """
    found, kept = _steps(_LSTM, z, weight, bias, h, c)
    return _every(0, found), found[-1][1], _every(1, found), np.stack(kept)


@primitive
def gru(z: Array, weight: Array, bias: Array, h: Array) -> tuple[Array, ...]:
    """Return h after every step, and what every step kept: r, u, n and the part of q that r meets.

    The last output is what the backward pass reads, and takes no gradient.

    >>> h, _ = gru(np.ones((1, 3, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros((1, 1)))
    >>> h.round(4)
    array([[[0.2048]]])
    """
    found, kept = _steps(_GRU, z, weight, bias, h)
    return _every(0, found), np.stack(kept)


@primitive
def rnn_backward(
    g: Array, z: Array, weight: Array, bias: Array, h: Array, hs: Array, nonlinearity: str = "tanh"
) -> tuple[Array, ...]:
    """Return the gradients of z, weight, bias and h, if g arrives at the states hs that followed.

    >>> one = np.ones((1, 1))
    >>> dz, *_ = rnn_backward(one[None], one[None], one, np.zeros(1), one, one[None] / 2)
    >>> dz
    array([[[0.75]]])
    """
    return _back(_RNN[nonlinearity], [g], weight, (h,), zip(hs), hs)


@primitive
def lstm_backward(
    gh: Array,
    gc: Array,
    z: Array,
    weight: Array,
    bias: Array,
    h: Array,
    c: Array,
    hs: Array,
    cs: Array,
    gates: Array,
) -> tuple[Array, ...]:
    """Return gradients of z, weight, bias, h and c: `gh` arrives at every h, `gc` at the last c.

    The last three arguments are outputs of `lstm`.

    >>> one = np.ones((1, 1))
    >>> given = np.ones((1, 4, 1)), np.zeros((4, 1)), np.zeros(4), one, one
    >>> hs, _, cs, gates = lstm(*given)
    >>> [g.shape for g in lstm_backward(one[None], one, *given, hs, cs, gates)]
    [(1, 4, 1), (4, 1), (4,), (1, 1), (1, 1)]
    """
    return _back(_LSTM, [gh, gc], weight, (h, c), zip(hs, cs, strict=True), gates)


@primitive
def gru_backward(
    g: Array, z: Array, weight: Array, bias: Array, h: Array, hs: Array, kept: Array
) -> tuple[Array, ...]:
    """Return the gradients of z, weight, bias and h, if g arrives at every h.

    The last two arguments are outputs of `gru`.

    >>> one = np.ones((1, 1))
    >>> given = np.ones((1, 3, 1)), np.zeros((3, 1)), np.zeros(3), one
    >>> [g.shape for g in gru_backward(one[None], *given, *gru(*given))]
    [(1, 3, 1), (3, 1), (3,), (1, 1)]
    """
    return _back(_GRU, [g], weight, (h,), zip(hs), kept)


# fmt: off

# What was kept follows from the other arguments: a derivative sees it made of them.
composite(rnn_backward, lambda g, z, weight, bias, h, hs, *, nonlinearity: _back(
    _RNN[nonlinearity], [g], weight, (h,), *_steps(_RNN[nonlinearity], z, weight, bias, h)))
composite(lstm_backward, lambda gh, gc, z, weight, bias, h, c, hs, cs, gates: _back(
    _LSTM, [gh, gc], weight, (h, c), *_steps(_LSTM, z, weight, bias, h, c)))
composite(gru_backward, lambda g, z, weight, bias, h, hs, kept: _back(
    _GRU, [g], weight, (h,), *_steps(_GRU, z, weight, bias, h)))


def _lstm_tangents(t: Sequence[Array], *arrays: Array) -> tuple[Any, ...]:
    moved = _push(_LSTM, t, *arrays)
    return _every(0, moved), moved[-1][1], None, None


rule(
    rnn,
    vjp=lambda g, y, z, weight, bias, h, *, nonlinearity: (
        rnn_backward(g, z, weight, bias, h, y, nonlinearity)),
    jvp=lambda t, y, z, weight, bias, h, *, nonlinearity: (
        _every(0, _push(_RNN[nonlinearity], t, z, weight, bias, h))),
    together=True,
)
rule(
    lstm,
    vjp=lambda g, y, z, weight, bias, h, c: (
        lstm_backward(g[0], g[1], z, weight, bias, h, c, y[0], y[2], y[3])),
    jvp=lambda t, y, z, weight, bias, h, c: _lstm_tangents(t, z, weight, bias, h, c),
    together=True,
    flat=(2, 3),
)
rule(
    gru,
    vjp=lambda g, y, z, weight, bias, h: gru_backward(g[0], z, weight, bias, h, y[0], y[1]),
    jvp=lambda t, y, z, weight, bias, h: (_every(0, _push(_GRU, t, z, weight, bias, h)), None),
    together=True,
    flat=(1,),
)

why("From the last step to the first: each passes its gradient on to the state before it, through "
    "the weights, and all of them add up at the weights.", rnn, lstm, gru)
