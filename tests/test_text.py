"""The backward pass in words: every step of it, for people, for `diff` and for screen readers."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from lesson_cases import chain

from tinygrad_bp import Tensor
from tinygrad_bp.explain.arrays import array_of_view, norm_of
from tinygrad_bp.explain.data import data_of
from tinygrad_bp.explain.formatting import columns, plain, table
from tinygrad_bp.explain.text import narrate
from tinygrad_bp.explain.trace import trace
from tinygrad_bp.gradcheck.strategies import Program, programs


def data(loss: Tensor, **options: Any) -> Any:
    return trace(loss, checks=False, **options).to_dict()


# --- the lesson's chain ---------------------------------------------------------------------

# Everything that the lesson pins.
B = (-0.311784, 0.729004, 0.217821)
W = (-0.899092, -2.486781, 0.913252)
Z = (-0.761330, -0.062682, 0.660140)
A = (0.5, 0.318358, 0.484335, 0.659292)
COST = 0.116082
BY_W = (0.00942011, -0.0111146, -0.0741341)
BY_B = (0.0188402, -0.0349121, -0.1530639)
BY_A = (None, None, -0.1397858, -0.681416)
SLOPE_OF_A3 = 0.224626


def n(value: float | None) -> str:
    """As the text writes numbers, from the pinned ones."""
    assert value is not None
    return f"{value:.4g}"


def m(value: float | None) -> str:
    """The same inside a formula."""
    return f"({n(value)})" if value is not None and value < 0 else n(value)


LAST_LAYER = f"""\
cost = square(v17) = square({n(A[3] - 1)}) = {n(COST)}
  arrives: g = dcost/dcost = 1
  step 1, to v17
    slope: dcost/dv17 = 2 * v17 = 2 * {m(A[3] - 1)} = {n(BY_A[3])}
    contribution: g * (2 * v17) = 1 * (2 * {m(A[3] - 1)}) = {n(BY_A[3])}

v17 = a3 - y = {n(A[3])} - 1 = {n(A[3] - 1)}
  arrives: g = dcost/dv17 = {n(BY_A[3])}
  step 2, to a3
    slope: dv17/da3 = 1
    contribution: g = {n(BY_A[3])}

a3 = sigmoid(z3) = sigmoid({n(Z[2])}) = {n(A[3])}
  arrives: g = dcost/da3 = {n(BY_A[3])}
  step 3, to z3
    slope: da3/dz3 = a3 * (1 - a3) = {n(A[3])} * (1 - {n(A[3])}) = {n(SLOPE_OF_A3)}
    contribution: g * (a3 * (1 - a3)) =
        {m(BY_A[3])} * ({n(A[3])} * (1 - {n(A[3])})) = {n(BY_B[2])}

z3 = v12 + b3 = {n(W[2] * A[2])} + {n(B[2])} = {n(Z[2])}
  arrives: g = dcost/dz3 = {n(BY_B[2])}
  step 4, to v12
    slope: dz3/dv12 = 1
    contribution: g = {n(BY_B[2])}
  step 5, to b3
    slope: dz3/db3 = 1
    contribution: g = {n(BY_B[2])}

v12 = w3 * a2 = {n(W[2])} * {n(A[2])} = {n(W[2] * A[2])}
  arrives: g = dcost/dv12 = {n(BY_B[2])}
  step 6, to w3
    slope: dv12/dw3 = a2 = {n(A[2])}
    contribution: g * a2 = {m(BY_B[2])} * {n(A[2])} = {n(BY_W[2])}
  step 7, to a2
    slope: dv12/da2 = w3 = {n(W[2])}
    contribution: g * w3 = {m(BY_B[2])} * {n(W[2])} = {n(BY_A[2])}
