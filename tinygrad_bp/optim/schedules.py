"""Learning-rate schedules: call `step()` after each epoch, or each mini-batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.sgd import SGD

__all__ = ["CosineAnnealingLR", "Schedule", "StepLR"]


class Schedule:
    """The base of schedules: subclasses say the rate after a number of steps, `rate(step)`."""

    def __init__(self, optimizer: SGD) -> None:
        self.optimizer = optimizer
        self.initial: float = optimizer.lr
        self.steps = 0

    def rate(self, step: int) -> float:
        """Return the learning rate after `step` steps."""
        raise NotImplementedError

    def step(self) -> None:
        """Go on by one step and set the optimiser's rate."""
        self.steps += 1
        self.optimizer.lr = self.rate(self.steps)

    def state_dict(self) -> dict[str, Any]:
        """Return the steps taken, the options and the rate in force: all that is needed to go on.

        >>> schedule = StepLR(_example_optimizer(lr=1.0), step_size=2)
        >>> schedule.step()
        >>> schedule.state_dict()
        {'initial': 1.0, 'steps': 1, 'step_size': 2, 'gamma': 0.1, 'lr': 1.0}
        """
        own = {name: value for name, value in vars(self).items() if name != "optimizer"}
        return {**own, "lr": self.optimizer.lr}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a schedule of the same kind, options and rate included.

        Raises `OptimizerError`, with nothing changed, if it is of another kind or makes no sense.
        """
        own = self.state_dict()
        if not isinstance(state, Mapping) or state.keys() != own.keys():
            names = ", ".join(map(str, state)) if isinstance(state, Mapping) else repr(state)
            raise OptimizerError(
                f"the state of a {type(self).__name__} has {', '.join(own)}, not {names}. Give it "
                "to a schedule of the kind it was taken from."
            )
        for name, value in own.items():
            if isinstance(value, Real) and not _is_finite(state[name]):
                raise OptimizerError(f"{name} cannot be {state[name]!r} in the state of a schedule")
        found = {name: value for name, value in state.items() if name != "lr"}
        trial = copy.copy(self)
        vars(trial).update(found)
        trial._check_options()
        if state["lr"] < 0 or not trial._goes_on():
            raise OptimizerError(f"a schedule cannot go on from {dict(state)}")
        if self.optimizer.lr != state["lr"]:
            self.optimizer.lr = state["lr"]
        vars(self).update(found)

    def _goes_on(self) -> bool:
        """Whether there is a rate after the steps taken."""
        try:
            whole = isinstance(self.steps, Integral) and self.steps >= 0
            return whole and _is_finite(self.rate(self.steps))
        except ArithmeticError:
            return False

    def _check_options(self) -> None:
        """Raise `OptimizerError` for options out of range; subclasses say which."""


class StepLR(Schedule):
    """Multiply the rate by gamma every `step_size` steps.

    >>> optimizer = _example_optimizer(lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> [schedule.rate(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: SGD, step_size: int, *, gamma: float = 0.1) -> None:
        super().__init__(optimizer)
        self.step_size = step_size
        self.gamma = gamma
        self._check_options()

    def _check_options(self) -> None:
        if self.step_size < 1:
            raise OptimizerError(f"step_size must be 1 or more, got {self.step_size}")

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
        super().__init__(optimizer)
        self.T_max = T_max
        self.eta_min = eta_min
        self._check_options()

    def _check_options(self) -> None:
        if self.T_max < 1:
            raise OptimizerError(f"T_max must be 1 or more, got {self.T_max}")

    def rate(self, step: int) -> float:
        """Return eta_min + (initial - eta_min) · (1 + cos(π step / T_max)) / 2."""
        wave = (1 + math.cos(math.pi * step / self.T_max)) / 2
        return self.eta_min + (self.initial - self.eta_min) * wave


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _example_optimizer(*, lr: float) -> SGD:
    """For the examples above."""
    from tinygrad_bp.tensor import Tensor

    return SGD([Tensor([0.0], requires_grad=True)], lr=lr)
