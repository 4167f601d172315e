"""Optimisers that scale each weight's step by the gradients it has had, without Adam's mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim import updates
from tinygrad_bp.optim.groups import Moments, Params
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import Option, at_least_zero, finite, pair, share, switch

__all__ = ["Adadelta", "Adagrad", "RMSprop", "Rprop"]


class RMSprop(Optimizer):
    """Steps of the gradient, divided by the root of a mean of its squares that fades by `alpha`.

    `centered` divides by the root of the variance; `momentum` adds up the steps.

    Source: Tieleman, Hinton, Lecture 6.5 of Neural Networks for Machine Learning (2012).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.1, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.8], requires_grad=True)
    """

    update = staticmethod(updates.rmsprop)
    moments: ClassVar[Moments] = {"square_avg": 0.0, "grad_avg": 0.0, "momentum_buffer": 0.0}

    alpha = Option(at_least_zero)
    eps = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    momentum = Option(at_least_zero)
    centered = Option(switch)
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )


class Adagrad(Optimizer):
    """Steps of the gradient, divided by the root of the sum of all its squares.

    `lr_decay` lowers the rate: after t steps it is lr / (1 + t · lr_decay).

    Source: Duchi, Hazan, Singer, Adaptive Subgradient Methods (2011).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.9], requires_grad=True)
    """

    update = staticmethod(updates.adagrad)
    moments: ClassVar[Moments] = {"step": 0, "sum": None}

    lr_decay = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    initial_accumulator_value = Option(at_least_zero)
    eps = Option(at_least_zero)
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )


class Adadelta(Optimizer):
    """Steps as large as the mean of those before, by the gradient over its mean size.

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method (2012).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = Adadelta([w], rho=0.75, eps=1.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([1.1026334], requires_grad=True)
    """

    update = staticmethod(updates.adadelta)
    moments: ClassVar[Moments] = {"square_avg": 0.0, "acc_delta": 0.0}

    rho = Option(share)
    eps = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
        )


class Rprop(Optimizer):
    """Steps against the sign of the gradient, longer until the sign changes; for full batches.

    `etas` are the factors by which a size shrinks and grows, between the two `step_sizes`; the
    first size is `lr`.

    Source: Riedmiller, Braun, A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm (1993).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = Rprop([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.9], requires_grad=True)
    """

    update = staticmethod(updates.rprop)
    moments: ClassVar[Moments] = {"prev": 0.0, "step_size": None}

    etas = Option(pair(finite))
    step_sizes = Option(pair(finite))
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            etas=etas,
            step_sizes=step_sizes,
            maximize=maximize,
        )

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return options that are checked, each and together."""
        found = super().checked(values)
        shrinking, growing = found["etas"]
        if not 0 < shrinking < 1 < growing:
            raise OptimizerError(f"etas must be between 0 and 1 and above 1, got {found['etas']}")
        smallest, largest = found["step_sizes"]
        if not 0 <= smallest <= largest:
            raise OptimizerError(
                f"step_sizes must be two numbers, 0 or more, the smaller first, got "
                f"{found['step_sizes']}"
            )
        return found
