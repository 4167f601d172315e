"""The source of a program: what it reads like, and that it is the program, on NumPy alone."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.program.listing import Cell, Input
from tinygrad_bp.program.writing.imports import Imports
from tinygrad_bp.program.writing.literals import literal
from tinygrad_bp.program.writing.opaque import Opaque
from tinygrad_bp.program.writing.wrapping import wrapped
from tinygrad_bp.registry import implementation_of, primitive
from tinygrad_bp.rules.elementwise import only_where
from tinygrad_bp.rules.indexing import scatter_add

Step = Callable[..., Any]

ALONE = """
import pickle, sys
import numpy as np

sys.modules["tinygrad_bp"] = None  # cannot be imported, whether it is installed or not
source, given, settings, calls = pickle.load(open(sys.argv[1], "rb"))
names = {}
exec(source, names)
made = names["prepare"](**given)
step, *others = made if isinstance(made, tuple) else (made,)
for other in others:
    other(*settings)
found = []
kept = {}
for arguments, cells in calls:
    arguments = [kept.get(i, a) for i, a in enumerate(arguments)]
    returned = step(*arguments)
    returned = returned if isinstance(returned, tuple) else (returned,)
    found.append(pickle.loads(pickle.dumps(returned)))
    kept = {i: returned[j] for i, j in cells.items()}
