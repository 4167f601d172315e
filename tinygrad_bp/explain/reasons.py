"""The words of an explanation: why a derivative is what it is, and why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.engine import Op, Variable
from tinygrad_bp.explain.names import ARRIVING

if TYPE_CHECKING:
    from tinygrad_bp.explain.trace import Node, Trace, TracedStep

__all__ = ["brief", "kink_of", "notes_on", "sentence", "unbroadcast_text", "why_op"]

Array = np.ndarray[Any, Any]

_WHY = {
    "add": "Each term of a sum passes the gradient on unchanged.",
    "subtract": "The first term passes the gradient on, the second one with its sign turned.",
    "multiply": "A product moves with one factor as fast as the other factor is large.",
    "divide": "A quotient moves with its numerator by 1 over the denominator, and with its "
    "denominator by minus itself over the denominator.",
    "negative": "Turning the sign turns the gradient's sign.",
    "reciprocal": "1/x falls by 1/x squared for each unit of x.",
    "square": "The slope of x squared is twice x.",
    "power": "The slope of x to the n is n times x to the n - 1.",
    "sqrt": "The slope of a root is 1 over twice the root.",
    "exp": "The exponential function is its own slope.",
    "log": "The slope of the logarithm is 1/x.",
    "log1p": "The slope of log(1 + x) is 1/(1 + x).",
    "expm1": "The slope of exp(x) - 1 is exp(x), which is the result plus 1.",
    "sin": "The slope of the sine is the cosine.",
    "cos": "The slope of the cosine is minus the sine.",
    "tan": "The slope of the tangent is 1 plus its square.",
    "sinh": "The slope of sinh is cosh.",
    "cosh": "The slope of cosh is sinh.",
    "tanh": "The slope of tanh is 1 minus its square: flat where it saturates.",
    "sigmoid": "The slope of the sigmoid is y (1 - y): at most 1/4, and flat where it saturates.",
    "relu": "Where the input is above 0 the gradient passes, elsewhere it stops.",
    "absolute": "The slope of |x| is the sign of x.",
    "maximum": "The larger one receives the whole gradient; a tie is shared evenly.",
    "minimum": "The smaller one receives the whole gradient; a tie is shared evenly.",
    "where": "The gradient goes to the side that was chosen; the condition receives none.",
    "sum": "Every element moves the sum by as much as itself, so each receives the same gradient.",
    "mean": "Every element moves the mean by 1/n of itself, so each receives 1/n of the gradient.",
    "max": "Only the largest element moves the maximum; ties share evenly.",
    "min": "Only the smallest element moves the minimum; ties share evenly.",
    "prod": "A product moves with each factor as fast as the product of all others is large.",
    "var": "Each element moves the variance by twice its distance from the mean, over n.",
    "matmul": "Each entry of the product is a sum of products, so the gradient is a product with "
    "the other matrix, transposed: sums over everything that an entry took part in.",
    "affine": "x receives the gradient times the weights; each weight the gradient times the "
    "activation it multiplied, summed over the examples; each bias the gradient itself.",
    "einsum": "The gradient is contracted with all other operands, into the labels of this one.",
    "transpose": "Axes are put back where they came from.",
    "swapaxes": "Axes are put back where they came from.",
    "moveaxis": "Axes are put back where they came from.",
    "reshape": "Elements are put back where they came from.",
    "broadcast_to": "What was copied to many places receives the sum of their gradients.",
    "concat": "Each part receives its own piece of the gradient.",
    "getitem": "The gradient goes to the elements that were taken, 0 to all others; one that was "
    "taken twice receives both.",
    "scatter_add": "Each summand receives the gradient of the place it was added to.",
    "softmax": "Raising one logit raises its share at the cost of all others.",
    "log_softmax": "Each logit receives its gradient less its share of the whole.",
    "logsumexp": "A smooth maximum: each element receives its softmax share.",
    "softmax_cross_entropy": "Each logit receives the probability it was given, less 1 for the "
    "right answer.",
    "sum_squares": "The slope of a squared gap is twice the gap.",
    "cumsum": "An element takes part in every later sum, so it receives all of their gradients.",
    "sort": "Each value goes back to the place it was sorted from.",
}

_BY_KIND = {
    "elementwise": "Each element of the result depends on one element of the input alone, so its "
    "gradient is multiplied by one number: the slope there.",
    "linear": "The function is its own derivative: the gradient goes back through its transpose.",
    "bilinear": "The function is linear in each argument, so what one receives is weighted by the "
    "others.",
    "rule": "The rule gives the arriving gradient times the matrix of derivatives, without ever "
    "making the matrix.",
}


def why_op(op: Op) -> str:
    """Say in one sentence why the derivative of an op is what it is."""
    return _WHY.get(op.rule.name) or _BY_KIND[op.rule.kind]


def brief(value: Any, digits: int = 4) -> str:
    """Return a number as it is read, an array by its shape and size.

    >>> brief(np.array(0.123456)), brief(np.ones((3, 4)))
    ('0.1235', 'an array (3, 4) of norm 3.464')
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return format(array.item(), f".{digits}g")
    if array.dtype.kind not in "fc":
        return f"an array {array.shape} of {array.dtype}"
    with np.errstate(all="ignore"):
        norm = float(np.sqrt(np.sum(np.square(array, dtype=np.float64))))
    return f"an array {array.shape} of norm {norm:.{digits}g}"


