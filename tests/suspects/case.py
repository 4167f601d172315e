"""One function with its gradient, right or wrong, and how it is put before the checker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad_bp.gradcheck import Report, check, check_vjp

__all__ = ["Case"]

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A function with its gradient, right or wrong, and the inputs that it is checked at.

    `vjp(g, *inputs)` is its vector-Jacobian product, or `gradient(*inputs)` the gradient of a
    scalar; with neither, this library's own gradient is checked, through whatever rules the
    function uses. `run` replaces all that where a check is called in a way of its own.
    """

    name: str
    right: bool
    function: Function
    inputs: tuple[Any, ...] = ()
    vjp: Function | None = None
    gradient: Function | None = None
    run: Callable[[], Report] | None = None
    kink: bool = False  # right, and the report must name a kink

    def check(self) -> Report:
        """Check it as a user would, with nothing but defaults."""
        if self.run is not None:
            return self.run()
        if self.vjp is not None:
            return check_vjp(self.function, self.vjp, *self.inputs)
        return check(self.function, *self.inputs, gradient=self.gradient)
