"""What a derivative rule is, and the verbs that register one.

A rule belongs to a NumPy function and is itself a plain NumPy expression:

    elementwise(np.exp, lambda g, y, x: g * y)

`g` is the gradient that arrives, `y` the output, then come the call's arrays in NumPy's order, and
its options by keyword. The verb says what kind of function it is, and that decides the rest:

    elementwise(f, *partials)     diagonal in each argument; the same partials serve forward mode
    linear(f, transpose)          its own derivative
    bilinear(f, left, right)      linear in each argument
    rule(f, vjp=, jvp=)           anything else
    composite(f, g)               f is rewritten as g, in registered functions
    constant(*fs)                 flat almost everywhere, or not a float: plain arrays come back
    refused(hint, *fs)            not differentiated here, and the hint says what to do instead

`primitive` makes a function of our own as overridable as NumPy's, and `why`, `kink` and `remedy`
say what a reader should know about a function that has a rule.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Literal, NamedTuple, ParamSpec, TypeAlias, TypeVar

import numpy as np

from tinygrad_bp.calls import Form, name_of
from tinygrad_bp.errors import NotDifferentiableError, RuleError

__all__ = [
    "Array",
    "Each",
    "Kink",
    "Rule",
    "bilinear",
    "composite",
    "constant",
    "custom_rule",
    "elementwise",
    "fixed_in",
    "general",
    "implementation_of",
    "kink",
    "linear",
    "primitive",
    "refused",
    "registered",
    "remedy",
    "rule",
    "rule_of",
    "rules",
    "why",
]

Array: TypeAlias = Any
"""An ndarray, or anything that speaks its protocols: a Tensor, a Symbol, a Dask array."""

Function: TypeAlias = Callable[..., Any]
Partial: TypeAlias = Function | Literal["flat"] | None
Smooth: TypeAlias = Callable[[Mapping[str, Any]], Sequence[Any]]
P = ParamSpec("P")
R = TypeVar("R")

DIFFERENTIABLE = ("elementwise", "linear", "bilinear", "rule")
"""The kinds of rules that state a derivative."""

rules: dict[Function, Rule] = {}
"""Every function whose derivative is decided, with how: composite, constant and refused, too."""

tables: dict[str, str] = {}
"""Optional packages whose functions have rules, and the modules that hold these."""

_IMPLEMENTATIONS: dict[Function, Function] = {}  # of primitives: what runs on plain arrays


class Each(Sequence[Function]):
    """One partial for every array of a function that takes any number; it is told which, as `i`.

    >>> Each(lambda i, g, y, *xs: (i, g))[2]("g", "y")
    (2, 'g')
    """

    __slots__ = ("function",)

    def __init__(self, function: Function) -> None:
        self.function = function

    def __getitem__(self, i: Any) -> Any:
        return functools.partial(self.function, i)

    def __len__(self) -> int:
        return sys.maxsize


class Kink(NamedTuple):
    """Where a function has no single slope, and which one was chosen."""

    at: Function
    """Given the arrays and options of a call, says where, as a boolean array."""
    text: str


class Rule:
    """How gradients pass through one function, in both directions.

    `partials[i](g, y, *arrays, **options)` is what array i receives when `g` arrives at the output;
    `pushes[i](t, y, *arrays, **options)` is how the output moves when array i moves by `t`. With
    `broadcasts`, a partial may come in the output's shape: the engine sums it back. With `together`
    there is one partial for all arrays, which gives a sequence, and one push, which is given one.
    A function of several outputs has tuples for `y` and `g`; those in `flat` take no gradient. In
    the place of a partial, None refuses tensors that track, and "flat" says that nothing moves
    the output there.
    """

    def __init__(
        self,
        function: Function,
        kind: str,
        partials: Sequence[Any] = (),
        pushes: Sequence[Any] = (),
        *,
        broadcasts: bool = False,
        together: bool = False,
        flat: Sequence[int] = (),
        arrays: Sequence[str] | None = None,
        rewritten: Function | None = None,
        smooth: Smooth | None = None,
        hint: str = "",
        raises: type[NotDifferentiableError] = NotDifferentiableError,
    ) -> None:
        self.function = function
        self.name = name_of(function)
        self.kind = kind
        self.differentiable = kind in DIFFERENTIABLE
        self.partials = partials
        slots = () if isinstance(partials, Each) else tuple(enumerate(partials))
        self.closed = frozenset(i for i, p in slots if p is None)
        self.flat_in = frozenset(i for i, p in slots if p == "flat")
        self.pushes = pushes
        self.broadcasts = broadcasts
        self.together = together
        self.flat = frozenset(flat)
        self.rewritten = rewritten
        self.smooth = smooth
        self.hint = hint
        self.raises = raises
        self.general: Function | None = None
        """Stands for calls with arguments that this rule does not take, if they are rewritten."""
        self.why = self.remedy = ""
        self.kink: Kink | None = None
        self._declared = arrays
        self._form: Form | None = None
        self.forward: Function = self._forward_first
        """Calls the function from the normal form: `forward(*arrays, **options)`."""

    def __repr__(self) -> str:
        return f"<{self.kind} rule of {self.name}>"

    @property
    def form(self) -> Form:
        """How calls are bound; found out when first used, since reflection takes its time."""
        if self._form is None:
            self._form = self._reflect()
            self.forward = self._form.call
        return self._form

    def _forward_first(self, *arrays: Any, **options: Any) -> Any:
        return self.form.call(*arrays, **options)

    def _reflect(self) -> Form:
        """Read off a partial how many arrays the function has, and which options it needs."""
        skip = 2  # g, y
        if self.rewritten is not None:
            stated, skip = self.rewritten, 0
        elif isinstance(self.partials, Each):
            stated, skip = self.partials.function, 3  # i, g, y
        else:
            stated = next(p for p in self.partials if callable(p))
        given = list(inspect.signature(stated).parameters.values())[skip:]
        arrays = [p for p in given if p.kind is p.VAR_POSITIONAL or self._is_array(p)]
        return Form(
            self.function,
            self._declared or len(arrays),
            [p.name for p in given if p not in arrays],
            many=any(p.kind is p.VAR_POSITIONAL for p in given),
            body=_IMPLEMENTATIONS.get(self.function),
        )

    def _is_array(self, parameter: inspect.Parameter) -> bool:
        """By position and without a default: what has a default, or a name only, is an option."""
        if self._declared is not None and self.rewritten is not None:
            return parameter.name in self._declared
        positional = (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        return parameter.kind in positional and parameter.default is parameter.empty

    def check_constant(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], tracks: Callable[[Any], bool]
    ) -> None:
        """Refuse a tensor that tracks where a constant function depends on it smoothly."""
        if self.smooth is None:
            return
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        if any(map(tracks, self.smooth(bound.arguments))):
            raise NotDifferentiableError(
                f"{self.name} has no derivative rule for an argument that its result depends on, "
                "and a tensor that tracks was passed there. Use detach() if it is meant as a "
                "constant."
            )


def rule_of(function: Function) -> Rule | None:
    """Return the rule of a function, None if it has none.

    The first function without one brings in the tables of the optional packages that are loaded.
    """
    found = rules.get(function)
    if found is None:
        for package, table in tables.items():
            if package in sys.modules:
                import_module(table)
                found = rules.get(function)
    return found


def registered(function: Function) -> str | None:
    """Return how a function is registered: its rule's kind, composite, constant, refused or None.

    >>> registered(len) is None
    True
    """
    found = rule_of(function)
    return None if found is None else found.kind


def _add(new: Rule) -> None:
    """A function has one rule: two would make the gradient a matter of import order."""
    before = rule_of(new.function)
    if before is not None and before.kind != "refused":
        raise RuleError(f"{new.name} is registered already, as {before.kind}")
    rules[new.function] = new


def elementwise(
    function: Function, *partials: Partial, arrays: Sequence[str] | None = None
) -> None:
    """Register a function that acts on each element by itself, with broadcasting.

    None stands for an array that takes no gradient, such as a condition, and "flat" for one that
    does not move the output. The partials stand for the first parameters of the function, or for
    those that `arrays` names.
    """
    _add(Rule(function, "elementwise", partials, partials, broadcasts=True, arrays=arrays))


def _replace_array(function: Function) -> Each:
    """The push of a function that is linear in each array: call it on the tangent."""

    def push(i: int, t: Array, _: Array, *arrays: Any, **options: Any) -> Array:
        return rules[function].form.written(*arrays[:i], t, *arrays[i + 1 :], **options)

    return Each(push)


def linear(
    function: Function,
    transpose: Function,
    *,
    together: bool = False,
    arrays: Sequence[str] | None = None,
) -> None:
    """Register a function that is linear in its array; with `together`, in all of its arrays."""
    pushes: Sequence[Function] = _replace_array(function)
    if together:
        pushes = (lambda ts, _, *__, **options: rules[function].form.written(*ts, **options),)
    _add(Rule(function, "linear", (transpose,), pushes, together=together, arrays=arrays))


def bilinear(function: Function, *partials: Any, arrays: Sequence[str] | None = None) -> None:
    """Register a function that is linear in each argument, such as a product."""
    table = partials[0] if isinstance(partials[0], Each) else partials
    pushes = _replace_array(function)
    _add(Rule(function, "bilinear", table, pushes, broadcasts=True, arrays=arrays))


def rule(
    function: Function,
    *,
    vjp: Function | Sequence[Partial],
    jvp: Function | Sequence[Partial],
    broadcasts: bool = False,
    together: bool = False,
    flat: Sequence[int] = (),
    arrays: Sequence[str] | None = None,
) -> None:
    """Register any other function by its vector-Jacobian and Jacobian-vector products.

    `flat` numbers the outputs, of several, that take no gradient.
    """
    partials = (vjp,) if callable(vjp) else vjp
    pushes = (jvp,) if callable(jvp) else jvp
    _add(
        Rule(
            function,
            "rule",
            partials,
            pushes,
            broadcasts=broadcasts,
            together=together,
            flat=flat,
            arrays=arrays,
        )
    )


def composite(
    function: Function, rewritten: Function, *, arrays: Sequence[str] | None = None
) -> None:
    """Register a function by its rewriting in registered functions.

    `rewritten` is given the normal form of a call, as a rule is: arrays by position, which are its
    parameters without a default unless `arrays` names them, and options by keyword.
    """
    _add(Rule(function, "composite", rewritten=rewritten, arrays=arrays))


def general(
    function: Function, rewritten: Function, *, arrays: Sequence[str] | None = None
) -> None:
    """Say how calls with arguments that a function's rule does not take are rewritten.

    `rewritten` is made of functions that have rules, as for `composite`, and stands for the
    function in such calls.

    >>> from tinygrad_bp import Tensor
    >>> np.sum(Tensor([1.0, 2.0]), where=[True, False], initial=5.0)
    Tensor(6.)
    """
    rules[function].general = rewritten
    rules[rewritten] = Rule(function, "composite", rewritten=rewritten, arrays=arrays)


def constant(*functions: Function, smooth: Smooth | None = None) -> None:
    """Register functions through which no gradient passes: plain arrays come back.

    `smooth` is given the arguments of a call by name, and returns those of them on which the result
    depends smoothly after all: it is an error if one of them tracks.
    """
    for function in functions:
        _add(Rule(function, "constant", smooth=smooth))


def fixed_in(name: str) -> Function:
    """Return what makes an argument of a composite plain, and raises if it tracks.

    The name is that of the function which the argument belongs to.

    >>> fixed_in("quantile")(0.5)
    0.5
    """

    def fixed(value: Any) -> Any:
        return value

    fixed.__name__ = name
    made = primitive(fixed)
    constant(made, smooth=lambda given: [given["value"]])
    return made


def refused(
    hint: str,
    *functions: Function,
    raises: type[NotDifferentiableError] = NotDifferentiableError,
) -> None:
    """Register functions that raise on tensors, with what to do instead.

    A rule that is registered for one of them later takes the refusal's place.
    """
    for function in functions:
        _add(Rule(function, "refused", hint=hint, raises=raises))


# --- what there is to say about a function ----------------------------------------------------


def why(sentence: str, *functions: Function) -> None:
    """Say in one sentence why the derivative of some functions is what it is."""
    _say("why", sentence, functions)


def kink(text: str, at: Function, *functions: Function) -> None:
    """Say where some functions have no single slope, and which one was chosen there.

    `at` is given the arrays and options of a call and says where, as a boolean array.
    """
    _say("kink", Kink(at, text), functions)


def remedy(sentence: str, *functions: Function) -> None:
    """Say what to do where some functions give nan or inf."""
    _say("remedy", sentence, functions)


def _say(what: str, said: Any, functions: Sequence[Function]) -> None:
    """Each is said once: of two sentences for one function, one would never be read."""
    for function in functions:
        about = rules[function]
        if getattr(about, what):
            raise RuleError(f"{about.name} has a {what} already: {getattr(about, what)!r}")
        setattr(about, what, said)


# --- functions of our own ---------------------------------------------------------------------


def custom_rule(
    *vjp: Function | None, jvp: Function | Sequence[Function | None] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that makes an op of a function, with a derivative of its own.

    `vjp` has one function for each array, `(g, y, *arrays, **options)` to what that array receives
    when g arrives at the output y; None for an array that takes no gradient. `jvp` likewise says
    how the output moves, `(t, y, *arrays, **options)`; without it, forward mode raises. Shapes and
    dtypes of gradients are checked whenever one is computed: `RuleError` names the function.

    >>> @custom_rule(lambda g, y, x: g * 3 * x * x)
    ... def cube(x):
    ...     return x * x * x
    >>> float(cube(2.0))
    8.0
    """
    pushes = jvp if jvp is not None else [_without_jvp] * len(vjp)
    if callable(pushes):
        pushes = [pushes]

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        made = primitive(function)
        rule(made, vjp=[*map(_kept, vjp)], jvp=[*map(_kept, pushes)])
        return made

    return decorate


