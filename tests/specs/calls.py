"""What the rows of the table of specs are made of: calls, and values to be drawn for them.

A row names a function and some calls of it. `x(2, 3)` in a call stands for an array argument
that takes a gradient; everything else is passed as it stands. Values are drawn so that no kink
or pole is near, which is what lets differences be compared with derivatives to many digits:

    unary(np.arcsin, real(-0.8, 0.8))
    Spec(np.reshape, call(x(2, 3), (3, 2)), call(x(), (1, 1)))
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_bp.registry import name_of, rules

Array = Any
Shape = tuple[int, ...]


# --- arguments ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Real:
    """Values between two limits, none closer to 0 than `gap`."""

    low: float = -2.0
    high: float = 2.0
    gap: float = 0.0

    def draw(self, rng: np.random.Generator, shape: Shape) -> Array:
        width = self.high - self.low - (2 * self.gap if self.low < 0 < self.high else 0)
        values = self.low + width * rng.random(shape)
        return np.where(values > -self.gap, values + 2 * self.gap, values) if self.gap else values

    @property
    def number(self) -> float:
        return round(0.3 * self.low + 0.7 * self.high, 3)


@dataclass(frozen=True)
class Apart:
    """Values of a lattice in random order: no two within 1/2, lattices 1/6 from each other."""

    lattice: int = 0

    def draw(self, rng: np.random.Generator, shape: Shape) -> Array:
        size = int(np.prod(shape))
        values = (np.arange(size) - size // 2) * 0.5 + self.number
        return rng.permutation(values).reshape(shape)

    @property
    def number(self) -> float:
        return self.lattice / 6


@dataclass(frozen=True)
class Holed:
    """Values of another kind, every third of them replaced by nan."""

    values: Real | Apart = field(default_factory=Real)

    def draw(self, rng: np.random.Generator, shape: Shape) -> Array:
        holes = np.arange(int(np.prod(shape))).reshape(shape) % 3 == 1
        return np.where(holes, np.nan, self.values.draw(rng, shape))

    @property
    def number(self) -> float:
        return self.values.number


@dataclass(frozen=True)
class Complex:
    """Complex values, at a distance from 0 between two limits."""

    low: float = 0.5
    high: float = 2.0

    def draw(self, rng: np.random.Generator, shape: Shape) -> Array:
        sizes = self.low + (self.high - self.low) * rng.random(shape)
        return sizes * np.exp(2j * math.pi * rng.random(shape))

    @property
    def number(self) -> complex:
        return 1.2 - 0.7j


Values = Real | Apart | Holed | Complex
z = Complex()
real = Real
positive = Real(0.5, 2.0)
nonzero = Real(-2.0, 2.0, gap=0.5)


@dataclass(frozen=True)
class Draw:
    """An array argument that takes a gradient."""

    shape: Shape
    values: Values = field(default_factory=Real)
    layout: str = ""  # or "transposed" or "strided": not contiguous

    def __str__(self) -> str:
        return "x".join(map(str, self.shape)) + self.layout[:1].upper() if self.shape else "0d"

    def base(self, rng: np.random.Generator, dtype: Any) -> Array:
        """The contiguous array that the argument is a view of."""
        shape = self.shape
        if self.layout == "transposed":
            shape = shape[::-1]
        elif self.layout == "strided":
            shape = (*shape[:-1], 2 * shape[-1] + 1)
        values = np.asarray(self.values.draw(rng, shape))
        return values.astype(np.result_type(dtype, 1j) if values.dtype.kind == "c" else dtype)

    def view(self, base: Array) -> Array:
        """The argument, from its base: arrays and tensors alike."""
        if self.layout == "transposed":
            return np.transpose(base)
        # The first entry is left out: if a result lies right before an array with negative strides,
        # NumPy 2.0 thinks that the two overlap, and rounds differently.
        return base[..., :0:-2] if self.layout == "strided" else base


def x(*shape: int, values: Values = Real(), layout: str = "") -> Draw:
    return Draw(shape, values, layout)


def transposed(*shape: int, values: Values = Real()) -> Draw:
    return Draw(shape, values, "transposed")


def strided(*shape: int, values: Values = Real()) -> Draw:
    return Draw(shape, values, "strided")


# --- calls and specs ------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One call of a function, some of whose arguments are still to be drawn."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    options: dict[str, Any]
    reference: Callable[..., Any]  # says in NumPy what the function should compute
    flat: tuple[int, ...] = ()  # outputs that take no gradient
    completed: Callable[..., Any] | None = None  # gives the arguments that follow from the others

    def __str__(self) -> str:
        written = [*map(_text, self.args), *(f"{k}={_text(v)}" for k, v in self.options.items())]
        return f"{name_of(self.function)}({', '.join(written)})"

    @property
    def has_rule(self) -> bool:
        """Whether the call is recorded as it stands, rather than rewritten."""
        rule = rules[self.function]
        as_it_stands = rule.general is None or rule.form.takes(self.args, self.options)
        return rule.differentiable and as_it_stands

    @property
    def draws(self) -> list[Draw]:
        return list(_draws(self.args))

    def bases(self, dtype: Any = np.float64) -> list[Array]:
        """Values for all drawn arguments, the same ones every time."""
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        return [draw.base(rng, dtype) for draw in self.draws]

    @property
    def is_complex(self) -> bool:
        """Whether an argument that takes a gradient is complex."""
        return any(isinstance(draw.values, Complex) for draw in self.draws)

    def views(self, bases: Sequence[Array]) -> list[Array]:
        """The drawn arguments in their layouts."""
        return [draw.view(base) for draw, base in zip(self.draws, bases, strict=True)]

    def filled(self, views: Sequence[Array]) -> tuple[Any, ...]:
        """All arguments, with arrays or tensors in the places of the drawn ones."""
        args = _fill(self.args, iter(views))
        return args if self.completed is None else (*args, *self.completed(*args, **self.options))

    def __call__(self, views: Sequence[Array]) -> list[Array]:
        """Call the function; what it returns, as a list, without outputs that are flat."""
        return self.smooth(self.function(*self.filled(views), **self.options))

    def expected(self, views: Sequence[Array]) -> list[Array]:
        """What it should return."""
        return self.smooth(self.reference(*self.filled(views), **self.options))

    def smooth(self, result: Any) -> list[Array]:
        """Of a result, what takes a gradient, as a list."""
        return [y for i, y in enumerate(_listed(result)) if i not in self.flat]


class Spec:
    """A function and calls of it that cover what it can do."""

    def __init__(
        self,
        function: Callable[..., Any],
        *calls: tuple[tuple[Any, ...], dict[str, Any]],
        reference: Callable[..., Any] | None = None,
        flat: tuple[int, ...] = (),
        completed: Callable[..., Any] | None = None,
    ) -> None:
        self.function = function
        self.calls = [
            Call(function, args, opts, reference or function, flat, completed)
            for args, opts in calls
        ]


def Newer(name: str, *calls: tuple[tuple[Any, ...], dict[str, Any]]) -> Spec:  # noqa: N802
    """A function that not every supported version of NumPy has."""
    function = getattr(np, name, None)
    return Spec(function, *calls) if function else Spec(np.positive)


def call(*args: Any, **options: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return args, options


def unary(
    function: Callable[..., Any],
    values: Values = Real(),
    *options: dict[str, Any],
    reference: Callable[..., Any] | None = None,
) -> Spec:
    """A function of one array, element by element."""
    draws = [x(), x(1), x(0, 2), x(2, 3), transposed(2, 3), strided(3)]
    calls = [
        call(replace(draw, values=values), **chosen)
        for draw, chosen in itertools.product(draws, options or ({},))
    ]
    return Spec(function, *calls, reference=reference)


def binary(
    function: Callable[..., Any],
    left: Values = Real(),
    right: Values = Real(),
    *more: tuple[tuple[Any, ...], dict[str, Any]],
    reference: Callable[..., Any] | None = None,
) -> Spec:
    """A function of two arrays that broadcast."""
    pairs = [
        (x(), x()),
        (x(2, 3), x(3)),
        (x(2, 1), x(1, 3)),
        (x(), strided(1, 2)),
        (x(0, 3), x(1)),
        (transposed(2, 3), x(2, 3)),
    ]
    calls = [call(replace(a, values=left), replace(b, values=right)) for a, b in pairs]
    calls += [call(x(3, values=left), right.number), call(left.number, x(3, values=right))]
    return Spec(function, *calls, *more, reference=reference)


def reduction(
    function: Callable[..., Any],
    values: Values = Real(),
    *more: tuple[tuple[Any, ...], dict[str, Any]],
    axes: Sequence[Any] = (None, 0, -1, (0, 2), (-1, 1, 0)),
    single: bool = True,  # whether it is smooth for one element
    empty: bool = False,  # whether it is defined for no elements
) -> Spec:
    """A function that removes axes."""
    calls = [call(x(2, 1, 3, values=values), axis=axis) for axis in axes]
    calls += [call(x(2, 1, 3, values=values), axis=axis, keepdims=True) for axis in axes]
    calls += [call(transposed(2, 3, values=values), axis=1), call(strided(2, 2, values=values))]
    calls += [call(x(0, 3, values=values), axis=-1), call(x(4, values=values))]
    if single:
        calls += [call(x(values=values)), call(x(1, values=values))]
    if empty:
        calls += [call(x(0, 3, values=values), axis=0), call(x(0, values=values))]
    return Spec(function, *calls, *more)


def _draws(argument: Any) -> Iterator[Draw]:
    if isinstance(argument, Draw):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from _draws(part)


def _fill(argument: Any, values: Iterator[Array]) -> Any:
    if isinstance(argument, Draw):
        return next(values)
    if isinstance(argument, list | tuple):
        return type(argument)([_fill(part, values) for part in argument])
    return argument


def _listed(result: Any) -> list[Array]:
    return list(result) if isinstance(result, list | tuple) else [result]


def _text(argument: Any) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(map(_text, argument))}]"
    if isinstance(argument, np.ndarray):
        return f"array{argument.tolist()}"
    if callable(argument):
        return str(argument.__name__)
    return str(argument)


# --- differences ----------------------------------------------------------------------------


def differences(f: Callable[..., Array], point: list[Array], direction: list[Array]) -> Array:
    """The derivative of f along a direction, by central differences extrapolated to step 0.

    Romberg's scheme over four halvings of h = 1/32: the error is of order h⁸, and rounding adds
    about 1e-13. The direction must not be longer than 1 in any entry.
    """
    row: list[Array] = []
    for level in range(4):
        h = 2.0 ** -(5 + level)
        ends = [
            f([p + side * d for p, d in zip(point, direction, strict=True)]) for side in (h, -h)
        ]
        best = [(ends[0] - ends[1]) / (2 * h)]
        for order, coarser in enumerate(row, start=1):
            best.append(best[-1] + (best[-1] - coarser) / (4**order - 1))
        row = best
    return row[-1]


# --- what several families of the table use --------------------------------------------------

mask = np.array([[True, False, True], [False, False, True]])
twice = [0, 2, 0]  # an index that repeats
F64 = np.float64
NEW = np.lib.NumpyVersion(np.__version__) >= "2.1.0"  # some arguments have their names since then
