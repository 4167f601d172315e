"""What all schedules share: steps, the rates they set, and states that are saved and loaded.

A schedule works out what a step would set, a `Plan`, from the options of the groups as they are;
then everything is set in one stroke, in the optimiser and in the schedules that had a part in it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, NamedTuple

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.options import Checks, at_least_zero, finite, whole

__all__ = ["FormulaLR", "Groups", "LRScheduler", "Plan", "per_group", "rates"]

Groups = Sequence[Mapping[str, Any]]
"""The options of each group of parameters."""


class Plan(NamedTuple):
    """What a step sets."""

    changes: list[dict[str, Any]]
    """Options of each group."""
    assignments: list[tuple[Any, str, Any]]
    """Attributes of schedules: object, name and value."""


def rates(name: str, value: Any) -> list[float]:
    """Return a list of numbers from 0 up, one for each group, or raise `OptimizerError`."""
    if not isinstance(value, list | tuple):
        raise OptimizerError(f"{name} must be a list of numbers, got {value!r}")
    return [at_least_zero(f"{name}[{i}]", number) for i, number in enumerate(value)]


def per_group(name: str, value: Any, optimizer: Optimizer) -> list[float]:
    """Return a number, or a list of them, as a list with one for each group of parameters."""
    _require_optimizer(optimizer)
    count = len(optimizer.param_groups)
    found = value if isinstance(value, list | tuple) else [value] * count
    if len(found) != count:
        raise OptimizerError(f"{name} has {len(found)} values, for {count} groups of parameters")
    return [at_least_zero(name, number) for number in found]


def _require_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise OptimizerError(f"a schedule is of an optimiser, not of {optimizer!r:.100}")


class LRScheduler:
    """The base of all schedules: what they have in common.

    A schedule sets the `lr` of every group of an optimiser when it is made, and anew at each
    `step()`, which you call after an epoch, or after a batch. Schedules of your own are formulas:
    derive them from `FormulaLR`. Raises `OptimizerError` for what is no optimiser, and for rates
    that are not finite numbers from 0 up.

    >>> from tinygrad_bp import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
    >>> schedule = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    >>> isinstance(schedule, LRScheduler)
    True
    >>> for _ in range(3):
    ...     schedule.step()
    ...     print(schedule.last_epoch, schedule.get_last_lr(), optimizer.lr)
    1 [1.0] 1.0
    2 [0.1] 0.1
    3 [0.1] 0.1
    """

    checks: ClassVar[Checks] = {}
    """The checks of attributes, when they are set and when they are loaded."""

    optimizer: Optimizer
    last_epoch: int
    """How many steps were taken."""
    _last_lr: list[float]

    def __init__(self, optimizer: Optimizer, **attributes: Any) -> None:
        _require_optimizer(optimizer)
        self.optimizer = optimizer
        for name, value in attributes.items():
            setattr(self, name, self.checks[name](name, value))
        self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]
        self._check()

    def _check(self) -> None:
        """Raise `OptimizerError` for attributes that do not go together."""

    def get_last_lr(self) -> list[float]:
        """Return the rates of the groups as they were set last."""
        return list(self._last_lr)

    # --- steps ----------------------------------------------------------------------------------

    def step(self) -> None:
        """Go on by one step and set the optimiser's rates: all of them, or none."""
        self._commit(self._next(self._groups()))

    def _next(self, groups: Groups) -> Plan:
        """Return what the next step sets, given the options of the groups."""
        raise NotImplementedError

    def _begin(self, groups: Groups) -> Plan:
        """Return what is set at the start, from the rates that were given."""
        raise NotImplementedError

    def _restart(self, groups: Groups) -> Plan:
        """Return what is set at a start in the middle of a run."""
        return self._begin([{**group, "lr": group["initial_lr"]} for group in groups])

    def _groups(self) -> Groups:
        groups = self.optimizer.param_groups
        if len(groups) != len(self._last_lr):
            raise OptimizerError(
                f"the optimiser has {len(groups)} groups of parameters, and had "
                f"{len(self._last_lr)} when its {type(self).__name__} was made"
            )
        return groups

    def _planned(self, groups: Groups, changes: list[dict[str, Any]], **attributes: Any) -> Plan:
        """Return a plan with attributes of this schedule, its latest rates among them."""
        attributes["_last_lr"] = [
            float(change["lr"] if "lr" in change else group["lr"])
            for change, group in zip(changes, groups, strict=True)
        ]
        return Plan(changes, [(self, name, value) for name, value in attributes.items()])

    def _commit(self, plan: Plan) -> None:
        objects, names, values = zip(*plan.assignments, strict=True)
        self.optimizer.set_options(plan.changes, (objects, names, values))

    # --- states ---------------------------------------------------------------------------------

    @property
    def _sets(self) -> tuple[str, ...]:
        """The options of groups that it sets."""
        return ("lr",)

    def state_dict(self) -> dict[str, Any]:
        """Return all that is needed to go on, with the options of the groups that are in force.

        Of functions, only the attributes of callable objects are saved.

        >>> from tinygrad_bp import Tensor, optim
        >>> optimizer = optim.SGD([Tensor([0.0], requires_grad=True)], lr=1.0)
        >>> state = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5).state_dict()
        >>> state["gamma"], state["last_epoch"], state["in_force"]
        (0.5, 0, [{'initial_lr': 1.0, 'lr': 1.0}])
        """
        names, groups = ("initial_lr", *self._sets), self.optimizer.param_groups
        in_force = [{name: group[name] for name in names if name in group} for group in groups]
        return {**self._saved(), "in_force": in_force}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of a schedule of the same kind, and set the rates in force.

        Raises `OptimizerError`, with nothing changed, if it is of another kind or makes no sense.
        """
        own = self._saved()
        state = dict(state_dict) if isinstance(state_dict, Mapping) else {}
        in_force = state.pop("in_force", None)
        if state.keys() != own.keys():
            names = ", ".join(map(str, state_dict)) if state else repr(state_dict)
            raise OptimizerError(
                f"the state of a {type(self).__name__} has {', '.join(own)}, in_force, not "
                f"{names:.200}. Give it to a schedule of the kind it was taken from."
            )
        count = len(self.optimizer.param_groups)
        if not isinstance(in_force, list | tuple) or len(in_force) != count:
            raise OptimizerError(f"in_force must be a list of {count} dicts, got {in_force!r:.100}")
        for options in in_force:
            if not isinstance(options, Mapping) or "lr" not in options:
                raise OptimizerError(f"in_force must be a list of dicts with lr, got {in_force!r}")
        self._commit(Plan([dict(options) for options in in_force], self._fitting(state)))

    def _saved(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in vars(self).items() if name != "optimizer"}

    def _fitting(self, state: Any) -> list[tuple[Any, str, Any]]:
        """Return what loading assigns, or raise `OptimizerError` if it does not fit."""
        if not isinstance(state, Mapping) or state.keys() != self._saved().keys():
            raise OptimizerError(f"this is no state of a {type(self).__name__}: {state!r:.100}")
        trial, found = copy.copy(self), []
        for name, value in state.items():
            mine = getattr(self, name)
            if _has_own_state(mine):
                found += _fitting_objects(name, mine, value)
            else:
                new = self._fitting_value(name, mine, value)
                setattr(trial, name, new)
                found.append((self, name, new))
        trial._check()
        trial._check_goes_on()
        return found

    def _fitting_value(self, name: str, mine: Any, value: Any) -> Any:
        if name in self.checks:
            return self.checks[name](name, value)
        if name == "last_epoch":
            return whole(-1)(name, value)
        if name in ("base_lrs", "_last_lr"):
            found = rates(name, value)
            if len(found) != len(mine):
                raise OptimizerError(f"{name} has {len(found)} values, for {len(mine)} groups")
            return found
        is_number = isinstance(mine, Real) and not isinstance(mine, bool)
        return finite(name, value) if is_number else copy.deepcopy(value)

    def _check_goes_on(self) -> None:
        """Raise `OptimizerError` if there is no next step."""


class FormulaLR(LRScheduler):
    """The base of schedules that are a formula: a subclass gives `rate`, or `multiplier`.

    Alone, a schedule sets the rates of its formula, exactly. Where the rate in force is another,
    because it was set by hand or by another schedule, it is multiplied by as much as the formula's
    is: changes add up. A subclass with `chains = False` sets its own rate, come what may. One with
    attributes sets them before it calls `super().__init__(optimizer, last_epoch)`.

    With `last_epoch`, a run goes on after that step; the groups then have an "initial_lr", and
    rates that were loaded.

    >>> from tinygrad_bp import Tensor, optim
    >>> class Harmonic(FormulaLR):
    ...     def multiplier(self, step):
    ...         return 1 / (1 + step)
    >>> schedule = Harmonic(optim.SGD([Tensor([0.0], requires_grad=True)], lr=12.0))
    >>> [schedule.rate(step) for step in range(4)]
    [12.0, 6.0, 4.0, 3.0]
    """

    chains: ClassVar[bool] = True
    base_lrs: list[float]
    """The rates before any schedule."""

    def __init__(
        self,
        optimizer: Optimizer,
        last_epoch: int = -1,
        *,
        base_lrs: list[float] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(optimizer, **attributes)
        whole(-1)("last_epoch", last_epoch)
        groups = self._groups()
        if last_epoch >= 0 and any("initial_lr" not in group for group in groups):
            raise OptimizerError(
                "last_epoch is for a run that goes on: its groups have an initial_lr. Load the "
                "optimiser's state first, or leave last_epoch out."
            )
        given = [group["lr"] for group in groups] if base_lrs is None else base_lrs
        initial = self._initial(given)
        self.base_lrs = initial if base_lrs is None else base_lrs
        groups = [{**group, "lr": lr} for group, lr in zip(groups, given, strict=True)]
        plan = self._begin(groups) if last_epoch < 0 else self._resumed(groups, last_epoch + 1)
        for change, lr in zip(plan.changes, initial, strict=True):
            change["initial_lr"] = lr
        self._commit(plan)

    def _initial(self, given: list[float]) -> list[float]:
        """Return the rates before any schedule, which groups keep for those made later."""
        groups = self._groups()
        return [group.get("initial_lr", lr) for group, lr in zip(groups, given, strict=True)]

    # --- the formula ----------------------------------------------------------------------------

    def multiplier(self, step: int) -> float:
        """Return what the rate before any schedule is multiplied by after `step` steps."""
        raise NotImplementedError(f"{type(self).__name__} says neither rate() nor multiplier()")

    def rate(self, step: int, group: int = 0) -> float:
        """Return the rate of a group of parameters after `step` steps."""
        return self.base_lrs[group] * self.multiplier(step)

    @property
    def floor(self) -> float:
        """What the rate falls towards: changes are those of the distance to it."""
        return 0.0

    def _rate(self, step: Any, group: int) -> float:
        try:
            return finite("the rate", self.rate(step, group))
        except (ArithmeticError, OptimizerError) as error:
            raise OptimizerError(
                f"{type(self).__name__} has no rate after {step} steps: {error}"
            ) from error

    # --- steps ----------------------------------------------------------------------------------

    def _next(self, groups: Groups) -> Plan:
        before = [self._rate(self.last_epoch, i) for i in range(len(groups))] if self.chains else []
        return self._moved(groups, before, self.last_epoch + 1)

    def _begin(self, groups: Groups) -> Plan:
        return self._moved(groups, self.base_lrs, 0)

    def _restart(self, groups: Groups) -> Plan:
        changes = [{"lr": self._rate(0, i)} for i in range(len(groups))]
        return self._with_others(groups, changes, 0)

    def _resumed(self, groups: Groups, epoch: int) -> Plan:
        if self.chains:
            return self._with_others(groups, [{} for _ in groups], epoch)
        return self._moved(groups, [], epoch)

    def _moved(self, groups: Groups, before: list[float], epoch: Any) -> Plan:
        changes = []
        for i, group in enumerate(groups):
            lr = self._rate(epoch, i)
            if self.chains:
                lr = self._chained(group["lr"], before[i], lr)
            changes.append({"lr": lr})
        return self._with_others(groups, changes, epoch)

    def _chained(self, lr: float, before: float, now: float) -> float:
        """Return the rate in force after the formula's went from `before` to `now`."""
        if lr == before:
            return now
        if before == self.floor:
            return lr + (now - before)
        return self.floor + (lr - self.floor) * ((now - self.floor) / (before - self.floor))

    def _with_others(self, groups: Groups, changes: list[dict[str, Any]], epoch: Any) -> Plan:
        """Return the plan, with the other options that the schedule sets."""
        return self._planned(groups, changes, last_epoch=epoch)

    def _check_goes_on(self) -> None:
        if self.last_epoch >= 0:
            for i in range(len(self.base_lrs)):
                self._rate(self.last_epoch, i)


# --- what a state holds of objects ------------------------------------------------------------


def _has_own_state(value: Any) -> bool:
    """Whether an attribute is schedules or functions, which have a state of their own."""
    items = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, LRScheduler) or callable(item) for item in items)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, LRScheduler):
        return value._saved()
    if callable(value):
        return dict(getattr(value, "__dict__", {})) or None
    return copy.deepcopy(value)


def _fitting_objects(name: str, mine: Any, saved: Any) -> list[tuple[Any, str, Any]]:
    if not isinstance(mine, list | tuple):
        mine, saved = [mine], [saved]
    if not isinstance(saved, list | tuple) or len(saved) != len(mine):
        raise OptimizerError(f"{name} must be the states of {len(mine)}, got {saved!r:.100}")
    found = []
    for thing, state in zip(mine, saved, strict=True):
        if isinstance(thing, LRScheduler):
            found += thing._fitting(state)
        elif isinstance(state, Mapping):
            found.append((thing, "__dict__", copy.deepcopy(dict(state))))
        elif state is not None:
            raise OptimizerError(f"the state of a function is a dict, got {state!r:.100}")
    return found
