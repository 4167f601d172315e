"""Tensor: an array, its gradient, and the op that made it.

What a tensor does with a call, `recording` says; how gradients reach it, `backward`.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

import numpy as np

from tinygrad_bp.duck import DuckArray
from tinygrad_bp.engine import Hook, Op
from tinygrad_bp.errors import ConversionError, GradientError, InPlaceError, ShapeError
from tinygrad_bp.operands import ORDINARY, admit, copied, in_dtype, is_foreign
from tinygrad_bp.registry import Array
from tinygrad_bp.rules.elementwise import cast
from tinygrad_bp.rules.indexing import getitem, plain_index
from tinygrad_bp.state import changes, note_write, tracer, tracers

__all__ = ["HookHandle", "NotKept", "Tensor", "array_of", "strip", "tracks", "wrap"]

_new = object.__new__


class Tensor(DuckArray):
    """An array that remembers how it was computed, so that gradients can be sent back through it.

    NumPy's functions and operators work on it. A tensor that tracks gradients owns its data (they
    are copied on the way in); results of operations are read-only.

    Raises `GradientError` for `requires_grad=True` on anything but floating-point data. Of complex
    data the gradient is the direction of steepest ascent, as in PyTorch: dL/dx + i dL/dy for
    z = x + iy, the conjugate of what JAX and HIPS autograd give.

    >>> import numpy as np
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> cost = np.sum(w * w)
    >>> cost.backward()
    >>> w.grad
    Tensor([2., 4.])
    """

    __slots__ = (
        "__weakref__", "_grad", "_hooks", "_name", "_passes", "_requires_grad", "_trainable",
        "_used", "op", "output",
    )  # fmt: skip

    rank: ClassVar[int] = 1
    _call: ClassVar[Callable[..., Any]]  # `recording.record`
    _call_as_written: ClassVar[Callable[..., Any]]  # `recording.record_as_written`
    _backward: ClassVar[Callable[..., Any]]  # `backward.backward`

    op: Op | None
    """The call that made it; None for a leaf."""
    output: int | None
    """Which of the op's outputs it is, if there are several."""

    # A leaf's own; a result's gradient and hooks are kept by its op, whatever tensors show it.
    _requires_grad: bool
    _grad: Tensor | Array | None  # an array until somebody asks for the tensor
    _passes: int  # backward passes that grad is the sum of
    _used: bool  # whether an optimiser has taken a step with it
    _hooks: dict[object, Hook] | None
    _trainable: bool  # whether it has ever tracked: a frozen parameter stays one
    _name: str | None

    def __init__(
        self,
        data: Any,
        *,
        requires_grad: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            data = data._value
        array = admit(data)
        if dtype is not None or not hasattr(type(array), "__array_function__"):
            array = np.asarray(array, dtype)
        if array.dtype == object:
            raise ConversionError(
                f"cannot make a tensor of {type(data).__name__}: NumPy finds no number type for it"
            )
        if requires_grad:
            _check_trackable(array.dtype)
            array = copied(array)
        if tracers and (run := tracer()):
            array = run.held(array)
        self._value = array
        self._make_leaf()
        self._requires_grad = self._trainable = requires_grad
        self._name = name

    def _make_leaf(self) -> None:
        self.op = self.output = self._grad = self._hooks = self._name = None
        self._requires_grad = self._used = self._trainable = False
        self._passes = 0

    # --- what it is -------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The values as an array; assigning (or `t.data -= step`) replaces those of a leaf.

        Every graph that read this memory, through whichever tensor, notices an assignment and
        refuses to go backward through old values. A write into the array itself
        (`t.data[0] = 1`) is noticed under `debug()` alone.
        """
        if tracers and (run := tracer()):
            run.adopt(self)
            return run.held(self._value)
        return self._value

    @data.setter
    def data(self, value: Any) -> None:
        if self.op is not None:
            raise InPlaceError(
                f"the result of '{self.op.rule.name}' cannot be assigned to (recorded at "
                f"{self.op.site}): its gradient belongs to the values it was computed with. "
                "Assign to a leaf, or use detach()."
            )
        value = array_of(value)
        if value is not self._value:
            if value.shape != self._value.shape:
                raise ShapeError(
                    f"cannot assign data of shape {value.shape} to a tensor of shape "
                    f"{self._value.shape}"
                )
            if tracers and (run := tracer()):
                run.write(self, value)
                return
            note_write(self._value)
            if is_foreign(value) or is_foreign(self._value):
                self._value = copied(in_dtype(value, self._value.dtype))
            else:
                self._value[...] = value
        note_write(self._value)

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
        if tracers and (run := tracer()):
            run.adopt(self)
        if value and not self._requires_grad:
            _check_trackable(self._value.dtype)
            self._value = _own(self._value)
            self._trainable = True
        self._requires_grad = bool(value)
        changes.note()

    def requires_grad_(self, requires_grad: bool = True) -> Self:  # noqa: FBT001, FBT002
        """Set `requires_grad` and return the tensor itself, as in PyTorch."""
        self.requires_grad = requires_grad
        return self

    @property
    def trainable(self) -> bool:
        """Whether it is a parameter: a leaf that tracks, or did before it was frozen."""
        return self.op is None and self._trainable

    @property
    def name(self) -> str | None:
        """What messages and explanations call it, if it has a name."""
        return getattr(self, "_name", None)

    @name.setter
    def name(self, value: str | None) -> None:
        self._name = value

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded operation."""
        return self.op is None

    def __repr__(self) -> str:
        text = _shown(self._value)
        if self._value.dtype != np.float64 or self._value.size == 0:
            text += f", dtype={self._value.dtype}"
        if self.op is not None:
            text += f", op={self.op.rule.name}"
        elif self._requires_grad:
            text += ", requires_grad=True"
        return f"Tensor({text})"

    def _repr_html_(self) -> str:
        """Show a notebook the values, what made them and where, and the gradient."""
        made = () if self.op is None else (self.op.rule.name, self.op.site)
        rows = {
            "value": _shown(self._value),
            "shape": f"{self.shape}, {self.dtype}",
            "made by": ", ".join(str(part) for part in made if part) or None,
            "gradient": None if self.grad is None else repr(self.grad),
        }
        cells = "".join(
            f"<tr><th style='text-align: left'>{title}</th>"
            f"<td style='text-align: left'><pre>{html.escape(text)}</pre></td></tr>"
            for title, text in rows.items()
            if text is not None
        )
        return f"<table>{cells}</table>"

    # --- numbers and plain arrays: only where no gradient is lost ---------------------------

    def item(self, *position: int) -> Any:
        """Return the only element, or that at a position, as a number; no gradient passes."""
        if is_foreign(self._value):  # whose own `item` may take no position
            return _with_items(self.data[position] if position else self.data).item()
        return self.data.item(*position)

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return _with_items(self.data).tolist()

    def numpy(self) -> Any:
        """Return the values as an array; raises if the tensor tracks gradients (`detach()` it)."""
        return np.asarray(self)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self.data == array_of(value)))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __float__(self) -> float:
        return float(self._number("float(t)"))

    def __int__(self) -> int:
        return int(self._number("int(t)"))

    def __complex__(self) -> complex:
        return complex(self._number("complex(t)"))

    def __index__(self) -> int:
        if self._value.dtype.kind not in "iu":
            raise TypeError(f"a {self._value.dtype} tensor cannot be used as an index")
        return int(self.item())

    def __round__(self, digits: int = 0) -> Never:
        raise ConversionError(
            "round(t) would give a number without a gradient. Use round(t.item(), digits) for the "
            "number, np.round(t, digits) for a plain array."
        )

    def _number(self, written: str) -> Any:
        if self._requires_grad:
            raise ConversionError(
                f"{written}, and functions of `math` that use it, would lose the gradient of a "
                "tensor that tracks. Use t.item() to ask for the number alone, or NumPy's function "
                "(np.exp(t), not math.exp(t)) to go on with the gradient; to put tensors into an "
                "array, np.stack([t, u])."
            )
        return self.item()

    def __array__(
        self,
        dtype: Any = None,
        copy: bool | None = None,  # noqa: FBT001  (NumPy's signature)
    ) -> np.ndarray[Any, np.dtype[_Element]]:
        if self._requires_grad:
            raise ConversionError(
                "converting a tensor that tracks gradients to a plain array or number would lose "
                "its gradient. Use t.detach() or t.item() if that is meant, np.stack([t, u]) to "
                "join tensors, np.dot(x, t) or x @ t instead of the method x.dot(t). Of SciPy, "
                "the ufuncs of scipy.special differentiate; for others take NumPy's functions, "
                "softmax, log_softmax and logsumexp of tinygrad_bp.functional, or bp.custom_rule."
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def detach(self) -> Tensor:
        """Return a tensor with the same values, in the same memory, that does not track."""
        return wrap(self.data)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and deepcopy keep value, name and `requires_grad`; the graph is dropped."""
        value = copied(self._value) if is_foreign(self._value) else np.array(self._value)
        return _rebuild, (value, self._requires_grad, self.name)

    # --- the gradient -----------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` left here, in the tensor's shape and dtype, or None."""
        if self.op is not None:
            found: Tensor | None = (self.op.kept or {}).get(self.output or 0)
            return found
        if tracers and (run := tracer()):
            run.adopt(self)
        gradient = self._grad
        if gradient is not None and not isinstance(gradient, Tensor):
            if isinstance(gradient, NotKept):
                gradient.refuse()
            self._grad = gradient = wrap(gradient)
        return gradient

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            self.zero_grad()
            return
        gradient = value if isinstance(value, Tensor) else Tensor(value)
        if gradient.shape != self.shape:
            raise ShapeError(
                f"a gradient of shape {gradient.shape} does not fit a tensor of shape {self.shape}"
            )
        if tracers and (run := tracer()):
            run.forget_gradient(self)
        self._grad, self._passes, self._used = gradient, 1, False
        changes.note()

    def zero_grad(self) -> None:
        """Forget the gradient."""
        if self.op is None:
            if tracers and (run := tracer()):
                run.forget_gradient(self)
            self._grad, self._passes, self._used = None, 0, False
            changes.note()
        elif self.op.kept is not None:
            self.op.kept[self.output or 0] = None

    @property
    def backward_passes(self) -> int:
        """How many backward passes `grad` is the sum of."""
        return 0 if self.op is not None else self._passes

    @property
    def gradient_used(self) -> bool:
        """Whether an optimiser has taken a step with `grad` already."""
        return self.op is None and self._used

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
        self._backward(self, gradient, retain_graph=retain_graph, create_graph=create_graph)

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
        if self.op is not None:
            self.op.hooks = self.op.hooks or {}
            hooks = self.op.hooks.setdefault(self.output or 0, {})
        else:
            self._hooks = hooks = self._hooks or {}
        handle = HookHandle(hooks)
        if self.op is None:
            changes.note()
        call = _call_hook if self.dtype.kind != "c" else _call_hook_of_complex
        hooks[handle.key] = functools.partial(call, hook)
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
        self._check_tracks("retain_grad()")
        if self.op is not None:
            self.op.kept = self.op.kept or {}
            self.op.kept.setdefault(self.output or 0, None)

    def _check_tracks(self, what: str) -> None:
        if not self._requires_grad:
            raise GradientError(
                f"{what} on a tensor that does not track gradients: none will ever arrive. Make "
                "it with requires_grad=True, or call it on a result that depends on one."
            )

    # --- what only tensors have -------------------------------------------------------------

    def __getitem__(self, index: Any) -> Tensor:
        result: Tensor = self._call(getitem, (self,), {"index": plain_index(strip(index))})
        return result

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

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:
        """Return a tensor of another floating dtype; other dtypes carry no gradient: an array.

        With `copy=False` it is the tensor itself, if it has the dtype already.
        """
        if not copy and self.dtype == dtype:
            return self
        if np.dtype(dtype).kind not in "fc":
            return self._value.astype(dtype)
        return self._call(cast, (self,), {"dtype": dtype})


if TYPE_CHECKING:

    class _Element(Tensor, np.object_):  # type: ignore[misc]
        """What NumPy's stubs take a tensor's elements for: no number, and a tensor itself."""


def wrap(array: Array) -> Tensor:
    """Make a tensor that does not track, without checks or copies: the fast way in."""
    tensor: Tensor = _new(Tensor)
    if isinstance(array, np.generic) or not hasattr(type(array), "__array_function__"):
        array = np.asarray(array)
    if tracers and (run := tracer()):
        array = run.held(array)
    tensor._value = array
    tensor._make_leaf()
    return tensor


def _rebuild(data: Array, requires_grad: bool, name: str | None) -> Tensor:  # noqa: FBT001
    tensor = wrap(data)
    tensor._requires_grad = tensor._trainable = requires_grad
    tensor._name = name
    return tensor


def _check_trackable(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "fc":
        raise GradientError(
            f"requires_grad=True needs floating-point data, real or complex, not {dtype}: there "
            "are no small changes of it. Convert with astype(float)."
        )


def array_of(value: Any) -> Array:
    """Return the array of a tensor, another reader as it is, and anything else as an array."""
    if isinstance(value, DuckArray):
        return value.data if isinstance(value, Tensor) else value
    found = admit(value)
    return found if is_foreign(found) else np.asarray(found)


def strip(value: Any) -> Any:
    """Replace every tensor by its array, in nested arguments too, and admit what is foreign."""
    if isinstance(value, Tensor):
        return value.data
    if type(value) in ORDINARY:
        return value
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(strip, value))
    if isinstance(value, list | tuple):
        return type(value)(map(strip, value))
    if isinstance(value, Mapping):
        return {key: strip(v) for key, v in value.items()}
    return admit(value) if hasattr(type(value), "__array__") else value


def tracks(value: Any) -> bool:
    """Return whether a value is a tensor that tracks, or a list or tuple that holds one."""
    if isinstance(value, Tensor):
        return value._requires_grad
    return isinstance(value, list | tuple) and any(map(tracks, value))


class NotKept:
    """Stands for a gradient that a compiled step has used and did not keep."""

    __slots__ = ("step",)

    def __init__(self, step: str) -> None:
        self.step = step

    def refuse(self) -> Never:
        """Raise the error for whoever wants it."""
        raise GradientError(
            f"the gradient was used by the compiled step '{self.step}', which does not keep it: "
            "the program adds it to the weights at once. Compile with grads=True to keep "
            "gradients, or call zero_grad() to begin anew."
        )

    @property
    def dtype(self) -> Never:
        """Raise the error: nothing is known of it."""
        self.refuse()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Never:
        self.refuse()


def _with_items(value: Array) -> Array:
    """An array that can give numbers of Python's; Dask's is computed for that."""
    return value if hasattr(value, "tolist") else np.asarray(value)


def _shown(value: Array) -> str:
    """An array as text; what is elsewhere shows itself as its own library has it."""
    if is_foreign(value):
        return repr(value)
    return np.array2string(np.asarray(value), separator=", ", prefix="Tensor(")


class HookHandle:
    """What `register_hook` returns: `remove()` takes the hook away again.

    >>> x = Tensor(1.0, requires_grad=True)
    >>> with x.register_hook(lambda g: g * 0.0):
    ...     x.exp().backward()
    >>> x.grad
    Tensor(0.)
    """

    __slots__ = ("_hooks", "key")

    def __init__(self, hooks: dict[object, Hook]) -> None:
        self._hooks = hooks
        self.key = object()  # not the handle itself, which holds the dict

    def remove(self) -> None:
        """Remove the hook; to do so twice is no error."""
        self._hooks.pop(self.key, None)
        changes.note()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def _call_hook_of_complex(hook: Callable[[Tensor], Any], value: Array, gradient: Array) -> Array:
    """A hook is shown the gradient as users see it, the conjugate of what is on its way."""
    return np.conjugate(_call_hook(hook, value, np.conjugate(gradient)))


def _call_hook(hook: Callable[[Tensor], Any], value: Array, gradient: Array) -> Array:
    """Show a hook a gradient; it is never the array itself, which others may hold too."""
    result = hook(gradient if isinstance(gradient, Tensor) else wrap(_own(gradient)))
    if result is None:
        return gradient
    if np.shape(result) != value.shape:
        raise ShapeError(
            f"a hook returned a gradient of shape {np.shape(result)} for a tensor of shape "
            f"{value.shape}"
        )
    if isinstance(gradient, Tensor):
        return result if isinstance(result, Tensor) else Tensor(result, dtype=value.dtype)
    found = array_of(result)
    if isinstance(found, DuckArray):
        return found.astype(value.dtype)
    return np.array(found, value.dtype)


def _own(gradient: Array) -> Array:
    """A copy of a gradient; what stands for one is never written to."""
    return gradient if isinstance(gradient, DuckArray) else copied(gradient)
