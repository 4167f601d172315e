"""Recurrent layers over whole sequences, each as one node of the graph: RNN, LSTM and GRU.

A step is written once, with how gradients go back through it and how tangents go forward; a loop
takes all steps one after the other. Every gate is a block of its own:

    z        (steps, gates, examples, n), W_ih x of every step
    weight   (gates times n, features), W_hh, which meets the state h of the step before
    bias     (gates times n,)
    h, c     (examples, n), the states before the first step

Numbers go back through what the forward pass kept. Gradients of gradients see all steps once
more, in registered functions, and keep nothing that might hide a dependence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.operands import beside, copied
from tinygrad_bp.registry import Array, composite, primitive, rule, why
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.matrices import mT

__all__ = ["gru", "gru_backward", "lstm", "lstm_backward", "rnn", "rnn_backward"]

States: TypeAlias = tuple[Array, ...]
"""h, which the weight meets, and any others."""


# --- the steps ------------------------------------------------------------------------------


class _Cell:
    """One step of a recurrence and its two derivatives, for gates of some shape and dtype.

    `q` is W h + b, and `y` what the step keeps: (blocks, examples, n), as z. What both derivatives
    multiply by is worked out for all steps at once: the slopes. Those of gates are side by side,
    (steps, examples, gates times n), as the gradients of z and q are.
    """

    sums = True
    """Whether z and q only ever occur as z + q, and have one gradient."""

    def __init__(self, z: Array, dtype: Any) -> None:
        pass

    def step(self, z: Array, q: Array, before: States) -> tuple[Array, States]:
        """From the states before the step to what it keeps, and the states after it."""
        raise NotImplementedError

    def slopes(self, y: Array, before: States, after: States) -> tuple[Array, ...]:
        """From what all steps kept, and the states before and after each, to their slopes."""
        raise NotImplementedError

    def back(self, g: States, slopes: tuple[Array, ...]) -> tuple[Array, Array, States]:
        """From gradients of the states after a step to those of z, q and the states before it.

        For the latter without what goes by way of q, and None where that is all.
        """
        raise NotImplementedError

    def push(self, tz: Array, tq: Array, t: States, slopes: tuple[Array, ...]) -> States:
        """From tangents of z, of q, and of the states before a step to those after it."""
        raise NotImplementedError


class _Tanh(_Cell):
    """h' = tanh(z + q)."""

    def step(self, z: Array, q: Array, before: States) -> tuple[Array, States]:
        y = self._activation(z + q)
        return y, (y[0],)

    def slopes(self, y: Array, before: States, after: States) -> tuple[Array, ...]:
        return (self._slope(after[0]),)

    def back(self, g: States, slopes: tuple[Array, ...]) -> tuple[Array, Array, States]:
        dz = g[0] * slopes[0]
        return dz, dz, (None,)

    def push(self, tz: Array, tq: Array, t: States, slopes: tuple[Array, ...]) -> States:
        return ((tz[0] + tq[0]) * slopes[0],)

    def _activation(self, a: Array) -> Array:
        return np.tanh(a)

    def _slope(self, y: Array) -> Array:
        return 1 - y * y


class _Relu(_Tanh):
    """h' = max(z + q, 0), with slope 0 at 0."""

    def _activation(self, a: Array) -> Array:
        return np.maximum(a, 0)

    def _slope(self, y: Array) -> Array:
        return cast(y > 0, y.dtype)


