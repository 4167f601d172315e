"""What stands for arrays and numbers while a step is traced: every call leaves a statement."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Never

import numpy as np

from tinygrad_bp import traced
from tinygrad_bp.duck import INSTEAD, NO_OPTIONS
from tinygrad_bp.methods import Methods
from tinygrad_bp.operands import is_foreign
from tinygrad_bp.program.sites import called_by_user
from tinygrad_bp.recording import record
from tinygrad_bp.registry import rule_of
from tinygrad_bp.tensor import Tensor
from tinygrad_bp.traced import Run

__all__ = ["Number", "Setting", "Traced", "of_python"]

Function = Callable[..., Any]

of_python: Mapping[Function, Function] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.divide: operator.truediv,
    np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
    np.power: operator.pow,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.absolute: operator.abs,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
}
"""What Python calls between numbers of its own, where arrays would have NumPy's function."""


_OF_MEMORY = {name for name in dir(np.ndarray) if not name.startswith("_")} - {"base"}
"""What else arrays have. (Who asks for a base is told that there is none.)"""


class Traced(traced.Traced):
    """An array in a step that is traced: in a tensor, it stands for the tensor's values."""

    __slots__ = ()

    rank: ClassVar[int] = 0
    is_plain: ClassVar[bool] = True
    advice: ClassVar[str] = (
        "; a compiled step repeats the same calls. Write it in functions of arrays, such as "
        "np.where, or do it outside of the step, with what the step returns"
    )

    def _call(
        self, function: Function, arrays: Sequence[Any], options: Mapping[str, Any] = NO_OPTIONS
    ) -> Any:
        if any(isinstance(a, Tensor) for a in arrays):
            return record(function, arrays, options)
        if not options:
            return self._call_as_written(function, arrays, {})
        rule = rule_of(function)
        if rule is not None and (rule.differentiable or rule.kind == "composite"):
            return self._call_as_written(function, *rule.form.as_written(arrays, options))
        return self._call_as_written(function, arrays, options)

    def _call_as_written(self, function: Function, args: Any, kwargs: Any) -> Any:
        if function in traced.FACTS:
            return function(*traced.plain(tuple(args)), **traced.plain(dict(kwargs)))
        return self.run.call(function, args, kwargs)

    @property
    def is_elsewhere(self) -> bool:  # type: ignore[override]
        """Whether it stands for an array of another library."""
        return is_foreign(self.value)

    def _made_like(self, function: Function, args: Any, kwargs: Any) -> Any:
        if self.is_elsewhere:  # every run makes it where its arrays are
            given = {k: v for k, v in kwargs.items() if v is not None and (k, v) != ("order", "C")}
            return self.run.call(function, args, {**given, "like": self})
        return super()._made_like(function, args, kwargs)

    def astype(self, dtype: Any, **_: Any) -> Any:
        """Return the array in another dtype."""
        if self.is_elsewhere:
            run: Any = self.run
            return run.converted(self, np.dtype(dtype))
        return super().astype(dtype)

    def is_certain(self) -> bool:
        """Return whether it holds, for the library's own use: every run will check that."""
        return bool(self.run.decide(self))

    def is_violated(self) -> bool:
        """Return whether something is wrong: if it is, eager mode is asked to say what."""
        self.run.require(np.logical_not(self))
        return False

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        if method != "__call__":
            name = f"{ufunc.__name__}.{method}"
            self.run.refuse(f"np.{name} is called; use {INSTEAD.get(name, 'the plain function')}")
        return super().__array_ufunc__(ufunc, method, *args, **kwargs)

    if not TYPE_CHECKING:  # for a type checker, it would have every attribute

        def __getattr__(self, name: str) -> Any:
            if name in _OF_MEMORY:
                self.run.refuse(f"'{name}' of an array is about its memory, or about values")
            super().__getattr__(name)

    def _refuse(self, what: str) -> Never:
        if name := called_by_user():
            run: Run = self.run
            run.refuse(
                f"{name} looks at values, which are others in every run, and no compiled step can "
                "do that. Call the step without compiling it; or if those are lengths or other "
                "options, give them as numbers or lists, which are part of a program"
            )
        super()._refuse(what)

    def __round__(self, digits: int | None = None) -> Never:
        self._refuse("round()")

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._refuse("a copy outside of the step (pickle)")

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)

    __copy__ = Methods.copy

    def sort(self, *_: Any, **__: Any) -> Any:
        """Raise an error: an array is sorted in place."""
        return self.run.refuse("an array is sorted in place. Use np.sort")

    def view(self, *shape: Any) -> Any:
        """Return the array in another shape; raises for another dtype, as of arrays it is."""
        if any(not isinstance(n, int | tuple | list) for n in shape):
            self.run.refuse("the memory of an array is read as another dtype")
        return super().view(*shape)

    def __lshift__(self, other: Any) -> Any:
        return self._call(np.left_shift, (self, other))

    def __rlshift__(self, other: Any) -> Any:
        return self._call(np.left_shift, (other, self))

    def __rshift__(self, other: Any) -> Any:
        return self._call(np.right_shift, (self, other))

    def __rrshift__(self, other: Any) -> Any:
        return self._call(np.right_shift, (other, self))

    def __repr__(self) -> str:
        return super().__repr__() if self.run.over else self._refuse("text")

    # --- in place -----------------------------------------------------------------------------

    def __iadd__(self, other: Any) -> Any:
        return self.run.in_place(self, self + other)

    def __isub__(self, other: Any) -> Any:
        return self.run.in_place(self, self - other)

    def __imul__(self, other: Any) -> Any:
        return self.run.in_place(self, self * other)

    def __itruediv__(self, other: Any) -> Any:
        return self.run.in_place(self, self / other)

    def __ifloordiv__(self, other: Any) -> Any:
        return self.run.in_place(self, self // other)

    def __imod__(self, other: Any) -> Any:
        return self.run.in_place(self, self % other)

    def __ipow__(self, other: Any) -> Any:
        return self.run.in_place(self, self**other)

    def __imatmul__(self, other: Any) -> Any:
        return self.run.in_place(self, self @ other)

    def __setitem__(self, index: Any, value: Any) -> Never:
        run: Run = self.run
        run.refuse(f"values are written into an array{self.advice}")


class Number(Traced):
    """A number of Python's that is another one in every run, such as the learning rate.

    A branch on it is allowed: every run checks that it goes the same way.
    """

    __slots__ = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """A number has no axes."""
        return ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """What NumPy would make of it."""
        return np.asarray(self.value).dtype

    @property
    def ndim(self) -> int:
        """A number has no axes."""
        return 0

    @property
    def size(self) -> int:
        """A number is one element."""
        return 1

    def __pow__(self, exponent: Any) -> Any:
        return self._call(np.power, (self, exponent))

    def __bool__(self) -> bool:
        return bool(self.run.decide(self))

    def __float__(self) -> float:
        return float(self.run.settle(self))

    def __int__(self) -> int:
        return int(self.run.settle(self))

    def __index__(self) -> int:
        return operator.index(self.run.settle(self))

    def __format__(self, spec: str) -> str:
        return format(self.run.settle(self), spec)


class Setting(Traced):
    """An option of an optimiser as an array without axes; one that is 0 has no stand-in."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True
