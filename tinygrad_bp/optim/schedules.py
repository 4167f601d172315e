"""Learning-rate schedules: call `step()` after each epoch, or each mini-batch."""

from __future__ import annotations

import math

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.sgd import SGD

__all__ = ["CosineAnnealingLR", "Schedule", "StepLR"]


class Schedule:
    """The base of schedules: subclasses say the rate after a number of steps, `rate(step)`."""

    def __init__(self, optimizer: SGD) -> None:
        self.optimizer = optimizer
        self.initial = optimizer.lr
        self.steps = 0

    def rate(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        raise NotImplementedError

    def step(self) -> None:
        """Go on by one step and set the optimiser's rate."""
        self.steps += 1
        self.optimizer.lr = self.rate(self.steps)


class StepLR(Schedule):
    """Multiply the rate by gamma every `step_size` steps.

    >>> optimizer = _example_optimizer(lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.rate(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: SGD, step_size: int, *, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise OptimizerError(f"step_size must be 1 or more, got {step_size}")
        super().__init__(optimizer)
        self.step_size = step_size
        self.gamma = gamma

    def rate(self, step: int) -> float:
        """Return initial · gamma ^ (step // step_size)."""
        return float(self.initial * self.gamma ** (step // self.step_size))


class CosineAnnealingLR(Schedule):
    """Lower the rate from its start to `eta_min` along half a cosine wave of `T_max` steps.

    Source: Loshchilov, Hutter, SGDR (2017), equation 5, without restarts.

    >>> optimizer = _example_optimizer(lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> [round(schedule.rate(step), 6) for step in range(3)]
    [1.0, 0.5, 0.0]
    """

    def __init__(self, optimizer: SGD, T_max: int, *, eta_min: float = 0.0) -> None:
        if T_max < 1:
            raise OptimizerError(f"T_max must be 1 or more, got {T_max}")
        super().__init__(optimizer)
        self.T_max = T_max
        self.eta_min = eta_min

    def rate(self, step: int) -> float:
        """Return eta_min + (initial - eta_min) · (1 + cos(π step / T_max)) / 2."""
        wave = (1 + math.cos(math.pi * step / self.T_max)) / 2
        return self.eta_min + (self.initial - self.eta_min) * wave


def _example_optimizer(*, lr: float) -> SGD:
    """For the examples above."""
    from tinygrad_bp.tensor import Tensor

    return SGD([Tensor([0.0], requires_grad=True)], lr=lr)