pickle.dump((found, given), open(sys.argv[2], "wb"))
assert not any(name.startswith("tinygrad_bp.") for name in sys.modules)
"""
"""Runs a source in a process where the library cannot be imported."""


def cells_of(program: Any) -> dict[int, int]:
    """Which parameter of the step is, in the next call, what this one returned: by their places."""
    written = program._written
    places = {value: i for i, value in enumerate(program.traced.after)}
    found = {}
    for i, value in enumerate(written.parameters):
        source = value.source
        if not isinstance(source, Cell):
            continue
        for held in program._held:
            if held.owner is source.owner and source.attribute in held.after:
                new = held.after[source.attribute]
                new = new if source.index is None else new[source.index]
                found[i] = written.returned.index(written.after[places[new]])
    return found


def argument(source: Any, arrays: list[Any]) -> Any:
    if isinstance(source, Input):
        return arrays[source.number]
    found = source.read()
    return found._value if isinstance(found, Tensor) else found


def check_alone(step: Step, batches: list[tuple[Any, ...]], folder: Path) -> str:
    """Run the source of a step on NumPy alone: the same bits as the program, step after step."""
    compiled = bp.compile(step)
    for batch in batches[:3]:
        compiled(*batch)
    program = compiled._latest
    written = program._written
    given = copy.deepcopy(written.given)
    cells = cells_of(program)
    options = [value.source.read() for value in written.options]
    calls = [
        ([argument(v.source, list(batch)) for v in written.parameters], cells) for batch in batches
    ]
    path, answer = folder / "program.pickle", folder / "answer.pickle"
    path.write_bytes(pickle.dumps((written.source, given, options, calls)))
    run = [sys.executable, "-I", "-W", "error", "-c", ALONE, str(path), str(answer)]
    subprocess.run(run, check=True, cwd=folder)
    found, after = pickle.loads(answer.read_bytes())
    for batch, alone in zip(batches, found, strict=True):
        expected = compiled(*batch)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for a, b in zip(expected, alone, strict=False):
            assert (
                np.asarray(a.data if isinstance(a, Tensor) else a).tobytes()
                == np.asarray(b).tobytes()
            )
    assert compiled._latest is program
    for name, array in written.given.items():
        if isinstance(array, np.ndarray):
            assert array.tobytes() == after[name].tobytes(), name
    assert not compiled._refused
    return str(written.source)


def batches(shape: tuple[int, ...], target: Any, count: int = 8) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(1)
    return [(rng.random(shape, np.float32), target(rng)) for _ in range(count)]


def labels(rng: np.random.Generator) -> Any:
    return rng.integers(0, 3, 10)


def values(rng: np.random.Generator) -> Any:
    return rng.random((10, 3), np.float32)


def small(activation: Any, **options: Any) -> nn.Module:
    rng = np.random.default_rng(0)
    return nn.MLP(7, 6, 3, activation=activation, rng=rng, **options)


def step_of(model: nn.Module, loss: Any, optimizer: Any) -> Step:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        optimizer.step()
        return cost

    return step


def sgd(model: nn.Module, **options: Any) -> Any:
    return optim.SGD(model.named_parameters(), lr=0.3, **options)


def sequential(*layers: Any) -> nn.Module:
    return nn.Sequential(*layers)


def layer(*args: int, **options: Any) -> nn.Module:
    return nn.Linear(*args, rng=np.random.default_rng(sum(args)), **options)


def lstm() -> tuple[Step, list[Any]]:
    net = nn.LSTM(3, 4, rng=np.random.default_rng(0))
    optimizer = sgd(net)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        hidden, _ = net(x)
        loss = F.mse_loss(hidden, y)
        loss.backward()
        optimizer.step()
        return loss

    return step, batches((5, 2, 3), lambda rng: rng.random((5, 2, 4), np.float32))


def convolution() -> tuple[Step, list[Any]]:
    rng = np.random.default_rng(0)
    net = sequential(
        nn.Conv2d(1, 2, 3, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), layer(18, 3)
    )
    return step_of(net, F.cross_entropy, sgd(net)), batches((10, 1, 8, 8), labels)


def without_optimizer() -> tuple[Step, list[Any]]:
    gradient = bp.grad(lambda x, y: np.sum(np.tanh(x @ y) * np.exp(-x)))
    return gradient, batches((4, 4), lambda rng: rng.random((4, 4), np.float32))


def case(net: nn.Module, loss: Any, target: Any, make: Any = sgd) -> tuple[Step, list[Any]]:
    return step_of(net, loss, make(net)), batches((10, 7), target)


CASES: dict[str, Callable[[], tuple[Step, list[Any]]]] = {
    "sigmoid": lambda: case(
        small(nn.Sigmoid(), output_activation=nn.Sigmoid()), F.sum_squares, values
    ),
    "cross entropy": lambda: case(small(nn.ReLU()), F.cross_entropy, labels),
    "momentum": lambda: case(
        small(nn.ReLU()), F.cross_entropy, labels, lambda net: sgd(net, momentum=0.9)
    ),
    "adam": lambda: case(
        small(nn.Tanh()), F.cross_entropy, labels, lambda net: optim.Adam(net.named_parameters())
    ),
    "dropout": lambda: case(
        sequential(layer(7, 6), nn.Dropout(0.3, rng=np.random.default_rng(5)), layer(6, 3)),
        F.cross_entropy,
        labels,
    ),
    "running means": lambda: case(
        sequential(layer(7, 6), nn.BatchNorm1d(6), nn.ReLU(), layer(6, 3)), F.cross_entropy, labels
    ),
    "recurrence": lstm,
    "convolution": convolution,
    "without an optimizer": without_optimizer,
}


@pytest.mark.parametrize("name", CASES)
def test_source_on_numpy_alone_gives_the_bits_of_the_program(name: str, tmp_path: Path) -> None:
    step, given = CASES[name]()
    source = check_alone(step, given, tmp_path)
    assert "tinygrad_bp" not in source


def test_memory_that_results_share_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinygrad_bp.program.writing.rooms._LITTLE", 0)
    step, given = CASES["sigmoid"]()
    source = check_alone(step, given, tmp_path)
    assert " = ndarray((10, 6), float32, memory, " in source


# --- what it reads like -----------------------------------------------------------------------


def source_of(step: Step, *batch: Any, **options: Any) -> str:
    compiled = bp.compile(step, **options)
    compiled(*batch)
    return str(compiled.source)


def step_inside(source: str) -> list[str]:
    """The lines of the step itself, without its indentation."""
    body = source.partition("    def ")[2].partition("\n\n    return ")[0]
    return [line.removeprefix("        ") for line in body.split("\n")]


GOLDEN = """\
import math
from contextvars import Context
from numpy import (
    add, array, asarray, divide, dot, empty, exp, float32, multiply, negative, ones, seterr,
    subtract, vdot,
)


quiet = Context()  # in which NumPy does not warn
quiet.run(seterr, over="ignore")


