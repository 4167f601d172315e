"""Attempts to fit a few examples: by the user's optimiser, by Adam, at other learning rates.

"Overfit a single batch of only a few examples" is the test of Karpathy's recipe for training
neural networks (2019): a model that cannot do that has a fault, and nothing else is worth a try.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_bp.containers import leaves
from tinygrad_bp.doctor.keeping import Kept
from tinygrad_bp.doctor.subject import Subject
from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.modes import no_grad
from tinygrad_bp.nn import Module
from tinygrad_bp.nn import dropout as dropping
from tinygrad_bp.optim import LBFGS, Adam, Optimizer

__all__ = ["DROPPING", "Attempt", "Fitting", "without_dropout"]

EXAMPLES = 20
STEPS = 100  # of the user's optimiser; a few tens are enough for a net that learns at all
PATIENCE = 500  # of the user's optimiser where the loss has hardly moved
STEPS_OF_ADAM = 200
TRIAL, STILL = 25, 0.995  # a learning rate with which nothing moves in so many steps is passed by
GOAL = 0.1  # of the loss at the start: these examples are learnt, and no more steps are needed
GOAL_OF_ADAM = 0.3  # which shows no more than that it can be done
CLEARLY = 0.8  # a loss that has fallen by more than a sum of small accidents
ENOUGH = 0.5  # a loss that has halved shows that gradient, model and labels fit together
RATES_OF_ADAM = (3e-3, 3e-4, 3e-2)  # Karpathy's choice, and ten times less and more


class _Enough(Exception):  # noqa: N818  (it is no error)
    """Enough evaluations of the loss, by an optimiser that makes several a step."""


@dataclass(frozen=True)
class Attempt:
    """The losses of some steps; they end with infinity where a step could not be taken."""

    by: str
    losses: tuple[float, ...]
    rate: float
    """The learning rate, of the first group if there are several."""
    least: float = 0.0
    """About the lowest loss that there can be."""

    @property
    def start(self) -> float:
        """The loss before the first step."""
        return self.losses[0]

    @property
    def end(self) -> float:
        """The middle one of the last losses: single steps may jump."""
        if not all(map(math.isfinite, self.losses)):
            return math.inf
        return float(np.median(self.losses[-5:])) if len(self.losses) > 20 else self.losses[-1]

    @property
    def peak(self) -> float:
        """The largest loss."""
        return max(self.losses) if all(map(math.isfinite, self.losses)) else math.inf

    def fell_to(self, share: float, reference: float | None = None) -> bool:
        """Whether the loss went down to a share of what it was, or of a smaller reference."""
        begin = self.start if reference is None else min(self.start, reference)
        return self.end <= begin - (1 - share) * abs(begin - self.least)


class Fitting:
    """The attempts on one subject, each made when it is first asked for."""

    def __init__(
        self, subject: Subject, kept: Kept, progress: Callable[[int, int], None] | None
    ) -> None:
        self._kept = kept
        self._whole = subject
        self.subject = subject.part(range(_how_many(subject)))
        self.reference: float | None = None
        """The loss of whoever knows nothing, if that is known."""
        self._least = 0.0
        self._progress = progress
        self._done = 0

    def prepare(self, reference: float | None, least: float, *, summed: bool) -> None:
        """Set the loss of a guess, and the lowest.

        The whole batch is taken if the model can do with no less. A loss that is a sum counts as it
        would for the whole batch: its learning rate is for that.
        """
        self.reference, self._least = reference, least
        self._kept.begin_again()
        try:
            with no_grad():
                self.subject.cost(self.subject.output())
        except Exception:
            self.subject = self._whole
        if summed:
            self.subject = self.subject.times(self._whole.size / self.subject.size)

    @cached_property
    def own(self) -> Attempt:
        """That of the user's optimiser as it is."""
        return self.at_rate(1.0)

    @cached_property
    def patient(self) -> Attempt:
        """That of the user's optimiser, with more steps."""
        return self.at_rate(1.0, steps=PATIENCE)

    @cached_property
    def by_adam(self) -> Attempt:
        """That of Adam at the best of a few learning rates."""
        attempts: list[Attempt] = []
        for rate in RATES_OF_ADAM:
            attempts.append(self._of_adam(rate))
            if attempts[-1].fell_to(ENOUGH, self.reference):
                break
        return min(attempts, key=lambda attempt: attempt.end)

    @cached_property
    def best(self) -> Attempt:
        """The user's own attempt if that is good enough, or else the better one."""
        if self._whole.optimizer is None:
            return self.by_adam
        if self.own.fell_to(ENOUGH, self.reference):
            return self.own
        return min(self.own, self.by_adam, key=lambda attempt: attempt.end)

    @cached_property
    def fits(self) -> bool:
        """Whether one of them learns the examples."""
        return self.best.fell_to(ENOUGH, self.reference)

    def better_rate(self, factors: Sequence[float]) -> Attempt | None:
        """Return the attempt at the learning rate with which the loss falls most, if one does well.

        The factors go away from 1; the search ends where the loss has halved, or rises again.
        """
        best: Attempt | None = None
        for factor in factors:
            attempt = self.at_rate(factor, searching=True)
            if attempt.fell_to(CLEARLY, self.reference) and (not best or attempt.end < best.end):
                best = attempt
            elif best is not None:
                break
            if attempt.fell_to(ENOUGH, self.reference):
                break
        return best

    def at_rate(self, factor: float, *, steps: int = STEPS, searching: bool = False) -> Attempt:
        """Return the attempt of the user's optimiser, its learning rates times a factor."""
        self._kept.begin_again()
        optimizer = self._whole.optimizer
        assert optimizer is not None  # noqa: S101  (who asks has looked)
        for group in optimizer.param_groups:
            group["lr"] *= factor
        rates = dict.fromkeys(f"{group['lr']:.3g}" for group in optimizer.param_groups)
        by = f"{type(optimizer).__name__}(lr={' and '.join(rates)})"
        trial = TRIAL if searching else steps
        return self._attempt(optimizer, by, steps, GOAL, trial=trial)

    def _of_adam(self, rate: float) -> Attempt:
        self._kept.begin_again()
        trained = [p for p in self._whole.named_parameters().values() if p.requires_grad]
        by, optimizer = f"Adam(lr={rate:g})", Adam(trained, lr=rate)
        return self._attempt(optimizer, by, STEPS_OF_ADAM, GOAL_OF_ADAM)

    def _attempt(
        self, optimizer: Optimizer, by: str, steps: int, goal: float, *, trial: int = STEPS_OF_ADAM
    ) -> Attempt:
        model, losses = self.subject.model, list[float]()
        if not model.training:
            model.train()
        without_dropout(model)

        def evaluate() -> Any:
            if len(losses) > steps:
                raise _Enough
            optimizer.zero_grad()
            cost = self.subject.cost(self.subject.output())
            losses.append(float(cost.item()))
            self._tell()
            cost.backward()
            return cost

        with contextlib.suppress(_Enough):
            while not (
                _finished(losses, steps, self._floor(goal, losses))
                or (len(losses) > trial and losses[-1] > STILL * losses[0])
            ):
                try:
                    optimizer.step(evaluate, missing_ok=True)
                except (OptimizerError, FloatingPointError):
                    losses.append(math.inf)
        return Attempt(by, tuple(losses), optimizer.param_groups[0]["lr"], self._least)

    def _floor(self, goal: float, losses: list[float]) -> float:
        """The loss at which an attempt has reached its goal."""
        begin = min([*losses[:1], *([] if self.reference is None else [self.reference])], default=0)
        return begin - (1 - goal) * abs(begin - self._least)

    def move(self, subject: Subject) -> None:
        """Take one step of the user's optimiser with the gradients that are there."""
        optimizer = subject.optimizer
        assert optimizer is not None  # noqa: S101

        def evaluate() -> Any:
            optimizer.zero_grad()
            cost = subject.cost(subject.output())
            cost.backward()
            return cost

        optimizer.step(evaluate if isinstance(optimizer, LBFGS) else None, missing_ok=True)

    def _tell(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done % STEPS_OF_ADAM, STEPS_OF_ADAM)


def _finished(losses: list[float], steps: int, floor: float) -> bool:
    if not losses:
        return False
    return len(losses) > steps or not math.isfinite(losses[-1]) or losses[-1] <= floor


def _how_many(subject: Subject) -> int:
    """As many examples as the model can be asked to learn by heart.

    A model of three numbers cannot fit twenty noisy targets, and need not.
    """
    numbers = sum(p.size for p in subject.named_parameters().values() if p.requires_grad)
    targets = subject.targets if subject.targets is not None else subject.inputs
    each = max(1, np.size(leaves(targets)[0]) // subject.size)
    return min(EXAMPLES, subject.size, max(2, numbers // (2 * each)))


def without_dropout(model: Module) -> None:
    """Let nothing be left out at random, with all else in training mode."""
    for module in model.modules():
        if isinstance(module, DROPPING):
            module.training = False
        elif isinstance(vars(module).get("dropout"), float):
            vars(module)["dropout"] = 0.0


DROPPING = tuple(getattr(dropping, name) for name in dropping.__all__)
