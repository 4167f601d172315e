"""Gradients by their definition, in exponential time: a sum over all paths, each the product of the
local Jacobians along it. Nothing of the engine is in here, only NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = Any

# What an op computes from two arrays that broadcast, and its two partial derivatives.
ELEMENTWISE: dict[str, tuple[Callable[..., Any], Callable[[Array, Array], tuple[Any, Any]]]] = {
    "add": (lambda a, b: a + b, lambda a, b: (1.0, 1.0)),
    "subtract": (lambda a, b: a - b, lambda a, b: (1.0, -1.0)),
    "multiply": (lambda a, b: a * b, lambda a, b: (b, a)),
    "wave": (lambda a, b: np.sin(a) * b, lambda a, b: (np.cos(a) * b, np.sin(a))),
    "hypot": (
        lambda a, b: np.sqrt(a * a + b * b + 1),
        lambda a, b: (a / np.sqrt(a * a + b * b + 1), b / np.sqrt(a * a + b * b + 1)),
    ),
}

# Functions linear in each argument: a Jacobian's columns are what they make of unit vectors.
LINEAR: dict[str, tuple[Callable[..., Any], Callable[..., bool]]] = {
    "matmul": (lambda a, b: a @ b, lambda a, b: a.ndim > 0 < b.ndim and fits_product(a, b)),
    "transpose": (np.transpose, lambda a: True),
    "sum": (lambda a: np.sum(a, axis=0), lambda a: a.ndim > 0),
    "twice the first": (lambda a: a[[0, 0]], lambda a: a.ndim > 0),
    "backwards": (lambda a: a[..., ::-1], lambda a: a.ndim > 0),
}


def fits_product(a: Array, b: Array) -> bool:
    return bool(a.shape[-1] == b.shape[0 if b.ndim == 1 else -2])


def fits_elementwise(a: Array, b: Array) -> bool:
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return True


@dataclass
class Graph:
    """Every value computed so far, and what each was computed from."""

    values: list[Array] = field(default_factory=list)
    edges: list[list[tuple[int, Array]]] = field(default_factory=list)  # input, local Jacobian

    def leaf(self, value: Any) -> int:
        """Add a value that nothing was computed from."""
        return self._add(np.array(value, float), [])

    def elementwise(self, kind: str, i: int, j: int, *, cut: bool = False) -> int:
        """Add an op of two values; with `cut`, no gradient passes it."""
        compute, slopes = ELEMENTWISE[kind]
        a, b = self.values[i], self.values[j]
        value = np.asarray(compute(a, b))
        jacobians = [
            _spread(np.broadcast_to(slope, value.shape), x.shape)
            for slope, x in zip(slopes(a, b), (a, b), strict=True)
        ]
        return self._add(value, [] if cut else list(zip((i, j), jacobians, strict=True)))

    def linear(self, kind: str, inputs: Sequence[int], *, cut: bool = False) -> int:
        """Add an op that is linear in each of its arguments."""
        compute, _ = LINEAR[kind]
        args = [self.values[i] for i in inputs]
        jacobians = []
        for slot, x in enumerate(args):
            columns = [
                compute(*args[:slot], unit.reshape(x.shape), *args[slot + 1 :]).ravel()
                for unit in np.eye(x.size)
            ]
            jacobians.append(np.array(columns).T)
        value = np.asarray(compute(*args))
        return self._add(value, [] if cut else list(zip(inputs, jacobians, strict=True)))

    def detached(self, i: int) -> int:
        """Add the same value, out of which no path leads."""
        return self._add(self.values[i], [])

    def _add(self, value: Array, edges: list[tuple[int, Array]]) -> int:
        self.values.append(value)
        self.edges.append(edges)
        return len(self.values) - 1

    def paths(self, top: int, leaf: int) -> Iterator[Array]:
        """The product of the Jacobians along each path from a value down to another."""
        if top == leaf:
            yield np.eye(self.values[leaf].size)
            return
        for below, jacobian in self.edges[top]:
            for rest in self.paths(below, leaf):
                yield jacobian @ rest

    def gradient(self, top: int, leaf: int, arriving: Any = 1.0) -> tuple[Array, Array] | None:
        """The sum over all paths, and that of their absolute values; None if there is no path."""
        g = np.ravel(np.broadcast_to(arriving, self.values[top].shape))
        contributions = [g @ path for path in self.paths(top, leaf)]
        if not contributions:
            return None
        shape = self.values[leaf].shape
        exact = [math.fsum(column) for column in zip(*contributions, strict=True)]
        size = np.sum([np.abs(g) @ np.abs(path) for path in self.paths(top, leaf)], axis=0)
        return np.reshape(exact, shape), np.reshape(size, shape)


def _spread(slopes: Array, shape: tuple[int, ...]) -> Array:
    """The Jacobian of an elementwise op by an input of that shape, which it may have stretched."""
    size = math.prod(shape)
    sources = np.broadcast_to(np.arange(size).reshape(shape), slopes.shape).ravel()
    jacobian = np.zeros((slopes.size, size))
    jacobian[np.arange(slopes.size), sources] = slopes.ravel()
    return jacobian
