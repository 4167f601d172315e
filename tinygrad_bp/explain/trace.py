"""`trace`: the backward pass of a loss, to look at in a notebook or to go through step by step."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_bp.explain.checks import confirm
from tinygrad_bp.explain.data import exported
from tinygrad_bp.explain.graph import MAX_OPS
from tinygrad_bp.explain.record import Record
from tinygrad_bp.explain.svg import to_svg
from tinygrad_bp.explain.text import narrate

if TYPE_CHECKING:
    from tinygrad_bp.tensor import Tensor

__all__ = ["Trace", "trace"]

DRAWN = 100  # nodes that a drawing in a notebook may have


class Trace(Record):
    """A whole backward pass: nodes in the order they were computed, steps in the order taken.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> pass_ = trace(cost)
    >>> [(s.child.name, s.parent.name, float(s.contribution)) for s in pass_.steps]
    [('cost', 'w', 3.0), ('cost', 'w', 3.0)]
    >>> pass_
    <Trace of cost: 2 nodes, 2 steps>
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain lists, numbers and text, ready for JSON."""
        return exported(self)

    def _repr_html_(self) -> str:
        """Show a notebook the drawing, or the text of a graph that is too large to draw."""
        if len(self.nodes) <= DRAWN:  # it scrolls: a long one would stretch the whole notebook
            return f'<div style="overflow-x: auto">{to_svg(self)}</div>'
        return f"<pre>{html.escape(narrate(exported(self)))}</pre>"


def trace(
    loss: Tensor,
    gradient: Any = None,
    *,
    names: Mapping[str, Any] | None = None,
    checks: bool | None = None,
    max_ops: int = MAX_OPS,
) -> Trace:
    """Go backward from a tensor and keep every step, without touching any `grad`.

    `gradient` is what arrives at the tensor, as for `backward()`. `names` names values that the
    source does not, such as `dict(model.named_parameters())`. With `checks` every step is
    confirmed by a finite difference; by default, where the graph is small enough.

    Raises `GradientError` if nothing tracks, `FreedGraphError` after a `backward()` that did not
    retain the graph, `TinygradError` for a graph of more than `max_ops` operations.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> b = Tensor(1.0, requires_grad=True)
    >>> cost = (2 * w + b) ** 2
    >>> for step in trace(cost).steps:
    ...     print(f"{step.child.name} to {step.parent.name}: {step.formula.numbers}")
    cost to v3: 1 * (2 * 7)
    v3 to v1: 14
    v3 to b: 14
    v1 to w: 14 * 2
    """
    traced = Trace.of(loss, gradient, names=names, max_ops=max_ops)
    confirm(traced, checks)
    return traced
