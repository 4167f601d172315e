"""What a step does, and what is special about a node, in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.explain.formatting import brief, counted
from tinygrad_bp.explain.graph import Node
from tinygrad_bp.explain.record import Record, RecordedStep
from tinygrad_bp.state import owner_of
from tinygrad_bp.tensor import Tensor

__all__ = ["Notes", "sentence", "unbroadcast_text"]


def sentence(step: RecordedStep) -> str:
    """Say in one sentence what a step does.

    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * 2.0
    >>> print(sentence(Record.of(cost).steps[0]))
    cost (multiply) sends w 2 = 1 * 2.0.
    """
    child, parent, formula = step.child, step.parent, step.formula
    sent = brief(step.contribution)
    who = f"{child.name} ({step.op.rule.name})"
    if formula.text == step.arrivals[0].symbol:
        text = f"{who} passes on to {parent.name} what arrives: {sent}"
    elif formula.numbers is not None and step.contribution.ndim == 0:
        text = f"{who} sends {parent.name} {sent} = {formula.numbers}"
    else:
        text = f"{who} sends {parent.name} {sent}, which is {formula.text}"
    if step.before is not None:
        text += f"; added to {brief(step.before)}, that makes {brief(step.after)}"
    return f"{text}."


def unbroadcast_text(given: tuple[int, ...], wanted: tuple[int, ...]) -> str | None:
    """Say which axes a contribution was summed over, None if it was not.

    >>> unbroadcast_text((32, 16), (16,))
    'summed over axis 0: (32, 16) -> (16,)'
    """
    if given == wanted:
        return None
    extra = len(given) - len(wanted)
    if extra < 0:
        return f"stretched: {given} -> {wanted}"
    kept = given[extra:]
    axes = [*range(extra)]
    axes += [extra + i for i, (g, w) in enumerate(zip(kept, wanted, strict=True)) if g != w]
    named = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
    return f"summed over {named}: {given} -> {wanted}"


class Notes:
    """What is special about each node: no gradient, a kink, a value that is not finite."""

    def __init__(self, recorded: Record) -> None:
        self._recorded = recorded
        self._leaf_in = {id(owner_of(leaf.variable.data)): leaf.name for leaf in recorded.leaves()}

    def on(self, node: Node) -> list[dict[str, str]]:
        """Return the notes on a node, each with its kind and its text."""
        found = {
            **self._on_constants(node),
            "held": _held(node),
            "kink": _kink(node),
            "not finite": self._not_finite(node),
        }
        return [{"kind": kind, "text": text} for kind, text in found.items() if text]

    def _on_constants(self, node: Node) -> dict[str, str]:
        """Why no gradient arrives, by a kind of its own for each reason."""
        if node.requires_grad:
            return {}
        if node.op is not None:
            flat = f"output {node.output} of {node.op.rule.name} is flat almost everywhere"
            return {"flat": f"no gradient: {flat}"}
        kind, reason = self._why_constant(node)
        return {kind: f"no gradient: {reason}"}

    def _why_constant(self, node: Node) -> tuple[str, str]:
        if node.value.dtype.kind in "iub":
            return "integer", f"{node.value.dtype} values make no small changes"
        if not isinstance(node.variable, Tensor):
            return "constant", "a plain array is a constant"
        if (leaf := self._leaf_in.get(id(owner_of(node.value)))) is not None:
            return "detached", f"it was detached from {leaf}"
        if not node.value.flags.writeable:
            return "detached", "it was detached from the graph it was computed in"
        return "constant", (
            "this tensor does not track. It was made without requires_grad=True, or computed "
            "under no_grad()"
        )

    def _not_finite(self, node: Node) -> str:
        value = node.value
        if value.dtype.kind != "f" or np.isfinite(value).all():
            return ""
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        what = f"{value[index]}{f' at {index}' if index else ''}"
        if node.op is None:
            return f"{what}: it was there from the start"
        if all(_is_finite(a) for a in node.op.arrays):
            return f"{what}, and every operand was finite: it began here"
        return f"{what}, which came in with an operand"


def _is_finite(operand: Any) -> bool:
    array = np.asarray(operand)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _held(node: Node) -> str:
    if node.held is None:
        return ""
    passes = counted(node.held_passes, "earlier pass", "earlier passes")
    return (
        f"its grad already held {brief(node.held)} from {passes}: this pass adds to it. "
        "zero_grad() forgets it"
    )


def _kink(node: Node) -> str:
    """The choice that was made where an op has no single slope."""
    if node.op is None or not node.requires_grad or (kink := node.op.rule.kink) is None:
        return ""
    with np.errstate(all="ignore"):  # what is not defined is no kink
        count = int(np.count_nonzero(kink.at(*node.op.arrays, **node.op.options)))
    elements = f" ({count:,} elements)" if count > 1 else ""
    return f"not differentiable here: {kink.text}{elements}" if count else ""
