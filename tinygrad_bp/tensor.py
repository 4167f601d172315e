"""Tensor: an array, its gradient, and the op that made it.

Everything a tensor can do goes through `record`: run the function on the arrays, and if any
input tracks gradients, remember the call. Operators and methods call it directly; NumPy's own
functions arrive through `__array_ufunc__` (NEP 13) and `__array_function__` (NEP 18).
"""

from __future__ import annotations

import functools
import html
import inspect
import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final, Never, ParamSpec, Self, TypeVar

import numpy as np

import tinygrad_bp.rules  # noqa: F401  (registers them)
from tinygrad_bp import engine, primitives
from tinygrad_bp.engine import Mode, Observer, Variable, make_op, mode
from tinygrad_bp.errors import (
    ConversionError,
    GradientError,
    InPlaceError,
    NotDifferentiableError,
    ShapeError,
)
from tinygrad_bp.registry import Array, Rule, find_rule, name_of, registered, rules

__all__ = [
    "HookHandle",
    "Switch",
    "Tensor",
    "apply",
    "array_of",
    "arriving_at",
    "enable_grad",
    "finished_gradients",
    "forget_gradients",
    "gradients",
    "no_grad",
    "path_between",
    "record",
    "retain_graphs",
    "rule_of",
    "spend_gradients",
    "stand_in",
    "watched_by",
]

P = ParamSpec("P")
R = TypeVar("R")
Axis = int | tuple[int, ...] | None

_NO_OPTIONS: Final[dict[str, Any]] = {}  # shared by most ops; never written to
_new = object.__new__


