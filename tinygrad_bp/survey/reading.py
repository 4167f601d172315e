"""What a rule says of its function: its modes, its family, and what there is to know.

Nothing is written twice: a mode holds if the formulas for it are there, and the functions that a
formula calls are read from its code.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from tinygrad_bp.registry import Each, Rule, implementation_of, rule_of, rules
from tinygrad_bp.rules import cast, unvarying

__all__ = ["FAMILIES", "family", "modes", "notes"]

FAMILIES = {
    "Element by element": "elementwise integrals",
    "Sums, products, extremes and statistics": "reductions products nans statistics quantiles",
    "Running sums, differences and integrals": "running differences",
    "Shapes and axes": "shaping",
    "Joining, splitting and repeating": "joining",
    "Indexing, choosing and sorting": "indexing choosing sorting",
    "Making, padding and windows": "creating padding windows matrices",
    "Products of vectors and matrices": "linalg vectors",
    "Linear algebra": "solving decompositions eigen least_squares norms",
    "Fourier transforms": "fourier",
    "Polynomials, signals and interpolation": "polynomials signals",
    "Functions of functions": "applying",
    "scipy.special": "special",
}
_FAMILY = {file: family for family, files in FAMILIES.items() for file in files.split()}
"""The family of the functions that a file of `tinygrad_bp/rules` has rules for."""


def modes(rule: Rule) -> str:
    """Return which modes a rule serves: R reverse, F forward, 2 for derivatives of derivatives.

    The second order needs that whatever the formulas call has a derivative itself.

    >>> modes(rules[np.tanh])
    'R F 2'
    """
    reverse, forward = _formulas(rule), _formulas(rule, forward=True)
    again = reverse and all(map(_differentiates, _called(reverse, set())))
    return " ".join("RF2"[i] for i, holds in enumerate((reverse, forward, again)) if holds)


def _formulas(rule: Rule, *, forward: bool = False) -> list[Callable[..., Any]]:
    """The functions that state a rule in one direction; a rewriting serves both."""
    if rule.rewritten is not None:
        return [rule.rewritten]
    stated = rule.pushes if forward else rule.partials
    return [stated.function] if isinstance(stated, Each) else [*filter(callable, stated)]


def _called(formulas: Iterable[Any], seen: set[Any]) -> Iterator[Callable[..., Any]]:
    """What formulas call that has rules or should have some, through helpers of ours."""
    for formula in formulas:
        if formula in seen:
            continue
        seen.add(formula)
        for value in _named_in(formula):
            if isinstance(value, np.ufunc) or value in rules:
                yield value
            elif (value.__module__ or "").partition(".")[0] not in ("numpy", "scipy"):
                yield from _called([value], seen)


def _named_in(formula: Any) -> Iterator[Callable[..., Any]]:
    """The functions that a function names, also as attributes of modules."""
    if not inspect.isfunction(formula := _unwrapped(formula)):
        return
    names = {**formula.__globals__, **inspect.getclosurevars(formula).nonlocals}
    for code in _codes_in(formula.__code__):
        value: Any = None
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
                value = vars(value).get(step.argval)
            else:
                loads = step.opname in ("LOAD_GLOBAL", "LOAD_DEREF")
                value = names.get(step.argval) if loads else None
            if isinstance(value, np.ufunc) or inspect.isroutine(value):
                yield value


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    """The code of a function, and of the functions and comprehensions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


def _unwrapped(formula: Any) -> Any:
    while isinstance(formula, partial):
        formula = formula.func
    return formula


def _differentiates(function: Callable[..., Any]) -> bool:
    rule = rule_of(function)
    return rule is not None and rule.kind != "refused"


def notes(rule: Rule) -> str:
    """What there is to say of a function that has a rule, in short sentences."""
    parts = _parts(rule)
    ours = [rule, *(part for part in parts if implementation_of(part.function))]
    notes = {
        "Calls {}.": [f"`{part.name}`" for part in parts if part not in ours],
        "{}": [" ".join(dict.fromkeys(part.why for part in ours if part.why))],
        "*Kink*: {}.": dict.fromkeys(part.kink.text for part in ours if part.kink),
        "No gradient by {}, which must not track.": _arrays(rule, rule.closed),
        "Flat in {}.": _arrays(rule, rule.flat_in),
        "Output {} is flat.": map(str, sorted(rule.flat)),
        "*At nan or inf*: {}.": [rule.remedy],
    }
    said = {text: ", ".join(filter(None, what)) for text, what in notes.items()}
    return " ".join(text.format(what) for text, what in said.items() if what)


def _parts(rule: Rule) -> list[Rule]:
    """The rules of what a rewritten function calls itself, operators apart, by name."""
    called = set() if rule.rewritten is None else {*_named_in(rule.rewritten)} & {*rules}
    called -= {rule.function, cast, unvarying} if len(called) > 1 else {rule.function}
    parts = (rules[function] for function in called)
    return sorted((part for part in parts if part.kind != "constant"), key=lambda r: r.name)


def _arrays(rule: Rule, slots: Iterable[int]) -> list[str]:
    """The names of some arrays of a function: NumPy's, and for SciPy's ufuncs those in the rule."""
    stated = next(filter(callable, rule.partials), None)
    names = list(rule.form.arrays)
    if rule.name.startswith("special.") and stated is not None:
        names = list(inspect.signature(stated).parameters)[2:]
    return [f"`{names[slot]}`" for slot in sorted(slots)]


def family(rule: Rule) -> str:
    """The family of the file that states a rule."""
    stated = _unwrapped(_formulas(rule)[0])
    return _FAMILY[stated.__module__.rpartition(".")[2]]
