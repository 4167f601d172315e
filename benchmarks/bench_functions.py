"""Single rules: every function forward and backward, by this library, by hand and by PyTorch.

    python benchmarks/bench_functions.py [--rounds N] [--sides N ...] [--only TEXT ...]
                                         [--threads N] [--core N] [--json]

What is timed is the gradient of sum(f(x) * w) by x, which `backward(w)` gives: the function, its
derivative and the memory for both, in float32. The arrays are square, with 4, 100 and 2,000 rows:
16, 10,000 and 4 million elements. By hand, a derivative is what one writes in NumPy, and is given
the function's value. All gradients are compared before anything is timed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import measure

if __name__ == "__main__":
    OPTIONS = measure.options(  # before NumPy is imported
        __doc__,
        rounds=20,
        more=lambda parser: (
            parser.add_argument(
                "--sides", type=measure.positive, nargs="+", default=(4, 100, 2_000), metavar="N"
            ),
            parser.add_argument("--only", nargs="+", metavar="TEXT", help="in the family or name"),
        ),
    )

import numpy as np

import tinygrad_bp.functional as F
from tinygrad_bp import Tensor
from tinygrad_bp import rules as own

if measure.installed("torch"):
    import torch

Array: TypeAlias = Any
Function: TypeAlias = Callable[..., Any]
Table: TypeAlias = tuple[list[str], list[list[str]]]

OURS, HAND, PYTORCH = "tinygrad_bp", "by hand", "PyTorch"


class Entry(NamedTuple):
    """One function in three spellings."""

    family: str
    name: str
    draws: str
    """Its arrays, a letter each, as in `DRAWS`."""
    ours: Function
    hand: Function
    """Given w, the value and the arrays, returns the gradients of the arrays of floats."""
    pytorch: Function | str
    """The same in PyTorch; a name stands for what torch, nn.functional or linalg has under it."""


# --- arrays ---------------------------------------------------------------------------------

RNG = np.random.default_rng(0)


def floats(array: Array) -> Array:
    """Return an array in single precision."""
    return np.asarray(array, np.float32)


def _few(n: int) -> int:
    """Return the side of matrices for work that grows with its cube."""
    return max(n // 10, 4)


DRAWS: dict[str, Callable[[int], Array]] = {
    "x": lambda n: floats(RNG.standard_normal((n, n))),
    "p": lambda n: floats(RNG.uniform(0.5, 1.5, (n, n))),  # positive
    "f": lambda n: floats(RNG.uniform(0.5, 1.5, (n, max(n // 100, 4)))),  # few columns
    "t": lambda n: floats(RNG.standard_normal((n // 4, 4, n))),  # three axes
    "v": lambda n: floats(RNG.standard_normal(n)),
    "w": lambda n: floats(RNG.standard_normal((64, n))),  # weights of a layer
    "b": lambda _: floats(RNG.standard_normal(64)),  # its biases
    "m": lambda n: RNG.random((n, n)) < 0.5,  # a mask
    "i": lambda n: RNG.integers(0, n, n),  # rows, some of them twice; labels
    "s": lambda n: floats(np.argsort(RNG.random((n, n)))),  # all different in a row
    "q": lambda n: floats(4 * np.eye(_few(n)) + RNG.uniform(-1, 1, (_few(n), _few(n)))),  # regular
    "r": lambda n: floats(RNG.standard_normal((_few(n), _few(n)))),
    "o": lambda n: np.argsort(RNG.random((n, n))),  # an order for each row
}


# --- the derivatives by hand that take more than a line -----------------------------------------


def of_quotient(w: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return the gradients of the numerator and the denominator."""
    share = w / b
    return share, -share * y


