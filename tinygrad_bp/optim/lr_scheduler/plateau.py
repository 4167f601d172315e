"""A schedule that lowers the rate when a metric no longer gets better."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.lr_scheduler.base import Groups, LRScheduler, per_group, rates
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import Checks, at_least_zero, below_one, one_of, whole
from tinygrad_bp.tensor import Tensor

__all__ = ["ReduceLROnPlateau"]


def _metric(name: str, value: Any) -> float:
    try:
        number = float(value.item() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise OptimizerError(f"{name} must be a number, got {value!r}")
    return number


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rates by `factor` after more than `patience` steps that were no better.

    A metric is better if it is below (mode "min") or above ("max") the best by `threshold`: a share
    of it ("rel") or a number ("abs"). After that, `cooldown` steps are not counted. A rate is not
    lowered below `min_lr`, nor by as little as `eps`.

    >>> from tinygrad_bp import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> rates = []
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 1.0):
    ...     schedule.step(loss)
    ...     rates.append(optimizer.lr)
    >>> rates
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    checks: ClassVar[Checks] = {
        "mode": one_of("min", "max"),
        "factor": below_one,
        "patience": whole(0),
        "threshold": at_least_zero,
        "threshold_mode": one_of("rel", "abs"),
        "cooldown": whole(0),
        "min_lrs": rates,
        "eps": at_least_zero,
        "best": _metric,
        "cooldown_counter": whole(0),
        "num_bad_epochs": whole(0),
    }
    mode: str
    factor: float
    patience: int
    threshold: float
    threshold_mode: str
    cooldown: int
    min_lrs: list[float]
    eps: float
    best: float
    cooldown_counter: int
    num_bad_epochs: int

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(
            optimizer,
            mode=mode,
            factor=factor,
            patience=patience,
            threshold=threshold,
            threshold_mode=threshold_mode,
            cooldown=cooldown,
            min_lrs=per_group("min_lr", min_lr, optimizer),
            eps=eps,
            best=math.inf if mode == "min" else -math.inf,
            cooldown_counter=0,
            num_bad_epochs=0,
        )

    def _check(self) -> None:
        count = len(self.optimizer.param_groups)
        if len(self.min_lrs) != count:
            raise OptimizerError(f"min_lrs has {len(self.min_lrs)} values, for {count} groups")

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take note of a metric, a number or a tensor of one, and lower the rates if it is time.

        Raises `OptimizerError` if it is not a number: nan is neither better nor worse.
        """
        metric = _metric("metrics", metrics)
        better = self.is_better(metric)
        bad = 0 if better or self.cooldown_counter else self.num_bad_epochs + 1
        waiting = max(0, self.cooldown_counter - 1)
        groups = self._groups()
        changes: list[dict[str, Any]] = [{} for _ in groups]
        if bad > self.patience:
            changes, bad, waiting = self._reduced(groups), 0, self.cooldown
        self._commit(
            self._planned(
                groups,
                changes,
                last_epoch=self.last_epoch + 1,
                best=metric if better else self.best,
                num_bad_epochs=bad,
                cooldown_counter=waiting,
            )
        )

    def is_better(self, metric: float) -> bool:
        """Return whether a metric is better than the best so far by the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * metric > sign * self.best * (1 + sign * self.threshold)
        return sign * metric > sign * self.best + self.threshold

    def _reduced(self, groups: Groups) -> list[dict[str, Any]]:
        changes: list[dict[str, Any]] = []
        for group, least in zip(groups, self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, least)
            changes.append({"lr": lr} if group["lr"] - lr > self.eps else {})
        return changes
