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
    """One partial for every array of a function that takes any number of them.

    The function is `(i, g, y, *arrays, **options)`, with `i` the number of the array whose gradient
    is wanted, 0 for the first; a partial for one array is `each[i]`. Where one calculation gives
    the gradients of all arrays at once, `rule(..., together=True)` is the better form.

    >>> product = primitive(lambda *xs: np.prod(np.stack(xs), axis=0))
    >>> others = lambda i, g, y, *xs: g * np.prod(np.stack([*xs[:i], *xs[i + 1 :]]), axis=0)
    >>> bilinear(product, Each(others))
    >>> from tinygrad_bp import gradients, Tensor
    >>> a, b, c = (Tensor(v, requires_grad=True) for v in (2.0, 3.0, 5.0))
    >>> gradients(product(a, b, c), [a, b, c])
    [Tensor(15.), Tensor(10.), Tensor(6.)]
    """

    __slots__ = ("function",)

    def __init__(self, function: Function) -> None:
        self.function = function

    def __getitem__(self, i: Any) -> Any:
        return functools.partial(self.function, i)

    def __len__(self) -> int:
        return sys.maxsize


class Kink(NamedTuple):
    """Where a function has no single slope, and which one was chosen; `rule_of(f).kink` has it.

    >>> found = rule_of(np.absolute).kink
    >>> found.at(np.array([-1.0, 0.0, 2.0]))
    array([False,  True, False])
    >>> found.text
    '|x| at 0, where the slope 0 is chosen'
    """

    at: Function
    """Given the arrays and options of a call, says where, as a boolean array."""
    text: str
    """What happens there, and what was chosen, in words."""


class Rule:
    """How gradients pass through one function, in both directions: what the verbs make.

    `kind` is "elementwise", "linear", "bilinear", "rule", "composite", "constant" or "refused".
    `partials[i](g, y, *arrays, **options)` is what array i receives when `g` arrives at the output;
    `pushes[i](t, y, *arrays, **options)` is how the output moves when array i moves by `t`. With
    `broadcasts`, a partial may come in the output's shape: the engine sums it back. With `together`
    there is one partial for all arrays, which gives a sequence, and one push, which is given one.
    A function of several outputs has tuples for `y` and `g`; through those whose numbers are in
    `flat`, no gradient passes. In the place of a partial, None refuses tensors that track, and
    "flat" says that nothing moves the output there.

    It is a plain object: its formulas can be called on arrays, without a tensor in sight.

    >>> times = rule_of(np.multiply)
    >>> times
    <elementwise rule of multiply>
    >>> g, a, b = 1.0, np.array([2.0, 3.0]), np.array([10.0, 20.0])
    >>> to_a, to_b = times.partials
    >>> to_a(g, a * b, a, b), to_b(g, a * b, a, b)
    (array([10., 20.]), array([2., 3.]))
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
        """Refuse a tensor that tracks where a constant function depends on it smoothly.

        Raises `NotDifferentiableError`. `tracks` says of an argument whether it is one.
        """
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

    It has all that was said of the function: its kind, its formulas, why they hold, where it has a
    kink. The first function without a rule brings in the tables of the optional packages that are
    loaded, such as SciPy.

    >>> rule_of(np.tanh)
    <elementwise rule of tanh>
    >>> rule_of(np.tanh).why
    'The slope of tanh is 1 minus its square: flat where it saturates.'
    >>> rule_of(len) is None
    True
    """
    found = rules.get(function)
    if found is None:
        for package, table in tables.items():
            if package in sys.modules:
                import_module(table)
                found = rules.get(function)
    return found


