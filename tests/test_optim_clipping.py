"""Clipping of gradients: PyTorch's numbers, all gradients or none, and no array of the user's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_bp import Tensor, optim
from tinygrad_bp.errors import OptimizerError


def parameters(*gradients: Any, dtype: Any = np.float64) -> list[Tensor]:
    found = []
    for i, g in enumerate(gradients):
        p = Tensor(np.zeros(np.shape(g), dtype), requires_grad=True, name=f"p{i}")
        if g is not None:
            p.grad = np.array(g, dtype)
        found.append(p)
    return found


def test_gradients_are_scaled_to_the_norm() -> None:
    a, b, missing = parameters([3.0, 0.0], 4.0, None)
    total = optim.clip_grad_norm_(iter([a, missing, b]), 1.0)
    assert total == 5.0
    factor = 1 / (5 + 1e-6)
    np.testing.assert_array_equal(a.grad.data, [3 * factor, 0])
    np.testing.assert_array_equal(b.grad.data, 4 * factor)
    assert missing.grad is None
    assert optim.clip_grad_norm_([a, b], 7.0) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(a.grad.data, [3 * factor, 0])


def test_nobodys_array_is_written_to() -> None:
    shared = np.array([3.0, -4.0])
    a, b = parameters([0.0, 0.0], [0.0, 0.0])
    a.grad = b.grad = Tensor(shared)
    held = a.grad
    optim.clip_grad_norm_([a, b], 1.0)
    optim.clip_grad_value_([a], 0.1)
    assert shared.tolist() == held.tolist() == [3.0, -4.0]
    assert a.grad.tolist() == [0.1, -0.1]
    assert b.grad.tolist() == pytest.approx([3 / 50**0.5, -4 / 50**0.5], rel=1e-6)


def test_a_step_goes_on_from_what_was_clipped() -> None:
    w = Tensor([3.0, 4.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        (w * w / 2).sum().backward()
        optim.clip_grad_norm_(w, 1.0)
        optimizer.step()
    np.testing.assert_allclose(w.data, [1.8, 2.4], rtol=1e-6)
    optim.clip_grad_norm_(w, 0.5)
    with pytest.raises(OptimizerError, match="used already"):
        optimizer.step()


def test_without_gradients_the_norm_is_0() -> None:
    assert optim.clip_grad_norm_(parameters(None), 1.0) == 0
    assert optim.get_total_norm([]) == 0
    optim.clip_grad_value_(parameters(None), 1.0)


def test_squares_do_not_overflow() -> None:
    (p,) = parameters([3e30, 4e30], dtype=np.float32)
    assert optim.clip_grad_norm_(p, 1.0) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(p.grad.data, [0.6, 0.8], rtol=1e-6)
    assert p.grad.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_gradients_that_are_not_finite(bad: float) -> None:
    good, broken = parameters([1.0], [2.0, bad])
    with pytest.raises(OptimizerError, match=r"gradient of 'p1' is .* at \(1,\)"):
        optim.clip_grad_norm_([good, broken], 0.1, error_if_nonfinite=True)
    assert good.grad.tolist() == [1.0]
    with pytest.raises(OptimizerError, match="the norm of the gradients is"):
        optim.get_total_norm(broken.grad, error_if_nonfinite=True)
    with np.errstate(invalid="ignore"):
        total = optim.clip_grad_norm_([good, broken], 0.1)
    assert not np.isfinite(total)
    with pytest.raises(OptimizerError, match="p1|p0"):
        optim.SGD([("p0", good), ("p1", broken)]).step()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda p: optim.clip_grad_norm_([], 1.0), "no parameters"),
        (lambda p: optim.clip_grad_norm_([p, p], 1.0), "given twice"),
        (lambda p: optim.clip_grad_norm_([p.data], 1.0), "is a ndarray, not a Tensor"),
        (lambda p: optim.clip_grad_norm_(p, -1.0), "max_norm must be 0 or more"),
        (lambda p: optim.clip_grad_norm_(p, math.nan), "max_norm must be 0 or more"),
        (lambda p: optim.clip_grad_norm_(p, 1.0, 0), "norm_type must be a number above 0"),
        (lambda p: optim.clip_grad_norm_(p, 1.0, -1), "norm_type must be 0 or more"),
        (lambda p: optim.clip_grad_norm_(p, 1.0, "two"), "norm_type must be 0 or more"),
        (lambda p: optim.clip_grad_norm_(p, "x"), "max_norm must be 0 or more"),
        (lambda p: optim.clip_grad_value_(p, -1.0), "clip_value must be 0 or more"),
    ],
)
def test_bad_arguments(call: Any, match: str) -> None:
    (p,) = parameters([3.0])
    with pytest.raises(OptimizerError, match=match):
        call(p)
    assert p.grad.tolist() == [3.0]


# --- against PyTorch --------------------------------------------------------------------------

GRADIENTS = st.lists(
    hnp.arrays(float, hnp.array_shapes(min_dims=0, max_dims=2), elements=st.floats(-1e6, 1e6)),
    min_size=1,
    max_size=4,
)


@given(GRADIENTS, st.floats(0, 1e3), st.sampled_from([1.0, 1.5, 2.0, 3.0, math.inf]))
def test_numbers_are_pytorchs(gradients: Any, bound: float, order: float) -> None:
    torch = pytest.importorskip("torch")
    ours = parameters(*gradients)
    theirs = [torch.tensor(p.data, requires_grad=True) for p in ours]

    def give() -> None:
        for p, q, g in zip(ours, theirs, gradients, strict=True):
            p.grad, q.grad = g, torch.tensor(g)

    def compare(rtol: float) -> None:
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=rtol, atol=1e-300)

    give()
    with np.errstate(under="ignore"):
        total = optim.clip_grad_norm_(ours, bound, order)
        expected = torch.nn.utils.clip_grad_norm_(theirs, bound, order).item()
        np.testing.assert_allclose(total, expected, rtol=1e-12, atol=1e-150)
        compare(1e-12)
        give()
        optim.clip_grad_value_(ours, bound)
        torch.nn.utils.clip_grad_value_(theirs, bound)
        compare(0)
