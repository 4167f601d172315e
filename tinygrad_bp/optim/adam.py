"""Adam and its relatives: steps of a mean gradient, by a scale that each weight has of its own."""

from __future__ import annotations

from typing import ClassVar

from tinygrad_bp.optim import updates
from tinygrad_bp.optim.groups import Moments, Params
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import Option, at_least_zero, below_one, pair, switch

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


class Adam(Optimizer):
    """Adam: steps of the mean gradient, divided by the root of the mean square of each weight's.

    `betas` are the factors by which both means fade; `amsgrad` divides by the largest mean square
    so far; `decoupled_weight_decay` makes it AdamW. Numbers are PyTorch's (`updates.adam`).

    Source: Kingma, Ba, Adam: A Method for Stochastic Optimization (2015). Reddi et al., On the
    Convergence of Adam and Beyond (2018), for amsgrad.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.9], requires_grad=True)
    """

    update = staticmethod(updates.adam)
    moments: ClassVar[Moments] = {
        "step": 0,
        "exp_avg": 0.0,
        "exp_avg_sq": 0.0,
        "max_exp_avg_sq": 0.0,
    }

    betas = Option(pair(below_one))
    eps = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    amsgrad = Option(switch)
    maximize = Option(switch)
    decoupled_weight_decay = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )


class AdamW(Adam):
    """Adam with a weight decay that moves the weights themselves, apart from the gradient.

    Source: Loshchilov, Hutter, Decoupled Weight Decay Regularization (2019).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.1, weight_decay=1.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.6], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the mean square: its infinity norm.

    Source: Kingma, Ba, Adam (2015), section 7.1.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = Adamax([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.9], requires_grad=True)
    """

    update = staticmethod(updates.adamax)
    moments: ClassVar[Moments] = {"step": 0, "exp_avg": 0.0, "exp_inf": 0.0}

    betas = Option(pair(below_one))
    eps = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
        )


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead.

    `momentum_decay` is how fast the first beta grows towards its value.

    Source: Dozat, Incorporating Nesterov Momentum into Adam (2016).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.89435482], requires_grad=True)
    """

    update = staticmethod(updates.nadam)
    moments: ClassVar[Moments] = {"step": 0, "mu_product": 1.0, "exp_avg": 0.0, "exp_avg_sq": 0.0}

    betas = Option(pair(below_one))
    eps = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    momentum_decay = Option(at_least_zero)
    decoupled_weight_decay = Option(switch)
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )


class RAdam(Optimizer):
    """Adam that steps by the mean gradient alone until the mean square can be relied on.

    Source: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond (2020).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([2.4], requires_grad=True)
    """

    update = staticmethod(updates.radam)
    moments: ClassVar[Moments] = {"step": 0, "exp_avg": 0.0, "exp_avg_sq": 0.0}

    betas = Option(pair(below_one))
    eps = Option(at_least_zero)
    weight_decay = Option(at_least_zero)
    decoupled_weight_decay = Option(switch)
    maximize = Option(switch)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )
