"""Adam and its relatives: a mean of the gradients, divided by a measure of how large they were.

Both are means with weights that fade by the factors `betas`. They start at 0; what that makes them
too small by after t steps is 1 - beta^t, and is divided out.
"""

from __future__ import annotations

import numpy as np

from tinygrad_bp.optim.updates.sgd import decayed
from tinygrad_bp.registry import Array

__all__ = ["adam", "adamax", "nadam", "radam"]


def adam(
    p: Array,
    g: Array,
    step: int,
    mean: Array,
    square: Array,
    largest: Array,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float = 0,
    weight_decay: float = 0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> tuple[Array, int, Array, Array, Array]:
    """Return p - lr · mean / (√square + eps), both without the bias of their start at 0.

    With `amsgrad`, the largest of all squares so far stands for the latest.

    Source: Kingma, Ba, Adam: A Method for Stochastic Optimization (2015), with the order of
    operations that ends its section 2. Reddi et al., On the Convergence of Adam and Beyond (2018),
    for amsgrad.

    >>> [float(a) for a in adam(3.0, 6.0, 0, 0.0, 0.0, 0.0, lr=1.0, betas=(0.75, 0.75), eps=0.0)]
    [2.0, 1.0, 1.5, 9.0, 0.0]
    """
    p, g = decayed(p, g, lr, weight_decay, decoupled=decoupled_weight_decay, maximize=maximize)
    step, mean, square = step + 1, *_means(g, mean, square, betas)
    if amsgrad:
        largest = np.maximum(largest, square)
    size = np.sqrt(largest if amsgrad else square)
    unbiased1, unbiased2 = 1 - betas[0] ** step, (1 - betas[1] ** step) ** 0.5
    p = p - lr * unbiased2 / unbiased1 * mean / (size + eps * unbiased2)
    return p, step, mean, square, largest


def adamax(
    p: Array,
    g: Array,
    step: int,
    mean: Array,
    largest: Array,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float = 0,
    weight_decay: float = 0,
    maximize: bool = False,
) -> tuple[Array, int, Array, Array]:
    """Return p - lr · mean / largest: the largest gradient so far, fading by the second beta.

    Source: Kingma, Ba, Adam (2015), section 7.1.

    >>> [float(a) for a in adamax(3.0, 6.0, 0, 0.0, 0.0, lr=1.0, betas=(0.75, 0.75), eps=0.0)]
    [2.0, 1.0, 1.5, 6.0]
    """
    p, g = decayed(p, g, lr, weight_decay, maximize=maximize)
    step, mean = step + 1, betas[0] * mean + (1 - betas[0]) * g
    largest = np.maximum(betas[1] * largest, np.abs(g) + eps)
    return p - lr / (1 - betas[0] ** step) * mean / largest, step, mean, largest


def nadam(
    p: Array,
    g: Array,
    step: int,
    product: float,
    mean: Array,
    square: Array,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float = 0,
    weight_decay: float = 0,
    momentum_decay: float = 0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Array, int, float, Array, Array]:
    """Return p moved as by Adam, with Nesterov's look ahead.

    The first beta grows with the steps, the more slowly the smaller `momentum_decay` is; `product`
    is that of all its values so far.

    Source: Dozat, Incorporating Nesterov Momentum into Adam (2016).

    >>> [float(a) for a in nadam(3.0, 6.0, 0, 1.0, 0.0, 0.0, lr=1.0, betas=(0.0, 0.75), eps=0.0)]
    [2.0, 1.0, 0.0, 6.0, 9.0]
    """
    p, g = decayed(p, g, lr, weight_decay, decoupled=decoupled_weight_decay, maximize=maximize)
    step, mean, square = step + 1, *_means(g, mean, square, betas)
    now, ahead = (betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in (step, step + 1))
    product = product * now
    size = np.sqrt(square / (1 - betas[1] ** step)) + eps
    direction = (1 - now) / (1 - product) * g + ahead / (1 - product * ahead) * mean
    return p - lr * direction / size, step, product, mean, square


def radam(
    p: Array,
    g: Array,
    step: int,
    mean: Array,
    square: Array,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float = 0,
    weight_decay: float = 0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> tuple[Array, int, Array, Array]:
    """Return p moved as by Adam, scaled by how sure the squares are; without them at first.

    Source: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond (2020),
    algorithm 2. As in PyTorch, the squares count from a length of 5 on, not 4.

    >>> [float(a) for a in radam(3.0, 6.0, 0, 0.0, 0.0, lr=0.5, betas=(0.75, 0.75), eps=0.0)]
    [0.0, 1.0, 1.5, 9.0]
    """
    p, g = decayed(p, g, lr, weight_decay, decoupled=decoupled_weight_decay, maximize=maximize)
    step, mean, square = step + 1, *_means(g, mean, square, betas)
    unbiased1, unbiased2 = (1 - beta**step for beta in betas)
    direction = lr / unbiased1 * mean
    longest = 2 / (1 - betas[1]) - 1
    length = longest - 2 * step * betas[1] ** step / unbiased2
    if length > 5:
        sure = (length - 4) * (length - 2) * longest
        sure = sure / ((longest - 4) * (longest - 2) * length)
        direction = direction * (sure * unbiased2) ** 0.5 / (np.sqrt(square) + eps)
    return p - direction, step, mean, square


def _means(g: Array, mean: Array, square: Array, betas: tuple[float, float]) -> tuple[Array, Array]:
    """Return the fading means of the gradients and of their squares."""
    first, second = betas
    return first * mean + (1 - first) * g, second * square + (1 - second) * g * g