def sentence(step: TracedStep) -> str:
    """Say in one sentence what a step does.

    >>> from tinygrad_bp import Tensor
    >>> from tinygrad_bp.explain.trace import trace
    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * 2.0
    >>> print(sentence(trace(cost).steps[0]))
    cost (multiply) sends w 2 = 1 * 2.0.
    """
    child, parent, formula = step.child, step.parent, step.formula
    assert child.op is not None  # noqa: S101
    sent = brief(step.contribution)
    who = f"{child.name} ({child.op.rule.name})"
    if formula.text == ARRIVING:
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


# --- notes ----------------------------------------------------------------------------------


def notes_on(traced: Trace, node: Node) -> list[dict[str, str]]:
    """Say what is particular about a node: why it has no gradient, a kink, what is not finite."""
    found = []
    if node.kind == "constant":
        found.append(_why_constant(traced, node))
    if node.held is not None:
        passes = abs(node.variable.backward_passes)
        found.append(
            _note(
                "held",
                f"its grad already held {brief(node.held)} from {_times(passes, 'earlier pass')}: "
                "this pass adds to it. zero_grad() forgets it",
            )
        )
    if (kink := kink_of(node, traced.arguments(node))) is not None:
        found.append(_note("kink", kink))
    if node.value.dtype.kind == "f" and not np.isfinite(node.value).all():
        found.append(_note("not finite", _not_finite(traced, node)))
    return found


def _note(kind: str, text: str) -> dict[str, str]:
    return {"kind": kind, "text": text}


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 'es'}"


def _why_constant(traced: Trace, node: Node) -> dict[str, str]:
    value = node.variable
    if node.value.dtype.kind in "iub":
        return _note("integer", f"no gradient: {node.value.dtype} values make no small changes")
    if not isinstance(value, Variable):
        return _note("constant", "no gradient: a plain array is a constant")
    if (leaf := getattr(value, "_detached_from", None)) is not None:
        source = traced.name_of(leaf) or f"another leaf, of shape {leaf.shape}"
        return _note("detached", f"no gradient: it was detached from {source}")
    if not node.value.flags.writeable:
        return _note("detached", "no gradient: it was detached from the graph it was computed in")
    return _note(
        "constant",
        "no gradient: this tensor does not track. It was made without requires_grad=True, or "
        "computed under no_grad()",
    )


def _not_finite(traced: Trace, node: Node) -> str:
    finite = all(
        np.isfinite(a.value).all()
        for a in traced.arguments(node)
        if hasattr(a, "value") and a.value.dtype.kind == "f"
    )
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(node.value))[0])
    where = f" at {index}" if index else ""
    if not finite:
        return f"{node.value[index]}{where}, which came in with an operand"
    if node.op is None:
        return f"{node.value[index]}{where}: it was there from the start"
    return f"{node.value[index]}{where}, and every operand was finite: it began here"


# --- kinks ----------------------------------------------------------------------------------


_KINKS: dict[str, Callable[..., tuple[Any, str]]] = {
    "relu": lambda x: (x == 0, "relu at 0, where the slope 0 is chosen"),
    "absolute": lambda x: (x == 0, "|x| at 0, where the slope 0 is chosen"),
    "fabs": lambda x: (x == 0, "|x| at 0, where the slope 0 is chosen"),
    "maximum": lambda a, b: (a == b, "a tie, shared evenly"),
    "minimum": lambda a, b: (a == b, "a tie, shared evenly"),
    "fmax": lambda a, b: (a == b, "a tie, shared evenly"),
    "fmin": lambda a, b: (a == b, "a tie, shared evenly"),
    "sqrt": lambda x: (x == 0, "a root at 0, where the slope is infinite"),
    "hypot": lambda a, b: (np.hypot(a, b) == 0, "the origin, where hypot has no slope"),
}


def kink_of(node: Node, arguments: list[Any]) -> str | None:
    """Name the choice that was made where an op has no single slope, None where it has one."""
    if node.op is None:
        return None
    values = [getattr(a, "value", a) for a in arguments]
    name = node.op.rule.name
    if name in _KINKS:
        at, what = _KINKS[name](*values)
        return _counted(int(np.count_nonzero(at)), what)
    if name in ("max", "min"):
        return _counted(_tied(node, values[0]), "a tie for the extreme, shared evenly")
    return None


def _counted(count: int, what: str) -> str | None:
    if count == 0:
        return None
    return f"not differentiable here: {what}" + (f" ({count} elements)" if count > 1 else "")


def _tied(node: Node, x: Array) -> int:
    """How many results have more than one element that reaches them."""
    op = node.op
    assert op is not None  # noqa: S101
    axis = (op.args or ())[1] if len(op.args or ()) > 1 else op.options.get("axis")
    extreme = op.rule.forward(x, axis=axis, keepdims=True)
    return int(np.count_nonzero(np.sum(x == extreme, axis=axis) > 1))
