"""What stands above the statements of a rule: its formula, in the names of the text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygrad_bp.program.listing import Applied, Listing, Place

__all__ = ["formula"]

_FORWARD: Mapping[str, str] = {
    "affine": "{y} = {a} {b}ᵀ + {c}",
    "sigmoid": "{y} = σ({a})",
    "relu": "{y} = max({a}, 0)",
    "log1pexp": "{y} = log(1 + exp({a}))",
    "matmul": "{y} = {a} {b}",
    "dot": "{y} = {a} {b}",
    "add": "{y} = {a} + {b}",
    "subtract": "{y} = {a} - {b}",
    "multiply": "{y} = {a} · {b}",
    "divide": "{y} = {a} / {b}",
    "square": "{y} = {a}²",
    "sum_squares": "{y} = Σ ({a} - {b})² / n",
    "softmax_cross_entropy": "{y} = -log softmax({a})[{b}], the mean",
}
_BACKWARD: Mapping[str, Sequence[str]] = {
    "affine": ("{da} = {dy} {b}", "{db} = {dy}ᵀ {a}", "{dc} = Σ {dy}"),
    "sigmoid": ("{da} = {dy} · {y} (1 - {y})",),
    "tanh": ("{da} = {dy} · (1 - {y}²)",),
    "relu": ("{da} = {dy} where {a} > 0",),
    "log1pexp": ("{da} = {dy} · σ({a})",),
    "exp": ("{da} = {dy} · {y}",),
    "log": ("{da} = {dy} / {a}",),
    "multiply": ("{da} = {dy} · {b}", "{db} = {dy} · {a}"),
    "divide": ("{da} = {dy} / {b}", "{db} = -{dy} · {y} / {b}"),
    "matmul": ("{da} = {dy} {b}ᵀ", "{db} = {a}ᵀ {dy}"),
    "sum_squares": ("{da} = 2/n ({a} - {b})", "{db} = 2/n ({b} - {a})"),
    "softmax_cross_entropy": ("{da} = (softmax({a}) - onehot({b})) / n",),
}

NameOf = Callable[[Any], str | None]
"""Gives the name of a value, None if it has none."""


def formula(place: Place, listing: Listing, name: NameOf, gradient: NameOf) -> str:
    """Return the formula of the rule at a place, or what it is called."""
    title = place.title
    applied = listing.applied.get(place.number)
    if place.phase == "update" or applied is None:
        return title
    names = {"y": name(applied.results[0])}
    for letter, argument in zip("abcdefgh", applied.arguments, strict=False):
        names[letter] = name(argument) or _of_constant(argument)
    if place.phase == "backward":
        return _backward(title, applied, names, gradient)
    return _filled(_FORWARD.get(title, ""), names) or _called(title, names)


def _backward(title: str, applied: Applied, names: dict[str, str | None], gradient: NameOf) -> str:
    names["dy"] = gradient(applied.results[0])
    made = [gradient(argument) for argument in applied.arguments]
    names |= {f"d{letter}": gradient for letter, gradient in zip("abcdefgh", made, strict=False)}
    parts = [text for template in _BACKWARD.get(title, ()) if (text := _filled(template, names))]
    if parts:
        return ",  ".join(parts)
    targets = ", ".join(d for d in made if d)
    arriving = names["dy"]
    if not targets:
        return f"back through {title}"
    return f"{targets}{f' from {arriving}' if arriving else ''}: back through {title}"


def _called(title: str, names: Mapping[str, str | None]) -> str:
    """`h1 = exp(x)`, if all names are known."""
    arguments = [text for letter, text in names.items() if letter != "y"]
    if names["y"] is None or None in arguments:
        return title
    return f"{names['y']} = {title}({', '.join(map(str, arguments))})"


def _filled(template: str, names: Mapping[str, str | None]) -> str:
    """A template with names in it; nothing if one of them is not known."""
    try:
        found = template.format_map({k: v for k, v in names.items() if v is not None})
    except (KeyError, IndexError):
        return ""
    return found


def _of_constant(argument: Any) -> str | None:
    return repr(argument) if isinstance(argument, int | float) else None
