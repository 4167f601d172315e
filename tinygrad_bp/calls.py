"""The normal form of a call: every array in NumPy's order, every option by its name.

    np.clip(t, a_max=1, a_min=0)    clip, (t, 0, 1), {}
    np.concatenate([t, u])          concatenate, (t, u), {"axis": 0}
    np.einsum(t, [0, 1], [0])       einsum, (t,), {"subscripts": "ab->a", "optimize": False}

A rule is given every call in this form, however the user wrote it. `Form` binds a call to the
function's signature, and calls the function from the normal form.
"""

from __future__ import annotations

import inspect
import string
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Never, TypeAlias

import numpy as np

from tinygrad_bp.errors import InPlaceError, NotDifferentiableError

__all__ = [
    "Form",
    "name_of",
    "parameters_of",
]

Function: TypeAlias = Callable[..., Any]
Bound: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]

_EMPTY: Any = inspect.Parameter.empty
_MISSING: Any = getattr(np, "_NoValue", None)  # NumPy's default of an argument left out

# NumPy's C functions have no signature before 2.4, and `reshape` knew its shape by another name.
_WRITTEN = {
    np.concatenate: "arrays, /, axis=0, out=None, *, dtype=None, casting='same_kind'",
    np.copyto: "dst, src, casting='same_kind', where=True",
    np.dot: "a, b, out=None",
    np.inner: "a, b, /",
    np.vdot: "a, b, /",
    np.where: "condition, x=None, y=None, /",
}
# `pad` has a keyword for each mode, which its signature does not say.
_KEYWORDS = {
    np.pad: "array, pad_width, mode='constant', *, constant_values=0, end_values=0, "
    "stat_length=None, reflect_type='even'",
}
_ALIASES = {"newshape": "shape"}
_WITH_NEWS = {np.sort, np.partition}
"""Functions with options that other libraries do not know yet."""
_PREFIXES = {
    "numpy.linalg": "linalg.",
    "numpy.fft": "fft.",
    "numpy.lib.stride_tricks": "lib.stride_tricks.",
}
_BOTH_CASES = string.ascii_uppercase + string.ascii_lowercase
_UFUNC = "out=None, where=True, casting='same_kind', order='K', dtype=None, subok=True"


def name_of(function: Function) -> str:
    """Return the name a reader knows the function by: `exp`, `linalg.norm`, `sigmoid`.

    >>> name_of(np.linalg.norm), name_of(np.exp)
    ('linalg.norm', 'exp')
    """
    module = getattr(function, "__module__", None) or ""
    name: str = getattr(function, "__name__", repr(function))
    if isinstance(function, np.ufunc) and getattr(np, name, None) is not function:
        name = name.removeprefix("_")  # special.zeta is a function around the ufunc `_zeta`
        return "special." * hasattr(sys.modules.get("scipy.special"), name) + name
    return _PREFIXES.get(module, "") + name


def parameters_of(function: Function) -> list[inspect.Parameter]:
    """Return a function's parameters, under the names that the newest NumPy has for them.

    >>> [p.name for p in parameters_of(np.swapaxes)]
    ['a', 'axis1', 'axis2']
    """
    written = _KEYWORDS.get(function)
    try:
        found = list(inspect.signature(function).parameters.values())
    except ValueError:
        written = _WRITTEN.get(function)
        if written is None:
            inputs = getattr(function, "nin", 1)  # a ufunc, then
            names = ["x"] if inputs == 1 else [f"x{i + 1}" for i in range(inputs)]
            written = f"{', '.join(names)}, /, {_UFUNC}"
    if written is not None:
        read = eval(f"lambda {written}: None", {})  # noqa: S307  (the texts above)
        found = list(inspect.signature(read).parameters.values())
    if isinstance(function, np.ufunc):  # these may be None, one for each output
        found = [p.replace(default=None) if p.name == "out" else p for p in found]
    if function is np.einsum:  # the first of its operands, when it is text
        found.insert(1, inspect.Parameter("subscripts", inspect.Parameter.KEYWORD_ONLY))
    both = {p.name for p in found}  # NumPy 2.1 has both names
    known = [p for p in found if _ALIASES.get(p.name) not in both]
    return [p.replace(name=_ALIASES.get(p.name, p.name)) for p in known]


class _Argument(NamedTuple):
    """Where one parameter's value stands in a call, if it is given there."""

    name: str
    place: int | None
    default: Any


class _Plan(NamedTuple):
    """How calls with so many positional arguments and these keywords are bound."""

    arrays: list[_Argument]
    options: list[_Argument]
    others: list[_Argument]  # given, but unknown to the rule: they must stand at their defaults