"""

LEAVES = [("leaf", "value", "gradient")] + [
    (f"{kind}{layer + 1}", n(value[layer]), n(gradient[layer]))
    for layer in range(3)
    for kind, value, gradient in (("w", W, BY_W), ("b", B, BY_B))
]


def unwrapped(text: str) -> str:
    """Lines that go on under themselves joined again."""
    return re.sub(r"\n {6,}(?=\S)", " ", text)


def test_the_lessons_chain_word_for_word() -> None:
    text = narrate(data(chain()["cost"]))
    kept = [line for line in unwrapped(text).splitlines()
            if not line.startswith(("  source: ", "  why: "))]  # fmt: skip
    blocks = "\n".join(kept).split("\n\n")
    assert "\n\n".join(blocks[1:6]) + "\n" == unwrapped(LAST_LAYER)
    heading, *rows = blocks[-1].splitlines()
    assert heading == "Gradients of the leaves"
    assert [tuple(row.split()) for row in rows] == LEAVES


def test_the_heading_says_what_it_is_about() -> None:
    values = chain()
    assert values["y"].is_leaf
    first, second, *_ = narrate(data(values["cost"])).splitlines()
    assert first == f"Backward pass from cost = {n(COST)}"
    assert second == "19 values, 16 steps, 6 leaves get a gradient."


def test_each_value_names_its_line_and_its_reason() -> None:
    text = narrate(data(chain()["cost"]), width=200)
    assert re.search(r"^  source: lesson_cases.py:\d+, in chain: z3 = w3 \* a2 \+ b3$", text, re.M)
    assert text.count("  why: ") == text.count("  arrives: ") == 11


def test_finite_differences_stand_beside_their_steps() -> None:
    text = narrate(trace(chain()["cost"], checks=True).to_dict())
    assert text.count("    check: central difference ") == 16
    assert re.search(r"step 6, to w3\n.*\n.*\n    check: central difference -0\.07413414", text)


# --- sums, broadcasting, arrays -------------------------------------------------------------


def test_contributions_that_meet_are_added() -> None:
    x = Tensor(3.0, requires_grad=True)
    y = x * x + 5 * x
    text = narrate(data(y))
    assert "    sum: contribution 1 of 3 to x; more will be added\n" in text
    assert "    sum: contribution 2 of 3 to x; 5 + 3 = 8\n" in text
    assert "    sum: contribution 3 of 3 to x; 8 + 3 = 11\n" in text


def test_one_contribution_alone_is_no_sum() -> None:
    assert "sum:" not in narrate(data(chain()["cost"]))


def test_a_gradient_that_was_held_is_told() -> None:
    x = Tensor(3.0, requires_grad=True)
    x.grad = 0.5
    y = x * 2.0
    text = narrate(data(y))
    assert "sum: .grad held 0.5 from before; 0.5 + 2 = 2.5" in text
    assert x.grad.item() == 0.5


def test_a_gradient_that_was_given_is_no_derivative_of_the_loss() -> None:
    x = Tensor([3.0, 4.0], requires_grad=True)
    y = x * 2.0
    text = narrate(data(y, gradient=np.array([1.0, 10.0])))
    assert "  arrives: g, as it was given: [1, 10]\n" in text
    scaled = narrate(data(np.sum(y), gradient=5.0))
    assert "  arrives: g, as it was given: 5\n" in scaled
    assert "dy" not in scaled.replace("dy/dx = 2", "")


def test_negative_contributions_are_in_brackets() -> None:
    x = Tensor(3.0, requires_grad=True)
    y = x - 2 * x
    assert re.search(r"; (1 \+ \(-2\)|-2 \+ 1) = -1\n", narrate(data(y)))


def test_arrays_show_shapes_and_small_ones_their_numbers() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    b = Tensor([0.5, -0.5], requires_grad=True)
    loss = np.sum((x + b) ** 2)
    text = narrate(data(loss))
    assert "    broadcasting undone: summed over axis 0: (3, 2) -> (2,)\n" in text
    assert "    contribution: g = [21, 21]\n" in text
    assert "\n        [[ 3  3]\n         [ 7  7]\n         [11 11]]\n" in text
    assert "  b     [0.5, -0.5]  [21, 21]\n" in f"{text}\n"


def test_large_arrays_are_not_printed() -> None:
    w = Tensor(np.ones((20, 20)), requires_grad=True)
    text = narrate(data(np.sum(w * w)))
    assert "(20, 20), norm 40" in text
    assert "[" not in text


def test_values_that_are_not_finite_are_shown_as_they_are() -> None:
    x = Tensor([0.0, 1.0], requires_grad=True)
    with np.errstate(all="ignore"):
        found = data(np.sum(np.log(x)))
    assert "= -inf" in narrate(found)
    assert "[inf, 1]" in narrate(found)


def test_notes_are_words() -> None:
    assert re.search(r"\nNotes\n  a0: no gradient", narrate(data(chain()["cost"])))


# --- form -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit(width: int) -> None:
    text = narrate(trace(chain()["cost"]).to_dict(), width=width)
    assert max(columns(line) for line in text.splitlines()) <= width


@given(programs())
def test_random_programs_are_told_in_full(program: Program) -> None:
    leaves = [Tensor(value, requires_grad=True) for value in program.leaves.values()]
    found = data(program(*leaves))
    text = narrate(found, limit=None)
    steps = [int(number) for number in re.findall(r"^  step (\d+), to ", text, re.M)]
    assert steps == list(range(1, len(found["steps"]) + 1))
    assert not re.search(r"[^\S\n]$", text, re.M)
    assert narrate(found, limit=None) == text


def test_colour_only_when_asked() -> None:
    found = data(chain()["cost"])
    without, coloured = narrate(found), narrate(found, color=True)
    assert not re.search(r"[^\n -~]", without)
    assert "\x1b[1mcost = square(v17)" in coloured
    assert re.sub(r"\x1b\[\dm", "", coloured) == without


@pytest.mark.parametrize("name", ["w\x1b[31m", "w\nstep 9, to x", "w\u202e", "w\r"])
def test_hostile_names_cannot_steer_the_terminal(name: str) -> None:
    found = data(Tensor(1.0, requires_grad=True) * 2.0)
    for node in found["nodes"]:
        node["name"] = name
        node["source"] = node["source"] and {**node["source"], "code": name, "file": name}
    found["title"] = name
    text = narrate(found)
    assert not re.search("[\x1b\u202e\r]", text)
    assert text.count("step 9") == text.count("\ufffdstep 9")


@pytest.mark.parametrize("limit", [1, 2, 7, 16])
def test_long_passes_are_told_from_both_ends(limit: int) -> None:
    found = data(chain()["cost"])
    text = narrate(found, limit=limit)
    steps = [int(number) for number in re.findall(r"^  step (\d+), to ", text, re.M)]
    assert len(steps) == limit
    gaps = [(a, b) for a, b in pairwise([0, *steps, 17]) if b != a + 1]
    if limit == 16:
        assert not gaps
        assert "left out" not in text
    else:
        ((last, next_one),) = gaps
        said = f"... {16 - limit} steps, {last + 1} to {next_one - 1} of 16, are left out"
        assert said in text.replace("\n", " ")
        assert "limit=None, or --steps 0, shows them all" in text.replace("\n", " ")


def test_tables_line_up_with_wide_letters() -> None:
    assert table([("重み", "1"), ("w", "22")]) == ["  重み  1", "  w     22"]


def test_plain_keeps_what_can_be_seen() -> None:
    assert plain("dz/dw · ∂ é 重み 🎉") == "dz/dw · ∂ é 重み 🎉"


# --- views of arrays ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [np.float64(2.5), np.array([1.0, np.nan, -np.inf]), np.zeros((0, 3)), np.arange(4),
     np.array([True, False]), np.ones((2, 2), np.float32)],
)  # fmt: skip
def test_views_give_their_arrays_back(array: Any) -> None:
    x = Tensor(np.ones(np.shape(array)), requires_grad=True)
    found = data(np.sum(x * np.asarray(array)))
    views = [found["arrays"][node["value"]] for node in found["nodes"] if node["name"] == "array"]
    back = [array_of_view(view) for view in views]
    assert all(b is not None and np.array_equal(b, array, equal_nan=b.dtype.kind == "f")
               for b in back)  # fmt: skip


def test_norms_of_arrays_that_are_not_kept_in_full() -> None:
    view = {"shape": [300], "dtype": "float64", "norm": 17.5, "corner": [1.0]}
    assert array_of_view(view) is None
    assert norm_of(view) == 17.5


def test_data_are_taken_as_they_are() -> None:
    found = data(chain()["cost"])
    assert data_of(found) is found
    assert data_of(chain()["cost"])["title"] == found["title"]
