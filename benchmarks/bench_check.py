"""What gradient checkers notice, and what they complain of without reason.

    python benchmarks/bench_check.py [--rounds N] [--threads N] [--core N] [--json]

Every case is a function and its vector-Jacobian product, both written by hand: in half of them the
product is wrong. Each checker sees the pair as its library's own differentiable function, in double
precision and with the checker's default settings. An exception is a complaint like any other.
"""

# ruff: noqa: ARG005  (every function of a case is told all there is, and needs what it needs)

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import measure

if __name__ == "__main__":
    OPTIONS = measure.options(__doc__, rounds=5)  # before NumPy is imported

import numpy as np

Array: TypeAlias = Any
Table: TypeAlias = tuple[list[str], list[list[str]]]


class Case(NamedTuple):
    """A function f(np, x), its gradient vjp(np, g, x), and where they are compared.

    Both are given the library's own NumPy, be it NumPy, PyTorch's or JAX's.
    """

    about: str
    function: Callable[[Any, Array], Array]
    vjp: Callable[[Any, Array, Array], Array]
    x: Array


# --- cases ----------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X = np.array([0.3, -0.7, 1.1])
SQUARE = RNG.standard_normal((3, 3))
B = RNG.standard_normal((3, 3))
WIDE = RNG.standard_normal((16, 784))  # 12,544 entries
LONG = np.linspace(1.0, 2.0, 100_000)
HOLE = np.ones((16, 784))
HOLE[2, 300] = 0.0
COLUMN = np.array([[0.1], [0.2], [0.3], [0.4]])


def sum_squares(xp: Any, x: Array) -> Array:
    """Return the sum of squares."""
    return xp.sum(x * x)


FAULTS = [
    Case("factor 1.001", lambda xp, x: xp.sin(x), lambda xp, g, x: 1.001 * g * xp.cos(x), X),
    Case("factor 1.0005", lambda xp, x: xp.exp(x), lambda xp, g, x: 1.0005 * g * xp.exp(x), X),
    Case("1e-8 x², gradient doubled", lambda xp, x: 1e-8 * x * x,
         lambda xp, g, x: 4e-8 * g * x, X),
    Case("100,000 squares, gradient halved", sum_squares, lambda xp, g, x: g * x, LONG),
    Case("12,544 squares, one entry 0", sum_squares, lambda xp, g, x: 2 * g * x * HOLE, WIDE),
    Case("gradient nan", lambda xp, x: x * x, lambda xp, g, x: g * x * np.nan, X),
    Case("wrong sign", lambda xp, x: xp.cos(x), lambda xp, g, x: g * xp.sin(x), X),
    Case("gradient 0", lambda xp, x: xp.sin(x), lambda xp, g, x: 0 * g, X),
    Case("transpose forgotten", lambda xp, x: x @ xp.asarray(B),
         lambda xp, g, x: g @ xp.asarray(B), SQUARE),
    Case("sum over a broadcast axis forgotten", lambda xp, x: xp.sin(x + xp.asarray(COLUMN)),
         lambda xp, g, x: (g * xp.cos(x + xp.asarray(COLUMN)))[0], X),
    Case("arriving gradient ignored", lambda xp, x: xp.exp(x), lambda xp, g, x: xp.exp(x), X),
    Case("1/N of a mean forgotten", lambda xp, x: xp.sum(x) / 3, lambda xp, g, x: g + 0 * x, X),
]  # fmt: skip


def softplus(xp: Any, x: Array) -> Array:
    """Return log(1 + exp(x))."""
    return xp.log(1 + xp.exp(x))


