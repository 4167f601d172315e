"""The table of specs: recurrent layers over whole sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from specs.calls import Array, Draw, Spec, call, positive, strided, transposed, x
from tinygrad_bp import rules as own


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def _rows(z: Array) -> Array:
    """The gates of each example in a row."""
    return np.moveaxis(z, 1, 2).reshape(z.shape[0], z.shape[2], z.shape[1] * z.shape[3])


def _rnn(z: Array, w: Array, b: Array, h: Array, nonlinearity: str = "tanh") -> Array:
    found = []
    for now in _rows(z):
        a = now + h @ w.T + b
        h = np.tanh(a) if nonlinearity == "tanh" else np.where(a > 0, a, 0)
        found.append(h)
    return np.stack(found)


def _lstm(z: Array, w: Array, b: Array, h: Array, c: Array) -> tuple[Array, ...]:
    found = []
    for now in _rows(z):
        i, f, g, o = np.split(now + h @ w.T + b, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        found.append(h)
    return np.stack(found), c


def _gru(z: Array, w: Array, b: Array, h: Array) -> tuple[Array, ...]:
    found = []
    for now in _rows(z):
        ir, iz, inew = np.split(now, 3, axis=1)
        hr, hz, hnew = np.split(h @ w.T + b, 3, axis=1)
        r, update = _sigmoid(ir + hr), _sigmoid(iz + hz)
        h = (1 - update) * np.tanh(inew + r * hnew) + update * h
        found.append(h)
    return (np.stack(found),)


def arguments(
    steps: int, examples: int, n: int, cell: tuple[int, int], make: Callable[..., Draw] = x
) -> tuple[Draw, ...]:
    """What arrives from the input, the weights, the biases, the states before the first step."""
    gates, states = cell
    return (
        make(steps, gates, examples, n), make(gates * n, n), x(gates * n),
        *[make(examples, n)] * states,
    )  # fmt: skip


def calls_of(gates: int, states: int, **options: Any) -> list[Any]:
    """One step and several, one example and none, arrays that are not contiguous."""
    cell = gates, states
    return [
        call(*arguments(3, 2, 2, cell), **options),
        call(*arguments(1, 1, 1, cell), **options),
        call(*arguments(2, 0, 1, cell), **options),
        call(*arguments(2, 2, 1, cell, transposed), **options),
        call(*arguments(2, 1, 2, cell, strided), **options),
        call(np.ones((2, gates, 2, 1), np.int8), *arguments(2, 2, 1, cell)[1:], **options),
    ]


def backward_calls_of(gates: int, states: int) -> list[Any]:
    """What arrives at every h, and at other states after the last step; then as in `calls_of`."""
    return [
        call(x(steps, examples, n), *[x(examples, n)] * (states - 1),
             *arguments(steps, examples, n, (gates, states), make))
        for steps, examples, n, make in ((2, 2, 1, x), (1, 1, 1, transposed))
    ]  # fmt: skip


def kept_by_rnn(g: Array, *given: Array) -> tuple[Array, ...]:
    return (own.rnn(*given),)


def kept_by_lstm(gh: Array, gc: Array, *given: Array) -> tuple[Array, ...]:
    hs, _, cs, gates = own.lstm(*given)
    return hs, cs, gates


def kept_by_gru(g: Array, *given: Array) -> tuple[Array, ...]:
    return own.gru(*given)


# A relu that is open in every step: what is drawn is positive.
OPEN = [replace(draw, values=positive) for draw in arguments(2, 2, 1, (1, 1))]

RECURRENCES = [
    Spec(own.rnn, *calls_of(1, 1), call(*OPEN, nonlinearity="relu"), reference=_rnn),
    Spec(own.lstm, *calls_of(4, 2), reference=_lstm, flat=(2, 3)),
    Spec(own.gru, *calls_of(3, 1), reference=_gru, flat=(1,)),
    Spec(own.rnn_backward, *backward_calls_of(1, 1), completed=kept_by_rnn),
    Spec(own.lstm_backward, *backward_calls_of(4, 2), completed=kept_by_lstm),
    Spec(own.gru_backward, *backward_calls_of(3, 1), completed=kept_by_gru),
]
