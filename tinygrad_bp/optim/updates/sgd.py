"""The update of stochastic gradient descent, and how all updates meet weight decay."""

from __future__ import annotations

from tinygrad_bp.registry import Array

__all__ = ["decayed", "sgd"]


def sgd(
    p: Array,
    g: Array,
    velocity: Array | None,
    *,
    lr: Array,
    momentum: Array = 0,
    dampening: Array = 0,
    weight_decay: Array = 0,
    nesterov: bool = False,
    maximize: bool = False,
) -> tuple[Array, Array | None]:
    """Return p - lr · g, with momentum, dampening, Nesterov's look ahead and weight decay.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning
    (2013), for the form of Nesterov's momentum.

    >>> sgd(3.0, 6.0, None, lr=0.5)
    (0.0, None)
    >>> sgd(3.0, 6.0, 2.0, lr=0.5, momentum=0.5)
    (-0.5, 7.0)
    """
    if maximize:
        g = -g
    if weight_decay:
        g = g + weight_decay * p
    if not momentum:
        return p - lr * g, velocity
    velocity = +g if velocity is None else momentum * velocity + (1 - dampening) * g  # + copies
    direction = g + momentum * velocity if nesterov else velocity
    return p - lr * direction, velocity


def decayed(
    p: Array,
    g: Array,
    lr: float,
    weight_decay: float,
    *,
    decoupled: bool = False,
    maximize: bool = False,
) -> tuple[Array, Array]:
    """Return value and gradient after weight decay: of the gradient, or decoupled, of the value.

    Source: Loshchilov, Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2.

    >>> decayed(2.0, 1.0, lr=0.5, weight_decay=0.25)
    (2.0, 1.5)
    >>> decayed(2.0, 1.0, lr=0.5, weight_decay=0.25, decoupled=True)
    (1.75, 1.0)
    """
    if maximize:
        g = -g
    if not weight_decay:
        return p, g
    if decoupled:
        return p * (1 - lr * weight_decay), g
    return p, g + weight_decay * p