class _LSTM(_Cell):
    """i, f, g, o = σ, σ, tanh, σ of z + q; c' = f c + i g; h' = o tanh(c').

    Sources: Hochreiter and Schmidhuber 1997; Gers et al. 2000 for the forget gate.
    """

    def __init__(self, z: Array, dtype: Any) -> None:
        # σ(a) = 1/2 tanh(a / 2) + 1/2, which takes NumPy less time than exp, and cannot overflow.
        scale = np.reshape(np.array([0.5, 0.5, 1, 0.5], dtype=dtype, like=beside(z)), (4, 1, 1))
        self.scale = copied(np.broadcast_to(scale, z.shape[1:]))  # in full: read in less time
        self.shift = 1 - self.scale

    def step(self, z: Array, q: Array, before: States) -> tuple[Array, States]:
        y = self.scale * np.tanh(self.scale * (z + q)) + self.shift
        i, f, g, o = y
        c = f * before[1] + i * g
        return y, (o * np.tanh(c), c)

    def slopes(self, y: Array, before: States, after: States) -> tuple[Array, ...]:
        """Of c' by i, f and g and of h' by o; of c' by c; and of h' by c'."""
        i, f, g, o = np.moveaxis(y, 1, 0)
        m = np.tanh(after[1])
        gates = g * _of_sigmoid(i), before[1] * _of_sigmoid(f), i * (1 - g * g), m * _of_sigmoid(o)
        return np.concatenate(gates, axis=2), f, o - after[0] * m  # o (1 - m²)

    def back(self, g: States, slopes: tuple[Array, ...]) -> tuple[Array, Array, States]:
        (dh, dc), (gates, f, through) = g, slopes
        dc = dc + dh * through
        dz = np.concatenate([dc, dc, dc, dh], axis=1) * gates
        return dz, dz, (None, dc * f)

    def push(self, tz: Array, tq: Array, t: States, slopes: tuple[Array, ...]) -> States:
        gates, f, through = slopes
        ti, tf, tg, to = (tz + tq) * _in_blocks(gates, tz)
        tc = ti + tf + tg + f * t[1]
        return to + through * tc, tc


class _GRU(_Cell):
    """r, u = σ of z + q; n = tanh(z + r q); h' = (1 - u) n + u h.

    Source: Cho et al. 2014; that r meets the product, and not h, is PyTorch's.
    """

    sums = False

    def step(self, z: Array, q: Array, before: States) -> tuple[Array, States]:
        gates = 0.5 * np.tanh(0.5 * (z[:2] + q[:2])) + 0.5  # σ, as in the LSTM
        r, u = gates
        n = np.tanh(z[2] + r * q[2])
        return np.stack([r, u, n, q[2]]), (n + u * (before[0] - n),)

    def slopes(self, y: Array, before: States, after: States) -> tuple[Array, ...]:
        """Of h' by each z, by each q, and by h."""
        r, u, n, q = np.moveaxis(y, 1, 0)
        by_n = (1 - u) * (1 - n * n)
        by_r, by_u = by_n * q * _of_sigmoid(r), (before[0] - n) * _of_sigmoid(u)
        by_z, by_q = ([by_r, by_u, last] for last in (by_n, by_n * r))
        return np.concatenate(by_z, axis=2), np.concatenate(by_q, axis=2), u

    def back(self, g: States, slopes: tuple[Array, ...]) -> tuple[Array, Array, States]:
        (dh,), (by_z, by_q, u) = g, slopes
        each = np.concatenate([dh, dh, dh], axis=1)
        return each * by_z, each * by_q, (dh * u,)

    def push(self, tz: Array, tq: Array, t: States, slopes: tuple[Array, ...]) -> States:
        by_z, by_q, u = slopes
        gates = tz * _in_blocks(by_z, tz) + tq * _in_blocks(by_q, tq)
        return (np.sum(gates, axis=0) + u * t[0],)


_RNN = {"tanh": _Tanh, "relu": _Relu}


def _of_sigmoid(y: Array) -> Array:
    """The slope of a sigmoid where its value is y."""
    return y * (1 - y)


def _in_blocks(gates: Array, like: Array) -> Array:
    """What is side by side, as blocks of the gates: (gates, examples, n)."""
    count, examples, n = like.shape
    return np.transpose(np.reshape(gates, (examples, count, n)), (1, 0, 2))


# --- all steps ------------------------------------------------------------------------------


def _made(kind: type[_Cell], z: Array, weight: Array) -> _Cell:
    return kind(z, np.result_type(z.dtype, weight.dtype))


def _by_gate(weight: Array, z: Array) -> Array:
    """The weight from features to each gate, (gates, features, n), in the order it is read in."""
    blocks = np.reshape(weight, (z.shape[1], z.shape[3], weight.shape[1]))
    flat = np.ravel(mT(blocks))
    return np.reshape(flat, (z.shape[1], weight.shape[1], z.shape[3]))


def _for_examples(bias: Array, z: Array) -> Array:
    """The bias for each example, in full: (gates, examples, n)."""
    return np.repeat(np.reshape(bias, (z.shape[1], 1, z.shape[3])), z.shape[2], axis=1)


def _steps(
    kind: type[_Cell], z: Array, weight: Array, bias: Array, *states: Array
) -> tuple[States, Array]:
    """The states after each step, and what each step kept: (steps, ...), all of them."""
    cell = _made(kind, z, weight)
    across, bias = _by_gate(weight, z), _for_examples(bias, z)
    found: list[States] = []
    kept: list[Array] = []
    for z_t in z:
        y, states = cell.step(z_t, states[0] @ across + bias, states)
        found.append(states)
        kept.append(y)
    return _stacked(found), np.stack(kept)


def _stacked(found: list[States]) -> States:
    """Each of the states, after all steps."""
    return tuple([np.stack(each) for each in zip(*found, strict=True)])


def _before(after: States, start: Sequence[Array]) -> States:
    """The states before each step, from those after each and those before the first.

    Where h is projected between steps, there is only one, and h is shorter before it.
    """
    if len(after[0]) == 1:
        return tuple([first[None] for first in start])
    pairs = zip(start, after, strict=True)
    return tuple([np.concatenate([first[None], later[:-1]]) for first, later in pairs])


def _back(
    kind: type[_Cell], g: Sequence[Array], arrays: Sequence[Array], after: States, kept: Array
) -> tuple[Array, ...]:
    """Gradients of all arrays: z, weight, bias and the states before the first step.

    `g` is what arrives at h after every step, and at any other states after the last one.
    """
    z, weight, _, *start = arrays
    cell, before = _made(kind, z, weight), _before(after, start)
    slopes = zip(*cell.slopes(kept, before, after), strict=True)
    arriving: States = (None, *g[1:])
    dzs: list[Array] = []
    dqs: list[Array] = []
    for g_t, slope in reversed(list(zip(g[0], slopes, strict=True))):
        dz, dq, direct = cell.back((_sum(g_t, arriving[0]), *arriving[1:]), slope)
        arriving = (_sum(dq @ weight, direct[0]), *direct[1:])
        dzs.append(dz)
        dqs.append(dq)
    steps, count, examples, n = z.shape
    dz = np.stack(dzs[::-1])
    dq = dz if cell.sums else np.stack(dqs[::-1])
    by_gate = np.transpose(np.reshape(dz, (steps, examples, count, n)), (0, 2, 1, 3))
    return by_gate, *_of_parameters(dq, before[0]), *arriving


def _sum(a: Array, b: Array | None) -> Array:
    """The sum of what there is."""
    return a if b is None else a + b


def _of_parameters(dq: Array, h: Array) -> tuple[Array, Array]:
    """Gradients of weight and bias: over all steps and examples, as one product."""
    rows = np.reshape(dq, (-1, dq.shape[2]))
    return rows.T @ np.reshape(h, (-1, h.shape[2])), np.sum(rows, axis=0)


def _push(
    kind: type[_Cell], t: Sequence[Array], z: Array, weight: Array, bias: Array, *start: Array
) -> States:
    """Tangents of the states after each step, as all arrays move."""
    cell = _made(kind, z, weight)
    after, kept = _steps(kind, z, weight, bias, *start)
    before = _before(after, start)
    tz, tweight, tbias, *first = t
    across, tacross, tbias = _by_gate(weight, z), _by_gate(tweight, z), _for_examples(tbias, z)
    tangents: States = tuple(first)
    moved: list[States] = []
    slopes = zip(*cell.slopes(kept, before, after), strict=True)
    for tz_t, h, slope in zip(tz, before[0], slopes, strict=True):
        tq = h @ tacross + tangents[0] @ across + tbias
        tangents = cell.push(tz_t, tq, tangents, slope)
        moved.append(tangents)
    return _stacked(moved)


# --- three layers ---------------------------------------------------------------------------


@primitive
def rnn(z: Array, weight: Array, bias: Array, h: Array, nonlinearity: str = "tanh") -> Array:
    """Return h after every step, h' = tanh(z + weight h + bias), or relu: (steps, examples, n).

    >>> z = np.array([0.5, 0.0]).reshape(2, 1, 1, 1)
    >>> h = rnn(z, np.eye(1), np.zeros(1), np.zeros((1, 1)))
    >>> h.ravel(), np.tanh([0.5, np.tanh(0.5)])
    (array([0.46211716, 0.43180818]), array([0.46211716, 0.43180818]))
    """
    (hs,), _ = _steps(_RNN[nonlinearity], z, weight, bias, h)
    return hs


