"""Schedules that lower or raise the rate by a factor of the steps taken."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeAlias

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.lr_scheduler.base import FormulaLR, Groups, Plan
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import Checks, at_least_zero, positive, share, whole

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]

Factor: TypeAlias = Callable[[int], float]


def _milestones(name: str, value: Any) -> list[int]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise OptimizerError(f"{name} must be whole numbers, got {value!r}")
    return sorted(whole(0)(name, step) for step in value)


def _start_factor(name: str, value: Any) -> float:
    positive(name, value)
    return share(name, value)


class StepLR(FormulaLR):
    """Multiply the rate by gamma every `step_size` steps.

    >>> optimizer = _example_optimizer(lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.rate(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    checks: ClassVar[Checks] = {"step_size": whole(1), "gamma": at_least_zero}
    step_size: int
    gamma: float

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, step_size=step_size, gamma=gamma)

    def multiplier(self, step: int) -> float:
        """Return gamma ^ (step // step_size)."""
        return float(self.gamma ** (step // self.step_size))


class MultiStepLR(FormulaLR):
    """Multiply the rate by gamma at each of the `milestones`.

    >>> schedule = MultiStepLR(_example_optimizer(lr=1.0), milestones=[1, 3], gamma=0.5)
    >>> [schedule.rate(step) for step in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    checks: ClassVar[Checks] = {"milestones": _milestones, "gamma": at_least_zero}
    milestones: list[int]
    gamma: float

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(optimizer, last_epoch, milestones=milestones, gamma=gamma)

    def multiplier(self, step: int) -> float:
        """Return gamma ^ (how many milestones are reached)."""
        return float(self.gamma ** bisect_right(self.milestones, step))


class ConstantLR(FormulaLR):
    """Multiply the rate by `factor` during the first `total_iters` steps.

    >>> schedule = ConstantLR(_example_optimizer(lr=1.0), factor=0.5, total_iters=2)
    >>> [schedule.rate(step) for step in range(4)]
    [0.5, 0.5, 1.0, 1.0]
    """

    checks: ClassVar[Checks] = {"factor": share, "total_iters": whole(0)}
    factor: float
    total_iters: int

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(optimizer, last_epoch, factor=factor, total_iters=total_iters)

    def multiplier(self, step: int) -> float:
        """Return the factor, and 1 from `total_iters` on."""
        return self.factor if step < self.total_iters else 1.0


class LinearLR(FormulaLR):
    """Multiply the rate by a factor that goes along a line from `start_factor` to `end_factor`.

    >>> schedule = LinearLR(_example_optimizer(lr=1.0), start_factor=0.5, total_iters=2)
    >>> [schedule.rate(step) for step in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """

    checks: ClassVar[Checks] = {
        "start_factor": _start_factor,
        "end_factor": share,
        "total_iters": whole(1),
    }
    start_factor: float
    end_factor: float
    total_iters: int

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(
            optimizer,
            last_epoch,
            start_factor=start_factor,
            end_factor=end_factor,
            total_iters=total_iters,
        )

    def multiplier(self, step: int) -> float:
        """Return start_factor + (end_factor - start_factor) · step / total_iters, then the end."""
        way = min(self.total_iters, step) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * way


class ExponentialLR(FormulaLR):
    """Multiply the rate by gamma at every step.

    >>> schedule = ExponentialLR(_example_optimizer(lr=1.0), gamma=0.5)
    >>> [schedule.rate(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    checks: ClassVar[Checks] = {"gamma": at_least_zero}
    gamma: float

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        super().__init__(optimizer, last_epoch, gamma=gamma)

    def multiplier(self, step: int) -> float:
        """Return gamma ^ step."""
        return float(self.gamma**step)


class PolynomialLR(FormulaLR):
    """Lower the rate to 0 in `total_iters` steps, along a power of what is left of them.

    >>> schedule = PolynomialLR(_example_optimizer(lr=1.0), total_iters=2, power=2.0)
    >>> [schedule.rate(step) for step in range(4)]
    [1.0, 0.25, 0.0, 0.0]
    """

    checks: ClassVar[Checks] = {"total_iters": whole(1), "power": at_least_zero}
    total_iters: int
    power: float

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(optimizer, last_epoch, total_iters=total_iters, power=power)

    def multiplier(self, step: int) -> float:
        """Return (1 - step / total_iters) ^ power."""
        return float((1 - min(self.total_iters, step) / self.total_iters) ** self.power)


class CosineAnnealingLR(FormulaLR):
    """Lower the rate from its start to `eta_min` along half a cosine wave of `T_max` steps.

    Source: Loshchilov, Hutter, SGDR (2017), equation 5, without restarts.

    >>> optimizer = _example_optimizer(lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> [round(schedule.rate(step), 6) for step in range(3)]
    [1.0, 0.5, 0.0]
    """

    checks: ClassVar[Checks] = {"T_max": whole(1), "eta_min": at_least_zero}
    T_max: int
    eta_min: float

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        super().__init__(optimizer, last_epoch, T_max=T_max, eta_min=eta_min)

    @property
    def floor(self) -> float:
        """The rate at the end."""
        return self.eta_min

    def rate(self, step: int, group: int = 0) -> float:
        """Return eta_min + (initial - eta_min) · (1 + cos(π step / T_max)) / 2."""
        wave = (1 + math.cos(math.pi * step / self.T_max)) / 2
        return self.eta_min + (self.base_lrs[group] - self.eta_min) * wave


# --- factors that the user gives ----------------------------------------------------------------


class _OfFunctions(FormulaLR):
    """A schedule of functions of the step, one for each group or one for all."""

    lr_lambdas: list[Factor]

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        count = len(optimizer.param_groups) if isinstance(optimizer, Optimizer) else 1
        each: Any = lr_lambda if isinstance(lr_lambda, list | tuple) else [lr_lambda] * count
        given = list(each)
        if len(given) != count or not all(map(callable, given)):
            raise OptimizerError(
                f"lr_lambda must be a function of the step, or a list of {count} of them, one for "
                f"each group, got {lr_lambda!r:.100}"
            )
        self.lr_lambdas = given
        super().__init__(optimizer, last_epoch)


class LambdaLR(_OfFunctions):
    """Set the rate to that before any schedule times a function of the step.

    >>> schedule = LambdaLR(_example_optimizer(lr=1.0), lambda step: 1 / (1 + step))
    >>> [schedule.rate(step) for step in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """

    chains: ClassVar[bool] = False

    def rate(self, step: int, group: int = 0) -> float:
        """Return initial · lr_lambda(step)."""
        return self.base_lrs[group] * self.lr_lambdas[group](step)


class MultiplicativeLR(_OfFunctions):
    """Multiply the rate by a function of the step, at every step.

    >>> schedule = MultiplicativeLR(_example_optimizer(lr=1.0), lambda step: 1 / step)
    >>> [schedule.rate(step) for step in (0, 1, 2)]
    [1.0, 1.0, 0.5]
    """

    def rate(self, step: int, group: int = 0) -> float:
        """Return initial · lr_lambda(1) · lr_lambda(2) · ... · lr_lambda(step)."""
        factors = map(self.lr_lambdas[group], range(1, step + 1))
        return math.prod(factors, start=self.base_lrs[group])

    # The rate in force is multiplied: the product of all factors need not be formed anew.

    def _next(self, groups: Groups) -> Plan:
        return self._times(groups, self.last_epoch + 1)

    def _restart(self, groups: Groups) -> Plan:
        return self._times(groups, 0)

    def _times(self, groups: Groups, epoch: int) -> Plan:
        changes = [
            {"lr": group["lr"] * factor(epoch)}
            for group, factor in zip(groups, self.lr_lambdas, strict=True)
        ]
        return self._with_others(groups, changes, epoch)


def _example_optimizer(*, lr: float) -> Optimizer:
    """For the examples above."""
    from tinygrad_bp.optim.sgd import SGD
    from tinygrad_bp.tensor import Tensor

    return SGD([Tensor([0.0], requires_grad=True)], lr=lr)