def softmax(x: Array) -> Array:
    """Return exp(x) over its sum, along rows."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def of_cross_entropy(w: Array, y: Array, x: Array, labels: Array) -> Array:
    """Return the probabilities, less 1 at the labels."""
    p = softmax(x)
    p[np.arange(len(labels)), labels] -= 1
    return p * w[:, None]


def rows(function: Function) -> Function:
    """Return a reduction along rows."""
    return partial(function, axis=-1)


def spread(w: Array, x: Array) -> Array:
    """Return an array like x with a number for each row."""
    return np.broadcast_to(w[:, None], x.shape).copy()


def placed(w: Array, index: Any, like: Array) -> Array:
    """Return zeros with w at an index that names no place twice."""
    out = np.zeros_like(like)
    out[index] = w
    return out


def added(w: Array, index: Any, like: Array) -> Array:
    """Return zeros with w added at an index."""
    out = np.zeros_like(like)
    np.add.at(out, index, w)
    return out


def of_order(w: Array, y: Array, x: Array, order: Array) -> Array:
    """Return every gradient to where its element came from: each was taken once."""
    out = np.empty_like(x)
    np.put_along_axis(out, order, w, -1)
    return out


def of_gelu(w: Array, y: Array, x: Array) -> Array:
    """Return the slope of the approximation with tanh."""
    c, d = np.float32(0.7978845608), np.float32(0.044715)
    t = np.tanh(c * x * (1 + d * x * x))
    return w * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * d * x * x))


def of_logaddexp(w: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return the share of each in the sum."""
    return w * np.exp(a - y), w * np.exp(b - y)


def of_leaky_relu(w: Array, y: Array, x: Array) -> Array:
    """Return w above 0, and a hundredth of it below."""
    return w * np.where(x > 0, np.float32(1), np.float32(0.01))


def of_silu(w: Array, y: Array, x: Array) -> Array:
    """Return the slope of x s(x), with the sigmoid s."""
    s = 1 / (1 + np.exp(-x))
    return w * (s + y * (1 - s))


def of_product(w: Array, y: Array, x: Array, a: Array) -> tuple[Array, Array]:
    """Return the gradients of the input and the weights, with examples as rows."""
    g, inputs = w.reshape(-1, w.shape[-1]), x.reshape(-1, x.shape[-1])
    return (g @ a).reshape(x.shape), g.T @ inputs