class Tensor(Variable):
    """An array that remembers how it was computed, so that gradients can be sent back through it.

    NumPy's functions and operators work on it. A tensor that tracks gradients owns its data (they
    are copied on the way in); results of operations are read-only.

    Raises `GradientError` for `requires_grad=True` on anything but real floating-point data.

    >>> import numpy as np
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> cost = np.sum(w * w)
    >>> cost.backward()
    >>> w.grad
    Tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "_grad", "_passes", "_retains", "name")

    _grad: Tensor | Array | None  # an array until somebody asks for the tensor
    _retains: bool  # a result's; left unset until retain_grad()
    _passes: int  # backward passes summed in grad; negative once an optimiser has used them
    name: str | None

    def __init__(
        self,
        data: Any,
        *,
        requires_grad: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            data = data._data
        array = data if _is_foreign(data) and dtype is None else np.asarray(data, dtype)
        if array.dtype == object:
            raise NotDifferentiableError(
                f"cannot make a tensor of {type(data).__name__}: NumPy finds no number type for it"
            )
        if requires_grad:
            _check_trackable(array.dtype)
            array = array.copy()
        self._data = array
        self._written = -1
        self.op = None
        self._requires_grad = requires_grad
        self._grad = None
        self._passes = 0
        self.name = name

    # --- what it is -------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The values as an array; assigning (or `t.data -= step`) replaces those of a leaf.

        The graph notices an assignment and refuses to go backward through old values. It cannot
        notice a write into the array itself (`t.data[0] = 1`), unless under `debug()`.
        """
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        if self.op is not None:
            raise InPlaceError(
                f"the result of '{self.op.rule.name}' cannot be assigned to (recorded at "
                f"{self.op.site}): its gradient belongs to the values it was computed with. "
                "Assign to a leaf, or use detach()."
            )
        value = array_of(value)
        if value is not self._data:
            if value.shape != self._data.shape:
                raise ShapeError(
                    f"cannot assign data of shape {value.shape} to a tensor of shape "
                    f"{self._data.shape}"
                )
            self._data[...] = value
        self.touch()

    def relocate(self, storage: Array) -> None:
        """Keep the values in the given array from now on, which may be part of a larger one."""
        storage[...] = self._data
        self._data = storage

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are tracked through this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.op is not None:
            raise GradientError(
                f"requires_grad belongs to leaves; this is the result of '{self.op.rule.name}' "
                f"(recorded at {self.op.site}). Use detach() for a copy that does not track."
            )
        if value and not self._requires_grad:
            _check_trackable(self._data.dtype)
            self._data = np.array(self._data)
        self._requires_grad = bool(value)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` left here, in the tensor's shape and dtype, or None."""
        gradient = self._grad
        if gradient is not None and not isinstance(gradient, Tensor):
            self._grad = gradient = _wrap(gradient)
        return gradient

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            self._grad, self._passes = None, 0
            return
        gradient = value if isinstance(value, Tensor) else Tensor(value)
        if gradient.shape != self.shape:
            raise ShapeError(
                f"a gradient of shape {gradient.shape} does not fit a tensor of shape {self.shape}"
            )
        self._grad, self._passes = gradient, 1

    @property
    def backward_passes(self) -> int:
        """How many backward passes `grad` is the sum of; negative once an optimiser used it."""
        return self._passes

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded operation."""
        return self.op is None

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        shape: tuple[int, ...] = self._data.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        dtype: np.dtype[Any] = self._data.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._data.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    def __repr__(self) -> str:
        text = np.array2string(np.asarray(self._data), separator=", ", prefix="Tensor(")
        if self._data.dtype != np.float64 or self._data.size == 0:
            text += f", dtype={self._data.dtype}"
        if self.op is not None:
            text += f", op={self.op.rule.name}"
        elif self._requires_grad:
            text += ", requires_grad=True"
        return f"Tensor({text})"

    def _repr_html_(self) -> str:
        """Show a notebook the values, what made them and where, and the gradient."""
        rows = {
            "value": np.array2string(np.asarray(self._data), separator=", "),
            "shape": f"{self.shape}, {self.dtype}",
            "made by": None if self.op is None else f"{self.op.rule.name}, {self.op.site}",
            "gradient": None if self.grad is None else repr(self.grad),
        }
        cells = "".join(
            f"<tr><th style='text-align: left'>{title}</th>"
            f"<td style='text-align: left'><pre>{html.escape(text)}</pre></td></tr>"
            for title, text in rows.items()
            if text is not None
        )
        return f"<table>{cells}</table>"

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("a tensor without axes cannot be iterated over")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise TypeError(f"a {self._data.dtype} tensor cannot be used as an index")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def item(self) -> Any:
        """Return the only element as a Python number."""
        return self._data.item()

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._data.tolist()

    def numpy(self) -> Array:
        """Return the values as an array; raises if the tensor tracks gradients (`detach()` it)."""
        return np.asarray(self)

    # --- the graph --------------------------------------------------------------------------

    def backward(
        self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Send the gradient of this tensor back to every leaf it was computed from.

        Adds to the `grad` of each leaf with `requires_grad`. `gradient` is what arrives at this
        tensor, in its shape; a scalar needs none. The graph is freed as it is used unless
        `retain_graph`; with `create_graph` the gradients can be differentiated again.

        Raises `GradientError` if nothing tracks or the shape does not fit, `FreedGraphError` on a
        second pass, `StaleGraphError` if values changed in between. No `grad` is touched then.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> (x**2 + x).backward()
        >>> x.grad
        Tensor(7.)
        """
        seed = arriving_at(self, gradient)
        read = engine.read_variable if create_graph else engine.read_array
        order = engine.topological_order(self)
        arriving = read(seed)
        pending: dict[Variable, Array] = {self: arriving}
        kept = {}
        if _retaining:
            kept = _kept_on_the_way(engine.sweep(order, pending, read))
        else:
            engine.run(order, pending, read)
        _deposit(pending, {id(arriving)})
        if kept:
            _deposit(kept, set(map(id, [arriving, *pending.values()])))
        if not (retain_graph or create_graph or mode.get().retaining):
            engine.free(order)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad, self._passes = None, 0

    def register_hook(self, hook: Callable[[Tensor], Any]) -> HookHandle:
        """Call a function with this tensor's finished gradient in every backward pass.

        What it returns, unless None, takes the gradient's place, in the tensor's shape. Returns a
        handle whose `remove()` undoes it; as a context manager it removes the hook at the end.

        >>> x = Tensor([1.0, -2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: np.clip(g.data, -3, 3))
        >>> (x * x * x).sum().backward()
        >>> x.grad
        Tensor([3., 3.])
        """
        self._check_tracks("register_hook()")
        handle = HookHandle(self)
        self.add_hook(handle, functools.partial(_call_hook, hook))
        return handle

    def retain_grad(self) -> None:
        """Keep the gradient of this result in `grad`, as leaves do.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (2 * y).backward()
        >>> y.grad
        Tensor(2.)
        """
        global _retaining  # noqa: PLW0603  (until then, no pass looks for it)
        self._check_tracks("retain_grad()")
        if self.op is not None:
            _retaining = self._retains = True

    def _check_tracks(self, what: str) -> None:
        if not self._requires_grad:
            raise GradientError(
                f"{what} on a tensor that does not track gradients: none will ever arrive. Make "
                "it with requires_grad=True, or call it on a result that depends on one."
            )

    def detach(self) -> Tensor:
        """Return a tensor with the same values, in the same memory, that does not track."""
        detached = _wrap(self._data)
        if self.op is None:  # results cannot be written to, and would keep their graph alive
            detached._detached_from = getattr(self, "_detached_from", self)
        return detached

    def requires_grad_(self, requires_grad: bool = True) -> Self:  # noqa: FBT001, FBT002
        """Set `requires_grad` and return the tensor itself, as in PyTorch."""
        self.requires_grad = requires_grad
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and deepcopy keep value, name and `requires_grad`; the graph is dropped."""
        return _rebuild, (np.array(self._data), self._requires_grad, self.name)

    # --- NumPy's protocols ------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__":
            hints = {"reduce": "np.sum, np.prod, np.max or np.min", "accumulate": "np.cumsum"}
            raise NotDifferentiableError(
                f"np.{ufunc.__name__}.{method} has no derivative rule; use "
                f"{hints.get(method, 'the plain function, which broadcasts')}."
            )
        rule = rules.get(ufunc)
        if rule is not None and not options and rule.required <= len(inputs) <= rule.positional:
            return record(rule, inputs)  # nothing to check
        return apply(ufunc, inputs, options)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, options: Any
    ) -> Any:
        rule = rules.get(function)
        if rule is not None and not options and rule.required <= len(args) <= rule.positional:
            return record(rule, args)  # nothing to check
        return apply(function, args, options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:  # noqa: FBT001
        if self._requires_grad:
            raise ConversionError(
                "converting a tensor that tracks gradients to a plain array would drop its graph. "
                "Use t.detach() if that is meant, np.stack([t, u]) to join tensors, and "
                "np.dot(x, t) or x @ t instead of the method x.dot(t)."
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    # --- operators --------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return record(_ADD, (self, other))

    def __radd__(self, other: Any) -> Tensor:
        return record(_ADD, (other, self))

    def __sub__(self, other: Any) -> Tensor:
        return record(_SUBTRACT, (self, other))

    def __rsub__(self, other: Any) -> Tensor:
        return record(_SUBTRACT, (other, self))

    def __mul__(self, other: Any) -> Tensor:
        return record(_MULTIPLY, (self, other))

    def __rmul__(self, other: Any) -> Tensor:
        return record(_MULTIPLY, (other, self))

    def __truediv__(self, other: Any) -> Tensor:
        return record(_DIVIDE, (self, other))

    def __rtruediv__(self, other: Any) -> Tensor:
        return record(_DIVIDE, (other, self))

    def __matmul__(self, other: Any) -> Tensor:
        return record(_MATMUL, (self, other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return record(_MATMUL, (other, self))

    def __mod__(self, other: Any) -> Tensor:
        return record(_REMAINDER, (self, other))

    def __rmod__(self, other: Any) -> Tensor:
        return record(_REMAINDER, (other, self))

    def __pow__(self, exponent: Any) -> Tensor:
        # NumPy's own `**` takes these shorter ways too; a square shows as a square.
        if type(exponent) in (int, float) and exponent in _SHORT_POWERS:
            return record(_SHORT_POWERS[exponent], (self,))
        return record(_POWER, (self, exponent))

    def __rpow__(self, base: Any) -> Tensor:
        return record(_POWER, (base, self))

    def __neg__(self) -> Tensor:
        return record(_NEGATIVE, (self,))

    def __pos__(self) -> Tensor:
        return record(_POSITIVE, (self,))

    def __abs__(self) -> Tensor:
        return record(_ABSOLUTE, (self,))

    def __getitem__(self, index: Any) -> Tensor:
        return record(_GETITEM, (self, _plain_index(index)))

    # Comparisons and whole division are flat: they give plain arrays.

    def __eq__(self, other: Any) -> Any:
        return self._data == _strip(other)

    def __ne__(self, other: Any) -> Any:
        return self._data != _strip(other)

    def __lt__(self, other: Any) -> Any:
        return self._data < _strip(other)

    def __le__(self, other: Any) -> Any:
        return self._data <= _strip(other)

    def __gt__(self, other: Any) -> Any:
        return self._data > _strip(other)

    def __ge__(self, other: Any) -> Any:
        return self._data >= _strip(other)

    def __floordiv__(self, other: Any) -> Any:
        return self._data // _strip(other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _strip(other) // self._data

    __hash__ = Variable.__hash__

    def __setitem__(self, index: Any, value: Any) -> None:
        raise InPlaceError(
            "t[index] = value is not recorded. Build the result with np.where, np.concatenate or "
            "np.stack; to change a leaf outside the graph, write t.data = new_values."
        )

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self._data == array_of(value)))

    def _refuse_in_place(self, _: Any) -> Any:
        """`w -= step` would make `w` a different tensor behind the user's back."""
        if self._requires_grad and self.op is None:
            raise InPlaceError(
                "an in-place operator on a tensor with requires_grad=True would replace the "
                "parameter by a result. To update it, write w.data -= step; for a new value, "
                "write w = w - step."
            )
        return NotImplemented  # Python goes on with the plain operator

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __imatmul__ = __ipow__ = _refuse_in_place

    # --- methods ----------------------------------------------------------------------------

    @property
    def T(self) -> Tensor:  # noqa: N802  (NumPy's name)
        """The transpose: all axes in reverse order."""
        return record(_TRANSPOSE, (self,))

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The transpose of the last two axes."""
        return record(_SWAPAXES, (self, -1, -2))

    def reshape(self, *shape: Any) -> Tensor:
        """Return the elements in another shape; one length may be -1."""
        return record(_RESHAPE, (self, shape[0] if len(shape) == 1 else shape))

    def transpose(self, *axes: Any) -> Tensor:
        """Return the axes in another order, reversed by default."""
        if len(axes) == 1 and not isinstance(axes[0], int):
            axes = axes[0]
        return record(_TRANSPOSE, (self, axes or None))

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Return the axes with two of them exchanged."""
        return record(_SWAPAXES, (self, axis1, axis2))

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Return the elements without the axes of length 1."""
        return self._call(np.squeeze, axis=axis)

    def ravel(self) -> Tensor:
        """Return the elements along one axis."""
        return self._call(np.ravel)

    flatten = ravel

    def sum(self, axis: Axis = None, **options: Any) -> Tensor:
        """Return the sum along `axis`, all axes by default; PyTorch's `dim` and `keepdim` too."""
        return self._reduce(np.sum, axis, options)

    def mean(self, axis: Axis = None, **options: Any) -> Tensor:
        """Return the mean along `axis`; options as in `sum`."""
        return self._reduce(np.mean, axis, options)

    def max(self, axis: Axis = None, **options: Any) -> Tensor:
        """Return the largest element along `axis`; options as in `sum`."""
        return self._reduce(np.max, axis, options)

    def min(self, axis: Axis = None, **options: Any) -> Tensor:
        """Return the smallest element along `axis`; options as in `sum`."""
        return self._reduce(np.min, axis, options)

    def prod(self, axis: Axis = None, **options: Any) -> Tensor:
        """Return the product along `axis`; options as in `sum`."""
        return self._reduce(np.prod, axis, options)

    def var(self, axis: Axis = None, **options: Any) -> Tensor:
        """Return the variance along `axis`, with NumPy's `ddof=0`; options as in `sum`."""
        return self._reduce(np.var, axis, options)

    def std(self, axis: Axis = None, **options: Any) -> Tensor:
        """Return the standard deviation along `axis`, with `ddof=0`; options as in `sum`."""
        return self._reduce(np.std, axis, options)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """Return the running sum along `axis`, of all elements in one row by default."""
        return self._call(np.cumsum, axis=axis)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002  (NumPy's names)
        """Return the values limited to an interval; an end may be None."""
        return self._call(np.clip, min, max)

    def dot(self, other: Any) -> Tensor:
        """Return `np.dot(self, other)`."""
        return self._call(np.dot, other)

    def exp(self) -> Tensor:
        """Return e to the power of each element."""
        return self._call(np.exp)

    def log(self) -> Tensor:
        """Return the natural logarithm of each element."""
        return self._call(np.log)

    def sqrt(self) -> Tensor:
        """Return the square root of each element."""
        return self._call(np.sqrt)

    def tanh(self) -> Tensor:
        """Return the hyperbolic tangent of each element."""
        return self._call(np.tanh)

    def abs(self) -> Tensor:
        """Return the magnitude of each element."""
        return self._call(np.absolute)

    def sigmoid(self) -> Tensor:
        """Return 1 / (1 + exp(-x)) of each element."""
        return self._call(primitives.sigmoid)

    def relu(self) -> Tensor:
        """Return max(x, 0) of each element."""
        return self._call(primitives.relu)

    def astype(self, dtype: Any) -> Any:
        """Return a tensor of another floating dtype; other dtypes carry no gradient: an array."""
        if np.dtype(dtype).kind != "f":
            return self._data.astype(dtype)
        return self._call(primitives.cast, dtype)

    def argmax(self, axis: int | None = None) -> Any:
        """Return where the largest element is, as plain integers."""
        return np.argmax(self._data, axis=axis)

    def argmin(self, axis: int | None = None) -> Any:
        """Return where the smallest element is, as plain integers."""
        return np.argmin(self._data, axis=axis)

    def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Tensor:
        result: Tensor = apply(function, (self, *args), options)
        return result

    def _reduce(self, function: Callable[..., Any], axis: Axis, options: dict[str, Any]) -> Tensor:
        """PyTorch says `dim` and `keepdim` where NumPy says `axis` and `keepdims`."""
        axis = options.pop("dim", axis)
        if options.pop("keepdim", False):
            options["keepdims"] = True
        return self._call(function, axis, **options)


# --- recording ------------------------------------------------------------------------------


def record(rule: Rule, args: tuple[Any, ...], options: Mapping[str, Any] = _NO_OPTIONS) -> Tensor:
    """Run a function on the arrays of its arguments and remember the call if any of them tracks.

    Results are read-only. This is the path of every operation; `apply` checks what users pass.
    """
    arrays = []
    tracked = []
    i = 0
    for a in args:
        if isinstance(a, Tensor):
            arrays.append(a._data)
            if a._requires_grad:
                tracked.append(i)
        else:
            if type(a) in (list, tuple) and rule.first <= i <= rule.last:
                a = np.asarray(a)  # noqa: PLW2901  (numbers in a list stand for an array)
                args = (*args[:i], a, *args[i + 1 :])
            arrays.append(a)
        i += 1  # noqa: SIM113  (every operation comes through here, and enumerate is slower)
    y = rule.forward(*arrays, **options) if options else rule.forward(*arrays)
    plain = type(y) is np.ndarray
    if not plain and (isinstance(y, np.generic) or not _is_foreign(y)):
        y, plain = np.asarray(y), True  # NumPy returns scalars for results without axes
    result: Tensor = _new(Tensor)  # as in _wrap, without the cost of a call
    result._data = y
    result._written = -1
    result._grad = None
    result._passes = 0
    result.name = None
    if tracked and (now := mode.get()).recording:
        if y.dtype.kind != "f" or tracked[0] < rule.first or tracked[-1] > rule.last:
            _refuse(rule, y, tracked)
        if plain:
            y.setflags(False)  # noqa: FBT003  (write=False, at half the cost)
        result._requires_grad = True
        op = result.op = make_op(rule, args, arrays, options, tracked)
        for observer in now.observers:
            observer.recorded(op, arrays, y)
    else:
        result._requires_grad = False
        result.op = None
    return result


def _refuse(rule: Rule, y: Array, tracked: list[int]) -> Never:
    """A gradient must not end at an argument without a partial, nor at numbers without one."""
    if y.dtype.kind != "f":
        raise GradientError(
            f"'{rule.name}' of a tensor that tracks gradients gave {y.dtype}; gradients pass "
            "through real floating-point numbers only. Use detach() if none is needed."
        )
    i = tracked[0] if tracked[0] < rule.first else tracked[-1]
    raise NotDifferentiableError(
        f"argument {i} of {rule.name} takes no gradient, but a tensor that tracks was passed "
        "there. Use detach() if it is meant as a constant."
    )


def apply(function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """Call a NumPy function or a primitive on tensors, as users wrote it.

    Raises `NotDifferentiableError` for functions, keywords and argument positions through which
    no gradient can be followed, rather than leaving them out.
    """
    if "out" in options:
        raise InPlaceError(
            f"{name_of(function)}(out=...) would overwrite values the graph may need; "
            "use the returned value."
        )
    if not _anything_tracks(args, options):
        return _apply_untracked(function, args, options)
    rule = find_rule(function)
    if rule is None:
        return function(*_strip(args), **_strip(options))
    if not isinstance(rule, Rule):
        return _rewrite(function, rule, args, options)
    if any(map(_tracks, options.values())):
        raise NotDifferentiableError(
            f"a tensor was passed to {rule.name} by keyword: a rule sees tensors by position "
            "only. Pass the tensors first, in NumPy's order, without their names."
        )
    rule.check_call(args, options)
    return record(rule, args, options)


def _rewrite(
    function: Callable[..., Any],
    rewritten: Callable[..., Any],
    args: tuple[Any, ...],
    options: Mapping[str, Any],
) -> Any:
    """Run a function as it is written in others, refusing arguments that this leaves out."""
    try:
        return rewritten(*args, **options)
    except TypeError:
        try:
            inspect.signature(rewritten).bind(*args, **options)
        except TypeError as unknown:
            raise NotDifferentiableError(
                f"{name_of(function)} has a derivative rule, but not with these arguments: "
                f"{unknown}. Leave the argument out, or detach() the tensors if no gradient is "
                "needed."
            ) from None
        raise


def _apply_untracked(
    function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]
) -> Any:
    """Where nothing tracks, a function needs no rule: NumPy's answer, as tensors."""
    result = function(*_strip(args), **_strip(options))
    if registered(function) == "constant":
        return result
    if isinstance(result, np.ndarray | np.generic):
        return _wrap(np.asarray(result))
    if type(result) in (list, tuple):
        return type(result)(_wrap(r) if isinstance(r, np.ndarray) else r for r in result)
    return result


def _anything_tracks(args: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    if not mode.get().recording:
        return False
    return any(map(_tracks, args)) or any(map(_tracks, options.values()))


def _tracks(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value._requires_grad
    return isinstance(value, list | tuple) and any(map(_tracks, value))


def _strip(value: Any) -> Any:
    """Replace every tensor by its array, in nested arguments too."""
    if isinstance(value, Tensor):
        return value._data
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_strip, value))
    if isinstance(value, list | tuple):
        return type(value)(map(_strip, value))
    if isinstance(value, Mapping):
        return {key: _strip(v) for key, v in value.items()}
    return value


def _wrap(array: Array) -> Tensor:
    """Make a tensor of an array without checks or copies: the fast way in."""
    tensor: Tensor = _new(Tensor)
    tensor._data = array
    tensor._written = -1
    tensor.op = None
    tensor._requires_grad = False
    tensor._grad = None
    tensor._passes = 0
    tensor.name = None
    return tensor


def _rebuild(data: Array, tracks: bool, name: str | None) -> Tensor:  # noqa: FBT001  (pickled so)
    tensor = _wrap(data)
    tensor._requires_grad = tracks
    tensor.name = name
    return tensor


def _is_foreign(value: Any) -> bool:
    """Whether a value is some other library's array, which we leave as it is."""
    return hasattr(type(value), "__array_function__") and not isinstance(
        value, np.ndarray | np.generic | Tensor
    )


def _check_trackable(dtype: np.dtype[Any]) -> None:
    if dtype.kind != "f":
        raise GradientError(
            f"requires_grad=True needs real floating-point data, not {dtype}: there are no small "
            "changes of it. Convert with astype(float)."
        )


def _plain_index(index: Any) -> Any:
    """Integer tensors may index; the graph does not run through an index."""
    if isinstance(index, Tensor):
        return index._data
    if isinstance(index, tuple):
        return tuple(map(_plain_index, index))
    return index


def array_of(value: Any) -> Array:
    """Return the array of a tensor, and anything else as an array."""
    return value._data if isinstance(value, Tensor) else np.asarray(value)


# --- gradients ------------------------------------------------------------------------------


def arriving_at(output: Tensor, gradient: Any = None) -> Tensor:
    """Return what a backward pass starts with: 1 for a scalar, the given gradient otherwise.

    Raises `GradientError` if nothing tracks or a gradient is missing, `ShapeError` if it does not
    fit.
    """
    if not output._requires_grad:
        raise GradientError(
            "this value does not depend on any tensor with requires_grad=True, so backward() "
            "has nowhere to go. Was it computed under no_grad(), from detached or constant "
            "values, or through a function without a gradient such as argmax?"
        )
    return _seed(output, gradient)


def _seed(output: Tensor, gradient: Any) -> Tensor:
    """What arrives at the output: 1 for a scalar, the given gradient otherwise."""
    if gradient is None:
        if output._data.size != 1:
            raise GradientError(
                f"backward() needs a scalar, and this has shape {output.shape}. Reduce it with "
                ".sum() or .mean(), or pass what arrives: backward(np.ones_like(t.data))."
            )
        return _ones(output._data.shape, output._data.dtype)
    seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if seed.shape != output.shape:
        raise ShapeError(
            f"the gradient passed to backward() has shape {seed.shape}, the tensor {output.shape}"
        )
    if seed.dtype != output.dtype:
        seed = (
            Tensor(seed._data.astype(output.dtype))
            if not seed._requires_grad
            else (seed.astype(output.dtype))
        )
    return seed


@functools.lru_cache(maxsize=32)
def _ones(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    """The gradient of a scalar with respect to itself; never handed out."""
    one = np.ones(shape, dtype)
    one.setflags(write=False)
    return _wrap(one)


_retaining = False  # whether any result was ever asked to keep its gradient


def _kept_on_the_way(steps: Iterator[engine.RawStep]) -> dict[Variable, Array]:
    """Run a backward pass to its end; return the gradients of the results that keep theirs."""
    return {
        output: arriving
        for output, _, arriving, _, _ in steps
        if getattr(output, "_retains", False)
    }


class HookHandle:
    """What `register_hook` returns: `remove()` takes the hook away again.

    >>> x = Tensor(1.0, requires_grad=True)
    >>> with x.register_hook(lambda g: g * 0.0):
    ...     x.exp().backward()
    >>> x.grad
    Tensor(0.)
    """

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = weakref.ref(tensor)  # the tensor holds the handle: no cycle

    def remove(self) -> None:
        """Remove the hook; to do so twice is no error."""
        if (tensor := self._tensor()) is not None:
            tensor.remove_hook(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def _call_hook(hook: Callable[[Tensor], Any], variable: Variable, gradient: Array) -> Array:
    """Show a hook a gradient; it is never the array itself, which others may hold too."""
    result = hook(gradient if isinstance(gradient, Tensor) else _as_tensor(gradient))
    if result is None:
        return gradient
    shape, dtype = variable._data.shape, variable._data.dtype
    if np.shape(result) != shape:
        raise ShapeError(
            f"a hook returned a gradient of shape {np.shape(result)} for a tensor of shape {shape}"
        )
    if isinstance(gradient, Tensor):
        return result if isinstance(result, Tensor) else Tensor(result, dtype=dtype)
    return np.array(array_of(result), dtype)


def _deposit(pending: dict[Variable, Array], taken: set[int]) -> None:
    """Add the finished gradients to the leaves, each as an array of its own.

    A rule may pass an array on as it is, so several leaves may be given the same one; `taken`
    holds the ids of arrays that belong to somebody already.
    """
    leaf: Tensor
    for leaf, gradient in pending.items():  # type: ignore[assignment]
        if type(gradient) is np.ndarray and gradient.base is None and id(gradient) not in taken:
            taken.add(id(gradient))
        else:  # a view, somebody else's too, a NumPy scalar, or a tensor already
            gradient = _as_tensor(gradient)  # noqa: PLW2901
        before = leaf._grad
        leaf._grad = gradient if before is None else _add(before, gradient)
        leaf._passes = abs(leaf._passes) + 1


def _add(before: Tensor | Array, new: Tensor | Array) -> Tensor | Array:
    """Accumulate; the sum belongs to a graph only if one of its terms does."""
    if _tracks(before) or _tracks(new):
        return before + new
    return array_of(before) + array_of(new)


def gradients(
    output: Tensor,
    inputs: list[Tensor],
    seed: Any = None,
    *,
    create_graph: bool = False,
) -> list[Tensor | None]:
    """Return the gradients of one output with respect to some inputs, leaving every `grad` alone.

    Inputs may be leaves or results; None stands for an input the output does not depend on. The
    graph is kept.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> gradients(x**3, [x])
    [Tensor(12.)]
    """
    found: dict[Variable, Array] = {}
    if output._requires_grad:
        read = engine.read_variable if create_graph else engine.read_array
        order = path_between(inputs, output)
        arriving = read(_seed(output, seed))
        pending: dict[Variable, Array] = {output: arriving}
        wanted: set[Variable] = set(inputs)
        steps = engine.sweep(order, pending, read)
        found = {finished: g for finished, _, g, _, _ in steps if finished in wanted} | pending
    return [None if (g := found.get(x)) is None else _as_tensor(g) for x in inputs]


def _as_tensor(value: Array) -> Tensor:
    if isinstance(value, Tensor):
        return value
    return _wrap(np.array(value) if isinstance(value, np.generic) else value.copy())


def path_between(inputs: list[Tensor], output: Tensor) -> list[Variable]:
    """Return what lies on some path from the inputs to the output, consumers first."""
    order = engine.topological_order(output)
    reaching: set[Variable] = set(inputs)
    for variable in reversed(order):
        if not reaching.isdisjoint(variable.op.inputs()):  # type: ignore[union-attr]
            reaching.add(variable)
    return [variable for variable in order if variable in reaching]


# --- what an optimiser does to all its parameters at once -----------------------------------


def forget_gradients(tensors: Iterable[Tensor]) -> None:
    """Set every gradient to None."""
    for t in tensors:
        t._grad = None
        t._passes = 0


def finished_gradients(tensors: Iterable[Tensor], passes: Collection[int]) -> list[Array] | Tensor:
    """Return every gradient as an array, or the first tensor whose gradient is not ready.

    Ready is a gradient of a number of backward passes that is among `passes`.
    """
    found = []
    for t in tensors:
        if t._passes not in passes:
            return t
        gradient: Any = t._grad
        found.append(gradient._data if isinstance(gradient, Tensor) else gradient)
    return found


def stand_in(homes: Iterable[tuple[Tensor, Array]]) -> bool:
    """Whether each tensor keeps its values in the array beside it; see `Tensor.relocate`."""
    for t, array in homes:  # noqa: SIM110  (all() takes three times as long)
        if t._data is not array:
            return False
    return True


def spend_gradients(tensors: Collection[Tensor]) -> None:
    """Note that the values were moved, and that the gradients are used up by it."""
    for t in tensors:
        t._passes = -t._passes
    engine.touch_all(tensors)


# --- modes ----------------------------------------------------------------------------------


class Switch(AbstractContextManager["Switch"]):
    """A context manager and decorator that changes the mode in this thread or task only."""

    def __init__(self, change: Callable[[Mode], Mode]) -> None:
        self._change = change
        self._tokens: list[Any] = []

    def __enter__(self) -> Self:
        self._tokens.append(mode.set(self._change(mode.get())))
        return self

    def __exit__(self, *exception: object) -> None:
        mode.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function; a generator is switched while it runs, not while it is paused."""
        change = self._change

        @functools.wraps(function)
        def switched(*args: P.args, **kwargs: P.kwargs) -> R:
            with Switch(change):
                result = function(*args, **kwargs)
            return _resume_under(change, result) if inspect.isgenerator(result) else result

        return switched


def _resume_under(change: Callable[[Mode], Mode], generator: Generator[Any, Any, Any]) -> Any:
    """Run each stretch of a generator under the change, and none of the pauses between them."""
    sent = None
    while True:
        try:
            with Switch(change):
                item = generator.send(sent)
        except StopIteration as stop:
            return stop.value
        sent = yield item


def no_grad() -> Switch:
    """Return a context, or a decorator, that records nothing, in this thread or task only.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return Switch(lambda now: replace(now, recording=False))


def enable_grad() -> Switch:
    """Return a context that records, even within `no_grad()`.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """
    return Switch(lambda now: replace(now, recording=True))


def retain_graphs() -> Switch:
    """Return a context in which every `backward()` keeps its graph, to be looked at later.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> y = x * x
    >>> with retain_graphs():
    ...     y.backward()
    >>> gradients(y, [x])
    [Tensor(4.)]
    """
    return Switch(lambda now: replace(now, retaining=True))


def watched_by(observer: Observer) -> Switch:
    """Return a context in which an observer sees every op recorded and every step taken."""
    return Switch(lambda now: replace(now, observers=(*now.observers, observer)))


# --- the rules that operators use, looked up once -------------------------------------------


def rule_of(function: Callable[..., Any]) -> Rule:
    """Return the rule of a function that has one, for code that calls `record` directly."""
    found = find_rule(function)
    assert isinstance(found, Rule)  # noqa: S101
    return found


_ADD, _SUBTRACT, _MULTIPLY = rule_of(np.add), rule_of(np.subtract), rule_of(np.multiply)
_DIVIDE, _REMAINDER, _MATMUL = rule_of(np.divide), rule_of(np.remainder), rule_of(np.matmul)
_NEGATIVE, _POSITIVE, _ABSOLUTE = rule_of(np.negative), rule_of(np.positive), rule_of(np.absolute)
_POWER, _GETITEM = rule_of(np.power), rule_of(primitives.getitem)
_TRANSPOSE, _SWAPAXES, _RESHAPE = rule_of(np.transpose), rule_of(np.swapaxes), rule_of(np.reshape)
_SHORT_POWERS = {2: rule_of(np.square), 0.5: rule_of(np.sqrt), -1: rule_of(np.reciprocal)}
