"""What other gradient checkers pass although it is wrong, and fail although it is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from suspects.case import Case
from tinygrad_bp import custom_rule

Array = Any

RNG = np.random.default_rng(12)
X = np.array([0.7, -1.3, 0.45, 2.1])
COULOMB = 8.9875517873681764e9 * 1.602176634e-19**2


# Wrong, by little or where nobody looks.


def decibels_vjp(g: Array, x: Array) -> Array:
    return g * 10 * 0.4347 / x  # 0.4343 is meant


def interest(rate: Array) -> Array:
    return np.expm1(rate * 90 / 365.25)


def interest_vjp(g: Array, rate: Array) -> Array:
    return g * 90 / 365 * np.exp(rate * 90 / 365.25)


def charges(x: Array) -> Array:
    """Energy in joules of equal charges on a line."""
    i, j = np.triu_indices(len(x), 1)
    return np.sum(COULOMB / np.abs(x[i] - x[j]))


def charges_vjp(g: Array, x: Array) -> Array:
    d = x[:, None] - x
    np.fill_diagonal(d, np.inf)
    return -2 * g * COULOMB * np.sum(np.sign(d) / d**2, axis=1)


def power_vjp(g: Array, x: Array, p: Array) -> tuple[Array, Array]:
    with np.errstate(all="ignore"):
        return g * p * x ** (p - 1), np.sum(g * x**p * np.log(x))  # 0 * log(0)


def softmax(x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def sparse_softmax_vjp(g: Array, x: Array) -> Array:
    y = softmax(x)
    return np.where(y > 1e-6, y * (g - np.sum(g * y)), 0)


GOALS = RNG.standard_normal(20_000)


def guarded_vjp(g: Array, x: Array) -> Array:
    return np.clip(g, -5, 5) / (1 + x * x)


def energy_in_memory_order_vjp(g: Array, x: Array) -> Array:
    return (g.ravel(order="K") * np.cosh(x).ravel(order="K")).reshape(x.shape)


def tanh_in_place_vjp(g: Array, x: Array) -> Array:
    np.multiply(g, 1 - np.tanh(x) ** 2, out=g)
    return g


SYMMETRIC = np.array([[2.0, 0.3, -0.5], [0.3, 1.0, 0.7], [-0.5, 0.7, -1.5]])


def leaky_vjp(g: Array, x: Array) -> Array:
    return g * np.select([x > 0, x < 0], [1.0, 0.1], 0.3)


def penalty(x: Array) -> Array:
    return np.sum(np.maximum(x - 5, 0) ** 2)


@dataclass
class Line:
    slope: Array
    offset: Array


@custom_rule(lambda g, y, x, b: g, lambda g, y, x, b: np.sum(g) / 2)
def shifted(x: Array, b: Array) -> Array:
    return x + b


def misfit(line: Line) -> Array:
    return np.sum(np.square(shifted(line.slope * X, line.offset) - 1))


def dose(x: Array) -> Array:
    return 1e-8 * np.exp(-np.square(x.astype(np.float32)))


class Sigmoid:
    """A layer that keeps its first output."""

    y: Array = None

    def __call__(self, x: Array) -> Array:
        y = 1 / (1 + np.exp(-x))
        if self.y is None:
            self.y = y
        return y

    def vjp(self, g: Array, x: Array) -> Array:
        self(x)
        return g * self.y * (1 - self.y)


SIGMOID = Sigmoid()


# Right, at places that fixed steps and tolerances cannot stand.


def cross_entropy(p: Array) -> Array:
    return -np.array([0.1, 0.2, 0.3, 0.4]) @ np.log(p)


def stacked(x: Array, y: Array) -> Array:
    return np.square(np.concatenate([x, y]))


def lennard_jones(r: Array) -> Array:
    return 4 * (r**-12 - r**-6)


def switch_vjp(g: Array, x: Array) -> Array:
    e = np.exp(-2e6 * np.abs(x))
    return g * 1e6 * 4 * e / (1 + e) ** 2


def distance_vjp(g: Array, x: Array, y: Array) -> tuple[Array, Array]:
    d = (x - y) / np.sqrt(np.sum(np.square(x - y)))
    return g * d, -g * d


CASES = [
    Case(
        "decibels with a misprinted constant, 0.1 % off",
        False,
        lambda x: 10 * np.log10(x),
        (np.abs(X),),
        decibels_vjp,
    ),
    Case(
        "interest whose slope counts 365 days, not 365.25", False, interest, (X / 20,), interest_vjp
    ),
    Case(
        "force between charges counted for each of a pair, in newtons",
        False,
        charges,
        (X * 1e-10,),
        charges_vjp,
    ),
    Case(
        "gradient of an exponent that is nan at 0",
        False,
        lambda x, p: x**p,
        (np.array([0.0, 0.5, 2.0]), np.array(2.5)),
        power_vjp,
    ),
    Case(
        "softmax that drops the gradient of small probabilities",
        False,
        softmax,
        (np.array([0.3, -15.0, 1.2]),),
        sparse_softmax_vjp,
    ),
    Case(
        "halved gradient of a mean of 20,000 squares",
        False,
        lambda x: np.mean(np.square(x - GOALS)),
        (np.zeros(20_000),),
        lambda g, x: g * (x - GOALS) / x.size,
    ),
    Case("arriving gradient clipped at 5", False, np.arctan, (X,), guarded_vjp),
    Case(
        "gradient in memory order",
        False,
        np.sinh,
        (X.reshape(2, 2),),
        energy_in_memory_order_vjp,
    ),
    Case(
        "slope of tanh written over the arriving gradient", False, np.tanh, (X,), tanh_in_place_vjp
    ),
    Case(
        "trace of a square, right for symmetric matrices",
        False,
        lambda A: np.trace(A @ A),
        (SYMMETRIC,),
        lambda g, A: g * 2 * A,
    ),
    Case(
        "leaky relu with a slope of neither side at 0",
        False,
        lambda x: np.where(x > 0, x, 0.1 * x),
        (np.array([0.0, 1.5, -0.7]),),
        leaky_vjp,
    ),
    Case(
        "doubled gradient of a product of thirty small densities",
        False,
        np.prod,
        (np.linspace(1e-8, 3e-8, 30),),
        lambda g, x: 2 * g * np.prod(x) / x,
    ),
    Case(
        "penalty that is asleep here, with no gradient when it wakes",
        False,
        penalty,
        (np.array([-6.0, -7.5]),),
        lambda g, x: np.zeros(x.shape),
    ),
    Case(
        "halved gradient of an offset in a dataclass",
        False,
        misfit,
        (Line(np.array(0.8), np.array(-0.3)),),
    ),
    Case(
        "tiny float32 dose without a gradient",
        False,
        dose,
        (X,),
        lambda g, x: np.zeros(x.shape),
    ),
    Case("layer that keeps its first output", False, SIGMOID, (X,), SIGMOID.vjp),
    Case(
        "relu a ten-millionth from its kink",
        True,
        lambda x: np.maximum(x, 0),
        (np.array([1e-7, -1e-7, 2.0]),),
        lambda g, x: g * (x > 0),
    ),
    Case(
        "cross entropy of a probability of 1e-7",
        True,
        cross_entropy,
        (np.array([1e-7, 0.5, 0.3, 0.2]),),
        lambda g, p: -g * np.array([0.1, 0.2, 0.3, 0.4]) / p,
    ),
    Case(
        "squares of 1e10",
        True,
        lambda x: x**2,
        (np.array([1e10, -3e10, 2.5e10]),),
        lambda g, x: 2 * g * x,
    ),
    Case("sine on top of 1e9", True, lambda x: 1e9 + np.sin(x), (X,), lambda g, x: g * np.cos(x)),
    Case(
        "absolute values a billionth from their kink",
        True,
        np.abs,
        (np.array([1e-9, -1e-9, -0.5]),),
        lambda g, x: g * np.sign(x),
    ),
    Case(
        "one input of size 0 beside another",
        True,
        stacked,
        (np.zeros(0), X),
        lambda g, x, y: (2 * g[: x.size] * x, 2 * g[x.size :] * y),
    ),
    Case(
        "atoms pressed together, where energies reach 1e15",
        True,
        lennard_jones,
        (np.array([0.06, 1.1, 2.5]),),
        lambda g, r: g * 24 * (r**-7 - 2 * r**-13),
    ),
    Case(
        "switch that turns within a millionth",
        True,
        lambda x: np.tanh(1e6 * x),
        (np.array([3e-7, -8e-7, 0.0]),),
        switch_vjp,
    ),
    Case(
        "distance of two points a hundred-millionth apart",
        True,
        lambda x, y: np.sqrt(np.sum(np.square(x - y))),
        (np.array([1.0, 2.0]), np.array([1.0 + 1e-8, 2.0 - 2e-8])),
        distance_vjp,
    ),
    Case(
        "variance of readings around a hundred million",
        True,
        lambda x: np.mean(np.square(x - np.mean(x))),
        (1e8 + np.array([0.5, -1.25, 0.25, 2.5]),),
        lambda g, x: g * 2 * (x - np.mean(x)) / x.size,
    ),
    Case(
        "exponential of 600",
        True,
        np.exp,
        (np.array([600.0, -600.0, 0.5]),),
        lambda g, x: g * np.exp(x),
    ),
]
