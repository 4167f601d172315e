"""The options of an optimiser: what they may be, and how they are checked whenever they are set."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import OptimizerError

if TYPE_CHECKING:
    from tinygrad_bp.optim.optimizer import Optimizer

__all__ = [
    "Check",
    "Checks",
    "Option",
    "at_least_zero",
    "below_one",
    "finite",
    "one_of",
    "pair",
    "positive",
    "share",
    "switch",
    "whole",
]

Check = Callable[[str, Any], Any]
"""Return an option, given its name and a value, or raise `OptimizerError`."""

Checks = Mapping[str, Check]
"""The check of each option."""


def finite(name: str, value: Any) -> float:
    """Return an option as a finite number, or raise `OptimizerError`."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number):
        raise OptimizerError(f"{name} must be a finite number, got {value!r}")
    return number


def at_least_zero(name: str, value: Any) -> float:
    """Return an option as a number from 0 up, or raise `OptimizerError`."""
    number = finite(name, value)
    if number < 0:
        raise OptimizerError(f"{name} must be 0 or more, got {value!r}")
    return number


def below_one(name: str, value: Any) -> float:
    """Return an option as a number from 0 up that is below 1, or raise `OptimizerError`."""
    number = finite(name, value)
    if not 0 <= number < 1:
        raise OptimizerError(f"{name} must be 0 or more and below 1, got {value!r}")
    return number


def share(name: str, value: Any) -> float:
    """Return an option as a number from 0 to 1, or raise `OptimizerError`."""
    number = finite(name, value)
    if not 0 <= number <= 1:
        raise OptimizerError(f"{name} must be from 0 to 1, got {value!r}")
    return number


def positive(name: str, value: Any) -> float:
    """Return an option as a number above 0, or raise `OptimizerError`."""
    number = finite(name, value)
    if number <= 0:
        raise OptimizerError(f"{name} must be a positive number, got {value!r}")
    return number


def whole(least: int) -> Check:
    """Return a check that an option is a whole number from `least` up.

    >>> whole(1)("T_max", np.int64(3))
    3
    """

    def check(name: str, value: Any) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise OptimizerError(f"{name} must be a whole number, {least} or more, got {value!r}")
        return int(value)

    return check


def switch(name: str, value: Any) -> bool:
    """Return an option that is on or off, or raise `OptimizerError`."""
    if not isinstance(value, bool | np.bool_):
        raise OptimizerError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def one_of(*choices: Any) -> Check:
    """Return a check that an option is one of some choices.

    >>> one_of("min", "max")("mode", "max")
    'max'
    """

    def check(name: str, value: Any) -> Any:
        if not any(value is choice or value == choice for choice in choices):
            names = " or ".join(map(repr, choices))
            raise OptimizerError(f"{name} must be {names}, got {value!r}")
        return value

    return check


def pair(check: Check) -> Check:
    """Return a check of two numbers, such as betas.

    >>> pair(below_one)("betas", [0.9, 0.999])
    (0.9, 0.999)
    """

    def check_both(name: str, value: Any) -> tuple[float, float]:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
            raise OptimizerError(f"{name} must be two numbers, got {value!r}")
        first, second = (check(f"{name}[{i}]", number) for i, number in enumerate(value))
        return first, second

    return check_both


class Option:
    """An option of an optimiser as an attribute: set in every group, and read where all agree."""

    def __init__(self, check: Check) -> None:
        self.check = check

    def __set_name__(self, owner: type[Optimizer], name: str) -> None:
        self.name = name
        owner.checks = {**owner.checks, name: self.check}

    def __get__(self, optimizer: Optimizer | None, _: type | None = None) -> Any:
        return self if optimizer is None else optimizer.common_option(self.name)

    def __set__(self, optimizer: Optimizer, value: Any) -> None:
        optimizer.set_options([{self.name: value}] * len(optimizer.param_groups))