def registered(function: Function) -> str | None:
    """Return the kind of a function's rule: the verb that registered it, or None if none did.

    >>> [registered(f) for f in (np.exp, np.sum, np.matmul, np.sort, np.std, np.floor, np.roots)]
    ['elementwise', 'linear', 'bilinear', 'rule', 'composite', 'constant', 'refused']
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

    There is one partial for each array: `(g, y, *arrays, **options)` to what that array receives
    when the gradient `g` arrives at the output `y`, in the shape of the output; the engine sums it
    back to the array's. Since the Jacobian is diagonal, the same partials serve forward mode, with
    the array's tangent in the place of `g`.

    None in the place of a partial refuses an array that tracks, as `np.where` does for its
    condition, and "flat" says that the array does not move the output, as the first of
    `np.heaviside` does not. The partials stand for the first parameters of the function, or for
    those that `arrays` names; options are what a partial takes by name, after a `*`.

    Raises `RuleError` if the function has a rule already, unless that is a refusal.

    >>> from tinygrad_bp import grad, jvp
    >>> hyperbola = primitive(lambda x: 1 / x)
    >>> elementwise(hyperbola, lambda g, y, x: -g * y * y)
    >>> grad(hyperbola)(2.0), jvp(hyperbola, (2.0,), (1.0,))
    (array(-0.25), (array(0.5), array(-0.25)))
    >>> grad(grad(hyperbola))(2.0)
    array(0.25)
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
    """Register a function that is linear in its array, by its transpose.

    A linear function y = A x sends gradients back by the transpose, g to Aᵀ g: that is
    `transpose(g, y, x, **options)`, in the shape of x. Forward mode needs nothing more, because the
    tangent of A x is A t. With `together`, the function is linear in all of its arrays at once,
    as `np.concatenate` is, and the transpose gives a sequence with a gradient for each.
    `arrays` and errors are as in `elementwise`.

    >>> from tinygrad_bp import grad, jvp
    >>> differences = primitive(lambda x: x[1:] - x[:-1])
    >>> linear(differences, lambda g, y, x: -np.diff(g, prepend=0.0, append=0.0))
    >>> x = np.array([1.0, 4.0, 9.0])
    >>> grad(lambda x: np.sum(differences(x) * [10.0, 100.0]))(x)
    array([-10., -90., 100.])
    >>> jvp(differences, (x,), (np.array([1.0, 0.0, 0.0]),))[1]
    array([-1.,  0.])
    """
    pushes: Sequence[Function] = _replace_array(function)
    if together:
        pushes = (lambda ts, _, *__, **options: rules[function].form.written(*ts, **options),)
    _add(Rule(function, "linear", (transpose,), pushes, together=together, arrays=arrays))


def bilinear(function: Function, *partials: Any, arrays: Sequence[str] | None = None) -> None:
    """Register a function that is linear in each argument while the others stay, such as a product.

    There is one partial for each array, as in `elementwise`, or an `Each` for any number of them;
    it may be in the shape of the output, and is summed back. Forward mode follows by the product
    rule: the function is called with each array replaced by its tangent in turn.
    `arrays` and errors are as in `elementwise`.

    >>> from tinygrad_bp import grad, jvp
    >>> area = primitive(lambda u, v: u[0] * v[1] - u[1] * v[0])
    >>> turned = lambda v: np.stack([v[1], -v[0]])
    >>> bilinear(area, lambda g, y, u, v: g * turned(v), lambda g, y, u, v: -g * turned(u))
    >>> u, v = np.array([3.0, 1.0]), np.array([1.0, 2.0])
    >>> grad(area)(u, v), jvp(area, (u, v), (u, v))
    (array([ 2., -1.]), (array(5.), array(10.)))
    """
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

    `vjp` is one function for each array, `(g, y, *arrays, **options)` to Jᵀg in the array's shape;
    `jvp` likewise `(t, y, *arrays, **options)` to J t in the output's shape. A function alone
    stands for a list of one. None and "flat" are as in `elementwise`. With `broadcasts`, what `vjp`
    gives may have the shape of the output, and is summed back. With `together`, one function
    gives the gradients of all arrays as a sequence, and one is given all tangents, zeros for those
    that do not move.

    A function may have several outputs: then `y` and `g` are tuples, with zeros in `g` where
    nothing arrived, and `jvp` gives a tuple. Outputs through which no gradient passes, such as
    counts or positions, are named in `flat` by their numbers, 0 for the first: as `np.modf` says
    `flat=(1,)` for the whole part. Their tangents are None. `arrays` and errors are as in
    `elementwise`.

    >>> from tinygrad_bp import grad, jvp
    >>> length = primitive(lambda x: np.sqrt(np.sum(x * x)))
    >>> rule(length, vjp=lambda g, y, x: g * x / y, jvp=lambda t, y, x: np.sum(x * t) / y)
    >>> x = np.array([3.0, 4.0])
    >>> grad(length)(x), jvp(length, (x,), (np.array([1.0, 0.0]),))
    (array([0.6, 0.8]), (array(5.), array(0.6)))

    Two outputs, of which one is flat:

    >>> from tinygrad_bp import Tensor
    >>> parts = primitive(lambda x: (np.abs(x), np.sign(x)))
    >>> rule(parts, flat=(1,), vjp=lambda g, y, x: g[0] * y[1],
    ...                        jvp=lambda t, y, x: (t * y[1], None))
    >>> parts(Tensor([-3.0, 2.0], requires_grad=True))
    (Tensor([3., 2.], op=<lambda>), Tensor([-1.,  1.]))
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
    parameters without a default unless `arrays` names them, and options by keyword. It is what
    runs on tensors, so both modes and all orders follow from the functions that it calls. Errors
    are as in `elementwise`.

    >>> from tinygrad_bp import grad
    >>> spread = primitive(lambda x: np.max(x) - np.min(x))
    >>> composite(spread, lambda x: np.max(x) - np.min(x))
    >>> grad(spread)(np.array([3.0, 9.0, 5.0]))
    array([-1.,  1.,  0.])
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

    They are flat wherever they have a slope, as `np.floor` is, or give no floats, as `np.argmax`.
    `smooth` is given the arguments of a call by name, and returns those of them on which the result
    depends smoothly after all: it is a `NotDifferentiableError` if one of them tracks. Errors are
    as in `elementwise`.

    >>> from tinygrad_bp import Tensor
    >>> longest = primitive(lambda x: np.argmax(np.abs(x)))
    >>> constant(longest)
    >>> longest(Tensor([1.0, -3.0, 2.0], requires_grad=True))
    np.int64(1)
    """
    for function in functions:
        _add(Rule(function, "constant", smooth=smooth))