def prepare(p):
    W1 = p[0:42].reshape(6, 7)
    b1 = p[42:48]                                 # (6,)
    W2 = p[48:66].reshape(3, 6)
    b2 = p[66:69]                                 # (3,)
    c = array(0.2, float32)
    ones10 = ones(10, float32)
    one = array(1, float32)
    a = empty(90, float32)
    dp = empty(69, float32)
    rate = empty((), float32)
    scale = empty((), float32)
    z1 = t = empty((10, 6), float32)
    z2 = t2 = empty((10, 3), float32)
    t3 = da2 = dz2 = empty((10, 3), float32)
    slope = empty(90, float32)
    da1 = dz1 = empty((10, 6), float32)
    a2 = a[0:30].reshape(10, 3)
    a1 = a[30:90].reshape(10, 6)
    dW1 = dp[0:42].reshape(6, 7)
    db1 = dp[42:48]                               # (6,)
    dW2 = dp[48:66].reshape(3, 6)
    db2 = dp[66:69]                               # (3,)
    W1T = W1.T                                    # (7, 6)
    W2T = W2.T                                    # (6, 3)
    slope2 = slope[0:30].reshape(10, 3)
    slope3 = slope[30:90].reshape(10, 6)
    dz2T = dz2.T                                  # (3, 10)
    dz1T = dz1.T                                  # (6, 10)

    def settings(lr):
        rate[...] = asarray(lr, float32)
        scale[...] = multiply(rate, c)

    def step(x, y):
        # test_program_source.py  cost = loss(model(x), y)
        # z1 = x W1ᵀ + b1
        dot(x, W1T, z1)
        add(z1, b1, z1)

        # a1 = σ(z1)
        negative(z1, t)
        quiet.run(exp, t, t)
        add(one, t, t)
        divide(one, t, a1)

        # z2 = a1 W2ᵀ + b2
        dot(a1, W2T, z2)
        add(z2, b2, z2)

        # a2 = σ(z2)
        negative(z2, t2)
        quiet.run(exp, t2, t2)
        add(one, t2, t2)
        divide(one, t2, a2)

        # cost = Σ (a2 - y)² / n
        subtract(a2, y, t3)
        u = vdot(t3, t3)
        cost = u / 10

        # --- backward: dx is the gradient with respect to x, times the rate ---

        # da2 = 2/n (a2 - y)
        multiply(scale, t3, da2)

        # dz2 = da2 · a2 (1 - a2)
        subtract(one, a, slope)
        multiply(a, slope, slope)
        multiply(da2, slope2, dz2)

        # da1 = dz2 W2,  dW2 = dz2ᵀ a1,  db2 = Σ dz2
        dot(dz2, W2, da1)
        dot(dz2T, a1, dW2)
        dot(ones10, dz2, db2)

        # dz1 = da1 · a1 (1 - a1)
        multiply(da1, slope3, dz1)

        # dW1 = dz1ᵀ x,  db1 = Σ dz1
        dot(dz1T, x, dW1)
        dot(ones10, dz1, db1)

        # --- update ---

        # test_program_source.py  optimizer.step()
        # SGD
        squares = dot(dp, dp)

        if not math.isfinite(squares):
            raise FloatingPointError("not finite: nothing is changed")

        subtract(p, dp, p)

        return cost

    return step, settings