def of_affine(w: Array, y: Array, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """Return the gradients of the input, the weights and the biases."""
    return *of_product(w, y, x, a), w.reshape(-1, w.shape[-1]).sum(0)


def of_solve(w: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return the gradients of the matrix and the right-hand sides."""
    g = np.linalg.solve(a.T, w)
    return -g @ y.T, g


def of_singular_values(w: Array, y: Array, a: Array) -> Array:
    """Return what moves each singular value: its two vectors."""
    u, _, vh = np.linalg.svd(a, full_matrices=False)
    return (u * w) @ vh


def of_cumprod(w: Array, y: Array, x: Array) -> Array:
    """Return the sums of all later products, less one factor."""
    return np.cumsum((w * y)[:, ::-1], -1)[:, ::-1] / x


def of_var(w: Array, y: Array, x: Array) -> Array:
    """Return twice the deviations over their number."""
    return (w * (2 / x.shape[-1]))[:, None] * (x - x.mean(-1, keepdims=True))


def of_max(w: Array, y: Array, x: Array) -> Array:
    """Return w where each row has its maximum, shared evenly."""
    top = x == y[:, None]
    return top * (w / top.sum(-1))[:, None].astype(np.float32)


def of_median(w: Array, y: Array, x: Array) -> Array:
    """Return half of w to each of the two in the middle of an even number."""
    half = x.shape[-1] // 2
    middle = np.argpartition(x, (half - 1, half), -1)[:, half - 1 : half + 1]
    out = np.zeros_like(x)
    np.put_along_axis(out, middle, spread(0.5 * w, middle), -1)
    return out


def of_maximum(w: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return w for the larger one, shared evenly where they are equal."""
    half = 0.5 * w
    return half * (a > b) + half * (a >= b), half * (b > a) + half * (b >= a)


# --- the table --------------------------------------------------------------------------------

# fmt: off
FAMILIES: dict[str, list[tuple[str, str, Function, Function, Function | str]]] = {
    "arithmetic": [
        ("a + b", "xx", np.add, lambda w, y, a, b: (w, w), "add"),
        ("a + v, broadcast", "xv", np.add, lambda w, y, a, v: (w, w.sum(0)), "add"),
        ("a * b", "xx", np.multiply, lambda w, y, a, b: (w * b, w * a), "multiply"),
        ("a / b", "xp", np.divide, of_quotient, "divide"),
        ("x ** 2", "x", lambda x: x**2, lambda w, y, x: w * (2 * x), lambda x: x**2),
        ("x ** 3", "x", lambda x: x**3, lambda w, y, x: w * (3 * x * x), lambda x: x**3),
        ("sqrt", "p", np.sqrt, lambda w, y, x: w / (2 * y), "sqrt"),
        ("abs", "x", np.abs, lambda w, y, x: w * np.sign(x), "abs"),
    ],
    "smooth": [
        ("exp", "x", np.exp, lambda w, y, x: w * y, "exp"),
        ("log", "p", np.log, lambda w, y, x: w / x, "log"),
        ("sin", "x", np.sin, lambda w, y, x: w * np.cos(x), "sin"),
        ("tanh", "x", np.tanh, lambda w, y, x: w * (1 - y * y), "tanh"),
        ("logaddexp", "xx", np.logaddexp, of_logaddexp, "logaddexp"),
        ("sigmoid", "x", F.sigmoid, lambda w, y, x: w * (y * (1 - y)), "sigmoid"),
        ("softplus", "x", F.softplus, lambda w, y, x: w / (1 + np.exp(-x)), "softplus"),
        ("silu", "x", F.silu, of_silu, "silu"),
        ("gelu, tanh", "x", partial(F.gelu, approximate="tanh"), of_gelu,
            lambda x: torch.nn.functional.gelu(x, approximate="tanh")),
    ],
    "kinks": [
        ("relu", "x", F.relu, lambda w, y, x: w * (x > 0), "relu"),
        ("leaky_relu", "x", F.leaky_relu, of_leaky_relu, "leaky_relu"),
        ("elu", "x", F.elu, lambda w, y, x: w * np.where(x > 0, np.float32(1), y + 1), "elu"),
        ("maximum", "xx", np.maximum, of_maximum, "maximum"),
        ("minimum", "xx", np.minimum, lambda w, y, a, b: of_maximum(w, y, -a, -b), "minimum"),
        ("clip", "x", lambda x: np.clip(x, -1, 1), lambda w, y, x: w * ((x > -1) & (x < 1)),
            lambda x: torch.clip(x, -1, 1)),
        ("where", "mxx", np.where, lambda w, y, c, a, b: (w * c, w * ~c), "where"),
    ],
    "reductions": [
        ("sum", "x", np.sum, lambda w, y, x: np.full_like(x, w), "sum"),
        ("sum, rows", "x", rows(np.sum), lambda w, y, x: spread(w, x), lambda x: x.sum(-1)),
        ("mean, rows", "x", rows(np.mean), lambda w, y, x: spread(w / x.shape[-1], x),
            lambda x: x.mean(-1)),
        ("max, rows", "x", rows(np.max), of_max, lambda x: x.amax(-1)),
        ("var, rows", "x", rows(np.var), of_var, lambda x: x.var(-1, correction=0)),
        ("std, rows", "x", rows(np.std), lambda w, y, x: of_var(w / (2 * y), y, x),
            lambda x: x.std(-1, correction=0)),
        ("norm, rows", "x", rows(np.linalg.vector_norm), lambda w, y, x: (w / y)[:, None] * x,
            lambda x: torch.linalg.vector_norm(x, dim=-1)),
        ("prod, few columns", "f", rows(np.prod), lambda w, y, x: (w * y)[:, None] / x,
            lambda x: x.prod(-1)),
        ("cumsum, rows", "x", rows(np.cumsum),
            lambda w, y, x: np.cumsum(w[:, ::-1], -1)[:, ::-1], lambda x: x.cumsum(-1)),
        ("median, rows", "s", rows(np.median), of_median, lambda x: x.quantile(0.5, -1)),
    ],
    "softmax": [
        ("softmax", "x", F.softmax, lambda w, y, x: y * (w - (w * y).sum(-1, keepdims=True)),
            lambda x: x.softmax(-1)),
        ("log_softmax", "x", F.log_softmax,
            lambda w, y, x: w - np.exp(y) * w.sum(-1, keepdims=True),
            lambda x: x.log_softmax(-1)),
        ("logsumexp", "x", F.logsumexp, lambda w, y, x: w[:, None] * np.exp(x - y[:, None]),
            lambda x: x.logsumexp(-1)),
        ("cross entropy", "xi", own.softmax_cross_entropy, of_cross_entropy,
            lambda x, i: torch.nn.functional.cross_entropy(x, i, reduction="none")),
    ],
    "products": [
        ("x @ Wᵀ", "xw", lambda x, a: x @ a.T, of_product, lambda x, a: x @ a.T),
        ("x @ Wᵀ, 3-D", "tw", lambda x, a: x @ a.T, of_product, lambda x, a: x @ a.T),
        ("affine", "xwb", own.affine, of_affine, "linear"),
        ("affine, 3-D", "twb", own.affine, of_affine, "linear"),
        ("einsum ij,kj->ik", "xw", partial(np.einsum, "ij,kj->ik", optimize=True), of_product,
            lambda x, a: torch.einsum("ij,kj->ik", x, a)),
    ],
    "matrices, a tenth of the side": [
        ("inv", "q", np.linalg.inv, lambda w, y, a: -y.T @ w @ y.T, "inverse"),
        ("solve", "qr", np.linalg.solve, of_solve, "solve"),
        ("log |det|", "q", lambda a: np.linalg.slogdet(a)[1],
            lambda w, y, a: w * np.linalg.inv(a).T, lambda a: torch.linalg.slogdet(a)[1]),
        ("svdvals", "r", np.linalg.svdvals, of_singular_values, "svdvals"),
    ],
    "fourier": [
        ("fft, real part", "x", lambda x: np.real(np.fft.fft(x)),
            lambda w, y, x: np.fft.fft(w).real, lambda x: torch.fft.fft(x).real),
        ("rfft, real part", "x", lambda x: np.real(np.fft.rfft(x)),
            lambda w, y, x: np.fft.fft(w, x.shape[-1]).real, lambda x: torch.fft.rfft(x).real),
    ],
    "running": [
        ("cumprod, few columns", "f", rows(np.cumprod), of_cumprod, lambda x: x.cumprod(-1)),
        ("diff, rows", "x", np.diff, lambda w, y, x: -np.diff(w, prepend=0, append=0),
            lambda x: x.diff()),
    ],
    "shaping": [
        ("pad", "x", lambda x: np.pad(x, 1), lambda w, y, x: w[1:-1, 1:-1],
            lambda x: torch.nn.functional.pad(x, (1, 1, 1, 1))),
        ("reshape", "x", lambda x: np.reshape(x, (-1, 2)), lambda w, y, x: w.reshape(x.shape),
            lambda x: x.reshape(-1, 2)),
        ("transpose", "x", np.transpose, lambda w, y, x: w.T, "t"),
        ("broadcast_to", "v", lambda v: np.broadcast_to(v, (len(v), len(v))),
            lambda w, y, v: w.sum(0), lambda v: v.broadcast_to(len(v), len(v))),
        ("concatenate", "xx", lambda a, b: np.concatenate([a, b]),
            lambda w, y, a, b: (w[: len(a)], w[len(a) :]), lambda a, b: torch.cat([a, b])),
    ],
    "choosing": [
        ("x[:, 1:]", "x", lambda x: x[:, 1:], lambda w, y, x: placed(w, np.s_[:, 1:], x),
            lambda x: x[:, 1:]),
        ("x[rows]", "xi", lambda x, i: x[i], lambda w, y, x, i: added(w, i, x),
            lambda x, i: x[i]),
        ("x[mask]", "xm", lambda x, m: x[m], lambda w, y, x, m: placed(w, m, x),
            lambda x, m: x[m]),
        ("take, columns", "xi", partial(np.take, axis=-1),
            lambda w, y, x, i: added(w, np.s_[:, i], x), lambda x, i: x.index_select(-1, i)),
        ("take_along_axis", "xo", partial(np.take_along_axis, axis=-1), of_order,
            lambda x, o: x.gather(-1, o)),
        ("sort, rows", "s", rows(np.sort), lambda w, y, x: of_order(w, y, x, np.argsort(x, -1)),
            lambda x: x.sort(-1).values),
    ],
}
# fmt: on

if measure.installed("scipy"):
    from scipy import special

    FAMILIES["scipy.special"] = [
        (
            "erf",
            "x",
            special.erf,
            lambda w, y, x: w * np.float32(1.1283791671) * np.exp(-x * x),
            "erf",
        ),
        ("gammaln", "p", special.gammaln, lambda w, y, x: w * special.digamma(x), "lgamma"),
    ]

ENTRIES = [Entry(family, *given) for family, entries in FAMILIES.items() for given in entries]


# --- contestants ------------------------------------------------------------------------------


def contestants(entry: Entry, side: int) -> dict[str, Callable[[], Sequence[Array]]]:
    """Return what works out the gradients by the arrays of floats, by name."""
    arrays = [DRAWS[draw](side) for draw in entry.draws]
    w = floats(RNG.standard_normal(np.shape(entry.ours(*arrays))))
    found = {OURS: ours(entry, arrays, w), HAND: by_hand(entry, arrays, w)}
    if measure.installed("torch"):
        found[PYTORCH] = pytorch(entry, arrays, w)
    return found


def ours(entry: Entry, arrays: Sequence[Array], w: Array) -> Callable[[], Sequence[Array]]:
    """Return this library's way."""
    given = [Tensor(a, requires_grad=True) if a.dtype.kind == "f" else a for a in arrays]
    leaves, weights = [t for t in given if isinstance(t, Tensor)], Tensor(w)

    def gradients() -> Sequence[Array]:
        for leaf in leaves:
            leaf.grad = None
        entry.ours(*given).backward(weights)
        return [leaf.grad.data for leaf in leaves]

    return gradients


def by_hand(entry: Entry, arrays: Sequence[Array], w: Array) -> Callable[[], Sequence[Array]]:
    """Return the way in NumPy alone."""

    def gradients() -> Sequence[Array]:
        found = entry.hand(w, entry.ours(*arrays), *arrays)
        return found if isinstance(found, tuple) else (found,)

    return gradients


def pytorch(entry: Entry, arrays: Sequence[Array], w: Array) -> Callable[[], Sequence[Array]]:
    """Return PyTorch's way."""
    torch.set_num_threads(measure.threads())
    given = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    leaves, weights = [t for t in given if t.requires_grad], torch.tensor(w)
    function = entry.pytorch
    if isinstance(function, str):
        places = torch.linalg, torch, torch.nn.functional
        function = next(getattr(p, function) for p in places if hasattr(p, function))

    def gradients() -> Sequence[Array]:
        for leaf in leaves:
            leaf.grad = None
        function(*given).backward(weights)
        return [leaf.grad for leaf in leaves]

    return gradients


def check(entry: Entry, ways: Mapping[str, Callable[[], Sequence[Array]]]) -> None:
    """Compare the gradients of all contestants."""
    expected = [np.asarray(g) for g in ways[HAND]()]
    for name, gradients in ways.items():
        for g, e in zip(gradients(), expected, strict=True):
            about = f"{name}, {entry.name}"
            tolerance = 1e-4 * float(np.max(np.abs(e), initial=1e-3))
            np.testing.assert_allclose(g, e, rtol=1e-3, atol=tolerance, err_msg=about)


# --- results ----------------------------------------------------------------------------------

Figures: TypeAlias = dict[str, dict[str, Any]]
"""Of each contestant its microseconds and page faults, and how many times as long ours takes."""


def measure_entry(entry: Entry, side: int, rounds: int) -> Figures:
    """Return the figures of one function at one size."""
    ways = contestants(entry, side)
    check(entry, ways)
    timings = measure.interleave(
        {name: measure.repeated(way) for name, way in ways.items()}, rounds=rounds
    )
    times = {name: timing.microseconds for name, timing in timings.items()}
    return {
        "microseconds": {name: statistics.median(taken) for name, taken in times.items()},
        "page_faults": {name: timing.faults for name, timing in timings.items()},
        "ours_over": {
            name: measure.ratio(times[OURS], taken) for name, taken in times.items() if name != OURS
        },
    }


def wanted(entry: Entry, only: Sequence[str] | None) -> bool:
    """Whether an entry was asked for."""
    return only is None or any(text in f"{entry.family} {entry.name}" for text in only)


def main() -> None:
    """Measure and print."""
    chosen = [entry for entry in ENTRIES if wanted(entry, OPTIONS.only)]
    results: dict[str, dict[int, Figures]] = {
        entry.name: {side: measure_entry(entry, side, OPTIONS.rounds) for side in OPTIONS.sides}
        for entry in chosen
    }
    measure.report(
        {
            f"Microseconds of {OURS}, and over others, at {side * side:,} elements": table(
                chosen, side, results
            )
            for side in OPTIONS.sides
        },
        {"functions": results},
        as_json=OPTIONS.json,
    )


def table(
    entries: Sequence[Entry], side: int, results: Mapping[str, Mapping[int, Figures]]
) -> Table:
    """Return a row for each function at one size."""
    rows = []
    for entry in entries:
        found = results[entry.name][side]
        over = [f"{ratio:.2f}" for ratio in found["ours_over"].values()]
        faults = [f"{count:,.0f}" for count in found["page_faults"].values()]
        took = f"{found['microseconds'][OURS]:,.1f}"
        rows.append([f"{entry.name}", entry.family, took, *over, " / ".join(faults)])
    others = [f"over {name}" for name in (HAND, PYTORCH) if name in found["ours_over"]]
    return ["function", "family", "µs", *others, "page faults"], rows


if __name__ == "__main__":
    main()