class Form:
    """How a function is called, and what its rule sees of a call: arrays, then options.

    `arrays` names the parameters that hold arrays, or says how many of the first ones do; with
    `many`, the first parameter is a sequence of them, or takes all positional arguments. What a
    function passes on to another (`*args`, `**kwargs`) is a tuple and a dict, if the rule names it.

    >>> form = Form(np.clip, 3, ())
    >>> form.bind((5.0,), {"a_max": 1, "a_min": 0})
    ((5.0, 0, 1), {})
    >>> Form(np.concatenate, 1, ("axis",), many=True).bind(([1.0], [2.0])[:1], {})
    ((1.0,), {'axis': 0})
    """

    def __init__(
        self,
        function: Function,
        arrays: int | Sequence[str],
        options: Sequence[str],
        *,
        many: bool = False,
        body: Function | None = None,
    ) -> None:
        self.function = function
        self.name = name_of(function)
        self.many = many
        self.parameters = {p.name: p for p in parameters_of(function)}
        names = list(self.parameters)
        self.arrays = tuple(names[:arrays] if isinstance(arrays, int) else arrays)
        self.options = tuple(name for name in options if name in self.parameters)
        kinds = {p.kind: p.name for p in self.parameters.values()}
        rest = kinds.get(inspect.Parameter.VAR_POSITIONAL)
        self._passed_on = (rest, kinds.get(inspect.Parameter.VAR_KEYWORD))
        self._passes_on = rest in self.options
        self.spread = rest is not None and not self._passes_on
        self._plans: dict[tuple[int, tuple[str, ...]], _Plan] = {}
        self.written = self._caller(function)
        """Calls the function from the normal form: `written(*arrays, **options)`."""
        self.call = self.written if body is None else self._caller(body)
        """The same, but for a primitive its body, which asks no array what to do."""

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Bound:
        """Return a call's arrays, in the function's order, and its options, all of them.

        Raises `NotDifferentiableError` for an argument that the rule does not know, unless it
        stands at its default, and `TypeError` for a call that the function does not take either.
        """
        if kwargs.get("out") is not None:
            self._refuse("out")
        if self.function is np.einsum:
            args, kwargs = _einsum_in_order(args, kwargs)
        many: tuple[Any, ...] = ()
        if self._passes_on:
            args, kwargs = self._gathered(args, kwargs)
        if self.spread:
            args, many = (), tuple(args)
        plan, values = self._planned(args, kwargs)
        for name, place, default in plan.others:
            if not _is_default(values[place], default):  # type: ignore[index]
                self._refuse(name)
        arrays = tuple([_value(values, argument) for argument in plan.arrays])
        options = {argument.name: _value(values, argument) for argument in plan.options}
        if self.spread:
            arrays = many
        elif self.many:
            arrays = tuple(arrays[0])
        return arrays, options

    def _gathered(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Bound:
        """Put what is passed on to another function under the names that the parameters have."""
        rest, keywords = self._passed_on
        count = list(self.parameters).index(rest)  # type: ignore[arg-type]
        named = {key: value for key, value in kwargs.items() if key in self.parameters}
        others = {key: value for key, value in kwargs.items() if key not in self.parameters}
        return tuple(args[:count]), {**named, rest: tuple(args[count:]), keywords: others}  # type: ignore[dict-item]

    def takes(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Whether all arrays are given, and all that the rule does not know is at its default."""
        plan, values = self._planned(args, kwargs)
        return all(argument.place is not None for argument in plan.arrays) and all(
            _is_default(values[place], default)  # type: ignore[index]
            for _, place, default in plan.others
        )

    def _planned(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[_Plan, tuple[Any, ...]]:
        key = len(args), tuple(kwargs)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(*key)
        return plan, (*args, *kwargs.values())

    def _plan(self, count: int, keywords: tuple[str, ...]) -> _Plan:
        by_position = [
            p.name
            for p in self.parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        given = (*by_position[:count], *(_ALIASES.get(key, key) for key in keywords))
        if count > len(by_position) or len(set(given)) < len(given):
            raise TypeError(f"{self.name}() was given too many arguments, or one of them twice")
        if unknown := [name for name in given if name not in self.parameters]:
            if isinstance(self.function, np.ufunc) or self._takes_any_keyword():
                self._refuse(unknown[0])
            raise TypeError(f"{self.name}() got an unexpected keyword argument {unknown[0]!r}")
        places = {name: i for i, name in enumerate(given)}
        known = [] if self.spread else self.arrays

        def argument(name: str) -> _Argument:
            default = _default(self.parameters[name])
            if name not in places and default is _EMPTY:
                raise TypeError(f"{self.name}() needs the argument {name!r}")
            return _Argument(name, places.get(name), default)

        return _Plan(
            [argument(name) for name in known],
            [argument(name) for name in self.options],
            [argument(name) for name in given if name not in (*known, *self.options)],
        )

    def as_written(
        self, arrays: Sequence[Any], options: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return arguments as one would write them: options that stand at their defaults left out.

        >>> Form(np.sum, 1, ("axis", "keepdims")).as_written(["x"], {"axis": 0, "keepdims": False})
        (['x'], {'axis': 0})
        """
        if self.function is np.einsum:
            subscripts, options = options["subscripts"], {"optimize": options["optimize"]}
            arrays = [subscripts, *arrays]
        if self.many and not self.spread:
            arrays = [list(arrays)]
        args: list[Any] = list(arrays)
        kwargs: dict[str, Any] = {}
        for name, value in options.items():
            parameter = self.parameters[name]
            required = parameter.default is _EMPTY and parameter.kind is not parameter.KEYWORD_ONLY
            if required and not kwargs:
                args.append(value)
            elif not _is_default(value, _default(parameter)):
                kwargs[name] = value
        return args, kwargs

    def _takes_any_keyword(self) -> bool:
        return any(p.kind is p.VAR_KEYWORD for p in self.parameters.values())

    def _refuse(self, name: str) -> Never:
        if name == "out":
            raise InPlaceError(
                f"{self.name}(out=...) would overwrite values the graph may need; "
                "use the returned value."
            )
        known = ", ".join(sorted(self.options)) or "none"
        raise NotDifferentiableError(
            f"{self.name} has a derivative rule, but not with '{name}' ({name}=...); supported "
            f"keywords: {known}. Leave {name} out, or detach() the tensors if no gradient is "
            "needed."
        )

    def _caller(self, body: Function) -> Function:
        """Return what calls the function from the normal form."""
        if self.function is np.einsum:
            return lambda *arrays, subscripts, **options: body(subscripts, *arrays, **options)
        if self.many and not self.spread:
            return lambda *arrays, **options: body(arrays, **options)
        names = list(self.parameters)
        first = sum(1 for a, b in zip(self.arrays, names, strict=False) if a == b)
        later = self.arrays[first:]
        if later and not self.many:
            return lambda *arrays, **options: body(
                *arrays[:first], **dict(zip(later, arrays[first:], strict=True)), **options
            )
        if self.function is np.reshape:  # the name of the shape is not the same everywhere
            return lambda a, *, shape: body(a, (shape,) if isinstance(shape, int) else shape)
        if self.function in _WITH_NEWS:
            return self._sparing(body)
        return body

    def _sparing(self, body: Function) -> Function:
        """Return what calls a function with no more options than are needed."""

        def call(*arrays: Any, **options: Any) -> Any:
            args, kwargs = self.as_written(arrays, options)
            return body(*args, **kwargs)

        return call


def _default(parameter: inspect.Parameter) -> Any:
    if parameter.default is _MISSING:
        # Of NumPy's functions, linalg.pinv alone has such an rtol.
        return {"keepdims": False, "where": True, "rtol": 1e-15}.get(parameter.name)
    return parameter.default


def _value(values: tuple[Any, ...], argument: _Argument) -> Any:
    if argument.place is None:
        return argument.default
    value = values[argument.place]
    return argument.default if value is _MISSING else value


def _is_default(value: Any, default: Any) -> bool:
    if value is default or value is _MISSING:
        return True
    if type(value) is tuple and value and default is None:  # out=(None,)
        return all(part is None for part in value)
    return type(value) is type(default) and type(value) in (str, bool, int, float) and (
        value == default
    )  # fmt: skip


def _einsum_in_order(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Bound:
    """Write einsum(a, [0, 1], b, [1], [0]) as einsum("ab,b->a", a, b), subscripts by keyword."""
    if args and isinstance(args[0], str):
        return tuple(args[1:]), {**kwargs, "subscripts": args[0]}
    labels = list(args[1::2]) + ([args[-1]] if len(args) % 2 else [])
    numbers = sorted({label for row in labels for label in row if label is not ...})
    # In the order of the numbers, since an output that is not given is in alphabetical order.
    alphabet = string.ascii_lowercase if len(numbers) <= 26 else _BOTH_CASES
    letters: dict[Any, str] = {**dict(zip(numbers, alphabet, strict=False)), ...: "..."}
    written = ["".join(letters[label] for label in row) for row in labels]
    operands = args[: len(args) // 2 * 2 : 2]
    subscripts = "->".join([",".join(written[: len(operands)]), *written[len(operands) :]])
    return tuple(operands), {**kwargs, "subscripts": subscripts}
