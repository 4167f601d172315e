"""Single rules: every function forward and backward, by this library, by hand and by PyTorch.

    python benchmarks/bench_functions.py [--rounds N] [--sides N ...] [--only TEXT ...]
                                         [--threads N] [--core N] [--json]

What is timed is the gradient of sum(f(x) * w) by x, which `backward(w)` gives: the function, its
derivative and the memory for both, in float32. The arrays are square, with 4, 100 and 2,000 rows:
16, 10,000 and 4 million elements. By hand, a derivative is what one writes in NumPy, and is given
the function's value. All gradients are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import measure


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only this benchmark has."""
    add = parser.add_argument
    add("--sides", type=measure.positive, nargs="+", default=SIDES, metavar="N", help="rows")
    add("--only", nargs="+", metavar="TEXT", help="entries with it in their family or name")


SIDES = (4, 100, 2_000)

if __name__ == "__main__":
    OPTIONS = measure.options(__doc__, rounds=20, more=add_options)  # before NumPy is imported

import numpy as np

import tinygrad_bp.functional as F
from tinygrad_bp import Tensor
from tinygrad_bp import rules as own

if measure.installed("torch"):
    import torch
    from torch.nn import functional as TF

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
    pytorch: Function


# --- arrays ---------------------------------------------------------------------------------

RNG = np.random.default_rng(0)


def floats(array: Array) -> Array:
    """Return an array in single precision."""
    return np.asarray(array, np.float32)


