"""How NumPy, PyTorch, JAX and HIPS autograd evaluate and differentiate a function."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.foreign import Call, Framework, NoForwardModeError
from tinygrad_bp.gradcheck.holders import fill, leaves

__all__ = ["hips_autograd", "jax", "plain", "torch"]

Arrays: TypeAlias = "Sequence[Any]"
Function: TypeAlias = Callable[..., Any]


def plain(vjp: Function) -> Framework:
    """Return NumPy, with a vector-Jacobian product that somebody wrote."""
    return _Plain(vjp)


def torch(seed: int) -> Framework:
    """Return PyTorch, with the same random numbers at every evaluation."""
    return _Torch(seed)


def jax() -> Framework:
    """Return JAX in double precision."""
    return _Jax()


def hips_autograd() -> Framework:
    """Return HIPS autograd."""
    return _HipsAutograd()


class _Plain:
    name = "NumPy"
    steepest = True
    wrote = False
    only_arrays = False

    def __init__(self, vjp: Function) -> None:
        self._vjp = vjp

    def session(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def received(self, leaf: Any) -> Any:
        return leaf

    def constant(self, leaf: Any) -> Any:
        return leaf

    def value(self, call: Call, arrays: Arrays) -> Any:
        return call(*arrays)

    def pull(self, call: Call, arrays: Arrays, g: Any) -> Any:
        return self._vjp(g, *call.arguments(arrays))

    def push(self, *_: Any, **__: Any) -> Any:
        raise NoForwardModeError


class _Torch:
    name = "PyTorch"
    steepest = True
    wrote = False
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

    def received(self, leaf: Any) -> Any:
        return leaf.numpy(force=True) if isinstance(leaf, self._torch.Tensor) else leaf

    def constant(self, leaf: Any) -> Any:
        is_array = isinstance(leaf, np.ndarray | np.generic)
        return self._torch.tensor(leaf) if is_array else leaf

    def _call(self, call: Call, tensors: Sequence[Any]) -> Any:
        self._torch.default_generator.manual_seed(self._seed)  # the same dropout mask every time
        y = call(*tensors)
        for part in leaves(y):
            self._refuse(part, tensors)
        return y

    def _refuse(self, part: Any, tensors: Sequence[Any]) -> None:
        if not isinstance(part, self._torch.Tensor):
            raise GradcheckError(f"the function gave {type(part).__name__}, not a PyTorch tensor")
        numbers = part.is_floating_point() or part.is_complex()
        if tensors and numbers and part.real.dtype != tensors[0].real.dtype:
            raise GradcheckError(
                f"the function of {tensors[0].dtype} gave {part.dtype}. Its values must not lose "
                "precision on the way: leave out .float(), give modules .double()."
            )

    def value(self, call: Call, arrays: Arrays) -> Any:
        # Tracked, because the gradient is of this, and PyTorch takes other paths without.
        xs = self._leaves(arrays)
        y = self._call(call, xs)
        self._look_at_inputs(arrays, xs)
        return fill(y, iter([part.numpy(force=True) for part in leaves(y)]))

    def pull(self, call: Call, arrays: Arrays, g: Any) -> Any:
        xs, arrived = self._leaves(arrays), leaves(g)
        gs = [self._tensor(part) for part in arrived]
        pairs = zip(leaves(self._call(call, xs)), gs, strict=True)
        # Some functions cut the graph without a word.
        moving = [(y, part) for y, part in pairs if y.requires_grad]
        if not moving:
            return [None] * len(xs)
        found = self._torch.autograd.grad(
            [y for y, _ in moving], xs, [part for _, part in moving], allow_unused=True
        )
        for part, now in zip(arrived, gs, strict=True):
            _write_back(part, now.numpy(force=True))
        self._look_at_inputs(arrays, xs)
        return [None if d is None else d.numpy(force=True) for d in found]

    def _tensor(self, a: Any) -> Any:
        """A tensor of its own memory, in which elements lie as they do in the array.

        PyTorch takes neither negative strides nor memory that must not be written to.
        """
        if a.flags.c_contiguous:
            return self._torch.tensor(a.copy())
        if a.flags.f_contiguous:
            return self._torch.tensor(a.T.copy()).permute(*reversed(range(a.ndim)))
        with_gaps = self._torch.tensor(np.stack([a, a], axis=-1))
        return with_gaps[..., 0]

    def _look_at_inputs(self, arrays: Arrays, tensors: Sequence[Any]) -> None:
        for a, t in zip(arrays, tensors, strict=True):
            self.wrote |= not np.array_equal(a, t.numpy(force=True), equal_nan=True)

    def push(self, call: Call, arrays: Arrays, tangents: Arrays) -> Any:
        forward = self._torch.autograd.forward_ad
        with forward.dual_level():
            duals = [
                forward.make_dual(self._torch.tensor(a.copy()), self._torch.tensor(t.copy()))
                for a, t in zip(arrays, tangents, strict=True)
            ]
            try:
                pairs = [forward.unpack_dual(y) for y in leaves(self._call(call, duals))]
            except (NotImplementedError, RuntimeError) as error:
                raise NoForwardModeError from error
            return [np.zeros(y.shape) if t is None else t.numpy(force=True) for y, t in pairs]

    def _leaves(self, arrays: Arrays) -> list[Any]:
        return [self._tensor(a).requires_grad_() for a in arrays]


class _Jax:
    name = "JAX"
    steepest = False
    wrote = False
    only_arrays = True

    def __init__(self) -> None:
        self._jax = _imported("jax", "JAX")
        self._float0 = importlib.import_module("jax.dtypes").float0

    def session(self) -> AbstractContextManager[Any]:
        if hasattr(self._jax, "enable_x64"):
            doubles: AbstractContextManager[Any] = self._jax.enable_x64(True)  # noqa: FBT003
            return doubles
        older: AbstractContextManager[Any] = importlib.import_module(
            "jax.experimental"
        ).enable_x64()
        return older

    def received(self, leaf: Any) -> Any:
        return np.asarray(leaf) if isinstance(leaf, self._jax.Array) else leaf

    def constant(self, leaf: Any) -> Any:
        return self._jax.numpy.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf

    def value(self, call: Call, arrays: Arrays) -> Any:
        y = call(*map(self._jax.numpy.asarray, arrays))
        return fill(y, map(np.asarray, leaves(y)))

    def pull(self, call: Call, arrays: Arrays, g: Any) -> Any:
        y, pull = self._jax.vjp(self._listed(call), *map(self._jax.numpy.asarray, arrays))
        return list(pull(list(map(self._arriving, y, leaves(g)))))

    def _listed(self, call: Call) -> Function:
        # JAX itself would put the outputs in a dictionary in the order of their keys.
        return lambda *arrays: [self._jax.numpy.asarray(part) for part in leaves(call(*arrays))]

    def _arriving(self, y: Any, g: Any) -> Any:
        # What arrives at whole numbers has a type of its own, with nothing in it.
        moves = self._jax.numpy.issubdtype(y.dtype, np.inexact)
        return self._jax.numpy.asarray(g) if moves else np.zeros(y.shape, self._float0)

    def push(self, call: Call, arrays: Arrays, tangents: Arrays) -> Any:
        primals, moves = (tuple(map(self._jax.numpy.asarray, a)) for a in (arrays, tangents))
        try:
            moved = self._jax.jvp(self._listed(call), primals, moves)[1]
            return [np.zeros(t.shape) if t.dtype == self._float0 else np.asarray(t) for t in moved]
        except TypeError as error:  # of functions that define their own vjp
            raise NoForwardModeError from error


class _HipsAutograd:
    name = "autograd"
    steepest = False
    wrote = False
    only_arrays = True

    def __init__(self) -> None:
        self._autograd = _imported("autograd", "HIPS autograd")

    def session(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def received(self, leaf: Any) -> Any:
        return leaf

    def constant(self, leaf: Any) -> Any:
        return leaf

    def value(self, call: Call, arrays: Arrays) -> Any:
        return call(*arrays)

    def pull(self, call: Call, arrays: Arrays, g: Any) -> Any:
        return [self._autograd.make_vjp(call, i)(*arrays)[0](g) for i in range(len(arrays))]

    def push(self, call: Call, arrays: Arrays, tangents: Arrays) -> Any:
        try:
            pushed = [
                self._autograd.make_jvp(call, i)(*arrays)(t)[1] for i, t in enumerate(tangents)
            ]
        except NotImplementedError as error:
            raise NoForwardModeError from error
        return sum(pushed)


def _write_back(array: Any, now: Any) -> None:
    """Do to an array what was done to the tensor in its place."""
    if not np.array_equal(array, now, equal_nan=True):
        array[...] = now  # which raises if it is read-only, as the tensor could not


def _imported(name: str, title: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ModuleNotFoundError(
            f"{title} is not installed. Get it with: pip install {name}", name=name
        ) from error
