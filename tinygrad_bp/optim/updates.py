"""What optimisers do to one parameter: pure functions, from its value and gradient to new ones.

Each takes the value p, its gradient g, the moments that it keeps (None before the first step) and
its options, and returns the new value and the new moments. Nothing is written in place, and no
moment is the gradient's own array: whoever changes a gradient afterwards changes no moment.
"""

from __future__ import annotations

from tinygrad_bp.registry import Array

__all__ = ["sgd"]


def sgd(
    p: Array,
    g: Array,
    velocity: Array | None,
    *,
    lr: Array,
    momentum: Array = 0,
    dampening: Array = 0,
    nesterov: bool = False,
    weight_decay: Array = 0,
    maximize: bool = False,
) -> tuple[Array, Array | None]:
    """Return p - lr · g, with momentum, dampening, Nesterov's look ahead and weight decay.

    The formulas are PyTorch's. Source: Sutskever et al., On the importance of initialization and
    momentum in deep learning (2013), for the form of Nesterov's momentum.

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
