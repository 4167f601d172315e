"""One table of every differentiable function: how it is called, and where it is smooth.

A row names a function and some calls of it. `x(2, 3)` in a call stands for an array argument
that takes a gradient; everything else is passed as it stands. Values are drawn so that no kink
or pole is near, which is what lets differences be compared with derivatives to many digits:

    unary(np.arcsin, real(-0.8, 0.8))
    Spec(np.reshape, call(x(2, 3), (3, 2)), call(x(), (1, 1)))

`test_specs.py` runs the table, `test_closed_world.py` demands that nothing is missing from it.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_bp import rules as own
from tinygrad_bp.registry import name_of

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


Values = Real | Apart
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
        return np.asarray(self.values.draw(rng, shape), dtype)

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

    def __str__(self) -> str:
        written = [*map(_text, self.args), *(f"{k}={_text(v)}" for k, v in self.options.items())]
        return f"{name_of(self.function)}({', '.join(written)})"

    @property
    def draws(self) -> list[Draw]:
        return list(_draws(self.args))

    def bases(self, dtype: Any = np.float64) -> list[Array]:
        """Values for all drawn arguments, the same ones every time."""
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        return [draw.base(rng, dtype) for draw in self.draws]

    def views(self, bases: Sequence[Array]) -> list[Array]:
        """The drawn arguments in their layouts."""
        return [draw.view(base) for draw, base in zip(self.draws, bases, strict=True)]

    def filled(self, views: Sequence[Array]) -> tuple[Any, ...]:
        """All arguments, with arrays or tensors in the places of the drawn ones."""
        return _fill(self.args, iter(views))

    def __call__(self, views: Sequence[Array]) -> list[Array]:
        """Call the function; what it returns, as a list, without outputs that are flat."""
        return self._smooth(self.function(*self.filled(views), **self.options))

    def expected(self, views: Sequence[Array]) -> list[Array]:
        """What it should return."""
        return self._smooth(self.reference(*self.filled(views), **self.options))

    def _smooth(self, result: Any) -> list[Array]:
        return [y for i, y in enumerate(_listed(result)) if i not in self.flat]


class Spec:
    """A function and calls of it that cover what it can do."""

    def __init__(
        self,
        function: Callable[..., Any],
        *calls: tuple[tuple[Any, ...], dict[str, Any]],
        reference: Callable[..., Any] | None = None,
        flat: tuple[int, ...] = (),
    ) -> None:
        self.function = function
        self.calls = [
            Call(function, args, opts, reference or function, flat) for args, opts in calls
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
    if isinstance(argument, type):
        return argument.__name__
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


# --- what our own functions should compute --------------------------------------------------


def _scattered(g: Array, index: Any, shape: Shape) -> Array:
    out = np.zeros(shape, g.dtype)
    np.add.at(out, index, g)
    return out


def _logsumexp(a: Array, axis: int = -1, *, keepdims: bool = False) -> Array:
    return np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims))


def _products_of_others(a: Array) -> Array:
    columns = [np.prod(np.delete(a, i, axis=-1), axis=-1) for i in range(a.shape[-1])]
    return np.stack(columns, axis=-1) if columns else a


# --- the table ------------------------------------------------------------------------------

mask = np.array([[True, False, True], [False, False, True]])
labels = np.array([2, 0])
twice = [0, 2, 0]  # an index that repeats
F64 = np.float64
NEW = np.lib.NumpyVersion(np.__version__) >= "2.1.0"  # some arguments have their names since then
near_3 = (Real(3.3, 3.7), Real(1.0, 1.05))  # quotients between 3 and 4
off_grid = x(2, 3, values=Apart(1))  # not near any multiple of 1/2
off_half = Real(0.15, 0.85)  # between two whole numbers
off_powers = Real(1.1, 1.9)  # between two powers of 2
below_3 = (Real(-3.7, -3.3), Real(1.0, 1.05))

# fmt: off

ELEMENTWISE = [
    binary(np.add),
    binary(np.subtract),
    binary(np.multiply),
    binary(np.divide, real(), nonzero),
    unary(np.negative),
    unary(np.positive),
    unary(np.reciprocal, nonzero),
    unary(np.square),
    binary(np.remainder, *near_3, call(*(x(3, values=v) for v in below_3))),
    binary(np.fmod, *near_3, call(*(x(3, values=v) for v in below_3))),
    binary(
        np.power, positive, real(),
        call(x(3, values=nonzero), 3), call(x(3, values=nonzero), -2), call(x(3), 1),
        call(x(3), 0), call(x(3, values=nonzero), np.array([1, 2, 3])), call(2, x(3)),
    ),
    binary(np.float_power, positive, real(), call(x(3, values=nonzero), 3)),
    unary(np.sqrt, positive),
    unary(np.cbrt, nonzero),
    binary(np.hypot, nonzero, real()),
    unary(np.exp),
    unary(np.exp2),
    unary(np.expm1),
    unary(np.log, positive),
    unary(np.log2, positive),
    unary(np.log10, positive),
    unary(np.log1p, real(-0.5, 2)),
    binary(np.logaddexp),
    binary(np.logaddexp2),
    unary(np.sin),
    unary(np.cos),
    unary(np.tan, real(-1, 1)),
    unary(np.arcsin, real(-0.8, 0.8)),
    unary(np.arccos, real(-0.8, 0.8)),
    unary(np.arctan),
    binary(np.arctan2, nonzero, real()),
    unary(np.sinh),
    unary(np.cosh),
    unary(np.tanh),
    unary(np.arcsinh),
    unary(np.arccosh, real(1.5, 3)),
    unary(np.arctanh, real(-0.8, 0.8)),
    unary(np.deg2rad),
    unary(np.radians),
    unary(np.rad2deg),
    unary(np.degrees),
    unary(np.absolute, nonzero),
    unary(np.fabs, nonzero),
    binary(np.maximum, Apart(0), Apart(1)),
    binary(np.minimum, Apart(0), Apart(1)),
    binary(np.fmax, Apart(0), Apart(1)),
    binary(np.fmin, Apart(0), Apart(1)),
    Spec(
        np.where,
        call(mask, x(2, 3), x(2, 3)), call(mask, x(3), x()), call(mask, x(2, 3), 0.0),
        call(mask, 0, x(2, 1)), call(mask[:, :1], x(3), x(2, 1)), call(True, x(), x()),
        call(mask[:0], x(0, 3), x(3)), call(mask, transposed(2, 3), strided(3)),
    ),
    Spec(
        np.clip,
        *(call(off_grid, *limits) for limits in ((-0.5, 0.5), (None, 0.5), (-0.5, None))),
        *(call(off_grid, **limits) for limits in ({"a_min": -0.5, "a_max": 0.5},)),
        *(call(off_grid, **limits) for limits in ({"min": -0.5, "max": 0.5}, {"max": 0.5}) if NEW),
        call(x(2, 3, values=Apart()), x(3, values=Apart(1)), x(values=Apart(2))),
        call(x(values=Apart(1)), -0.5, 0.5), call(x(0, 2), -0.5, 0.5),
    ),
    Spec(
        np.heaviside,
        call(np.array([0.0, 1.0, -1.0]), x(3)), call(np.zeros((2, 3)), x(3)), call(0.0, x()),
        call(np.zeros((0, 3)), x(1)), call(np.zeros((2, 1)), transposed(2, 3)),
    ),
    Spec(
        np.ldexp,
        call(x(2, 3), np.array([1, -2, 0])), call(x(), 3), call(x(0, 2), 1),
        call(transposed(2, 3), np.array([[1], [2]])),
    ),
    Spec(
        np.divmod,
        *(call(x(*s, values=near_3[0]), x(*z, values=near_3[1])) for s, z in (
            ((), ()), ((2, 3), (3,)), ((2, 1), (1, 3)), ((0, 3), (1,)),
        )),
        call(x(3, values=below_3[0]), 1.02), call(3.5, x(3, values=below_3[1])),
        flat=(0,),
    ),
    Spec(np.modf, call(x(values=off_half)), call(x(2, 3, values=off_half)),
         call(transposed(2, 3, values=off_half)), call(x(0, 2)), flat=(1,)),
    Spec(np.frexp, call(x(values=off_powers)), call(x(2, 3, values=off_powers)),
         call(strided(3, values=off_powers)), call(x(0, 2)), flat=(1,)),
    Spec(
        np.full_like,
        call(x(2, 3), x()), call(x(2, 3), x(3)), call(x(2), x(1)), call(x(0, 2), x()),
        call(x(3), x(), shape=(2, 2)),
    ),
    unary(np.copy),
    Spec(
        np.broadcast_to,
        call(x(3), (2, 3)), call(x(2, 1), (2, 3)), call(x(), (2, 2)), call(x(1), 4),
        call(x(2, 3), (2, 3)), call(x(1, 0), (2, 0)), call(x(1), (0,)), call(x(3), shape=(2, 3)),
    ),
]

REDUCTIONS = [
    reduction(np.sum, empty=True),
    reduction(np.mean),
    reduction(np.max, Apart()),
    reduction(np.min, Apart()),
    reduction(np.amax, Apart()),
    reduction(np.amin, Apart()),
    reduction(np.ptp, Apart()),
    reduction(np.prod, nonzero, call(x(5, values=nonzero)), call(x(3, 7)), empty=True),
    reduction(np.var, real(), call(x(2, 3), axis=1, ddof=1), call(x(2, 3), ddof=2, keepdims=True)),
    reduction(
        np.std, Apart(), call(x(2, 3), axis=1, ddof=1), call(x(2, 3), ddof=2, keepdims=True),
        axes=(None, -1, (0, 2), (-1, 1, 0)), single=False,
    ),
    reduction(np.linalg.norm, nonzero, axes=(None, 0, -1, (0, 2), (1,)), empty=True),
    reduction(np.linalg.vector_norm, nonzero, empty=True),
    Spec(
        np.cumsum,
        *(call(x(2, 3), axis=axis) for axis in (None, 0, 1, -1)),
        call(x()), call(x(1)), call(x(0)), call(x(0, 2), axis=1), call(transposed(2, 3)),
    ),
    Newer("cumulative_sum", call(x(4)), call(x(2, 3), axis=0), call(x(2, 3), axis=-1)),
]

SHAPING = [
    Spec(
        np.reshape,
        call(x(2, 3), (3, 2)), call(x(2, 3), -1), call(x(2, 3), (1, -1, 2)), call(x(), (1, 1)),
        call(x(1), ()), call(x(0, 3), (3, 0)), call(transposed(2, 3), (3, 2)),
        call(strided(4), (2, 2)), *(call(x(2, 3), shape=shape) for shape in [(3, 2)] if NEW),
    ),
    unary(np.ravel),
    Spec(
        np.expand_dims,
        *(call(x(2, 3), axis) for axis in (0, -1, 1, (0, 2))),
        call(x(), 0), call(x(0), axis=0),
    ),
    Spec(
        np.squeeze,
        call(x(1, 3, 1)), call(x(1, 3, 1), 0), call(x(1, 3, 1), axis=(0, -1)),
        call(x()), call(x(1)), call(x(1, 0)), call(x(2, 3)),
    ),
    Spec(
        np.transpose,
        call(x(2, 3)), call(x(2, 3, 4), (1, 2, 0)), call(x(2, 1, 3), axes=(-1, 0, 1)),
        call(x()), call(x(0, 2)),
    ),
    Spec(
        np.swapaxes,
        call(x(2, 3), 0, 1), call(x(2, 1, 3), 0, -1), call(x(0, 2), -1, -2),
        call(x(2, 3), axis1=0, axis2=1),
    ),
    Spec(
        np.moveaxis,
        call(x(2, 1, 3), 0, -1), call(x(2, 1, 3), (0, 1), (-1, 0)), call(x(2, 3), 1, 1),
        call(x(2, 1, 3), source=0, destination=2),
    ),
    Spec(
        np.rollaxis,
        *(call(x(2, 1, 3), axis, start) for axis in range(-1, 3) for start in range(-3, 4)),
        call(x(2, 3), 1),
    ),
    Spec(
        np.flip,
        call(x(2, 3)), call(x(2, 3), 0), call(x(2, 3), axis=-1), call(x(2, 3, 2), (0, 2)),
        call(x()), call(x(0)),
    ),
    Spec(np.fliplr, call(x(2, 3))),
    Spec(np.flipud, call(x(2, 3)), call(x(3))),
    Spec(
        np.roll,
        call(x(4), 1), call(x(2, 3), -2), call(x(2, 3), 2, 1), call(x(2, 3), 1, axis=0),
        call(x(2, 3), (1, 2), (0, 1)), call(x(2, 3), (1, 1), axis=1), call(x(0), 1),
        call(x(), 1), call(x(4), shift=-1), call(x(4), np.array([1, 2]), axis=0),
    ),
    Spec(
        np.rot90,
        *(call(x(2, 3), k) for k in range(-1, 5)),
        call(x(2, 1, 3), 1, (1, 2)), call(x(2, 1, 3), k=3, axes=(2, 0)),
    ),
    *(
        Spec(
            f,
            call(x(3, 3)), call(x(2, 3), 1), call(x(2, 3), k=-1), call(x(2, 2, 3)), call(x(0, 3)),
        )
        for f in (np.tril, np.triu)
    ),
    Spec(
        np.tile,
        call(x(2), 3), call(x(2, 3), (2, 1)), call(x(3), (2, 2)), call(x(2, 1, 2), 2),
        call(x(), 3), call(x(2), 0), call(x(2), [2, 1]), call(x(2), np.int64(2)),
    ),
    Spec(np.matrix_transpose, call(x(2, 3)), call(x(2, 1, 3))),
    Spec(np.linalg.matrix_transpose, call(x(2, 3)), call(x(2, 1, 3))),
    Spec(np.broadcast_arrays, call(x(3), x(2, 1)), call(x(), x(2))),
    Spec(np.atleast_1d, call(x()), call(x(2)), call(x(), x(2, 3))),
    Spec(np.atleast_2d, call(x()), call(x(2)), call(x(2, 3), x(0))),
    Spec(np.atleast_3d, call(x()), call(x(2)), call(x(2, 3)), call(x(2, 1, 2), x(0))),
    unary(own.identity, reference=np.positive),
    Spec(
        own.unvarying,
        call(x(2, 3), x(2, 3)), call(x(), x(2)), call(x(0), x()),
        reference=lambda value, x: np.positive(value),
    ),
    Spec(
        own.cast, call(x(2, 3), F64), *([call(x(), F64)] if NEW else []),
        reference=lambda a, dtype: a.astype(dtype),
    ),
    Newer("astype", call(x(2, 3), F64), *([call(x(), F64)] if NEW else [])),  # of scalars since 2.1
]

JOINING = [
    Spec(
        np.concatenate,
        call([x(2), x(3)]), call((x(2, 3), x(2, 1)), axis=1), call([x(2, 3), x(0, 3)], -2),
        call([x(2, 3), x(2)], axis=None), call([[1.0], x(2), np.ones(1)]),
    ),
    Spec(
        np.stack,
        call([x(2), x(2)]), call((x(2, 3), x(2, 3)), axis=-1), call([x(), x(), 1.0]),
        call([x(0, 2), x(0, 2)], 1),
    ),
    Spec(
        np.vstack,
        call([x(2), x(2)]), call((x(2, 3), x(1, 3))), call([x(), x()]), call([[1.0, 2.0], x(2)]),
    ),
    Spec(
        np.hstack,
        call([x(2), x(3)]), call((x(2, 3), x(2, 1))), call([x(), x(2)]), call([[1.0], x(2)]),
    ),
    Spec(
        np.dstack,
        call([x(2), x(2)]), call((x(2, 3), x(2, 3))), call([x(2, 1, 2), x(2, 1)]),
        call([x(0), x(0)]), call([[1.0, 2.0], x(2)]),
    ),
    Spec(
        np.column_stack,
        call([x(2), x(2)]), call((x(2, 3), x(2))), call([[1.0, 2.0], x(2)]),
    ),
    Spec(
        np.array_split,
        call(x(5), 3), call(x(2, 5), [1, 3], 1), call(x(5), [3, 9]), call(x(2, 3), 2, axis=-1),
        call(x(5), np.array([2])), call(x(5), np.int64(2)),
    ),
    Spec(np.split, call(x(4), 2), call(x(2, 4), [1], axis=1), call(x(4, 2), 4)),
    Spec(np.hsplit, call(x(4), 2), call(x(2, 4), [1, 2])),
    Spec(np.vsplit, call(x(4, 2), 2), call(x(4, 2), [1, 2])),
    Newer("unstack", call(x(3)), call(x(2, 3)), call(x(2, 3), axis=-1)),
]

INDEXING = [
    Spec(
        own.getitem,
        *(call(x(3), index) for index in (0, -1, slice(1, None), slice(None, None, -2), None)),
        *(call(x(3), index) for index in (..., twice, [True, False, True], [], np.int64(1))),
        *(call(x(2, 3), index) for index in (1, np.array(1), (0, 2), (slice(None), 1), mask)),
        *(call(x(2, 3), index) for index in ((..., 0), (None, 1), slice(0, 0), (1, twice))),
        *(call(x(2, 3), index) for index in ((slice(None), twice), ([0, 1, 1], mask[1] | True))),
        call(x(2, 3), (np.array([[0], [1]]), np.array([[0, 2]]))),
        call(x(2, 2, 3), ([0, 0], slice(None), [1, 1])),
        call(x(), ()), call(x(), ...), call(transposed(3, 2), twice), call(x(0, 3), slice(None)),
        reference=lambda a, index: a[index],
    ),
    Spec(
        own.scatter_add,
        call(x(3), twice, (4,)), call(x(2), slice(1, 3), (4,)), call(x(), 1, (3,)),
        call(x(3), mask, (2, 3)), call(x(2, 3), (slice(None), twice), (2, 4)),
        call(x(0), [], (3,)), call(x(2), (twice[1:], 0), (3, 2)),
        reference=_scattered,
    ),
    Spec(
        np.take,
        call(x(2, 3), [0, 5, 0]), call(x(2, 3), twice, axis=1), call(x(2, 3), 1, axis=0),
        call(x(2, 3), -1), call(x(2, 3), [[0, 1], [1, 1]], -2), call(x(3), indices=[2]),
    ),
    Spec(
        np.take_along_axis,
        call(x(2, 3), np.array([[0, 2], [1, 1]]), 1), call(x(2, 3), np.array([[0, 1, 1]]), axis=0),
        call(x(2, 3), np.array([[0, 2]]), axis=-1), call(x(6), np.array([0, 5, 0]), axis=None),
        call(x(1, 3), np.array([[0, 2], [1, 1]]), axis=1),
    ),
    Spec(
        np.diagonal,
        *(call(x(2, 3), offset) for offset in (0, 1, 2, 5, -1, -3)),
        call(x(2, 1, 3), offset=0, axis1=2, axis2=0),
    ),
    Spec(np.linalg.diagonal, call(x(2, 3)), call(x(2, 3, 3), offset=1)),
    Spec(np.trace, call(x(3, 3)), call(x(2, 3), 1), call(x(2, 1, 3), axis1=0, axis2=-1)),
    Spec(np.linalg.trace, call(x(3, 3)), call(x(2, 3, 3), offset=-1)),
    Spec(
        np.diff,
        call(x(4)), call(x(2, 3), axis=0), call(x(2, 4), 2), call(x(4), n=4),
        call(x(1, 3), n=1, axis=-2),
    ),
]

LINALG = [
    Spec(
        np.matmul,
        call(x(3), x(3)), call(x(2, 3), x(3)), call(x(3), x(3, 2)), call(x(2, 3), x(3, 2)),
        call(x(4, 2, 3), x(3, 2)), call(x(2, 3), x(4, 3, 2)), call(x(2, 1, 2, 3), x(4, 3, 2)),
        call(x(3), x(4, 3, 2)), call(x(4, 2, 3), x(3)), call(x(0, 3), x(3, 2)),
        call(x(2, 0), x(0, 3)), call(transposed(2, 3), strided(3, 2)), call(x(1, 1), x(1, 1)),
        call(x(2, 3), np.eye(3)[:, :2]), call(np.eye(3)[:2], x(3, 2)),
    ),
    Spec(
        np.einsum,
        *(call(s, x(2, 3)) for s in ("ij->ji", "ji", "ij->", "ij->j", "i...->...", " i j -> i ")),
        *(call(s, x(2, 3), x(3, 2)) for s in ("ij,jk->ik", "ij,jk", "aB,Bc", "ij,ji->", "ij,kl")),
        *(call(s, x(3, 3)) for s in ("ii->i", "ii", "ii->", "ij...->j...")),
        *(call(s, x(2), x(3)) for s in ("i,j->ij", "i,j", "i,j->", "j,i->ij")),
        call("i,ij,j->", x(2), x(2, 3), x(3)), call("bij,bjk->bik", x(2, 2, 3), x(2, 3, 2)),
        call("iij,j->i", x(2, 2, 3), x(3)), call("iii->i", x(2, 2, 2)), call(",i->i", x(), x(3)),
        call("...ij,...jk->...ik", x(2, 2, 3), x(3, 2)), call("...,...", x(2, 3), x(3)),
        call("i...,i...->...", x(3), x(3, 3)), call("i...,i...->i", x(3), x(3)),
        call("...i,i", x(2, 3), x(3)), call("ij...,j->i...", x(2, 3, 2), x(3)),
        call("i...j,...->...ij", x(2, 3, 2), x(1)), call("i...i->...", x(2, 3, 2)),
        call("...i->i", x(3)), call("i...,...->i...", x(2, 1), x(3)),
        call("ij,ij->ij", x(1, 3), x(2, 3)), call("ij,ij->i", x(2, 1), x(2, 3)),
        call("i,i->", x(1), x(3)), call("i,i->", x(0), x(0)), call("i,i", x(3), np.arange(3.0)),
        call("ij,ij->ij", transposed(2, 3), x(2, 3)),
    ),
    Spec(
        np.dot,
        call(x(3), x(3)), call(x(2, 3), x(3)), call(x(2, 3), x(3, 2)), call(x(), x(3)),
        call(x(2, 2, 3), x(3)), call(x(3), x(2, 3, 2)), call(x(0), x(0)),
        call(x(2, 2, 3), x(2, 3, 2)),
    ),
    Spec(
        np.inner,
        call(x(3), x(3)), call(x(2, 3), x(4, 3)), call(x(2, 2, 3), x(3)), call(x(), x(2)),
        call([1.0, 2.0], x(2)),
    ),
    Spec(np.outer, call(x(2), x(3)), call(x(2, 2), x(3)), call(x(), x(2)), call([1.0, 2.0], x(2))),
    Spec(np.vdot, call(x(3), x(3)), call(x(2, 3), x(2, 3)), call(x(), x())),
    Spec(
        np.tensordot,
        call(x(2, 3), x(3, 2), 1), call(x(2, 3), x(2, 3)), call(x(2), x(3), axes=0),
        call(x(2, 3, 4), x(4, 3), axes=([1, 2], [1, 0])), call(x(2, 3), x(4, 3), axes=(1, 1)),
        call(x(2, 3), x(3, 4), axes=(-1, 0)), call([1.0, 2.0], x(2), axes=1),
    ),
    Spec(
        np.kron,
        call(x(2), x(3)), call(x(2, 3), x(2, 2)), call(x(2), x(2, 2)), call(x(), x(2)),
        call([1.0, 2.0], x(2)), call(np.eye(2), x(2)),
    ),
    Spec(np.linalg.matmul, call(x(2, 3), x(3, 2)), call(x(2, 2, 3), x(3))),
    Spec(np.linalg.outer, call(x(2), x(3))),
    Spec(np.linalg.tensordot, call(x(2, 3), x(3, 2), axes=1), call(x(2, 3), x(2, 3))),
    Spec(np.vecdot, call(x(3), x(3)), call(x(2, 3), x(3)), call(x(2, 1, 3), x(2, 3))),
    Spec(
        np.linalg.vecdot,
        call(x(3), x(3)), call(x(2, 3), x(2, 3), axis=0), call(x(2, 3), x(3)),
    ),
    Newer("matvec", call(x(2, 3), x(3)), call(x(2, 2, 3), x(2, 3)), call(x(1, 2), [1.0, 2.0])),
    Newer("vecmat", call(x(3), x(3, 2)), call(x(2, 3), x(2, 3, 2)), call([1.0, 2.0], x(2, 1))),
]

LEARNING = [
    binary(own.quotient, real(), nonzero, reference=np.divide),
    binary(own.product, reference=np.multiply),
    unary(own.sigmoid, reference=lambda a: 1 / (1 + np.exp(-a))),
    unary(own.relu, nonzero, reference=lambda a: np.maximum(a, 0)),
    Spec(
        own.logsumexp,
        call(x(3)), call(x(2, 3)), call(x(2, 3), 0), call(x(2, 3), axis=1, keepdims=True),
        call(x(0, 3)), call(x(2, 1)), call(transposed(2, 3), axis=-2),
        reference=_logsumexp,
    ),
    Spec(
        own.log_softmax,
        call(x(3)), call(x(2, 3)), call(x(2, 3), 0), call(x(0, 3)), call(x(1)),
        call(strided(2, 3), axis=1),
        reference=lambda a, axis=-1: a - _logsumexp(a, axis, keepdims=True),
    ),
    Spec(
        own.softmax,
        call(x(3)), call(x(2, 3)), call(x(2, 3), 0), call(x(0, 3)), call(x(1)),
        call(strided(2, 3), axis=1),
        reference=lambda a, axis=-1: np.exp(a) / np.sum(np.exp(a), axis=axis, keepdims=True),
    ),
    Spec(
        own.softmax_cross_entropy,
        call(x(2, 3), labels), call(x(3), np.array(1)), call(x(2, 2, 4), np.array([[0, 3]] * 2)),
        call(x(0, 3), labels[:0]), call(transposed(2, 3), labels), call(x(2, 1), labels * 0),
        reference=lambda z, at: -np.log(
            np.take_along_axis(np.exp(z) / np.exp(z).sum(-1, keepdims=True), at[..., None], -1)
        )[..., 0],
    ),
    Spec(
        own.sum_squares,
        call(x(2, 3), x(2, 3)), call(x(3), x(3)), call(x(2, 2, 3), x(2, 2, 3)), call(x(), x()),
        call(x(2, 3), np.ones((2, 3))), call(transposed(2, 3), x(2, 3)), call(x(1, 1), x(1, 1)),
        reference=lambda a, target: np.sum((a - target) ** 2) / math.prod(a.shape[:-1]),
    ),
    Spec(
        own.affine,
        call(x(4, 3), x(2, 3), x(2)), call(x(3), x(2, 3), x(2)), call(x(2, 2, 3), x(1, 3), x(1)),
        call(x(0, 3), x(2, 3), x(2)), call(transposed(4, 3), transposed(2, 3), strided(2)),
        call(np.ones((4, 3)), x(2, 3), x(2)),
        reference=lambda a, weight, bias: a @ weight.T + bias,
    ),
    Spec(
        own.products_of_others,
        *(call(x(*shape)) for shape in ((2,), (3,), (2, 5), (0, 3), (2, 7))),
        call(transposed(2, 4)),
        reference=_products_of_others,
    ),
]

# fmt: on

SPECS = [
    spec
    for family in (ELEMENTWISE, REDUCTIONS, SHAPING, JOINING, INDEXING, LINALG, LEARNING)
    for spec in family
    if spec.calls
]
CALLS = [call for spec in SPECS for call in spec.calls]
