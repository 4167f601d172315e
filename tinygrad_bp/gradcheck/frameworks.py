"""Gradients of other frameworks, checked as strictly as our own.

    check_vjp(function, vjp, *inputs)     any function with a hand-written gradient
    check_torch(function, *inputs)        PyTorch
    check_jax(function, *inputs)          JAX
    check_autograd(function, *inputs)     HIPS autograd

The foreign function becomes a rule of this library that is registered nowhere: its value, its
reverse mode and, where there is one, its forward mode. So every check of `check` applies to it:
each output by each input, and the identities. Frameworks are imported when they are asked for.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, TypeAlias

import numpy as np

from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.check import check
from tinygrad_bp.gradcheck.report import Report
from tinygrad_bp.registry import Each, Rule
from tinygrad_bp.tensor import Tensor, record

__all__ = ["check_autograd", "check_jax", "check_torch", "check_vjp"]

Vector: TypeAlias = "np.ndarray[Any, Any]"
Arrays: TypeAlias = "Sequence[Any]"
Function: TypeAlias = Callable[..., Any]


# --- for users ------------------------------------------------------------------------------


def check_vjp(
    function: Function, vjp: Function, *inputs: Any, method: str = "auto", seed: int = 0
) -> Report:
    """Check a vector-Jacobian product that was written by hand.

    `function(*inputs)` gives one array of any shape; `vjp(g, *inputs)`, with `g` in that shape,
    gives one gradient for each floating-point array in the inputs, in their order and shapes (one
    alone need not be in a list). Raises `GradcheckError` as `check` does.

    >>> def softmax(x):
    ...     e = np.exp(x - np.max(x))
    ...     return e / np.sum(e)
    >>> def softmax_vjp(g, x):
    ...     y = softmax(x)
    ...     return y * (g - np.sum(g * y))
    >>> check_vjp(softmax, softmax_vjp, np.array([1.0, 2.0, 4.0])).ok
    True
    """
    return _check(_Foreign(_Plain(vjp), function), inputs, method=method, seed=seed)


def check_torch(function: Function, *inputs: Any, forward: bool = False, seed: int = 0) -> Report:
    """Check PyTorch's gradient of a function of PyTorch tensors.

    The function gets double-precision tensors for the floating-point arrays in the inputs, other
    tensors for other arrays, and gives one tensor. Parameters are checked as inputs, through
    `torch.func.functional_call`. PyTorch's random numbers are the same at every evaluation. With
    `forward`, its forward mode is compared as well.

    Raises `ModuleNotFoundError` without PyTorch, and `GradcheckError` as `check` does.

    >>> def hypotenuse(x, y):  # of torch tensors
    ...     return (x * x + y * y).sqrt()
    >>> check_torch(hypotenuse, np.array([3.0, 1.0]), np.array(2.0)).ok  # doctest: +SKIP
    True
    """
    return _check(_Foreign(_Torch(seed), function), inputs, forward=forward, seed=seed)


def check_jax(function: Function, *inputs: Any, forward: bool = False, seed: int = 0) -> Report:
    """Check JAX's gradient of a function of JAX arrays, in double precision.

    Inputs, options and errors as for `check_torch`.

    >>> check_jax(lambda x: x**3, np.array([3.0, 1.0])).ok  # doctest: +SKIP
    True
    """
    return _check(_Foreign(_Jax(), function), inputs, forward=forward, seed=seed)


def check_autograd(function: Function, *inputs: Any, seed: int = 0) -> Report:
    """Check HIPS autograd's gradient of a function written in `autograd.numpy`.

    Inputs and errors as for `check_torch`.

    >>> check_autograd(lambda x: x**3, np.array([3.0, 1.0])).ok  # doctest: +SKIP
    True
    """
    return _check(_Foreign(_Autograd(), function), inputs, seed=seed)


def _check(
    foreign: _Foreign,
    inputs: tuple[Any, ...],
    *,
    seed: int,
    forward: bool = False,
    method: str = "differences",  # no complex step goes through the arrays of others
) -> Report:
    with foreign.framework.session():
        report = check(foreign, *inputs, method=method, forward=forward, seed=seed)
    if foreign.lacks_forward_mode and not isinstance(foreign.framework, _Plain):
        report.coverage.append(f"{foreign.framework.name}: no forward mode to look at")
    # The one op was recorded by the checker, which is no news.
    report.blame = [line for line in report.blame if "recorded at" not in line]
    return report


# --- a foreign function as a rule -----------------------------------------------------------


class _NoForwardModeError(Exception):
    """The framework cannot push tangents through the function."""


class _Call:
    """A function with its constant inputs, called on the arrays that take gradients."""

    def __init__(self, function: Function, trees: tuple[Any, ...], constant: Function) -> None:
        self._function = function
        self._trees = trees
        self._constant = constant

    def __call__(self, *arrays: Any) -> Any:
        return self._function(*self.arguments(arrays))

    def arguments(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """Put the arrays in their places among the constants."""
        fresh = iter(arrays)
        contents = [
            next(fresh) if isinstance(leaf, Tensor) else self._constant(leaf)
            for leaf in leaves(self._trees)
        ]
        filled: tuple[Any, ...] = fill(self._trees, iter(contents))
        return filled


class _Framework(Protocol):
    """How a framework evaluates and differentiates."""

    name: str
    only_arrays: bool  # nothing but arrays of numbers can be converted

    def session(self) -> AbstractContextManager[Any]:
        """Prepare for double precision while the block runs."""

    def constant(self, leaf: Any) -> Any:
        """Convert an input that takes no gradient."""

    def value(self, call: _Call, arrays: Arrays) -> Any:
        """Return the function's value."""

    def pull(self, call: _Call, arrays: Arrays, g: Vector) -> Sequence[Any]:
        """Return the gradient by each array when `g` arrives at the output."""

    def push(self, call: _Call, arrays: Arrays, tangents: Arrays) -> Any:
        """Return how the output moves with the arrays, or raise `_NoForwardModeError`."""


