"""Schedules made of others: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.lr_scheduler.base import Groups, LRScheduler, Plan
from tinygrad_bp.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import whole

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Stacked(LRScheduler):
    """A schedule made of others of the same optimiser."""

    schedulers: list[LRScheduler]

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], **attributes: Any
    ) -> None:
        self.schedulers = list(schedulers)
        super().__init__(optimizer, **attributes)

    def _check(self) -> None:
        name = type(self).__name__
        if not self.schedulers:
            raise OptimizerError(f"{name} needs one schedule at least")
        for i, schedule in enumerate(self.schedulers):
            if not isinstance(schedule, LRScheduler) or isinstance(schedule, ReduceLROnPlateau):
                raise OptimizerError(
                    f"{name} takes schedules whose step() takes nothing; number {i} is a "
                    f"{type(schedule).__name__}"
                )
            if schedule.optimizer is not self.optimizer:
                raise OptimizerError(f"schedule {i} of {name} is of another optimiser")

    @property
    def _sets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for s in self.schedulers for name in s._sets))


class SequentialLR(_Stacked):
    """Follow one schedule after the other; each begins anew at its milestone.

    >>> from tinygrad_bp import Tensor, optim
    >>> from tinygrad_bp.optim.lr_scheduler import ExponentialLR, LinearLR
    >>> optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> warmup = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> schedule = SequentialLR(optimizer, [warmup, ExponentialLR(optimizer, 0.5)], milestones=[2])
    >>> rates = [optimizer.lr]
    >>> for _ in range(4):
    ...     schedule.step()
    ...     rates.append(optimizer.lr)
    >>> rates
    [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    milestones: list[int]

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
    ) -> None:
        self.milestones = [whole(0)("milestones", step) for step in milestones]
        super().__init__(optimizer, schedulers)
        groups = self._groups()
        plan = self._begin([{**group, "lr": group["initial_lr"]} for group in groups])
        self._commit(plan)

    def _check(self) -> None:
        super()._check()
        if len(self.milestones) != len(self.schedulers) - 1:
            raise OptimizerError(
                f"SequentialLR has {len(self.milestones)} milestones, for {len(self.schedulers)} "
                "schedules: give one between each two"
            )
        if sorted(set(self.milestones)) != self.milestones:
            raise OptimizerError(f"milestones must go up, got {self.milestones}")

    def _fitting_value(self, name: str, mine: Any, value: Any) -> Any:
        if name != "milestones":
            return super()._fitting_value(name, mine, value)
        if not isinstance(value, list | tuple):
            raise OptimizerError(f"milestones must be a list, got {value!r:.100}")
        return [whole(0)(name, step) for step in value]

    def _begin(self, groups: Groups) -> Plan:
        first = bisect_right(self.milestones, 0)
        plan = self.schedulers[first]._begin(groups)
        idle = [(s, "last_epoch", -1) for s in self.schedulers if s is not self.schedulers[first]]
        own = self._planned(groups, plan.changes, last_epoch=0)
        return Plan(plan.changes, [*idle, *plan.assignments, *own.assignments])

    def _next(self, groups: Groups) -> Plan:
        epoch = self.last_epoch + 1
        current = bisect_right(self.milestones, epoch)
        schedule = self.schedulers[current]
        begins = current > 0 and self.milestones[current - 1] == epoch
        plan = schedule._restart(groups) if begins else schedule._next(groups)
        own = self._planned(groups, plan.changes, last_epoch=epoch)
        return Plan(plan.changes, [*plan.assignments, *own.assignments])


class ChainedScheduler(_Stacked):
    """Follow several schedules at once: each changes what those before it have set.

    >>> from tinygrad_bp import Tensor, optim
    >>> from tinygrad_bp.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> warmup = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> schedule = ChainedScheduler([warmup, ExponentialLR(optimizer, 0.5)])
    >>> rates = [optimizer.lr]
    >>> for _ in range(3):
    ...     schedule.step()
    ...     rates.append(optimizer.lr)
    >>> rates
    [0.5, 0.25, 0.25, 0.125]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if not schedulers:
            raise OptimizerError("ChainedScheduler needs one schedule at least")
        super().__init__(optimizer or schedulers[0].optimizer, schedulers)

    def _begin(self, groups: Groups) -> Plan:
        return self._one_by_one(groups, "_begin", 0)

    def _next(self, groups: Groups) -> Plan:
        return self._one_by_one(groups, "_next", self.last_epoch + 1)

    def _one_by_one(self, groups: Groups, method: str, epoch: int) -> Plan:
        now = [dict(group) for group in groups]
        changes: list[dict[str, Any]] = [{} for _ in groups]
        assignments: list[tuple[Any, str, Any]] = []
        for schedule in self.schedulers:
            plan = getattr(schedule, method)(now)
            assignments += plan.assignments
            for group, change, new in zip(now, changes, plan.changes, strict=True):
                group.update(new)
                change.update(new)
        own = self._planned(groups, changes, last_epoch=epoch)
        return Plan(changes, [*assignments, *own.assignments])
