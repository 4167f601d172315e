"""One step of training: by a program where that is safe, eagerly otherwise.

A program is compiled to give the bits that eager mode gives, so a run's numbers do not depend on
which of them took its steps. It repeats what the step did at first; a loss or a layer that somebody
else wrote may count its calls or look at a clock, so those take their steps eagerly unless asked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_bp import nn, optim
from tinygrad_bp.errors import ProgramError
from tinygrad_bp.program import compile  # noqa: A004
from tinygrad_bp.state import require
from tinygrad_bp.train.evaluation import check_single, finite_loss

__all__ = ["Step", "is_our_own"]

_OURS = __name__.partition(".")[0]


class Step:
    """Takes steps with batches: zero_grad, outputs, loss, backward, clipping, and the update.

    `loss_of(*batch)` gives a loss and outputs; `clip` clips the gradients.
    """

    def __init__(
        self,
        loss_of: Callable[..., tuple[Any, Any]],
        optimizer: optim.Optimizer,
        clip: Callable[[], None],
        *,
        compiled: bool,
        keeps_outputs: bool,
        keeps_gradients: bool,
    ) -> None:
        self._loss_of, self._optimizer, self._clip = loss_of, optimizer, clip
        self._keeps_outputs = keeps_outputs
        self.compiled = compiled and not isinstance(optimizer, optim.LBFGS)
        """Whether a program takes the steps."""
        self._take: Callable[..., Any] = compile(self._taken, exact=True, grads=keeps_gradients)

    def __call__(self, *batch: Any) -> tuple[float, Any]:
        """Take a step, and return the loss as a number, and the outputs if they are kept.

        Raises `OptimizerError` if the loss or a gradient is not finite, `ShapeError` for a loss
        that is not one number.
        """
        # A run that diverges overflows on the way; what counts is what comes out of it.
        with np.errstate(all="ignore"):
            if isinstance(self._optimizer, optim.LBFGS):
                return self._with_closure(*batch)
            if self.compiled:
                try:
                    loss, outputs = self._take(*batch)
                except ProgramError:
                    self.compiled = False
            if not self.compiled:
                loss, outputs = self._taken(*batch)
        return float(loss.item()), outputs

    def _taken(self, *batch: Any) -> tuple[Any, Any]:
        loss, outputs = self._with_gradients(*batch)
        self._optimizer.step()
        return loss, outputs if self._keeps_outputs else None

    def _with_gradients(self, *batch: Any) -> tuple[Any, Any]:
        self._optimizer.zero_grad()
        loss, outputs = self._loss_of(*batch)
        check_single(loss)
        require(np.isfinite(loss), lambda: finite_loss(loss))
        loss.backward()
        self._clip()
        return loss, outputs

    def _with_closure(self, *batch: Any) -> tuple[float, Any]:
        """L-BFGS evaluates the loss several times; the first one is that of the step."""
        found: list[tuple[Any, Any]] = []

        def closure() -> Any:
            found.append(self._with_gradients(*batch))
            return found[-1][0]

        self._optimizer.step(closure)
        loss, outputs = found[0]
        return float(loss.item()), outputs


def is_our_own(*parts: Any) -> bool:
    """Return whether models and losses are made of the library's layers and functions alone.

    >>> from tinygrad_bp import nn
    >>> is_our_own(nn.MLP(2, 3), nn.CrossEntropyLoss()), is_our_own(nn.MLP(2, 3), max)
    (True, False)
    """
    return all(map(_is_ours, parts))


def _is_ours(part: Any) -> bool:
    if not isinstance(part, nn.Module):
        return _package_of(part) == _OURS
    return all(
        _package_of(type(module)) == _OURS
        and not module.has_hooks
        and all(map(_is_known, vars(module).values()))
        for module in part.modules()
    )


def _is_known(setting: Any) -> bool:
    """Whether what a layer was given is no function that somebody else wrote."""
    return not isinstance(setting, FunctionType | partial) or _package_of(setting) == _OURS


def _package_of(thing: Any) -> str:
    package: str = getattr(thing, "__module__", "").partition(".")[0]
    return package