DRAWS: dict[str, Callable[[int], Array]] = {
    "x": lambda n: floats(RNG.standard_normal((n, n))),
    "p": lambda n: floats(RNG.uniform(0.5, 1.5, (n, n))),  # positive
    "f": lambda n: floats(RNG.uniform(0.5, 1.5, (n, max(n // 100, 4)))),  # few columns
    "t": lambda n: floats(RNG.standard_normal((n // 4, 4, n))),  # three axes
    "v": lambda n: floats(RNG.standard_normal(n)),
    "w": lambda n: floats(RNG.standard_normal((64, n))),  # weights of a layer
    "b": lambda n: floats(RNG.standard_normal(64)),  # its biases
    "m": lambda n: RNG.random((n, n)) < 0.5,  # a mask
    "i": lambda n: RNG.integers(0, n, n),  # rows, some of them twice
    "l": lambda n: RNG.integers(0, n, n),  # labels
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


def of_others(w: Array, y: Array, x: Array) -> Array:
    """Return the whole product over each factor: right where none is 0."""
    return (w * y)[:, None] / x


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


def of_silu(w: Array, y: Array, x: Array) -> Array:
    """Return the slope of x s(x), with the sigmoid s."""
    s = 1 / (1 + np.exp(-x))
    return w * (s + y * (1 - s))


def of_affine(w: Array, y: Array, x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """Return the gradients of the input, the weights and the biases, with examples as rows."""
    g, rows = w.reshape(-1, w.shape[-1]), x.reshape(-1, x.shape[-1])
    return (g @ a).reshape(x.shape), g.T @ rows, g.sum(0)


def of_var(w: Array, y: Array, x: Array) -> Array:
    """Return twice the deviations over their number."""
    return (w * (2 / x.shape[-1]))[:, None] * (x - x.mean(-1, keepdims=True))


def of_max(w: Array, y: Array, x: Array) -> Array:
    """Return w where each row has its maximum, shared evenly."""
    top = x == y[:, None]
    return top * (w / top.sum(-1))[:, None].astype(np.float32)


def of_maximum(w: Array, y: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """Return w for the larger one, shared evenly where they are equal."""
    half, same = 0.5 * w, a == b
    return half * (a > b) + half * (a >= b), half * (b > a) + half * (same | (b > a))


# --- the table --------------------------------------------------------------------------------

# fmt: off
ENTRIES = [Entry(*entry) for entry in (  # a line each, so far as it goes: `draws`, ours, hand, PyTorch
    ("arithmetic", "a + b", "xx", np.add, lambda w, y, a, b: (w, w), lambda a, b: a + b),
    ("arithmetic", "a + v, broadcast", "xv", np.add, lambda w, y, a, v: (w, w.sum(0)), lambda a, v: a + v),
    ("arithmetic", "a * b", "xx", np.multiply, lambda w, y, a, b: (w * b, w * a), lambda a, b: a * b),
    ("arithmetic", "a / b", "xp", np.divide, of_quotient, lambda a, b: a / b),
    ("arithmetic", "x ** 2", "x", lambda x: x**2, lambda w, y, x: w * (2 * x), lambda x: x**2),
    ("arithmetic", "x ** 3", "x", lambda x: x**3, lambda w, y, x: w * (3 * x * x), lambda x: x**3),
    ("arithmetic", "sqrt", "p", np.sqrt, lambda w, y, x: w / (2 * y), lambda x: torch.sqrt(x)),
    ("arithmetic", "abs", "x", np.abs, lambda w, y, x: w * np.sign(x), lambda x: torch.abs(x)),

    ("smooth", "exp", "x", np.exp, lambda w, y, x: w * y, lambda x: torch.exp(x)),
    ("smooth", "log", "p", np.log, lambda w, y, x: w / x, lambda x: torch.log(x)),
    ("smooth", "sin", "x", np.sin, lambda w, y, x: w * np.cos(x), lambda x: torch.sin(x)),
    ("smooth", "tanh", "x", np.tanh, lambda w, y, x: w * (1 - y * y), lambda x: torch.tanh(x)),
    ("smooth", "sigmoid", "x", F.sigmoid, lambda w, y, x: w * (y * (1 - y)), lambda x: torch.sigmoid(x)),
    ("smooth", "logaddexp", "xx", np.logaddexp, lambda w, y, a, b: (w * np.exp(a - y), w * np.exp(b - y)), lambda a, b: torch.logaddexp(a, b)),
    ("smooth", "softplus", "x", F.softplus, lambda w, y, x: w / (1 + np.exp(-x)), lambda x: TF.softplus(x)),
    ("smooth", "silu", "x", F.silu, of_silu, lambda x: TF.silu(x)),
    ("smooth", "gelu, tanh", "x", lambda x: F.gelu(x, approximate="tanh"), of_gelu, lambda x: TF.gelu(x, approximate="tanh")),

    ("kinks", "relu", "x", F.relu, lambda w, y, x: w * (x > 0), lambda x: torch.relu(x)),
    ("kinks", "leaky_relu", "x", lambda x: F.leaky_relu(x, 0.1), lambda w, y, x: w * np.where(x > 0, np.float32(1), np.float32(0.1)), lambda x: TF.leaky_relu(x, 0.1)),
    ("kinks", "maximum", "xx", np.maximum, of_maximum, lambda a, b: torch.maximum(a, b)),
    ("kinks", "minimum", "xx", np.minimum, lambda w, y, a, b: of_maximum(w, y, -a, -b), lambda a, b: torch.minimum(a, b)),
    ("kinks", "clip", "x", lambda x: np.clip(x, -1, 1), lambda w, y, x: w * ((x > -1) & (x < 1)), lambda x: torch.clip(x, -1, 1)),
    ("kinks", "where", "mxx", np.where, lambda w, y, c, a, b: (w * c, w * ~c), lambda c, a, b: torch.where(c, a, b)),

    ("reductions", "sum, all", "x", np.sum, lambda w, y, x: np.full_like(x, w), lambda x: torch.sum(x)),
    ("reductions", "sum, rows", "x", lambda x: np.sum(x, -1), lambda w, y, x: np.broadcast_to(w[:, None], x.shape).copy(), lambda x: torch.sum(x, -1)),
    ("reductions", "mean, rows", "x", lambda x: np.mean(x, -1), lambda w, y, x: np.broadcast_to((w / x.shape[-1])[:, None], x.shape).copy(), lambda x: torch.mean(x, -1)),
    ("reductions", "max, rows", "x", lambda x: np.max(x, -1), of_max, lambda x: torch.amax(x, -1)),
    ("reductions", "var, rows", "x", lambda x: np.var(x, -1), of_var, lambda x: torch.var(x, -1, correction=0)),
    ("reductions", "std, rows", "x", lambda x: np.std(x, -1), lambda w, y, x: of_var(w / (2 * y), y, x), lambda x: torch.std(x, -1, correction=0)),
    ("reductions", "norm, rows", "x", lambda x: np.linalg.vector_norm(x, axis=-1), lambda w, y, x: (w / y)[:, None] * x, lambda x: torch.linalg.vector_norm(x, dim=-1)),
    ("reductions", "prod, few columns", "f", lambda x: np.prod(x, -1), of_others, lambda x: torch.prod(x, -1)),
    ("reductions", "cumsum", "x", lambda x: np.cumsum(x, -1), lambda w, y, x: np.cumsum(w[:, ::-1], -1)[:, ::-1], lambda x: torch.cumsum(x, -1)),

    ("softmax", "softmax", "x", F.softmax, lambda w, y, x: y * (w - np.sum(w * y, -1, keepdims=True)), lambda x: torch.softmax(x, -1)),
    ("softmax", "log_softmax", "x", F.log_softmax, lambda w, y, x: w - np.exp(y) * np.sum(w, -1, keepdims=True), lambda x: torch.log_softmax(x, -1)),
    ("softmax", "logsumexp", "x", F.logsumexp, lambda w, y, x: w[:, None] * np.exp(x - y[:, None]), lambda x: torch.logsumexp(x, -1)),
    ("softmax", "cross entropy", "xl", own.softmax_cross_entropy, of_cross_entropy, lambda x, l: TF.cross_entropy(x, l, reduction="none")),

    ("products", "x @ Wᵀ", "xw", lambda x, a: x @ a.T, lambda w, y, x, a: (w @ a, w.T @ x), lambda x, a: x @ a.T),
    ("products", "x @ Wᵀ, 3-D", "tw", lambda x, a: x @ a.T, lambda w, y, x, a: of_affine(w, y, x, a, None)[:2], lambda x, a: x @ a.T),
    ("products", "affine", "xwb", own.affine, of_affine, lambda x, a, b: TF.linear(x, a, b)),
    ("products", "affine, 3-D", "twb", own.affine, of_affine, lambda x, a, b: TF.linear(x, a, b)),
    ("products", "einsum ij,kj->ik", "xw", lambda x, a: np.einsum("ij,kj->ik", x, a, optimize=True), lambda w, y, x, a: (w @ a, w.T @ x), lambda x, a: torch.einsum("ij,kj->ik", x, a)),

    ("shaping", "reshape", "x", lambda x: np.reshape(x, (-1, 2)), lambda w, y, x: w.reshape(x.shape), lambda x: x.reshape(-1, 2)),
    ("shaping", "transpose", "x", np.transpose, lambda w, y, x: w.T, lambda x: x.T),
    ("shaping", "broadcast_to", "v", lambda v: np.broadcast_to(v, (len(v), len(v))), lambda w, y, v: w.sum(0), lambda v: torch.broadcast_to(v, (len(v), len(v)))),
    ("shaping", "concatenate", "xx", lambda a, b: np.concatenate([a, b]), lambda w, y, a, b: (w[: len(a)], w[len(a) :]), lambda a, b: torch.cat([a, b])),

    ("choosing", "x[:, 1:]", "x", lambda x: x[:, 1:], lambda w, y, x: placed(w, np.s_[:, 1:], x), lambda x: x[:, 1:]),
    ("choosing", "x[rows]", "xi", lambda x, i: x[i], lambda w, y, x, i: added(w, i, x), lambda x, i: x[i]),
    ("choosing", "x[mask]", "xm", lambda x, m: x[m], lambda w, y, x, m: placed(w, m, x), lambda x, m: x[m]),
    ("choosing", "take, columns", "xi", lambda x, i: np.take(x, i, axis=-1), lambda w, y, x, i: added(w, np.s_[:, i], x), lambda x, i: torch.index_select(x, -1, i)),
    ("choosing", "take_along_axis", "xo", lambda x, o: np.take_along_axis(x, o, -1), of_order, lambda x, o: torch.gather(x, -1, o)),
)]
# fmt: on


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

    def gradients() -> Sequence[Array]:
        for leaf in leaves:
            leaf.grad = None
        entry.pytorch(*given).backward(weights)
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
