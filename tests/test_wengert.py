"""The table of the forward pass and the adjoints beside it."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tinygrad_bp import Tensor
from tinygrad_bp import rules as own
from tinygrad_bp.explain.arrays import array_of_view
from tinygrad_bp.explain.formatting import columns
from tinygrad_bp.explain.trace import trace
from tinygrad_bp.explain.wengert import wengert
from tinygrad_bp.gradcheck.strategies import Program, programs


def example() -> Tensor:
    """The function that the survey tabulates: ln x1 + x1 x2 - sin x2 at (2, 5)."""
    x1, x2 = Tensor(2.0, requires_grad=True), Tensor(5.0, requires_grad=True)
    v1 = np.log(x1)
    v2 = x1 * x2
    v3 = np.sin(x2)
    v4 = v1 + v2
    y = v4 - v3
    assert y.op is not None
    return y


def test_the_surveys_table() -> None:
    """Baydin and others, table 3: the adjoints of ln x1 + x1 x2 - sin x2 are 5.5 and 1.716."""
    text = wengert(example()).text(80)
    lines = [line.split("   ") for line in text.splitlines()]
    both = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert both[0] == ["Wengert list of y = 11.65"]
    assert both[3] == ["forward: read down", "reverse: read up"]
    assert ["x1 = 2", "x1_bar = 5.5"] in both
    assert ["x2 = 5", "x2_bar = 1.716"] in both
    assert ["v1 = log(x1) = 0.6931", "x1_bar += quotient(v1_bar, x1) = 0.5"] in both
    assert ["v2 = x1 * x2 = 10", "x2_bar += v2_bar * x1 = 2"] in both
    assert ["v3 = sin(x2) = -0.9589", "x2_bar = v3_bar * cos(x2) = -0.2837"] in both
    assert both[-1] == ["y = 11.65", "y_bar = 1"]


def test_rows_are_in_the_order_of_computing() -> None:
    rows = wengert(example()).rows
    assert [row.name for row in rows if row.direction == "forward"] == [
        "x1", "x2", "v1", "v2", "v3", "v4", "y",
    ]  # fmt: skip
    reverse = [row for row in rows if row.direction == "reverse"]
    assert rows[-len(reverse) :] == reverse
    assert str(reverse[0]) == "y_bar = 1"
    assert [row.name for row in reverse[1:3]] == ["v4_bar", "v3_bar"]
    known = {"y_bar"}
    for row in reverse[1:]:
        assert row.sign == ("+=" if row.name in known else "=")
        known.add(row.name)


def run(rows: Any) -> dict[str, Any]:
    """Run the lines of a table as the program that they are."""
    ours = {name: getattr(own, name) for name in own.__all__}
    names: dict[str, Any] = {"__builtins__": {}, **vars(np), **ours}
    for row in rows:
        value = array_of_view(row.value)
        if row.formula is not None:
            found = eval(row.formula.partition(" (summed")[0], dict(names))  # noqa: S307
            if value is not None and found.shape == value.shape:
                np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-14)
        names[row.name] = names[row.name] + value if row.sign == "+=" else value
    return names


def test_the_rows_are_a_program_that_computes_the_gradient() -> None:
    names = run(wengert(example()).rows)
    assert names["y"] == np.log(2.0) + 10.0 - np.sin(5.0)
    np.testing.assert_allclose(names["x1_bar"], 5.0 + 1 / 2.0, rtol=1e-15)
    np.testing.assert_allclose(names["x2_bar"], 2.0 - np.cos(5.0), rtol=1e-15)


@given(programs(max_lines=4))
def test_what_a_random_program_adds_up_is_its_gradient(program: Program) -> None:
    leaves = [Tensor(value, requires_grad=True, name=n) for n, value in program.leaves.items()]
    table = wengert(program(*leaves))
    sums: dict[str, Any] = {}
    for row in table.rows:
        value = array_of_view(row.value)
        sums[row.name] = sums[row.name] + value if row.sign == "+=" else value
    program(*leaves).backward()
    for leaf in leaves:
        if leaf.grad is not None:
            np.testing.assert_allclose(
                sums[f"{leaf.name}_bar"], leaf.grad.data, rtol=1e-12, atol=1e-300
            )


def recurrent() -> Tensor:
    rng = np.random.default_rng(0)
    W, b = (
        Tensor(rng.standard_normal((3, 3)), requires_grad=True),
        Tensor(np.zeros(3), requires_grad=True),
    )
    h = Tensor(rng.standard_normal((5, 3)))
    for _ in range(3):
        h = np.tanh(h @ W + b)
    return np.sum(h * h)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    text = wengert(recurrent()).text(width)
    assert max(columns(line) for line in text.splitlines()) <= width
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_a_wide_table_needs_no_folding() -> None:
    table = wengert(recurrent())
    lines = table.text(500).splitlines()
    nodes, steps = len(table._nodes), len(table._data["steps"])
    assert len(lines) <= 8 + nodes + steps


def test_arrays_show_shape_and_norm_and_undone_broadcasting() -> None:
    text = wengert(recurrent()).text(200)
    assert "W = (3, 3), norm" in text
    assert "b_bar = " in text
    assert "(summed over axis 0) = [" in text


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    table = wengert(recurrent())
    assert str(table) == table.text(50)


def test_a_trace_and_its_data_give_the_same_table() -> None:
    traced = trace(example(), checks=False)
    assert str(wengert(traced)) == str(wengert(traced.to_dict()))
    assert repr(wengert(traced)) == "<Wengert list of y: 7 lines forward, 9 in reverse>"


@given(st.sampled_from(["g", "gg", "g_", "dg", "g.h"]))
def test_only_what_arrives_is_replaced_in_formulas(name: str) -> None:
    x = Tensor(3.0, requires_grad=True, name=name)
    loss = x * Tensor(2.0, name="c")
    (row,) = [row for row in wengert(loss).rows if row.formula and row.direction == "reverse"]
    assert row.formula == "loss_bar * c"