"""


def test_a_small_net_reads_like_backprop_by_hand() -> None:
    step, given = CASES["sigmoid"]()
    with np.errstate(all="warn", under="ignore"):  # NumPy's own settings
        source = source_of(step, *given[0])
    assert re.sub(r"(?<=\.py):\d+", "", source) == GOLDEN


def run(source: str, *arguments: Any, **given: Any) -> Any:
    names: dict[str, Any] = {}
    exec(source, names)  # noqa: S102  (our own source)
    made = names["prepare"](**given)
    return (made[0] if isinstance(made, tuple) else made)(*arguments)


@pytest.mark.parametrize("name", ["add", "exp", "lambda_", "np", "step", "e", "θ", "ﬁ", "prepare"])
def test_names_that_mean_something_else(name: str) -> None:
    made: dict[str, Any] = {"exp": np.exp}
    exec(f"def step({name}): return np_exp({name}) + 2 * {name}", {"np_exp": np.exp}, made)  # noqa: S102
    x = np.linspace(0, 1, 5)
    source = source_of(made["step"], x)
    np.testing.assert_array_equal(run(source, x), np.exp(x) + 2 * x)


def test_the_users_names() -> None:
    w = Tensor(np.array([1.0, 2.0]), requires_grad=True)

    def step(points: Any) -> Any:
        inner = np.tanh(points * w)
        total = np.sum(inner)
        return total * 2

    lines = step_inside(source_of(step, np.ones(2)))
    assert lines[0] == "step(points):"
    assert "multiply(points, w, h1)" in lines
    assert "tanh(h1, inner)" in lines
    assert "total = dot(ones2, inner)" in lines
    assert lines[-1] == "return result"


def test_parameters_of_the_same_name() -> None:
    first, second = (nn.Linear(2, 2, rng=np.random.default_rng(i)) for i in range(2))
    optimizer = optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        cost = np.sum(second(first(x)))
        cost.backward()
        optimizer.step()
        return cost

    source = source_of(step, np.ones((3, 2), np.float32))
    names = [line.split(" = ")[0].strip() for line in source.split("\n") if " = p[" in line]
    assert len(names) == len(set(names)) == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.2), "float32(0.2)"),
        (np.array(0.1, np.float32), "array(0.1, float32)"),
        (np.array(3.0), "array(3, float64)"),
        (np.array(-0.0), "array(-0.0, float64)"),
        (np.array([np.inf, np.nan]), "array([inf, nan], float64)"),
        (np.arange(10), "arange(10)"),
        (np.arange(4, dtype=np.float32), "arange(4, dtype=float32)"),
        (np.arange(3, 300, 3), "arange(3, 300, 3)"),
        (np.arange(3, -3, -2), "arange(3, -3, -2)"),
        (np.arange(5, dtype=np.uint8)[::-1].copy(), "array([4, 3, 2, 1, 0], uint8)"),
        (np.eye(10, dtype=np.float32), "eye(10, dtype=float32)"),
        (np.full((2, 3), 0.5), "full((2, 3), 0.5, float64)"),
        (np.ones(4, np.float32), "ones(4, float32)"),
        (np.zeros((2, 1)), "zeros((2, 1), float64)"),
        (np.array([True, False]), "array([True, False], bool_)"),
        (np.array([1 + 2j]), "array([complex(1.0, 2.0)], complex128)"),
        (np.empty((0, 3)), "empty((0, 3), float64)"),
        (np.float16(0.1), "float16(0.1)"),
        (2**70, str(2**70)),
        (float("-inf"), "-inf"),
        ((slice(None), None, ...), "(slice(None, None, None), None, ...)"),
    ],
)
def test_literals_give_the_same_bits(value: Any, text: str) -> None:
    imports = Imports()
    written = literal(value, imports)
    assert written == text
    names: dict[str, Any] = {}
    exec("\n".join(imports.lines()), names)  # noqa: S102
    again = eval(str(written), names)  # noqa: S307
    assert type(again) is type(value)
    if isinstance(value, np.ndarray | np.generic):
        assert (again.dtype, again.shape, again.tobytes()) == (
            value.dtype,
            value.shape,
            value.tobytes(),
        )
    else:
        assert again == value


@pytest.mark.parametrize(
    "value",
    [
        np.linspace(0, 1, 100),
        np.ones((3, 2)).T * np.arange(3),
        np.array(np.longdouble(1) / 3),
        np.array([1.0], ">f8") / 3,
        object(),
    ],
)
def test_what_is_no_literal(value: Any) -> None:
    found = literal(value, Imports())
    assert found is None or "float64" in found


def test_a_large_constant_is_handed_over() -> None:
    table = np.random.default_rng(0).random(100)
    compiled = bp.compile(lambda x: np.sum(x * table))
    x = np.ones(100)
    result = compiled(x)
    (name,) = compiled.given
    assert compiled.given[name] is table
    assert run(compiled.source, x, **compiled.given) == result


def test_a_function_of_the_users_own_is_handed_over() -> None:
    """It may read what changes, which a text of it would not notice."""
    compiled = bp.compile(lambda x: doubled_in_a_loop(x) + 1)
    x = np.arange(3.0)
    np.testing.assert_array_equal(compiled(x), 2 * x + 1)
    assert [*compiled.given] == ["doubled_in_a_loop"]
    np.testing.assert_array_equal(run(compiled.source, x, **compiled.given), 2 * x + 1)


def test_functions_of_the_library_are_printed_with_what_they_refer_to() -> None:
    step, given = CASES["convolution"]()
    source = source_of(step, *given[0])
    before = source.partition("def prepare(")[0]
    assert "def convolve_windows(" in before
    assert "_BLOCK = 1 << 23" in before
    assert "@" not in before.replace(" @ ", "")
    assert "tinygrad" not in before


def test_functions_whose_modules_mean_different_things_by_a_name() -> None:
    opaque = Opaque()
    functions = implementation_of(scatter_add), implementation_of(only_where)
    names = [opaque.name_of(function) for function in functions]
    made: dict[str, Any] = {}
    exec("\n".join([*opaque.imports, *opaque.lines()]), made)  # noqa: S102
    assert {"_FEW", "_FEW_2"} <= made.keys()
    g, index = np.arange(600.0), np.arange(600) // 2
    added = made[str(names[0])](g, index, (300,))
    np.testing.assert_array_equal(added, scatter_add(g, index, (300,)))
    np.testing.assert_array_equal(made[str(names[1])](g, g > 5), only_where(g, g > 5))


@primitive
def doubled_in_a_loop(x: Any) -> Any:
    """A primitive that cannot be entered."""
    out = np.empty_like(x)
    for i, element in enumerate(x):
        out[i] = 2 * element
    return out


def test_long_lines_are_broken_between_arguments() -> None:
    table = np.random.default_rng(0).random((2, 16))
    x = np.ones((2, 16))
    compiled = bp.compile(lambda x: np.concatenate([x * table] * 40))
    result = compiled(x)
    lines = [line for line in compiled.source.split("\n") if "test_program_source.py" not in line]
    assert max(map(len, lines)) <= 100
    np.testing.assert_array_equal(run(compiled.source, x, **compiled.given), result)
    call = "einsum('ab, bc -> ac', " + "x, " * 40 + "y)"
    joined = " ".join(line.strip() for line in wrapped(call)).replace("( ", "(").replace(" )", ")")
    assert joined == call