@primitive
def lstm(z: Array, weight: Array, bias: Array, h: Array, c: Array) -> tuple[Array, ...]:
    """Return h after every step, c after the last one, c after every step, and the gates.

    The gates are in the order i, f, g, o: (steps, 4, examples, n). The last two outputs are what
    the backward pass reads, and take no gradient.

    >>> h, *_ = lstm(np.ones((1, 4, 1, 1)), np.zeros((4, 1)), np.zeros(4), *np.zeros((2, 1, 1)))
    >>> h.round(4)
    array([[[0.3696]]])
    """
    (hs, cs), gates = _steps(_LSTM, z, weight, bias, h, c)
    return hs, copied(cs[-1]), cs, gates


@primitive
def gru(z: Array, weight: Array, bias: Array, h: Array) -> tuple[Array, ...]:
    """Return h after every step, and what every step kept: r, u, n and the part of q that r meets.

    The last output is what the backward pass reads, and takes no gradient.

    >>> h, _ = gru(np.ones((1, 3, 1, 1)), np.zeros((3, 1)), np.zeros(3), np.zeros((1, 1)))
    >>> h.round(4)
    array([[[0.2048]]])
    """
    (hs,), kept = _steps(_GRU, z, weight, bias, h)
    return hs, kept


@primitive
def rnn_backward(
    g: Array, z: Array, weight: Array, bias: Array, h: Array, hs: Array, nonlinearity: str = "tanh"
) -> tuple[Array, ...]:
    """Return the gradients of z, weight, bias and h, if g arrives at the states hs that followed.

    >>> one = np.ones((1, 1))
    >>> dz, *_ = rnn_backward(one[None], one[None, None], one, np.zeros(1), one, one[None] / 2)
    >>> dz
    array([[[[0.75]]]])
    """
    return _back(_RNN[nonlinearity], [g], (z, weight, bias, h), (hs,), np.expand_dims(hs, 1))


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
    >>> given = np.ones((1, 4, 1, 1)), np.zeros((4, 1)), np.zeros(4), one, one
    >>> hs, _, cs, gates = lstm(*given)
    >>> [g.shape for g in lstm_backward(one[None], one, *given, hs, cs, gates)]
    [(1, 4, 1, 1), (4, 1), (4,), (1, 1), (1, 1)]
    """
    return _back(_LSTM, [gh, gc], (z, weight, bias, h, c), (hs, cs), gates)


@primitive
def gru_backward(
    g: Array, z: Array, weight: Array, bias: Array, h: Array, hs: Array, kept: Array
) -> tuple[Array, ...]:
    """Return the gradients of z, weight, bias and h, if g arrives at every h.

    The last two arguments are outputs of `gru`.

    >>> one = np.ones((1, 1))
    >>> given = np.ones((1, 3, 1, 1)), np.zeros((3, 1)), np.zeros(3), one
    >>> [g.shape for g in gru_backward(one[None], *given, *gru(*given))]
    [(1, 3, 1, 1), (3, 1), (3,), (1, 1)]
    """
    return _back(_GRU, [g], (z, weight, bias, h), (hs,), kept)


# fmt: off

# What was kept follows from the other arguments: a derivative sees it made of them.
composite(rnn_backward, lambda g, z, weight, bias, h, hs, *, nonlinearity: _back(
    _RNN[nonlinearity], [g], (z, weight, bias, h), *_steps(_RNN[nonlinearity], z, weight, bias, h)))
composite(lstm_backward, lambda gh, gc, z, weight, bias, h, c, hs, cs, gates: _back(
    _LSTM, [gh, gc], (z, weight, bias, h, c), *_steps(_LSTM, z, weight, bias, h, c)))
composite(gru_backward, lambda g, z, weight, bias, h, hs, kept: _back(
    _GRU, [g], (z, weight, bias, h), *_steps(_GRU, z, weight, bias, h)))


def _lstm_tangents(t: Sequence[Array], *arrays: Array) -> tuple[Any, ...]:
    th, tc = _push(_LSTM, t, *arrays)
    return th, tc[-1], None, None


rule(
    rnn,
    vjp=lambda g, y, z, weight, bias, h, *, nonlinearity: (
        rnn_backward(g, z, weight, bias, h, y, nonlinearity)),
    jvp=lambda t, y, z, weight, bias, h, *, nonlinearity: (
        _push(_RNN[nonlinearity], t, z, weight, bias, h)[0]),
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
    jvp=lambda t, y, z, weight, bias, h: (*_push(_GRU, t, z, weight, bias, h), None),
    together=True,
    flat=(1,),
)

why("From the last step to the first: each passes its gradient on to the state before it, through "
    "the weights, and all of them add up at the weights.", rnn, lstm, gru)