def fixed_in(name: str) -> Function:
    """Return a function for an argument of a composite that must not track.

    Called on such an argument, it gives the plain value, and raises `NotDifferentiableError` if it
    is a tensor that tracks. `name` is that of the function which the argument belongs to.

    >>> from tinygrad_bp import Tensor
    >>> fixed = fixed_in("quantile")
    >>> fixed(0.5)
    0.5
    >>> fixed(Tensor(0.5, requires_grad=True))
    Traceback (most recent call last):
    tinygrad_bp.errors.NotDifferentiableError: quantile has no derivative rule for an argument ...
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

    `hint` is a sentence that the message ends with; `raises` is the class of the error. A rule that
    is registered for one of the functions later takes the refusal's place. On arrays they work as
    ever.

    >>> from tinygrad_bp import Tensor
    >>> @primitive
    ... def middle(x):
    ...     return sorted(x)[len(x) // 2]
    >>> refused("Use np.median.", middle)
    >>> middle(Tensor([3.0, 1.0, 2.0], requires_grad=True))
    Traceback (most recent call last):
    tinygrad_bp.errors.NotDifferentiableError: middle has no derivative rule. Use np.median.
    """
    for function in functions:
        _add(Rule(function, "refused", hint=hint, raises=raises))


# --- what there is to say about a function ----------------------------------------------------


def why(sentence: str, *functions: Function) -> None:
    """Say in one sentence why the derivative of some functions is what it is.

    Explanations of a step print it beside the formula. The functions have a rule already; raises
    `RuleError` if something was said of one of them.

    >>> double = primitive(lambda x: x + x)
    >>> elementwise(double, lambda g, y, x: 2 * g)
    >>> why("x stands twice in the sum, and what each place sends back adds up.", double)
    >>> rule_of(double).why
    'x stands twice in the sum, and what each place sends back adds up.'
    """
    _say("why", sentence, functions)


