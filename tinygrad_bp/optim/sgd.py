"""Stochastic gradient descent, on all parameters as one vector."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable
from typing import Any, Never

import numpy as np

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.kernels import at_cache_line
from tinygrad_bp.tensor import (
    Tensor,
    finished_gradients,
    forget_gradients,
    spend_gradients,
    stand_in,
)

__all__ = ["SGD"]


_LONG = 1 << 14
"""Elements from which on a parameter is a vector of its own: joining would cost more than calls."""


_STRETCH = 1 << 17
"""Elements that are moved at a time; what is made of them on the way fits into a cache."""


class _Vector:
    """Parameters of one dtype, laid side by side: the lesson's one long column of numbers.

    The tensors keep their shapes and become views of `values`, so a step is a few operations on
    a vector whatever the number of layers.
    """

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters = parameters
        self.size = sum(p.size for p in parameters)
        room = self.size if len(parameters) > 1 else min(self.size, _STRETCH)
        # Gradients side by side, then the step.
        self.scratch = at_cache_line(room, parameters[0].dtype)
        self.places = self._parts_of(self.scratch) if len(parameters) > 1 else []
        self.velocity: np.ndarray[Any, Any] | None = None
        self.lay_out()

    def lay_out(self) -> None:
        """Move the parameters' values into one array."""
        self.values = at_cache_line(self.size, self.scratch.dtype)
        self.homes = list(zip(self.parameters, self._parts_of(self.values), strict=True))
        for p, home in self.homes:
            p.relocate(home)

    def _parts_of(self, vector: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """The stretch of each parameter, in its shape."""
        ends = itertools.accumulate(p.size for p in self.parameters)
        return [
            vector[end - p.size : end].reshape(p.shape)
            for p, end in zip(self.parameters, ends, strict=True)
        ]

    def gather(self, gradients: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        """Return gradients as one vector: side by side in the scratch, or the only one itself."""
        if not stand_in(self.homes):
            self.lay_out()  # another optimiser, or requires_grad_(), has moved one
        if len(gradients) == 1:
            return gradients[0].ravel()
        for place, gradient in zip(self.places, gradients, strict=True):
            place[...] = gradient  # a third of the time of np.concatenate
        return self.scratch


class SGD:
    """Stochastic gradient descent: p ← p - lr · ∂C/∂p, with the usual refinements.

    The formulas of momentum, dampening, Nesterov, weight decay and maximize are PyTorch's, and so
    are the trajectories. `params` are tensors, or (name, tensor) pairs from `named_parameters()`.

    Raises `OptimizerError` for no parameters, the same one twice, or options out of range.

    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.4], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[tuple[str, Tensor]],
        lr: float,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        self.names, self.parameters = _named(params)
        self.lr = lr
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.maximize = maximize
        self._check_options()
        groups: dict[Any, list[Tensor]] = {}
        for p in self.parameters:
            groups.setdefault((p.dtype, p.size >= _LONG and id(p)), []).append(p)
        self._vectors = [_Vector(group) for group in groups.values()]

    def _check_options(self) -> None:
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise OptimizerError(f"lr must be a positive number, got {self.lr}")
        for name in ("momentum", "weight_decay"):
            if not (value := getattr(self, name)) >= 0:
                raise OptimizerError(f"{name} must be 0 or more, got {value}")
        if self.nesterov and (self.momentum <= 0 or self.dampening != 0):
            raise OptimizerError("nesterov needs momentum above 0 and dampening 0")

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter; call it before each `backward()`."""
        forget_gradients(self.parameters)

    def step(self, *, accumulated: bool = False) -> None:
        """Move every parameter against its gradient.

        Raises `OptimizerError`, with all weights untouched, if a gradient is missing, not finite,
        already used by an earlier step, or the sum of several backward passes. To sum them on
        purpose, call `step(accumulated=True)`.
        """
        passes = range(1, sys.maxsize) if accumulated else (1,)
        gathered = []
        for vector in self._vectors:
            pieces = finished_gradients(vector.parameters, passes)
            if isinstance(pieces, Tensor):
                self._refuse(pieces)
            gathered.append(vector.gather(pieces))
        if not all(map(_surely_finite, gathered)):
            self._check_finite()
        for vector, g in zip(self._vectors, gathered, strict=True):
            self._move(vector, g)
        spend_gradients(self.parameters)

    def _move(self, vector: _Vector, g: np.ndarray[Any, Any]) -> None:
        """One step of one vector, a stretch at a time so that it stays in the processor's cache.

        `g` may be a tensor's own gradient: it is not written to, unless it is the scratch.
        """
        values, velocity, scratch = vector.values, vector.velocity, vector.scratch
        first = self.momentum > 0 and velocity is None
        if first:
            vector.velocity = velocity = np.zeros_like(values)
        if g.size <= _STRETCH:
            direction = self._direction(values, g, velocity, first=first)
            values -= np.multiply(direction, self.lr, scratch)
            return
        for start in range(0, g.size, _STRETCH):
            part = slice(start, start + _STRETCH)
            moving = None if velocity is None else velocity[part]
            direction = self._direction(values[part], g[part], moving, first=first)
            values[part] -= np.multiply(direction, self.lr, scratch[: len(direction)])

    def _direction(
        self,
        values: np.ndarray[Any, Any],
        g: np.ndarray[Any, Any],
        velocity: np.ndarray[Any, Any] | None,
        *,
        first: bool,
    ) -> np.ndarray[Any, Any]:
        """Where to go: the gradient, as PyTorch's options change it; the velocity goes along."""
        if self.maximize:
            g = -g
        if self.weight_decay:
            g = g + self.weight_decay * values
        if velocity is None or not self.momentum:
            return g
        velocity *= self.momentum
        velocity += g if first else (1 - self.dampening) * g
        return g + self.momentum * velocity if self.nesterov else velocity

    def _refuse(self, parameter: Tensor) -> Never:
        name = self.names[next(i for i, p in enumerate(self.parameters) if p is parameter)]
        passes = parameter.backward_passes
        if passes == 0:
            raise OptimizerError(
                f"step(): '{name}' has no gradient. Call backward() on a loss that depends on it, "
                "or leave it out of the optimiser."
            )
        if passes < 0:
            raise OptimizerError(
                f"step(): no backward() since the last step, the gradient of '{name}' was used "
                "already. Call zero_grad() and backward() before each step()."
            )
        raise OptimizerError(
            f"step(): the gradient of '{name}' is the sum of {passes} backward passes, with no "
            "zero_grad() in between. Call zero_grad() before each backward(), or "
            "step(accumulated=True) if the sum is meant."
        )

    def _check_finite(self) -> None:
        for name, p in zip(self.names, self.parameters, strict=True):
            gradient = p.grad.data  # type: ignore[union-attr]
            if not np.isfinite(gradient).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(gradient))[0])
                raise OptimizerError(
                    f"step(): the gradient of '{name}' is {gradient[at]} at {at}; no weight was "
                    "changed. Find where it began with trace_nans(), or lower the learning rate."
                )

    def state_dict(self) -> dict[str, Any]:
        """Return options and momentum, all that is needed to go on where this left off."""
        return {
            "lr": self.lr,
            "velocity": [None if v.velocity is None else v.velocity.copy() for v in self._vectors],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict` of an optimiser of the same parameters."""
        self.lr = state["lr"]
        for vector, velocity in zip(self._vectors, state["velocity"], strict=True):
            vector.velocity = None if velocity is None else np.array(velocity)


def _named(
    params: Iterable[Tensor] | Iterable[tuple[str, Tensor]],
) -> tuple[list[str], list[Tensor]]:
    """Names for messages: given ones, a tensor's own, or its position."""
    names, tensors = [], []
    for i, item in enumerate(params):
        name, tensor = item if isinstance(item, tuple) else (None, item)
        if not isinstance(tensor, Tensor):
            raise OptimizerError(f"parameter {i} is a {type(tensor).__name__}, not a Tensor")
        names.append(name or tensor.name or f"parameter {i}")
        tensors.append(tensor)
        if not (tensor.requires_grad and tensor.is_leaf):
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


def _surely_finite(gradient: np.ndarray[Any, Any]) -> bool:
    """Whether all is finite, at a fraction of what looking at each element costs.

    False may be wrong: squares overflow where the gradient itself does not, and where the user
    has asked for it (`np.errstate`), squares of tiny gradients raise.
    """
    try:
        return math.isfinite(gradient.dot(gradient))
    except FloatingPointError:
        return False