RIGHT = [
    Case("relu at 1e-7", lambda xp, x: xp.where(x > 0, x, 0 * x),
         lambda xp, g, x: xp.where(x > 0, g, 0 * g), np.array([1e-7, 1.0])),
    Case("abs at 1e-9", lambda xp, x: xp.where(x > 0, x, -x),
         lambda xp, g, x: xp.where(x > 0, g, -g), np.array([1e-9, -1.0])),
    Case("log at 1e-7", lambda xp, x: xp.log(x), lambda xp, g, x: g / x, np.array([1e-7])),
    Case("square root at 1e-8", lambda xp, x: xp.sqrt(x), lambda xp, g, x: 0.5 * g / xp.sqrt(x),
         np.array([1e-8])),
    Case("1/x at 1e-4", lambda xp, x: 1 / x, lambda xp, g, x: -g / (x * x), np.array([1e-4])),
    Case("x² at 1e10", lambda xp, x: x * x, lambda xp, g, x: 2 * g * x, np.array([1e10])),
    Case("1e9 + sin(x)", lambda xp, x: 1e9 + xp.sin(x), lambda xp, g, x: g * xp.cos(x), X),
    Case("no elements", sum_squares, lambda xp, g, x: 2 * g * x, np.zeros((0, 3))),
    Case("1e-8 x²", lambda xp, x: 1e-8 * x * x, lambda xp, g, x: 2e-8 * g * x, X),
    Case("12,544 squares", sum_squares, lambda xp, g, x: 2 * g * x, WIDE),
    Case("100,000 squares", sum_squares, lambda xp, g, x: 2 * g * x, LONG),
    Case("exp(sin x)", lambda xp, x: xp.exp(xp.sin(x)),
         lambda xp, g, x: g * xp.exp(xp.sin(x)) * xp.cos(x), X),
    Case("matrix product", lambda xp, x: x @ xp.asarray(B), lambda xp, g, x: g @ xp.asarray(B.T),
         SQUARE),
    Case("softplus", softplus, lambda xp, g, x: g / (1 + xp.exp(-x)), X),
]  # fmt: skip


# --- checkers -------------------------------------------------------------------------------

Checker: TypeAlias = Callable[[Case], bool]
"""Whether a case has nothing wrong, in a checker's opinion."""


def checkers() -> dict[str, Checker]:
    """Return ours, and those of the peers that are installed."""
    found = {
        "tinygrad_bp, complex step": ours("auto"),
        "tinygrad_bp, differences": ours("differences"),
    }
    if measure.installed("torch"):
        found["PyTorch gradcheck"] = pytorchs(fast=False)
        found["PyTorch gradcheck, fast"] = pytorchs(fast=True)
    if measure.installed("jax"):
        found["JAX check_grads"] = jaxs()
    if measure.installed("autograd"):
        found["HIPS check_grads"] = hips()
    return found


def ours(method: str) -> Checker:
    """Return this library's check of a gradient that somebody else wrote."""
    from tinygrad_bp.gradcheck import check_vjp

    def is_content(case: Case) -> bool:
        return check_vjp(
            lambda x: case.function(np, x),
            lambda g, x: case.vjp(np, g, x),
            case.x,
            method=method,
        ).ok

    return is_content


def pytorchs(*, fast: bool) -> Checker:
    """Return `torch.autograd.gradcheck`, slow or fast."""
    import torch

    def is_content(case: Case) -> bool:
        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Array) -> Array:
                ctx.save_for_backward(x)
                return case.function(torch, x)

            @staticmethod
            def backward(ctx: Any, g: Array) -> Array:
                return case.vjp(torch, g, *ctx.saved_tensors)

        x = torch.tensor(case.x, requires_grad=True)
        return bool(torch.autograd.gradcheck(Function.apply, (x,), fast_mode=fast))

    return is_content


def jaxs() -> Checker:
    """Return `jax.test_util.check_grads` of reverse mode, which is what a vjp has."""
    import jax
    from jax.test_util import check_grads

    def is_content(case: Case) -> bool:
        with jax.enable_x64(True):  # noqa: FBT003
            function = jax.custom_vjp(lambda x: case.function(jax.numpy, x))
            function.defvjp(
                lambda x: (case.function(jax.numpy, x), x),
                lambda x, g: (case.vjp(jax.numpy, g, x),),
            )
            check_grads(function, (jax.numpy.asarray(case.x),), order=1, modes=["rev"])
        return True

    return is_content