def _kept(derivative: Function | None) -> Function | None:
    """Copy what a derivative returns: it may give one buffer of its own at every call."""
    if derivative is None:
        return None

    @functools.wraps(derivative)
    def keeping(g: Any, *args: Any, **options: Any) -> Any:
        result = derivative(g, *args, **options)
        return result.copy() if type(result) is np.ndarray and result is not g else result

    return keeping


def _without_jvp(*_: Any, **__: Any) -> Any:
    raise RuleError(
        "a custom rule was given no jvp=, which forward mode (jvp, hvp, hessian) needs; give it "
        "one, or use jacobian(..., mode='reverse')"
    )


def _decides(kind: type) -> bool:
    """Whether arrays of a kind are asked what a function of ours is.

    Those of other libraries do not know it; some (Dask's) would then be computed.
    """
    return hasattr(kind, "rank")


def implementation_of(function: Function) -> Function | None:
    """Return what a primitive runs on plain arrays, None for any other function."""
    return _IMPLEMENTATIONS.get(function)


def primitive(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of our own overridable as NumPy's are, by the same protocol (NEP 18).

    Called on a `DuckArray` (a Tensor, a Symbol) it hands the call over. On any other arrays it
    runs: its body is NumPy, which the arrays of other libraries know.

    >>> @primitive
    ... def twice(x):
    ...     return x + x
    >>> twice(np.float64(3.0))
    np.float64(6.0)
    """

    @functools.wraps(function)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> R:
        ducks = [a for a in (*args, *kwargs.values()) if _decides(type(a))]
        for a in ducks:
            result = a.__array_function__(dispatch, tuple(map(type, ducks)), args, kwargs)  # type: ignore[attr-defined]
            if result is not NotImplemented:
                return result  # type: ignore[no-any-return]
        return function(*args, **kwargs)

    _IMPLEMENTATIONS[dispatch] = function
    return dispatch
