"""Updates that give every weight a scale of its own: RMSprop, Adagrad, Adadelta and Rprop."""

from __future__ import annotations

import numpy as np

from tinygrad_bp.optim.updates.sgd import decayed
from tinygrad_bp.registry import Array

__all__ = ["adadelta", "adagrad", "rmsprop", "rprop"]


def rmsprop(
    p: Array,
    g: Array,
    square: Array,
    mean: Array,
    velocity: Array,
    *,
    lr: float,
    alpha: float = 0,
    eps: float = 0,
    weight_decay: float = 0,
    momentum: float = 0,
    centered: bool = False,
    maximize: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """Return p - lr · g / (√square + eps), where the mean of squares fades by alpha.

    With `centered` the variance stands for the mean of squares; `momentum` adds up the steps.

    Source: Tieleman, Hinton, Lecture 6.5 of Neural Networks for Machine Learning (2012). Graves,
    Generating Sequences With Recurrent Neural Networks (2013), for the centered form.

    >>> [float(a) for a in rmsprop(3.0, 6.0, 0.0, 0.0, 0.0, lr=0.5, alpha=0.75, eps=0.0)]
    [2.0, 9.0, 0.0, 0.0]
    """
    p, g = decayed(p, g, lr, weight_decay, maximize=maximize)
    square = alpha * square + (1 - alpha) * g * g
    spread = square
    if centered:
        mean = alpha * mean + (1 - alpha) * g
        spread = square - mean * mean
    direction = g / (np.sqrt(spread) + eps)
    if momentum:
        velocity = direction = momentum * velocity + direction
    return p - lr * direction, square, mean, velocity


def adagrad(
    p: Array,
    g: Array,
    step: int,
    total: Array | None,
    *,
    lr: float,
    lr_decay: float = 0,
    weight_decay: float = 0,
    initial_accumulator_value: float = 0,
    eps: float = 0,
    maximize: bool = False,
) -> tuple[Array, int, Array]:
    """Return p - lr / (1 + lr_decay · steps before) · g / (√(sum of all squares) + eps).

    Source: Duchi, Hazan, Singer, Adaptive Subgradient Methods (2011).

    >>> [float(a) for a in adagrad(3.0, 4.0, 0, None, lr=1.0, initial_accumulator_value=9.0)]
    [2.2, 1.0, 25.0]
    """
    p, g = decayed(p, g, lr, weight_decay, maximize=maximize)
    total = (initial_accumulator_value if total is None else total) + g * g
    return p - lr / (1 + step * lr_decay) * g / (np.sqrt(total) + eps), step + 1, total


def adadelta(
    p: Array,
    g: Array,
    square: Array,
    moved: Array,
    *,
    lr: float,
    rho: float = 0,
    eps: float = 0,
    weight_decay: float = 0,
    maximize: bool = False,
) -> tuple[Array, Array, Array]:
    """Return p - lr · g · √(moved + eps) / √(square + eps), both means of squares that fade by rho.

    `moved` is that of the steps, without lr: a step has the unit of the weights.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method (2012), algorithm 1.

    >>> [float(a) for a in adadelta(3.0, 6.0, 0.0, 4.0, lr=1.0, rho=0.75)]
    [-1.0, 9.0, 7.0]
    """
    p, g = decayed(p, g, lr, weight_decay, maximize=maximize)
    square = rho * square + (1 - rho) * g * g
    delta = (moved + eps) ** 0.5 / (square + eps) ** 0.5 * g
    return p - lr * delta, square, rho * moved + (1 - rho) * delta * delta


def rprop(
    p: Array,
    g: Array,
    before: Array,
    size: Array | None,
    *,
    lr: float,
    etas: tuple[float, float],
    step_sizes: tuple[float, float],
    maximize: bool = False,
) -> tuple[Array, Array, Array]:
    """Return p moved against the sign of g by a size that grows until the sign changes.

    Where it changes, the size shrinks, p stays, and the next step counts as the first.

    Source: Riedmiller, Braun, A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm (1993); of its variants, that without weight backtracking.

    >>> [float(a) for a in rprop(3.0, 6.0, 1.0, 0.5, lr=0.5, etas=(0.5, 2.0), step_sizes=(0, 9))]
    [2.0, 6.0, 1.0]
    """
    if maximize:
        g = -g
    shrinking, growing = etas
    agreement = np.sign(g * before)
    factor = np.where(agreement > 0, growing, np.where(agreement < 0, shrinking, 1))
    size = np.clip((lr if size is None else size) * factor.astype(agreement.dtype), *step_sizes)
    g = np.where(agreement < 0, 0, g)
    return p - np.sign(g) * size, g, size