class _Foreign:
    """A function of another framework that this library can record and differentiate."""

    def __init__(self, framework: _Framework, function: Function) -> None:
        self.framework = framework
        self.function = function
        self.lacks_forward_mode = False
        self._shape: tuple[int, ...] | None = None  # of the output, once it is known

    def __call__(self, *trees: Any) -> Tensor:
        """Record a call; the floating-point leaves come as tensors, all else is constant."""
        call = _Call(self.function, trees, self.framework.constant)
        moving = tuple(leaf for leaf in leaves(trees) if isinstance(leaf, Tensor))
        return record(self._rule(call), moving)

    def _rule(self, call: _Call) -> Rule:
        def forward(*arrays: Any) -> Any:
            return self._value(call, arrays)

        def partial(i: int, g: Vector, _: Any, *arrays: Any) -> Vector:
            return np.asarray(self.framework.pull(call, arrays, g)[i])

        def push(i: int, t: Vector, y: Vector, *arrays: Any) -> Vector:
            try:
                tangents = [t if j == i else np.zeros_like(a) for j, a in enumerate(arrays)]
                return np.asarray(self.framework.push(call, arrays, tangents))
            except _NoForwardModeError:
                self.lacks_forward_mode = True
                return _push_by_rows(partial, i, t, y, arrays)

        forward.__name__ = getattr(self.function, "__name__", type(self.function).__name__)
        return Rule(forward, "rule", Each(partial), Each(push), broadcasts=False)

    def _value(self, call: _Call, arrays: Arrays) -> Any:
        if not all(isinstance(a, np.ndarray | np.generic) for a in arrays):
            if self.framework.only_arrays:
                raise TypeError(f"{self.framework.name} takes arrays of numbers only")
            return self.framework.value(call, arrays)
        try:
            value = np.array(self.framework.value(call, arrays))  # not the framework's memory
        except (ArithmeticError, RuntimeError, ValueError):
            # A step may leave the domain, as of a Cholesky factor; the checker then steps less.
            if self._shape is None:
                raise
            return np.full(self._shape, np.nan)
        self._shape = value.shape
        return value.astype(float) if value.dtype.kind in "iub" else value  # flat steps


def _push_by_rows(partial: Function, i: int, t: Vector, y: Vector, arrays: Arrays) -> Vector:
    """J t from the rows of J by reverse mode: right, though it tells nothing of forward mode."""
    basis = np.eye(y.size).reshape(y.size, *y.shape)
    rows = [np.sum(partial(i, g, y, *arrays) * t) for g in basis]
    return np.array(rows, float).reshape(y.shape)


# --- frameworks -----------------------------------------------------------------------------


