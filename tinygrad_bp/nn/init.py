"""Initial weights: functions of a shape (out, in) and a generator.

Sigmoid layers want `scaled`, ReLU layers `he`; the lesson's and Nielsen's `normal` saturates
neurons from the start and costs several per cent of accuracy (see the README's table).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.tensor import Tensor

__all__ = [
    "Initializer", "glorot", "he", "normal", "parameters", "scaled", "uniform", "zeros",
]  # fmt: skip

# The generator is named in quotes: NumPy loads its random module when it is first used.
Initializer: TypeAlias = Callable[[tuple[int, ...], "np.random.Generator"], np.ndarray[Any, Any]]


def uniform(bound: float) -> Initializer:
    """Return what draws from U(-bound, bound): PyTorch's start, with bound 1 / sqrt(n_in).

    >>> bool(np.abs(uniform(0.5)((16, 784), np.random.default_rng(0))).max() <= 0.5)
    True
    """

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return rng.uniform(-bound, bound, shape)

    return draw


def parameters(
    bound: float, rng: np.random.Generator | None = None, dtype: Any = np.float32
) -> Callable[..., Tensor]:
    """Return what makes parameters of given sizes, all drawn from U(-bound, bound).

    >>> make = parameters(0.5)
    >>> make(16, 784).shape, make(16).requires_grad
    ((16, 784), True)
    """
    rng = rng or np.random.default_rng()
    draw = uniform(bound)
    return lambda *shape: Tensor(draw(shape, rng).astype(dtype), requires_grad=True)


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:  # noqa: ARG001
    """Return zeros: the usual start of biases, which need no symmetry broken.

    >>> zeros((2,), np.random.default_rng(0))
    array([0., 0.])
    """
    return np.zeros(shape)


def normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from N(0, 1), as the lesson's code does for weights and biases alike.

    >>> normal((16, 784), np.random.default_rng(0)).shape
    (16, 784)
    """
    return rng.standard_normal(shape)


def scaled(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from N(0, 1/n_in), so that weighted sums of unit inputs have variance 1.

    Source: LeCun, Bottou, Orr, Müller, Efficient BackProp (1998), section 4.6.

    >>> float(np.round(scaled((100, 400), np.random.default_rng(0)).std(), 3))
    0.05
    """
    return rng.standard_normal(shape) / math.sqrt(shape[-1])


def he(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from N(0, 2/n_in): ReLU silences half of its inputs, the factor 2 makes up.

    Source: He, Zhang, Ren, Sun, Delving Deep into Rectifiers (2015), equation 10.

    >>> float(np.round(he((100, 800), np.random.default_rng(0)).std(), 3))
    0.05
    """
    return rng.standard_normal(shape) * math.sqrt(2 / shape[-1])


def glorot(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from U(-r, r) with r² = 6 / (n_in + n_out), a compromise for both passes.

    Source: Glorot, Bengio, Understanding the Difficulty of Training Deep Feedforward Neural
    Networks (2010), equation 16.

    >>> bool(np.abs(glorot((3, 3), np.random.default_rng(0))).max() <= 1)
    True
    """
    reach = math.sqrt(6 / sum(shape))
    return rng.uniform(-reach, reach, shape)
