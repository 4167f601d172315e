"""What mutants are probed with: calls of the functions whose rules are broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_bp import rules as own
from tinygrad_bp.calls import name_of
from tinygrad_bp.containers import leaves
from tinygrad_bp.registry import rules

__all__ = ["CALLS", "Probe"]

Function = Callable[..., Any]
Vector = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Probe:
    """One call of a function: floating-point arguments are differentiated, others are constants.

    >>> probe = Probe(np.sum, (np.ones((2, 3)),), {"axis": 0})
    >>> print(probe)
    sum(array(2, 3), axis=0)
    >>> probe(np.ones((2, 3)))
    array([2., 2., 2.])
    """

    function: Function
    args: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    completed: Function | None = None
    """Gives further arguments, which follow from these."""

    @property
    def is_complex(self) -> bool:
        """Whether a complex argument is differentiated."""
        return any(np.iscomplexobj(leaf) for leaf in leaves(self.args))

    def filled(self, *args: Any) -> tuple[Any, ...]:
        """Return all arguments of the function, with those that follow from the given ones."""
        return args if self.completed is None else (*args, *self.completed(*args, **self.options))

    def __call__(self, *args: Any) -> Any:
        """Call the function with other values, and the same options.

        Several outputs are laid end to end, so that each that takes a gradient is looked at.
        """
        result = self.function(*self.filled(*args), **self.options)
        if isinstance(result, tuple):
            flat = rules[self.function].flat
            return np.concatenate([np.ravel(y) for i, y in enumerate(result) if i not in flat])
        return result

    def __str__(self) -> str:
        """Write the call as a reader would, arrays by their shapes."""
        shown = list(map(_text, self.args))
        shown += [f"{key}={value!r}" for key, value in self.options.items()]
        return f"{name_of(self.function)}({', '.join(shown)})"


def _text(argument: Any) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(map(_text, argument))}]"
    return f"array{argument.shape}" if isinstance(argument, np.ndarray) else repr(argument)


def _core_calls() -> Iterator[Probe]:
    """A few calls of the functions that networks are made of, without ties and poles."""
    rng = np.random.default_rng(0)

    def x(*shape: int) -> Vector:
        """Numbers from ±1/2 to ±2, no two of them alike."""
        size = int(np.prod(shape))
        values = np.linspace(0.5, 2.0, size) * rng.choice([-1.0, 1.0], size)
        return rng.permutation(values).reshape(shape)

    for binary in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum):
        for a, b in (
            (x(2, 3), x(3) * 1.1),
            (x(2, 1), x(1, 3) * 1.1),
            (x(3, 3), x(3, 3) * 1.1),
        ):
            yield Probe(binary, (a, b))
            yield Probe(binary, (b, a))  # in every place each of them wins once
    yield Probe(np.power, (np.abs(x(2, 3)), x(3)))
    yield Probe(np.power, (x(2, 3), 3))
    for unary in (
        np.negative, np.absolute, np.square, np.exp, np.sin, np.cos, np.tanh,
        own.sigmoid, own.relu, own.softmax, own.log_softmax, own.logsumexp,
        np.transpose, np.ravel, np.cumsum,
    ):  # fmt: skip
        yield Probe(unary, (x(2, 3),))
        yield Probe(unary, (x(3, 3),))
    for of_positive in (np.sqrt, np.log):
        yield Probe(of_positive, (np.abs(x(2, 3)),))
    for reduction in (np.sum, np.mean, np.max, np.min, np.prod):
        yield Probe(reduction, (x(2, 3),))
        yield Probe(reduction, (x(2, 3),), {"axis": 0})
        yield Probe(reduction, (x(2, 3),), {"axis": 1, "keepdims": True})
    for left, right in (((2, 3), (3, 2)), ((3, 3), (3, 3)), ((2, 2, 3), (3, 2)), ((2, 3), (3,))):
        yield Probe(np.matmul, (x(*left), x(*right)))
    yield Probe(np.einsum, ("ij,jk->ik", x(2, 3), x(3, 2)))
    yield Probe(np.where, (np.eye(2, 3) > 0, x(2, 3), x(3)))
    yield Probe(np.where, (np.eye(2, 3) == 0, x(2, 3), x(3)))
    yield Probe(np.reshape, (x(2, 3), (3, 2)))
    yield Probe(own.getitem, (x(2, 3), ([0, 1, 1],)))
    yield Probe(np.concatenate, ([x(2, 3), x(2, 2)],), {"axis": 1})
    yield Probe(own.affine, (x(4, 3), x(2, 3), x(2)))
    yield Probe(own.sum_squares, (x(2, 3), x(2, 3) * 1.1))
    yield Probe(own.softmax_cross_entropy, (x(2, 3), np.array([2, 0])))


CALLS: tuple[Probe, ...] = tuple(_core_calls())
"""Calls of the functions that networks are made of: what is probed if nothing else is given."""
