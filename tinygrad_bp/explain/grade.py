"""Gradients worked out by hand, checked one by one, with a hint at what went wrong."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.engine import Op
from tinygrad_bp.explain.formatting import described, number, plain, shape_text, table
from tinygrad_bp.explain.graph import Node
from tinygrad_bp.explain.record import Record, RecordedStep
from tinygrad_bp.explain.signature import signature
from tinygrad_bp.explain.slopes import pulled
from tinygrad_bp.tensor import Tensor, array_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Grade", "Grades", "grade"]

Array = np.ndarray[Any, Any]

RTOL = 0.01  # two digits: what is worked out by hand is rounded
HINT_RTOL = 5e-3  # closer, as more things are compared
MOST_STEPS = 1_000  # of a pass that is gone through again without each of its slopes


@dataclass(frozen=True, eq=False, slots=True)
class Grade:
    """One answer: whether it is right, to how many digits, or what seems to have gone wrong."""

    name: str
    answer: Array
    expected: Array
    right: bool
    digits: int
    hint: str

    def __repr__(self) -> str:
        return f"<{self.name}: {self.verdict}>"

    @property
    def verdict(self) -> str:
        """`right` with the number of digits that agree, or `wrong`."""
        if not self.right:
            return "wrong"
        return "right" if self.digits >= 15 else f"right to {self.digits} digits"


class Grades(Sequence[Grade]):
    """The answers with their verdicts; the names of nodes that were `not_answered`.

    As text, a table. It gives hints and not the right numbers, which are in `expected`.
    """

    def __init__(self, graded: Sequence[Grade], not_answered: Sequence[str]) -> None:
        self._graded = tuple(graded)
        self.not_answered = tuple(not_answered)

    @property
    def ok(self) -> bool:
        """Whether there are answers, and all of them are right."""
        return bool(self._graded) and all(grade.right for grade in self._graded)

    def __len__(self) -> int:
        return len(self._graded)

    def __getitem__(self, index: Any) -> Any:
        return self._graded[index]

    def __repr__(self) -> str:
        return f"<Grades: {self._score()}>"

    def __str__(self) -> str:
        cells = [(plain(g.name), described(g.answer), g.verdict) for g in self]
        lines = [self._score()]
        for line, graded in zip(table(cells) if cells else [], self, strict=True):
            lines.append(line)
            lines += _indented(graded.hint, "      ")
        if self.not_answered:
            lines += _indented(f"not answered: {', '.join(self.not_answered)}", "  ")
        return "\n".join(lines)

    def _score(self) -> str:
        return f"{sum(grade.right for grade in self)} of {len(self)} answers are right"


def grade(
    answers: Mapping[Tensor | str, ArrayLike | Tensor],
    loss: Tensor | Record,
    *,
    rtol: float = RTOL,
) -> Grades:
    """Check gradients that were worked out by hand against the backward pass.

    `answers` maps leaves and results, given as tensors or by their names in the trace, to the
    gradient of the loss with respect to each. An answer is right if it agrees to a relative
    `rtol`. The hint on a wrong one names the common mistake that explains it, if there is one: a
    wrong sign, a factor, a transpose, a sum left out, one consumer of several, a factor of the
    chain rule left out, or a slope on the way. Raises `GradientError` for a tensor or name that the
    loss was not computed from, and what `trace` raises.

    >>> w, b = Tensor(2.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    >>> z = w * 3.0 + b
    >>> cost = z * z
    >>> print(grade({"w": 42, b: -14, z: 7}, cost))
    1 of 3 answers are right
      w  42   right
      b  -14  wrong
          wrong sign: this is the nudge, which points downhill; the gradient points uphill
      z  7    wrong
          only one of 2 contributions: cost uses z twice
      not answered: v1
    """
    recorded = loss if isinstance(loss, Record) else Record.of(loss)
    tutor = _Tutor(recorded, rtol)
    graded = [tutor.grade(recorded.node(key), answer) for key, answer in answers.items()]
    answered = {g.name for g in graded}
    missing = [
        plain(node.name) for node in recorded.nodes
        if node.grad is not None and node is not recorded.loss and node.name not in answered
    ]  # fmt: skip
    return Grades(graded, missing)


class _Tutor:
    """Knows the pass, and recognises common mistakes."""

    def __init__(self, recorded: Record, rtol: float) -> None:
        self._rtol = rtol
        self._recorded = recorded
        self._loss = recorded.loss.name
        self._steps: dict[int, list[RecordedStep]] = {}
        for step in recorded.steps:
            self._steps.setdefault(step.parent.id, []).append(step)
        self._lengths = {n for node in recorded.nodes for n in node.value.shape if n > 1}

    def grade(self, node: Node, answer: ArrayLike | Tensor) -> Grade:
        """Check one answer."""
        given = np.asarray(array_of(answer), float)
        expected = np.zeros(node.value.shape) if node.grad is None else node.grad
        right = given.shape == expected.shape and _agree(given, expected, self._rtol)
        digits = _digits(given, expected) if right else 0
        with np.errstate(all="ignore"):
            hint = "" if right else plain(next(self._hints(node, given, expected), ""))
        return Grade(node.name, given, expected, right, digits, hint)

    def _hints(self, node: Node, given: Array, expected: Array) -> Iterator[str]:
        """What the answer might be instead, the most certain first."""
        if node.grad is None:
            yield f"no gradient arrives at {node.name}: it does not track, or leads nowhere"
        if given.shape != expected.shape:
            yield self._of_shape(given, expected)
        if not given.any():
            yield f"0 would say that {node.name} does not matter to {self._loss}"
        steps = self._steps.get(node.id, [])
        yield from self._one_of_several(node, given, steps)
        yield from self._part_of_the_product(node, given, steps)
        yield from self._further_on(node, given)
        if node.held is not None and _agree(given, expected + node.held, HINT_RTOL):
            yield "this is what grad will hold, together with what it held before this pass"
        yield from self._slope_left_out(node, given)
        yield from self._factor(given, expected)
        yield from self._entries(given, expected)

    def _of_shape(self, given: Array, expected: Array) -> str:
        found = signature(given, expected, rtol=HINT_RTOL)
        return (
            f"its shape is {shape_text(given.shape)}; a gradient has the shape of its value, "
            f"{shape_text(expected.shape)}" + (f": {found}" if found else "")
        )

    def _one_of_several(
        self, node: Node, given: Array, steps: Sequence[RecordedStep]
    ) -> Iterator[str]:
        """One consumer alone was followed back, or one was forgotten."""
        if len(steps) < 2 or node.grad is None:
            return
        consumers = [step.child.name for step in steps]
        for step in steps:
            name = step.child.name
            others = sorted(set(consumers) - {name})
            if _agree(given, step.contribution, HINT_RTOL):
                if not others:
                    yield f"only one of {len(steps)} contributions: {name} uses {node.name} " + (
                        "twice" if len(steps) == 2 else f"{len(steps)} times"
                    )
                yield (
                    f"you counted only the path through {name}; {len(steps)} paths reach "
                    f"{node.name}, also through {', '.join(others)}"
                )
            if len(steps) > 2 and _agree(given, node.grad - step.contribution, HINT_RTOL):
                yield f"the contribution through {name} is missing"

    def _part_of_the_product(
        self, node: Node, given: Array, steps: Sequence[RecordedStep]
    ) -> Iterator[str]:
        """Only one of the two factors of the chain rule."""
        for step in steps:
            child = step.child
            slope = f"d{child.name}/d{node.name}"
            arriving = f"d{self._loss}/d{child.name}"
            if _agree(given, _slope(step), HINT_RTOL):
                yield f"this is {slope} alone; multiply it by what arrives, {arriving}"
            if _agree(given, step.arriving, HINT_RTOL):
                yield f"this is what arrives at {child.name}, {arriving}; multiply it by {slope}"

    def _further_on(self, node: Node, given: Array) -> Iterator[str]:
        """The chain was left too early."""
        for other in self._recorded.nodes[node.id + 1 :]:
            if other.grad is not None and _agree(given, other.grad, HINT_RTOL):
                yield (
                    f"this is d{self._loss}/d{other.name}; from there the chain goes on to "
                    f"{node.name}"
                )

    def _slope_left_out(self, node: Node, given: Array) -> Iterator[str]:
        """Somewhere on the way, a function was passed as if its slope were 1."""
        if len(self._recorded.steps) > MOST_STEPS:
            return
        for step in self._recorded.steps:
            if _has_a_slope(step) and step.parent.id >= node.id:
                found = self._without_slope(step.op).get(node.id)
                if found is not None and _agree(given, found, HINT_RTOL):
                    yield (
                        f"the slope of {step.op.rule.name} is missing on the way: "
                        f"d{step.child.name}/d{step.parent.name}"
                    )

    def _without_slope(self, passed: Op) -> dict[int, Array]:
        """The gradient of every node if one op passed on what arrives as it is."""
        loss = self._recorded.loss
        found: dict[int, Any] = {loss.id: loss.grad}
        for step in self._recorded.steps:
            if type(step.op.y) is tuple:
                return {}
            arriving = found[step.child.id]
            given = arriving if step.op is passed else pulled(step.op, step.edge.slot, arriving)
            found[step.parent.id] = found.get(step.parent.id, 0.0) + given
        return found

    def _factor(self, given: Array, expected: Array) -> Iterator[str]:
        both = (given != 0) & (expected != 0)
        if not both.any() or not np.array_equal(given != 0, expected != 0):
            return
        ratios = given[both] / expected[both]
        ratio = float(np.median(ratios))
        if np.ptp(ratios) > HINT_RTOL * abs(ratio):
            return
        turned = "wrong sign, and " if ratio < 0 else ""
        if math.isclose(ratio, -1, rel_tol=HINT_RTOL):
            yield (
                "wrong sign: this is the nudge, which points downhill; the gradient points uphill"
            )
        for size, said in self._known_factors():
            if math.isclose(abs(ratio), size, rel_tol=HINT_RTOL):
                yield turned + said
        if given.size > 1:
            yield f"{number(ratio)} times the gradient, in every entry: one factor is wrong"

    def _known_factors(self) -> Iterator[tuple[float, str]]:
        yield 2, "twice the gradient: a factor 2 too much"
        yield 0.5, "half the gradient: a factor 2 is missing (the slope of x squared is 2 x)"
        for n in sorted(self._lengths - {2}):
            yield n, f"{n} times the gradient: summed over {n} instead of averaged?"
            yield 1 / n, f"1/{n} of the gradient: averaged over {n} instead of summed?"

    def _entries(self, given: Array, expected: Array) -> Iterator[str]:
        if given.size < 2:
            return
        found = signature(given, expected, rtol=HINT_RTOL)
        if found == "equals the transpose":
            yield found
        wrong = ~np.isclose(given, expected, rtol=self._rtol, atol=_slack(expected, self._rtol))
        first = [int(i) for i in np.argwhere(wrong)[0]]
        count = f"{np.count_nonzero(wrong)} of {given.size} entries are wrong"
        yield f"{count}, the first at {first}"


def _has_a_slope(step: RecordedStep) -> bool:
    """Whether a step is through a function of each element that is more than a sign."""
    alone = step.op.rule.kind == "elementwise" and len(step.op.arrays) == 1
    return alone and not np.array_equal(np.abs(step.contribution), np.abs(step.arriving))


def _slope(step: RecordedStep) -> Array:
    """What a step would contribute if 1 arrived, in every element."""
    ones = [np.ones_like(y) for y in (step.op.y if type(step.op.y) is tuple else [step.op.y])]
    return pulled(step.op, step.edge.slot, tuple(ones) if type(step.op.y) is tuple else ones[0])


def _slack(expected: Array, rtol: float) -> float:
    """Entries much smaller than the largest may be off by more of themselves."""
    return 0.05 * rtol * float(np.max(np.abs(expected), initial=0.0))


def _agree(given: Array, expected: Array, rtol: float) -> bool:
    return given.shape == expected.shape and np.allclose(
        given, expected, rtol=rtol, atol=_slack(expected, rtol), equal_nan=True
    )


def _digits(given: Array, expected: Array) -> int:
    """How many significant digits agree, by the largest entry."""
    size = float(np.max(np.abs(expected), initial=0.0))
    gap = float(np.max(np.abs(given - expected), initial=0.0))
    if not gap > 0 or not math.isfinite(gap):
        return 15
    return max(0, min(15, math.floor(-math.log10(gap / size))))


def _indented(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 88, initial_indent=indent, subsequent_indent=indent + "  ")