class _Plain:
    """NumPy, with a vector-Jacobian product that somebody wrote."""

    name = "NumPy"
    only_arrays = False

    def __init__(self, vjp: Function) -> None:
        self._vjp = vjp

    def session(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def constant(self, leaf: Any) -> Any:
        return leaf

    def value(self, call: _Call, arrays: Arrays) -> Any:
        return call(*arrays)

    def pull(self, call: _Call, arrays: Arrays, g: Vector) -> Sequence[Any]:
        found = self._vjp(g, *call.arguments(arrays))
        parts = found if isinstance(found, list | tuple) else [found]
        if len(parts) != len(arrays):
            raise GradcheckError(
                f"the vector-Jacobian product gave {len(parts)} gradients for {len(arrays)} "
                "floating-point inputs; give one for each"
            )
        return parts

    def push(self, *_: Any, **__: Any) -> Any:
        raise _NoForwardModeError


class _Torch:
    name = "PyTorch"
    only_arrays = True

    def __init__(self, seed: int) -> None:
        self._torch = _imported("torch", "PyTorch")
        self._seed = seed

    @contextmanager
    def session(self) -> Iterator[None]:
        with self._torch.random.fork_rng(), warnings.catch_warnings():  # as before, afterwards
            # PyTorch uses what it deprecates when it loads its forward mode.
            warnings.filterwarnings("ignore", message=r"`torch\.jit", category=DeprecationWarning)
            yield

    def constant(self, leaf: Any) -> Any:
        is_array = isinstance(leaf, np.ndarray | np.generic)
        return self._torch.tensor(leaf) if is_array else leaf

    def _call(self, call: _Call, tensors: Sequence[Any]) -> Any:
        self._torch.manual_seed(self._seed)  # the same dropout mask every time
        y = call(*tensors)
        if not isinstance(y, self._torch.Tensor):
            raise GradcheckError(
                f"the function gave {type(y).__name__}, not one PyTorch tensor; check its results "
                "one by one"
            )
        if tensors and y.dtype != tensors[0].dtype:
            raise GradcheckError(
                f"the function of {tensors[0].dtype} gave {y.dtype}. Its values must not lose "
                "precision on the way: leave out .float(), give modules .double()."
            )
        return y

    def value(self, call: _Call, arrays: Arrays) -> Any:
        # Tracked, because the gradient is of this, and PyTorch takes other paths without.
        return self._call(call, self._leaves(arrays)).numpy(force=True)

    def pull(self, call: _Call, arrays: Arrays, g: Vector) -> Sequence[Any]:
        xs = self._leaves(arrays)
        y = self._call(call, xs)
        if not y.requires_grad:  # some functions cut the graph without a word
            return [np.zeros(x.shape) for x in xs]
        found = self._torch.autograd.grad(y, xs, self._torch.tensor(g), allow_unused=True)
        return [
            np.zeros(x.shape) if d is None else d.numpy(force=True)
            for d, x in zip(found, xs, strict=True)
        ]

    def push(self, call: _Call, arrays: Arrays, tangents: Arrays) -> Any:
        forward = self._torch.autograd.forward_ad
        with forward.dual_level():
            duals = [
                forward.make_dual(self._torch.tensor(a), self._torch.tensor(t))
                for a, t in zip(arrays, tangents, strict=True)
            ]
            try:
                y, moved = forward.unpack_dual(self._call(call, duals))
            except (NotImplementedError, RuntimeError) as error:
                raise _NoForwardModeError from error
            return np.zeros(y.shape) if moved is None else moved.numpy(force=True)

    def _leaves(self, arrays: Arrays) -> list[Any]:
        return [self._torch.tensor(a, requires_grad=True) for a in arrays]


class _Jax:
    name = "JAX"
    only_arrays = True

    def __init__(self) -> None:
        self._jax = _imported("jax", "JAX")

    def session(self) -> AbstractContextManager[Any]:
        if hasattr(self._jax, "enable_x64"):
            doubles: AbstractContextManager[Any] = self._jax.enable_x64(True)  # noqa: FBT003
            return doubles
        older: AbstractContextManager[Any] = importlib.import_module(
            "jax.experimental"
        ).enable_x64()
        return older

    def constant(self, leaf: Any) -> Any:
        return self._jax.numpy.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf

    def value(self, call: _Call, arrays: Arrays) -> Any:
        return np.asarray(call(*map(self._jax.numpy.asarray, arrays)))

    def pull(self, call: _Call, arrays: Arrays, g: Vector) -> Sequence[Any]:
        _, pull = self._jax.vjp(call, *map(self._jax.numpy.asarray, arrays))
        return [np.asarray(d) for d in pull(self._jax.numpy.asarray(g))]

    def push(self, call: _Call, arrays: Arrays, tangents: Arrays) -> Any:
        primals, moves = (tuple(map(self._jax.numpy.asarray, a)) for a in (arrays, tangents))
        try:
            return np.asarray(self._jax.jvp(call, primals, moves)[1])
        except TypeError as error:  # of functions that define their own vjp
            raise _NoForwardModeError from error


class _Autograd:
    name = "autograd"
    only_arrays = True

    def __init__(self) -> None:
        self._autograd = _imported("autograd", "HIPS autograd")

    def session(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def constant(self, leaf: Any) -> Any:
        return leaf

    def value(self, call: _Call, arrays: Arrays) -> Any:
        return np.asarray(call(*arrays))

    def pull(self, call: _Call, arrays: Arrays, g: Vector) -> Sequence[Any]:
        return [self._autograd.make_vjp(call, i)(*arrays)[0](g) for i in range(len(arrays))]

    def push(self, call: _Call, arrays: Arrays, tangents: Arrays) -> Any:
        try:
            pushed = [
                self._autograd.make_jvp(call, i)(*arrays)(t)[1] for i, t in enumerate(tangents)
            ]
        except NotImplementedError as error:
            raise _NoForwardModeError from error
        return sum(pushed)


def _imported(name: str, title: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(
            f"{title} is not installed. Get it with: pip install {name}", name=name
        ) from error
