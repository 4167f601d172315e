"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim import updates
from tinygrad_bp.optim.optimizer import Optimizer, Option, at_least_zero, switch
from tinygrad_bp.tensor import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent: p ← p - lr · ∂C/∂p, with the usual refinements.

    The formulas of momentum, dampening, Nesterov, weight decay and maximize are PyTorch's, and so
    are the trajectories (`updates.sgd`). Options are checked when they are set, now or later.

    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.4], requires_grad=True)
    """

    update = staticmethod(updates.sgd)
    moments = 1

    momentum = Option(at_least_zero)
    dampening = Option(at_least_zero)
    nesterov = Option(switch)
    weight_decay = Option(at_least_zero)
    maximize = Option(switch)

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
        super().__init__(
            params,
            lr,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    def checked(self, values: Mapping[str, Any]) -> Any:
        """Return options that are checked, each and together."""
        options = super().checked(values)
        found = options.values
        if found.get("nesterov") and not (found.get("momentum") and not found.get("dampening")):
            raise OptimizerError("nesterov needs momentum above 0 and dampening 0")
        return options
