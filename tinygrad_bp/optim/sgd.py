"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim import updates
from tinygrad_bp.optim.groups import Moments, Params
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import Option, at_least_zero, switch

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent: p ← p - lr · ∂C/∂p, with the usual refinements.

    The formulas of momentum, dampening, Nesterov, weight decay and maximize are PyTorch's, and so
    are the trajectories (`updates.sgd`). Options are checked when they are set, now or later.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning
    (2013).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.4], requires_grad=True)
    """

    update = staticmethod(updates.sgd)
    moments: ClassVar[Moments] = {"momentum_buffer": None}
    takes_arrays: ClassVar[bool] = True

    momentum = Option(at_least_zero)
    dampening = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    nesterov = Option(switch)
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return options that are checked, each and together."""
        found = super().checked(values)
        if found.get("nesterov") and not (found.get("momentum") and not found.get("dampening")):
            raise OptimizerError("nesterov needs momentum above 0 and dampening 0")
        return found