def kink(text: str, at: Function, *functions: Function) -> None:
    """Say where some functions have no single slope, and which one was chosen there.

    `at` is given the arrays and options of a call and says where, as a boolean array. Explanations
    mention the kink when a value stands on it. The functions have a rule already; raises
    `RuleError` if one of them has a kink.

    >>> ramp = primitive(lambda x: np.maximum(x, 0))
    >>> elementwise(ramp, lambda g, y, x: g * (x > 0))
    >>> kink("the ramp at 0, where the slope 0 is chosen", lambda x: x == 0, ramp)
    >>> rule_of(ramp).kink.at(np.array([-1.0, 0.0, 1.0]))
    array([False,  True, False])
    """
    _say("kink", Kink(at, text), functions)


def remedy(sentence: str, *functions: Function) -> None:
    """Say what to do where some functions give nan or inf.

    The error of `trace_nans` ends with it. The functions have a rule already; raises `RuleError` if
    one of them has a remedy.

    >>> from tinygrad_bp import Tensor, trace_nans
    >>> inverse = primitive(lambda x: 1 / x)
    >>> elementwise(inverse, lambda g, y, x: -g * y * y)
    >>> remedy("keep x away from 0", inverse)
    >>> with trace_nans(), np.errstate(divide="ignore"):
    ...     inverse(Tensor(0.0, requires_grad=True))
    Traceback (most recent call last):
    tinygrad_bp.errors.NonFiniteError: ... Remedy: keep x away from 0.
    """
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
    when the gradient g arrives at the output y; None for an array that takes no gradient. `jvp`
    likewise says how the output moves, `(t, y, *arrays, **options)`, one function or a list of
    them; without it, forward mode (`jvp`, `hvp`, `hessian`) raises `RuleError`. The body and the
    formulas are given plain arrays, and the formulas tensors when a derivative is to be
    differentiated again, so write them in NumPy calls. A formula may write into its `g` or `t`,
    which is a copy.

    Shapes and dtypes of gradients are checked whenever one is computed: `RuleError` names the
    function. That the numbers are right is for `gradcheck.check` to find out.

    >>> from tinygrad_bp import grad
    >>> @custom_rule(lambda g, y, x: g * y, jvp=lambda t, y, x: t * y)
    ... def exponential(x):
    ...     return np.exp(x)  # or a call into a library that knows nothing of tensors
    >>> grad(exponential)(0.0), grad(grad(exponential))(1.0).round(4)
    (array(1.), np.float64(2.7183))
    >>> from tinygrad_bp.gradcheck import check
    >>> check(exponential, np.array([0.5, -1.0]), forward=True).ok
    True
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
    """Copy what a derivative is given, which others read too, and what it returns.

    It may write into the one, and give the other in one buffer of its own at every call.
    """
    if derivative is None:
        return None

    @functools.wraps(derivative)
    def keeping(g: Any, *args: Any, **options: Any) -> Any:
        g = tuple(map(_copy, g)) if type(g) is tuple else _copy(g)
        result = derivative(g, *args, **options)
        return result if result is g else _copy(result)

    return keeping


def _copy(value: Any) -> Any:
    return value.copy() if type(value) is np.ndarray else value


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
    """Return what a primitive runs on plain arrays, None for any other function.

    >>> from tinygrad_bp.functional import softplus
    >>> from tinygrad_bp.rules import sigmoid
    >>> implementation_of(sigmoid)(np.array([0.0]))
    array([0.5])
    >>> implementation_of(np.exp) is None
    True
    """
    return _IMPLEMENTATIONS.get(function)


def primitive(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function of our own overridable as NumPy's are, by the same protocol (NEP 18).

    Called on a tensor (or whatever else reads rules, such as a symbol that prints a formula) it
    hands the call over, and its rule decides; one of the verbs has to register that. On any other
    arrays it runs: its body is NumPy, which the arrays of other libraries know. `custom_rule` does
    both in one.

    >>> from tinygrad_bp import Tensor
    >>> @primitive
    ... def twice(x):
    ...     return x + x
    >>> twice(np.float64(3.0))
    np.float64(6.0)
    >>> twice(Tensor(3.0, requires_grad=True))
    Traceback (most recent call last):
    tinygrad_bp.errors.NotDifferentiableError: twice has no derivative rule. ...
    >>> elementwise(twice, lambda g, y, x: 2 * g)
    >>> twice(Tensor(3.0, requires_grad=True))
    Tensor(6., op=twice)
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
