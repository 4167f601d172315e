"""Recurrent layers: RNN, LSTM and GRU, over whole sequences and a step at a time.

Each direction of a layer is one node of the graph, after the product of its weights with the
inputs of all steps (`rules.recurrences`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp import rules
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.nn import init
from tinygrad_bp.nn.module import Module
from tinygrad_bp.recording import record
from tinygrad_bp.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

States: TypeAlias = Sequence[Any]
"""h, and for an LSTM c: (examples, features)."""


class _Weights(NamedTuple):
    """The parameters of one direction of one layer, without the numbers in their names."""

    weight_ih: Any
    weight_hh: Any
    bias_ih: Any = None
    bias_hh: Any = None
    weight_hr: Any = None


class _Kind(NamedTuple):
    """What makes an RNN, an LSTM or a GRU."""

    gates: int
    states: tuple[str, ...]
    run: Callable[..., tuple[Any, ...]]
    """From z, the weights and the states before to h after every step, and the last states."""


# --- one direction of one layer -------------------------------------------------------------


def _run_rnn(z: Any, w: _Weights, h: Any, *, nonlinearity: str) -> tuple[Any, ...]:
    given = z, w.weight_hh, _both_biases(w), h
    hs = record(rules.rnn, given, {"nonlinearity": nonlinearity})
    return hs, hs[-1]


def _run_lstm(z: Any, w: _Weights, h: Any, c: Any) -> tuple[Any, ...]:
    if w.weight_hr is not None:
        return _run_projected(z, w, h, c)
    hs, c, *_ = record(rules.lstm, (z, w.weight_hh, _both_biases(w), h, c))
    return hs, hs[-1], c


def _run_projected(z: Any, w: _Weights, h: Any, c: Any) -> tuple[Any, ...]:
    """A step at a time: what meets the weights in the next one is W_hr h."""
    bias, found = _both_biases(w), []
    for t in range(len(z)):
        hs, c, *_ = record(rules.lstm, (z[t : t + 1], w.weight_hh, bias, h, c))
        h = hs[0] @ w.weight_hr.T
        found.append(h)
    return np.stack(found), h, c


def _run_gru(z: Any, w: _Weights, h: Any) -> tuple[Any, ...]:
    z = z if w.bias_ih is None else z + w.bias_ih.reshape(3, 1, z.shape[3])
    hs, _ = record(rules.gru, (z, w.weight_hh, _bias(w.bias_hh, w), h))
    return hs, hs[-1]


def _both_biases(w: _Weights) -> Any:
    return _bias(w.bias_ih if w.bias_ih is None else w.bias_ih + w.bias_hh, w)


def _bias(bias: Any, w: _Weights) -> Any:
    if bias is not None:
        return bias
    return np.zeros(len(w.weight_hh), dtype=w.weight_hh.dtype, like=w.weight_hh)


def _met(x: Any, w: _Weights, gates: int) -> Any:
    """W_ih x of all steps, as one product: (steps, gates, examples, features)."""
    steps, examples, inputs = x.shape
    weight = w.weight_ih.reshape(gates, len(w.weight_ih) // gates, inputs)
    sums = x.reshape(steps * examples, inputs) @ weight.mT
    return sums.reshape(gates, steps, examples, weight.shape[1]).transpose(1, 0, 2, 3)


def _forwards(kind: _Kind, x: Any, w: _Weights, states: States) -> tuple[Any, ...]:
    return kind.run(_met(x, w, kind.gates), w, *states)


def _backwards(kind: _Kind, x: Any, w: _Weights, states: States) -> tuple[Any, ...]:
    """The same from the last step to the first."""
    hs, *last = kind.run(np.flip(_met(x, w, kind.gates), 0), w, *states)
    return np.flip(hs, 0), *last


_DIRECTIONS = {"": _forwards, "_reverse": _backwards}
_RNN = {
    which: _Kind(1, ("h",), partial(_run_rnn, nonlinearity=which)) for which in ("tanh", "relu")
}
_LSTM = _Kind(4, ("h", "c"), _run_lstm)
_GRU = _Kind(3, ("h",), _run_gru)


def _chosen_rnn(nonlinearity: str) -> _Kind:
    if nonlinearity not in _RNN:
        raise ModuleError(f"nonlinearity must be 'tanh' or 'relu', not {nonlinearity!r}")
    return _RNN[nonlinearity]


# --- what layers and cells share ------------------------------------------------------------


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ModuleError(f"{name} must be 1 or more, not {size}")


class _WithStates(Module):
    """What is told a kind, and asked for states."""

    _kind: _Kind

    def _states(self, given: Any, wanted: Sequence[tuple[int, ...]], weight: Tensor) -> list[Any]:
        """The states that are given, once their shapes are seen to fit, or zeros."""
        names = self._kind.states
        if given is None:
            return [np.zeros(shape, dtype=weight.dtype, like=weight) for shape in wanted]
        several = given if len(names) > 1 else (given,)
        if not isinstance(several, tuple | list) or len(several) != len(names):
            raise ShapeError(f"expects states ({', '.join(names)}), a tuple of {len(names)}")
        for name, state, shape in zip(names, several, wanted, strict=True):
            if np.shape(state) != shape:
                raise ShapeError(f"expects a state {name} of {shape}, got {np.shape(state)}")
        return [tensor_of(state) for state in several]

    def _result(self, states: Sequence[Any]) -> Any:
        """One state alone, or a tuple of them."""
        return states[0] if len(states) == 1 else tuple(states)


# --- layers ---------------------------------------------------------------------------------


class _Recurrent(_WithStates):
    """Layers on each other, each over the whole sequence, in one direction or in both."""

    def __init__(
        self,
        kind: _Kind,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        rng: np.random.Generator | None,
        dtype: Any,
    ) -> None:
        _check_sizes(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not 0 <= dropout <= 1:
            raise ModuleError(f"dropout is a probability, from 0 to 1, not {dropout}")
        if not 0 <= proj_size < hidden_size:
            raise ModuleError(f"proj_size must be below hidden_size, {hidden_size}: {proj_size}")
        if dropout and num_layers == 1:
            warnings.warn("dropout is between layers, and there is one layer alone", stacklevel=3)
        self._kind = kind
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        rng = rng or np.random.default_rng()
        make = init.parameters(1 / math.sqrt(hidden_size), rng, dtype)
        for suffix, of_layer in self._places():
            for name, shape in self._shapes(of_layer).items():
                setattr(self, f"{name}_{suffix}", make(*shape))
        self.rng = rng if dropout else None

    @property
    def _width(self) -> int:
        """Of h: how many features a direction puts out."""
        return self.proj_size or self.hidden_size

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return tuple(_DIRECTIONS)[: 2 if self.bidirectional else 1]

    def _places(self) -> list[tuple[str, int]]:
        """What the names of each direction's parameters end in, and its layer."""
        layers = range(self.num_layers)
        return [(f"l{layer}{suffix}", layer) for layer in layers for suffix in self._suffixes]

    def _shapes(self, layer: int) -> dict[str, tuple[int, ...]]:
        gates = self._kind.gates * self.hidden_size
        inputs = self._width * len(self._suffixes) if layer else self.input_size
        biases = {"bias_ih": (gates,), "bias_hh": (gates,)} if self.bias else {}
        projection = {"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {}
        return {
            "weight_ih": (gates, inputs), "weight_hh": (gates, self._width), **biases, **projection
        }  # fmt: skip

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Any]:
        """Return h of the last layer after every step, and all states after the last step.

        (steps, examples, features), or (examples, steps, features) with `batch_first`, or (steps,
        features) of one example alone. States are (layers times directions, examples, features).
        """
        x = self._steps(input)
        alone = np.ndim(input) == 2
        states = self._states_before(hx, x.shape[1], alone=alone)
        output, last = self._through_layers(x, states)
        if alone:
            return output[:, 0], self._result([state[:, 0] for state in last])
        return (output.transpose(1, 0, 2) if self.batch_first else output), self._result(last)

    def _steps(self, x: Any) -> Any:
        """The input as (steps, examples, features)."""
        if hasattr(x, "batch_sizes"):
            raise ModuleError(
                f"{type(self).__name__} takes no packed sequences: give the padded array, and "
                "leave out of the loss what lies behind a sequence's end"
            )
        x = tensor_of(x)
        if x.ndim not in {2, 3} or x.shape[-1] != self.input_size:
            axes = "examples, steps" if self.batch_first else "steps, examples"
            wanted = f"({axes}, {self.input_size}) or (steps, {self.input_size})"
            raise ShapeError(f"expects {wanted}, got {x.shape}")
        if x.ndim == 2:
            x = x[:, None]
        elif self.batch_first:
            x = x.transpose(1, 0, 2)
        if len(x) == 0:
            raise ShapeError("expects one step or more, got none")
        return x

    def _states_before(self, hx: Any, examples: int, *, alone: bool) -> list[Any]:
        """Of each state one for each direction of each layer: (layers, examples, features)."""
        count = self.num_layers * len(self._suffixes)
        widths = (self._width, self.hidden_size)[: len(self._kind.states)]
        weight = getattr(self, "weight_hh_l0")  # noqa: B009  (it is assigned by name)
        wanted = [(count, *([] if alone else [examples]), width) for width in widths]
        given = self._states(hx, wanted, weight)
        return [state[:, None] for state in given] if alone else given

    def _through_layers(self, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """H of the last layer after every step, and the states of all layers after the last."""
        last: list[tuple[Any, ...]] = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training, rng=self.rng)
            found = []
            for suffix in self._suffixes:
                w = self._weights(f"l{layer}{suffix}")
                before = [state[len(last)] for state in states]
                hs, *after = _DIRECTIONS[suffix](self._kind, x, w, before)
                found.append(hs)
                last.append(tuple(after))
            x = found[0] if len(found) == 1 else np.concatenate(found, axis=2)
        return x, [
            each[0][None] if len(each) == 1 else np.stack(each) for each in zip(*last, strict=True)
        ]

    def _weights(self, suffix: str) -> _Weights:
        return _Weights(*[getattr(self, f"{name}_{suffix}", None) for name in _Weights._fields])

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not at their defaults."""
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
            "bidirectional": False,
        }  # fmt: skip
        given = {name: getattr(self, name) for name in defaults}
        more = [f", {name}={given[name]}" for name in defaults if given[name] != defaults[name]]
        return f"{self.input_size}, {self.hidden_size}{''.join(more)}"


class RNN(_Recurrent):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu, from step to step: Elman's network.

    Returns h of the last layer after every step, and h of all layers after the last one; shapes
    are with `forward`. All parameters start uniform within 1 / sqrt(hidden_size). With `dropout`,
    what goes from layer to layer passes through it in training. Raises `ModuleError` for packed
    sequences. Source: Elman, Finding Structure in Time, 1990.

    >>> output, h = RNN(3, 4, num_layers=2)(np.zeros((5, 2, 3), np.float32))
    >>> output.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(
            _chosen_rnn(nonlinearity), input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, 0, rng, dtype,
        )  # fmt: skip


class LSTM(_Recurrent):
    """Long short-term memory: gates decide what a state c takes up, keeps and shows as h.

    With i, f, o = sigmoid and g = tanh of W_ih x + b_ih + W_hh h + b_hh, a quarter each in the
    order i, f, g, o: c' = f c + i g and h' = o tanh(c'). Returns h of the last layer after every
    step, and (h, c) of all layers after the last one; the rest as in `RNN`. With `proj_size`, h is
    W_hr h in smaller size. Sources: Hochreiter and Schmidhuber 1997; Gers et al. 2000; Sak et al.
    2014 for projections.

    >>> output, (h, c) = LSTM(3, 4, bidirectional=True)(np.zeros((5, 2, 3), np.float32))
    >>> output.shape, h.shape, c.shape
    ((5, 2, 8), (2, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(
            _LSTM, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, rng, dtype,
        )  # fmt: skip


class GRU(_Recurrent):
    """Gated recurrent units: h' = (1 - z) n + z h, with gates r and z.

    r, z = sigmoid of W_ih x + b_ih + W_hh h + b_hh, and n = tanh(W_in x + b_in + r (W_hn h +
    b_hn)), a third each in the order r, z, n. Returns as `RNN` does. Source: Cho et al., Learning
    Phrase Representations, 2014; the reset after the product is PyTorch's.

    >>> output, h = GRU(3, 4, batch_first=True)(np.zeros((2, 5, 3), np.float32))
    >>> output.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(
            _GRU, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            0, rng, dtype,
        )  # fmt: skip


# --- cells ----------------------------------------------------------------------------------


class _Cell(_WithStates):
    """One step of one layer."""

    def __init__(
        self,
        kind: _Kind,
        input_size: int,
        hidden_size: int,
        bias: bool,
        rng: np.random.Generator | None,
        dtype: Any,
    ) -> None:
        _check_sizes(input_size=input_size, hidden_size=hidden_size)
        self._kind = kind
        self.input_size = input_size
        self.hidden_size = hidden_size
        gates = kind.gates * hidden_size
        make = init.parameters(1 / math.sqrt(hidden_size), rng, dtype)
        self.weight_ih = make(gates, input_size)
        self.weight_hh = make(gates, hidden_size)
        self.bias_ih = make(gates) if bias else None
        self.bias_hh = make(gates) if bias else None

    @property
    def bias(self) -> bool:
        """Whether there are biases."""
        return self.bias_ih is not None

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the states after the step: (examples, features), or (features,) of one alone."""
        x = tensor_of(input)
        if x.ndim not in {1, 2} or x.shape[-1] != self.input_size:
            wanted = f"(examples, {self.input_size}) or ({self.input_size},)"
            raise ShapeError(f"expects {wanted}, got {x.shape}")
        shape = (*x.shape[:-1], self.hidden_size)
        given = self._states(hx, [shape] * len(self._kind.states), self.weight_hh)
        before = [np.reshape(state, (-1, self.hidden_size)) for state in given]
        weights = _Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        _, *after = _forwards(self._kind, x.reshape(1, -1, self.input_size), weights, before)
        return self._result([state.reshape(*shape) for state in after])

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}{'' if self.bias else ', bias=False'}"


class RNNCell(_Cell):
    """One step of an `RNN`: from an input and h to the next h.

    >>> RNNCell(3, 4)(np.zeros((2, 3), np.float32)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(_chosen_rnn(nonlinearity), input_size, hidden_size, bias, rng, dtype)

    def extra_repr(self) -> str:
        """Return the sizes, and the nonlinearity if it is another one."""
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + other


class LSTMCell(_Cell):
    """One step of an `LSTM`: from an input and (h, c) to the next (h, c).

    >>> h, c = LSTMCell(3, 4)(np.zeros((2, 3), np.float32))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(_LSTM, input_size, hidden_size, bias, rng, dtype)


class GRUCell(_Cell):
    """One step of a `GRU`: from an input and h to the next h.

    >>> GRUCell(3, 4)(np.zeros(3, np.float32), np.zeros(4, np.float32)).shape
    (4,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(_GRU, input_size, hidden_size, bias, rng, dtype)
