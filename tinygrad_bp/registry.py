"""What a derivative rule is, and the verbs that register one.

A rule belongs to a NumPy function and is itself a plain NumPy expression:

    elementwise(np.exp, lambda g, y, x: g * y)

`g` is the gradient that arrives, `y` the output, then NumPy's own arguments, spelled and ordered
as NumPy does. The verb says what kind of function it is, and that decides everything else:

    elementwise(f, *partials)     diagonal in each argument; the same partials serve forward mode
    linear(f, transpose)          its own derivative
    bilinear(f, left, right)      linear in each argument
    rule(f, vjp=, jvp=)           anything else
    composite(f, g)               f is rewritten as g, in registered functions
    constant(*fs)                 flat almost everywhere, or not a float: plain arrays come back
    refused(hint, *fs)            not differentiated here, and the hint says what to do instead

`primitive` makes a function of our own as overridable as NumPy's.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np

from tinygrad_bp.errors import NotDifferentiableError, RuleError

__all__ = [
    "Array",
    "Each",
    "Rule",
    "bilinear",
    "composite",
    "constant",
    "elementwise",
    "find_rule",
    "implementation_of",
    "linear",
    "name_of",
    "primitive",
    "refused",
    "registered",
    "rule",
    "rules",
]

Array: TypeAlias = Any
"""An ndarray, or anything that speaks its protocols: a Tensor, a Symbol, a Dask array."""

Function: TypeAlias = Callable[..., Any]
P = ParamSpec("P")
R = TypeVar("R")

rules: dict[Function, Rule] = {}
_COMPOSITES: dict[Function, Function] = {}
_CONSTANTS: set[Function] = set()
_REFUSED: dict[Function, str] = {}
_IMPLEMENTATIONS: dict[Function, Function] = {}  # of primitives: what runs on plain arrays


class Each(Sequence[Function]):
    """One partial for every argument of a variadic function; it is told which one, as `i`.

    >>> Each(lambda i, g, y, *xs: (i, g))[2]("g", "y")
    (2, 'g')
    """

    __slots__ = ("function", "start")

    def __init__(self, function: Function, *, start: int = 0) -> None:
        self.function = function
        self.start = start  # arguments before this one take no gradient

    def __getitem__(self, i: Any) -> Any:
        if i < self.start:
            raise IndexError(i)
        return functools.partial(self.function, i)

    def __len__(self) -> int:
        raise TypeError("a variadic function has as many partials as it is given arguments")


class Rule:
    """How gradients pass through one function, in both directions.

    `partials[i](g, y, *args, **options)` is what argument i receives when `g` arrives at the
    output; `pushes[i](t, y, *args, **options)` is how the output moves when argument i moves
    by `t`. With `broadcasts`, a partial may come in the output's shape: the engine sums it back.
    """

    __slots__ = (
        "broadcasts",
        "called_by",
        "called_through",
        "first",
        "forward",
        "function",
        "keywords",
        "kind",
        "last",
        "name",
        "partials",
        "positional",
        "pushes",
        "required",
    )

    def __init__(
        self,
        function: Function,
        kind: str,
        partials: Sequence[Any],  # None for an argument that takes no gradient
        pushes: Sequence[Any],
        *,
        broadcasts: bool,
    ) -> None:
        self.function = function
        self.forward = _IMPLEMENTATIONS.get(function, function)
        self.name = name_of(function)
        self.kind = kind
        self.partials = partials
        self.pushes = pushes
        self.broadcasts = broadcasts
        # The user's function that called it when it was last recorded, and those in between.
        self.called_by: CodeType | None = None
        self.called_through: Sequence[CodeType] = ()
        # The arguments that take a gradient are those from `first` to `last`.
        if isinstance(partials, Each):
            self.first, self.last = partials.start, sys.maxsize
        else:
            self.first, self.last = partials.count(None), len(partials) - 1
        self.required, self.positional, self.keywords = _signature(partials)

    def __repr__(self) -> str:
        return f"<{self.kind} rule of {self.name}>"

    def check_call(self, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """Refuse what the rule cannot see: a silently ignored argument is a wrong gradient."""
        unknown = [key for key in options if key not in self.keywords]
        if unknown:
            raise NotDifferentiableError(
                f"{self.name}({unknown[0]}=...) has no derivative rule; supported keywords: "
                f"{', '.join(sorted(self.keywords)) or 'none'}. Leave {unknown[0]}= out, or "
                "detach() the tensors if no gradient is needed."
            )
        if not self.required <= len(args) <= self.positional:
            raise NotDifferentiableError(
                f"{self.name} was given {len(args)} arguments by position; its derivative rule "
                f"sees {self.required} to {self.positional:g}. Pass arrays by position and "
                "options by keyword, if it supports them."
            )


def _signature(partials: Sequence[Function | None]) -> tuple[int, float, frozenset[str]]:
    """How many arguments a rule needs and takes by position, and which it takes by keyword."""
    function = partials.function if isinstance(partials, Each) else partials[-1]
    code = function.__code__  # type: ignore[union-attr]
    skip = 3 if isinstance(partials, Each) else 2  # (i,) g, y
    defaults = len(function.__defaults__ or ())  # type: ignore[union-attr]
    required = code.co_argcount - skip - defaults
    positional = math.inf if code.co_flags & inspect.CO_VARARGS else code.co_argcount - skip
    # Arrays come first and by position; only what has a default is an option.
    named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return required, positional, frozenset(named[code.co_argcount - defaults :])


def name_of(function: Function) -> str:
    """Return the name a reader knows the function by: `exp`, `linalg.norm`, `sigmoid`.

    >>> name_of(np.linalg.norm), name_of(np.exp)
    ('linalg.norm', 'exp')
    """
    module = getattr(function, "__module__", None) or ""
    name: str = getattr(function, "__name__", repr(function))
    prefix = "linalg." if module == "numpy.linalg" else "fft." if module == "numpy.fft" else ""
    return prefix + name


def _claim(function: Function) -> None:
    """A function has exactly one rule: two would make the gradient a matter of import order."""
    if registered(function) is not None:
        raise RuleError(f"{name_of(function)} is registered already, as {registered(function)}")


def registered(function: Function) -> str | None:
    """Return how a function is registered: its rule's kind, composite, constant, refused or None.

    >>> registered(len) is None
    True
    """
    if function in rules:
        return rules[function].kind
    if function in _COMPOSITES:
        return "composite"
    if function in _CONSTANTS:
        return "constant"
    return "refused" if function in _REFUSED else None


def _add(new: Rule) -> None:
    _claim(new.function)
    rules[new.function] = new


def elementwise(function: Function, *partials: Function | None) -> None:
    """Register a function that acts on each element by itself, with broadcasting.

    None stands for an argument that takes no gradient, such as a condition.
    """
    _add(Rule(function, "elementwise", partials, partials, broadcasts=True))


def _replace_argument(function: Function) -> Each:
    """The push of a function that is linear in each argument: call it on the tangent."""

    def push(i: int, t: Array, _: Array, *args: Any, **options: Any) -> Array:
        return function(*args[:i], t, *args[i + 1 :], **options)

    return Each(push)


def linear(function: Function, transpose: Function) -> None:
    """Register a function that is linear in its first argument."""
    _add(Rule(function, "linear", (transpose,), _replace_argument(function), broadcasts=False))


def bilinear(function: Function, *partials: Any) -> None:
    """Register a function that is linear in each argument, such as a product."""
    table = partials[0] if isinstance(partials[0], Each) else partials
    _add(Rule(function, "bilinear", table, _replace_argument(function), broadcasts=True))


def rule(
    function: Function,
    *,
    vjp: Function | Sequence[Function],
    jvp: Function | Sequence[Function],
    broadcasts: bool = False,
) -> None:
    """Register any other function by its vector-Jacobian and Jacobian-vector products."""
    partials = (vjp,) if callable(vjp) else vjp
    pushes = (jvp,) if callable(jvp) else jvp
    _add(Rule(function, "rule", partials, pushes, broadcasts=broadcasts))


def composite(function: Function, rewritten: Function) -> None:
    """Register a function by its rewriting in registered functions, with the same arguments."""
    _claim(function)
    _COMPOSITES[function] = rewritten


def constant(*functions: Function) -> None:
    """Register functions through which no gradient passes: plain arrays come back."""
    for function in functions:
        _claim(function)
        _CONSTANTS.add(function)


def refused(hint: str, *functions: Function) -> None:
    """Register functions that raise on tensors, with what to do instead."""
    for function in functions:
        _claim(function)
        _REFUSED[function] = hint


def implementation_of(function: Function) -> Function | None:
    """Return what a primitive runs on plain arrays, None for any other function."""
    return _IMPLEMENTATIONS.get(function)


def find_rule(function: Function) -> Rule | Function | None:
    """Return a function's rule, its rewriting if it is composite, or None if it is constant.

    Raises `NotDifferentiableError` for everything else.
    """
    if (found := rules.get(function)) is not None:
        return found
    if (rewritten := _COMPOSITES.get(function)) is not None:
        return rewritten
    if function in _CONSTANTS:
        return None
    hint = _REFUSED.get(
        function,
        "Register a rule with tinygrad_bp.registry, or detach() the tensors if no gradient "
        "is needed.",
    )
    raise NotDifferentiableError(f"{name_of(function)} has no derivative rule. {hint}")


def primitive(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of our own overridable as NumPy's are, by the same protocol (NEP 18).

    Called on plain arrays it runs; called on anything with its own `__array_function__`
    (a Tensor, a Symbol) it hands the call over.

    >>> @primitive
    ... def twice(x):
    ...     return x + x
    >>> twice(np.float64(3.0))
    np.float64(6.0)
    """

    @functools.wraps(function)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> R:
        for a in args:
            kind = type(a)
            if kind is not np.ndarray and hasattr(kind, "__array_function__"):
                result = a.__array_function__(dispatch, (kind,), args, kwargs)  # type: ignore[attr-defined]
                if result is not NotImplemented:
                    return result  # type: ignore[no-any-return]
        # A foreign array that does not know the function: its body is NumPy, which it does know.
        return function(*args, **kwargs)

    _IMPLEMENTATIONS[dispatch] = function
    return dispatch
