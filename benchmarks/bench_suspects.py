"""What gradient checkers make of the suspects: right and wrong gradients of NumPy functions.

    python benchmarks/bench_suspects.py [--threads N] [--core N] [--only FILE ...]

The cases are those of `tests/suspects`, which this library has learnt from and its peers have not.
Peers get those they can take, functions of float64 arrays with a vector-Jacobian product, wrapped
as their own kind of function, which can show or hide that arrays are written to. Each check is made
once (`--rounds` is ignored), with the defaults. An exception is a complaint; so is taking more than
60 seconds, as large arrays can: such a check is cut off ("late").
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import measure

if __name__ == "__main__":
    OPTIONS = measure.options(  # before NumPy is imported
        __doc__, rounds=1, more=lambda p: p.add_argument("--only", nargs="+", metavar="FILE")
    )
    os.environ |= {"JAX_ENABLE_X64": "1", "JAX_NUM_CPU_DEVICES": "2"}  # 1 can wait for itself

import numpy as np
from bench_check import Array

OURS, PAIRS, SECONDS = "tinygrad_bp", "tinygrad_bp, pairs", 60
TESTS = Path(__file__).resolve().parents[1] / "tests"


class Pair:
    """A case as peers take it. It gives arrays, without the negative strides PyTorch refuses."""

    def __init__(self, case: Any, output: Array) -> None:
        self.case, self.output = case, output
        self.inputs = () if output is None else tuple(map(np.array, case.inputs))  # copies

    def function(self, *inputs: Array) -> Array:
        """Return the output."""
        return np.asarray(self.case.function(*map(np.asarray, inputs)), order="C")

    def vjp(self, *given: Array) -> tuple[Array, ...]:
        """Return the gradients by all inputs, given that of the output and the inputs."""
        (g, *inputs), vjp = map(np.asarray, given), self.case.vjp
        found = vjp(g, *inputs) if vjp else self.case.gradient(*inputs)
        found = found if isinstance(found, list | tuple) else [found]
        return tuple(np.asarray(d if vjp else g * d, order="C") for d in found)


def output_of(case: Any) -> Array:
    """Return the output of a case if peers can take it, or None."""

    def plain(a: Any) -> bool:
        return type(a) in {np.ndarray, float, np.float64} and np.asarray(a).dtype == np.float64

    given = (case.vjp or case.gradient) and not case.run and all(map(plain, case.inputs))
    y = case.function(*map(np.array, case.inputs)) if given else None
    return np.array(y) if plain(y) else None


def pytorchs(pair: Pair, *, fast: bool) -> None:
    """Ask `torch.autograd.gradcheck`, slow or fast."""
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: Array) -> Array:
            ctx.xs = [x.detach().numpy() for x in xs]
            return torch.from_numpy(pair.function(*ctx.xs))

        @staticmethod
        def backward(ctx: Any, g: Array) -> Array:
            return tuple(map(torch.from_numpy, pair.vjp(g, *ctx.xs)))

    inputs = [torch.from_numpy(x).requires_grad_() for x in pair.inputs]
    torch.autograd.gradcheck(Function.apply, inputs, fast_mode=fast)


def jaxs(pair: Pair) -> None:
    """Ask `jax.test_util.check_grads`."""
    import jax
    from jax.test_util import check_grads

    forward = partial(jax.pure_callback, pair.function, pair.output)
    backward = partial(jax.pure_callback, pair.vjp, pair.inputs)
    function = jax.custom_vjp(forward)
    function.defvjp(lambda *xs: (forward(*xs), xs), lambda xs, g: backward(g, *xs))
    check_grads(function, pair.inputs, order=1, modes=["rev"])


def hips(pair: Pair) -> None:
    """Ask `autograd.test_util.check_grads`, by all inputs together."""
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    function = primitive(pair.function)
    places = tuple(range(len(pair.inputs)))
    defvjp(function, *(lambda _, *xs, i=i: lambda g: pair.vjp(g, *xs)[i] for i in places))
    check_grads(function, places, modes=["rev"], order=1)(*pair.inputs)


CHECKERS: dict[str, tuple[str, Callable[[Pair], bool | None]]] = {
    OURS: (OURS, lambda pair: pair.case.check().ok),  # as in the tests
    "PyTorch gradcheck": ("torch", partial(pytorchs, fast=False)),
    "PyTorch, fast": ("torch", partial(pytorchs, fast=True)),
    "JAX check_grads": ("jax", jaxs),
    "HIPS check_grads": ("autograd", hips),
}


def complaint(ask: Callable[[Pair], bool | None], pair: Pair) -> str:
    """Return a checker's complaint in a word, or nothing."""

    def ring(*_: object) -> None:
        raise TimeoutError

    np.random.seed(0)  # noqa: NPY002  (HIPS autograd draws from it)
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        return "wrong" if ask(pair) is False else ""
    except Exception as error:  # whatever a library complains with; JAX quotes what it meets
        return "over time" if "TimeoutError" in repr(error) else type(error).__name__
    finally:
        signal.alarm(0)


def cell(said: list[tuple[bool, str]]) -> str:
    """Return faults caught of all, false alarms of all right gradients, and checks over time."""
    faults, right = ([bool(word) for r, word in said if r is kind] for kind in (False, True))
    late = f" ({n} late)" if (n := sum(word == "over time" for _, word in said)) else ""
    return f"{sum(faults)}/{len(faults)}, {sum(right)}/{len(right)}{late}"


def main() -> None:
    """Put every case before every checker, and print."""
    warnings.simplefilter("ignore")
    logging.disable()  # JAX's, of what functions raise
    sys.path.insert(0, str(TESTS))
    files = {path.stem for path in (TESTS / "suspects").glob("[!_]*.py")} - {"case"}
    asks = {name: ask for name, (lib, ask) in CHECKERS.items() if measure.installed(lib)}
    said: dict[str, list[tuple[str, Any, str]]] = {OURS: [], PAIRS: [], **{n: [] for n in asks}}
    for file in OPTIONS.only or sorted(files):
        module = importlib.import_module(f"suspects.{file}")
        for i, y in enumerate([output_of(case) for case in module.CASES]):
            for name in asks if y is not None else [OURS]:
                case = importlib.reload(module).CASES[i]  # which remembers nothing
                said[name].append((file, case, complaint(asks[name], Pair(case, y))))
            said[PAIRS] += [] if y is None else said[OURS][-1:]
    rows = []
    for at in [*dict.fromkeys(file for file, _, _ in said[OURS]), "all"]:
        here = [[(c.right, w) for f, c, w in ss if at in {f, "all"}] for ss in said.values()]
        rows.append([at, f"{len(here[1])}", *map(cell, here)])
    wrong = [f"{f}: {c.name}" for f, c, word in said[OURS] if bool(word) is c.right]
    title = f"Faults caught of all, false alarms of all; mistakes of {OURS}: {wrong or 'none'}"
    table = ["file", "pairs", *said], rows
    measure.report({title: table}, {"rows": rows, "mistakes": wrong}, as_json=OPTIONS.json)


if __name__ == "__main__":
    main()