def hips() -> Checker:
    """Return `autograd.test_util.check_grads` of reverse mode and first order."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def is_content(case: Case) -> bool:
        function = primitive(lambda x: case.function(np, x))
        defvjp(function, lambda y, x: lambda g: case.vjp(np, g, x))
        check_grads(function, modes=["rev"], order=1)(case.x)
        return True

    return is_content


def judged(checker: Checker, case: Case) -> str:
    """Return "ok", or a checker's complaint in a word."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        np.random.seed(0)  # noqa: NPY002  (HIPS autograd draws from it)
        try:
            return "ok" if checker(case) else "wrong"
        except Exception as error:  # whatever a library complains with
            return "wrong" if "Jacobian" in str(error) else type(error).__name__


# --- times ----------------------------------------------------------------------------------


def whole_network(sizes: tuple[int, ...], examples: int) -> tuple[Callable[[], Any], int]:
    """Return a check of every parameter of a network, and how many there are."""
    from tinygrad_bp import functional, nn
    from tinygrad_bp.gradcheck import check

    rng = np.random.default_rng(0)
    model = nn.MLP(*sizes, rng=rng)
    batch = rng.random((examples, sizes[0])), rng.integers(sizes[-1], size=examples)
    entries = sum(p.size for p in model.parameters())
    return lambda: check(model, functional.cross_entropy, batch), entries


# --- results --------------------------------------------------------------------------------


def main() -> None:
    """Measure and print."""
    found = checkers()
    verdicts = {
        name: {case.about: judged(checker, case) for case in (*FAULTS, *RIGHT)}
        for name, checker in found.items()
    }
    networks = {
        "784-16-16-10, 1 example": measured((784, 16, 16, 10), 1),
        "12-8-5, 3 examples": measured((12, 8, 5), 3),
    }
    tables = {
        "Faults caught and false alarms": totals(verdicts),
        "Planted faults: what each checker said": details(verdicts, FAULTS),
        "Right gradients: what each checker said": details(verdicts, RIGHT),
        "All parameters of a network by complex step": times(networks),
    }
    measure.report(tables, {"verdicts": verdicts, "networks": networks}, as_json=OPTIONS.json)


def measured(sizes: tuple[int, ...], examples: int) -> dict[str, float]:
    """Return what a check of a network takes, and the worst relative error it finds."""
    run, entries = whole_network(sizes, examples)
    report = run()
    assert report.ok, report
    seconds = []
    for _ in range(OPTIONS.rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return {
        "parameters": entries,
        "seconds": statistics.median(seconds),
        "worst relative error": max(entry.relative_error for entry in report.worst),
        "passed": sum(n for verdict, n in report.counts.items() if verdict == "PASS"),
    }


def totals(verdicts: Mapping[str, Mapping[str, str]]) -> Table:
    """Return how many faults each checker caught, and how many right gradients it refused."""
    header = ["checker", f"faults caught of {len(FAULTS)}", f"false alarms of {len(RIGHT)}"]
    rows = []
    for name, said in verdicts.items():
        caught = sum(said[case.about] != "ok" for case in FAULTS)
        alarms = sum(said[case.about] != "ok" for case in RIGHT)
        rows.append([name, str(caught), str(alarms)])
    return header, rows


def details(verdicts: Mapping[str, Mapping[str, str]], cases: list[Case]) -> Table:
    """Return what each checker said of each case."""
    return ["case", *verdicts], [
        [case.about, *(said[case.about] for said in verdicts.values())] for case in cases
    ]


def times(networks: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the seconds and errors of whole networks."""
    header = ["network", "parameters", "not 0", "seconds", "worst relative error"]
    return header, [
        [name, f"{n['parameters']:,}", f"{n['passed']:,}", f"{n['seconds']:.2f}",
         f"{n['worst relative error']:.1e}"]
        for name, n in networks.items()
    ]  # fmt: skip


if __name__ == "__main__":
    main()
