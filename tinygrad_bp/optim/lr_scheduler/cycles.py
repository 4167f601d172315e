"""Schedules that go up and down: warm restarts, and cycles of the rate against the momentum."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.lr_scheduler.base import FormulaLR, Groups, Plan, per_group, rates
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import Checks, at_least_zero, one_of, positive, share, switch, whole

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]

Scale: TypeAlias = Callable[[float], float]


class CosineAnnealingWarmRestarts(FormulaLR):
    """Lower the rate along half a cosine wave, again and again: each `T_mult` times as long.

    `step(epoch)` goes to an epoch, which may be between two: `step(epoch + batch / batches)` after
    each mini-batch.

    Source: Loshchilov, Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).

    >>> schedule = CosineAnnealingWarmRestarts(_example_optimizer(lr=1.0), T_0=2, T_mult=2)
    >>> [round(schedule.rate(step), 3) for step in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    chains: ClassVar[bool] = False
    checks: ClassVar[Checks] = {
        "T_0": whole(1),
        "T_mult": whole(1),
        "eta_min": at_least_zero,
        "position": at_least_zero,
    }
    T_0: int
    T_mult: int
    eta_min: float
    position: float
    """The epoch, with its fraction."""

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(optimizer, last_epoch, T_0=T_0, T_mult=T_mult, eta_min=eta_min, position=0)

    def rate(self, step: float, group: int = 0) -> float:
        """Return eta_min + (initial - eta_min) · (1 + cos(π · share of the wave)) / 2."""
        wave = (1 + math.cos(math.pi * self._share(step))) / 2
        return self.eta_min + (self.base_lrs[group] - self.eta_min) * wave

    def _share(self, step: float) -> float:
        """Return which share of its wave a step is at."""
        if self.T_mult == 1:
            return (step % self.T_0) / self.T_0
        length, left = self.T_0, step
        while left >= length:
            left -= length
            length *= self.T_mult
        return left / length

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step, or to an epoch, and set the optimiser's rates."""
        to = self.position + 1 if epoch is None else at_least_zero("epoch", epoch)
        self._commit(self._moved(self._groups(), [], to))

    def _next(self, groups: Groups) -> Plan:
        return self._moved(groups, [], self.position + 1)

    def _with_others(self, groups: Groups, changes: list[dict[str, Any]], epoch: float) -> Plan:
        return self._planned(groups, changes, last_epoch=math.floor(epoch), position=float(epoch))


# --- the rate against the momentum --------------------------------------------------------------


class _MomentumCycle(FormulaLR):
    """A schedule that may move the momentum, or the first of betas, against the rate."""

    chains: ClassVar[bool] = False
    cycle_momentum: bool
    base_momentums: list[float]
    max_momentums: list[float]

    def _check(self) -> None:
        count = len(self.optimizer.param_groups)
        for name in self.checks:
            values = getattr(self, name)
            if isinstance(values, list) and len(values) != count:
                raise OptimizerError(f"{name} has {len(values)} values, for {count} groups")
        if self.cycle_momentum and self._momentum_name is None:
            raise OptimizerError(
                f"cycle_momentum: {type(self.optimizer).__name__} has no momentum and no betas. "
                "Give cycle_momentum=False."
            )

    def momentum(self, step: int, group: int = 0) -> float:
        """Return the momentum of a group of parameters after `step` steps."""
        raise NotImplementedError

    @property
    def _momentum_name(self) -> str | None:
        names = ("betas", "momentum")
        return next((name for name in names if name in self.optimizer.defaults), None)

    @property
    def _sets(self) -> tuple[str, ...]:
        name = self._momentum_name if self.cycle_momentum else None
        return ("lr",) if name is None else ("lr", name)

    def _with_others(self, groups: Groups, changes: list[dict[str, Any]], epoch: int) -> Plan:
        for i, (change, group) in enumerate(zip(changes, groups, strict=True)):
            if "betas" in self._sets:
                change["betas"] = (self.momentum(epoch, i), group["betas"][1])
            elif "momentum" in self._sets:
                change["momentum"] = self.momentum(epoch, i)
        return super()._with_others(groups, changes, epoch)


def _scale_check(name: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise OptimizerError(f"{name} must be a function of the cycle or the step, got {value!r}")
    return value


class CyclicLR(_MomentumCycle):
    """Move the rate up and down between two bounds, in a straight line each way.

    `mode` says how the height changes: "triangular" not at all, "triangular2" halves it with each
    cycle, "exp_range" multiplies it by gamma at each step; `scale_fn` is one of your own, of the
    number of the cycle from 1 or, with scale_mode="iterations", of the step.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks (2017).

    >>> optimizer = _example_optimizer(lr=1.0)
    >>> schedule = CyclicLR(optimizer, base_lr=1.0, max_lr=3.0, step_size_up=2)
    >>> [schedule.rate(step) for step in range(6)]
    [1.0, 2.0, 3.0, 2.0, 1.0, 2.0]
    >>> [round(schedule.momentum(step), 2) for step in range(4)]
    [0.9, 0.85, 0.8, 0.85]
    """

    checks: ClassVar[Checks] = {
        "max_lrs": rates,
        "step_size_up": positive,
        "step_size_down": positive,
        "mode": one_of("triangular", "triangular2", "exp_range"),
        "gamma": at_least_zero,
        "scale_fn": _scale_check,
        "scale_mode": one_of("cycle", "iterations"),
        "cycle_momentum": switch,
        "base_momentums": rates,
        "max_momentums": rates,
    }
    max_lrs: list[float]
    step_size_up: float
    step_size_down: float
    mode: str
    gamma: float
    scale_fn: Scale | None
    scale_mode: str

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: float = 2000,
        step_size_down: float | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Scale | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        super().__init__(
            optimizer,
            last_epoch,
            base_lrs=per_group("base_lr", base_lr, optimizer),
            max_lrs=per_group("max_lr", max_lr, optimizer),
            step_size_up=step_size_up,
            step_size_down=step_size_up if step_size_down is None else step_size_down,
            mode=mode,
            gamma=gamma,
            scale_fn=scale_fn,
            scale_mode=scale_mode,
            cycle_momentum=cycle_momentum,
            base_momentums=per_group("base_momentum", base_momentum, optimizer),
            max_momentums=per_group("max_momentum", max_momentum, optimizer),
        )

    def rate(self, step: int, group: int = 0) -> float:
        """Return base_lr + (max_lr - base_lr) · height."""
        low, high = self.base_lrs[group], self.max_lrs[group]
        return low + (high - low) * self._height(step) * self._scale(step)

    def momentum(self, step: int, group: int = 0) -> float:
        """Return max_momentum - (max_momentum - base_momentum) · height."""
        low, high = self.base_momentums[group], self.max_momentums[group]
        return high - (high - low) * self._height(step) * self._scale(step)

    def _height(self, step: int) -> float:
        """Return where in its triangle a step is, from 0 to 1."""
        length = self.step_size_up + self.step_size_down
        x, peak = (step / length) % 1, self.step_size_up / length
        return x / peak if x <= peak else (x - 1) / (peak - 1)

    def _scale(self, step: int) -> float:
        cycle = math.floor(1 + step / (self.step_size_up + self.step_size_down))
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else step)
        if self.mode == "triangular2":
            return 1 / 2.0 ** (cycle - 1)
        return float(self.gamma**step) if self.mode == "exp_range" else 1.0


class OneCycleLR(_MomentumCycle):
    """Raise the rate to its peak and lower it to almost nothing, in one cycle of the whole run.

    It goes from max_lr / div_factor to max_lr during the share `pct_start` of the steps, and down
    to (max_lr / div_factor) / final_div_factor; with `three_phase` by way of the start.

    Raises `OptimizerError` for a step beyond `total_steps`.

    Source: Smith, Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates (2018).

    >>> optimizer = _example_optimizer(lr=1.0)
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.4, div_factor=4.0)
    >>> [round(schedule.rate(step), 3) for step in range(5)]
    [0.25, 1.0, 0.75, 0.25, 0.0]
    """

    checks: ClassVar[Checks] = {
        "max_lrs": rates,
        "total_steps": whole(1),
        "pct_start": share,
        "anneal_strategy": one_of("cos", "linear"),
        "cycle_momentum": switch,
        "base_momentums": rates,
        "max_momentums": rates,
        "div_factor": positive,
        "final_div_factor": positive,
        "three_phase": switch,
    }
    max_lrs: list[float]
    total_steps: int
    pct_start: float
    anneal_strategy: str
    div_factor: float
    final_div_factor: float
    three_phase: bool

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        max_lrs = per_group("max_lr", max_lr, optimizer)
        positive("div_factor", div_factor)
        super().__init__(
            optimizer,
            last_epoch,
            base_lrs=[lr / div_factor for lr in max_lrs],
            max_lrs=max_lrs,
            total_steps=_total(total_steps, epochs, steps_per_epoch),
            pct_start=pct_start,
            anneal_strategy=anneal_strategy,
            cycle_momentum=cycle_momentum,
            base_momentums=per_group("base_momentum", base_momentum, optimizer),
            max_momentums=per_group("max_momentum", max_momentum, optimizer),
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            three_phase=three_phase,
        )

    def _initial(self, given: list[float]) -> list[float]:
        return given  # other schedules begin with them, too

    def rate(self, step: int, group: int = 0) -> float:
        """Return the rate on the way from the start to the peak, and on to the end."""
        start, peak = self.base_lrs[group], self.max_lrs[group]
        return self._annealed(step, start, peak, start / self.final_div_factor)

    def momentum(self, step: int, group: int = 0) -> float:
        """Return the momentum on the way from its maximum to its minimum, and back."""
        start, peak = self.max_momentums[group], self.base_momentums[group]
        return self._annealed(step, start, peak, start)

    def _annealed(self, step: int, start: float, peak: float, end: float) -> float:
        if step > self.total_steps:
            raise OptimizerError(f"there are {self.total_steps} steps in all (total_steps)")
        begin = 0.0
        for until, low, high in self._phases(start, peak, end):
            if step <= until or until == self.total_steps - 1:
                way = (step - begin) / (until - begin) if until > begin else 1.0
                return self._between(low, high, way)
            begin = until
        raise AssertionError("the last phase ends with the last step")

    def _phases(self, start: float, peak: float, end: float) -> list[tuple[float, float, float]]:
        """Return the last step of each phase, and what it goes from and to."""
        up = self.pct_start * self.total_steps
        last = self.total_steps - 1
        if self.three_phase:
            return [(up - 1, start, peak), (2 * up - 2, peak, start), (last, start, end)]
        return [(up - 1, start, peak), (last, peak, end)]

    def _between(self, start: float, end: float, way: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * way
        return end + (start - end) * (math.cos(math.pi * way) + 1) / 2


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return total_steps
    if epochs is None or steps_per_epoch is None:
        raise OptimizerError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
    found: int = whole(1)("epochs", epochs) * whole(1)("steps_per_epoch", steps_per_epoch)
    return found


def _example_optimizer(*, lr: float) -> Optimizer:
    """For the examples above."""
    from tinygrad_bp.optim.sgd import SGD
    from tinygrad_bp.tensor import Tensor

    return SGD([Tensor([0.0], requires_grad=True)], lr=lr, momentum=0.9)
