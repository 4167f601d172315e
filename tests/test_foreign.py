"""Tensors of other libraries' arrays: every function, on arrays that know the protocols alone.

What `strict.Strict` refuses is what would copy an array from a GPU, or compute what is lazy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from foreign_cases import STRICT, compare_calls, held, is_beyond_cupy
from specs import CALLS, Call
from strict import Strict

from tinygrad_bp import Tensor, gradients
from tinygrad_bp import functional as F
from tinygrad_bp.rules.activations import erf
from tinygrad_bp.rules.losses import softmax_cross_entropy

BY_VALUES = ("piecewise", "polydiv", "polymul", "trim_zeros")
"""What these do depends on the values in a way that an array elsewhere cannot tell."""

NUMBERS_BESIDE = {
    "array_split(5, array[2])",
    "cov(2x4, None, True, False, None, [1, 2, 1, 3])",
    "cov(2x4, None, True, False, None, [1, 2, 1, 3], 4)",
    "delete(3, array[True, False, True])",
    "ediff1d(2, to_begin=0.0)",
    "insert(2, [], 0.0)",
    "interp(0.7, array[0.0, 1.0, 2.5, 4.0], 4)",
    "logspace(0, 1, 3, True, 0d)",
    "logspace(2, 0, 3, True, 2)",
    "polyint(2, 2, [0d, 1.0])",
    "polyint(3)",
    "stack([0d, 0d, 1.0])",
}
"""Calls in which numbers become arrays of NumPy's, which other libraries do not mix with theirs."""


def params() -> list[Any]:
    """All calls; three in four of them are for the slow run."""
    refused = pytest.mark.xfail(raises=(TypeError, AttributeError))
    return [
        pytest.param(
            call,
            id=str(call),
            marks=[refused] * (unfit(str(call)) or is_beyond_cupy(call))
            + [pytest.mark.slow] * (i % 4 != 0),
        )
        for i, call in enumerate(CALLS)
    ]


def unfit(call: str) -> bool:
    by_values = call.startswith(BY_VALUES) and call != "piecewise(0d, True, [_double], more=2.0)"
    return by_values or call in NUMBERS_BESIDE


@pytest.mark.parametrize("call", params())
def test_values_and_gradients_stay_where_the_arrays_are(call: Call) -> None:
    compare_calls(call, STRICT)


def test_plain_numbers_and_small_integers_are_as_precise_as_before() -> None:
    assert erf(1.0).dtype == np.float64
    assert erf(1.0) == pytest.approx(0.8427007929497149, abs=1e-15)
    choices = [Tensor(float(i), requires_grad=True) for i in range(300)]
    for mode in ("wrap", "clip"):
        found = np.choose(np.array([3, 255], np.uint8), choices, mode=mode)
        assert found.data.tolist() == [3.0, 255.0]


def test_arrays_of_two_libraries_do_not_mix() -> None:
    with pytest.raises(
        TypeError, match="add was given numpy.ndarray and strict.Strict, .*do not mix"
    ):
        Tensor(Strict([1.0]), requires_grad=True) + np.ones(1)


def test_a_gradient_of_a_gradient_stays_too() -> None:
    x = Tensor(Strict([1.0, 2.0]), requires_grad=True)
    (first,) = gradients(np.sum(x**3), x, create_graph=True)
    assert first is not None
    (second,) = gradients(np.sum(first), x)
    assert second is not None
    np.testing.assert_allclose(held(second, STRICT), [6.0, 12.0])


def test_a_network_and_its_loss(rng: np.random.Generator) -> None:
    weight, x, y = rng.normal(size=(3, 2)), rng.normal(size=(4, 2)), np.array([0, 2, 1, 1])

    def loss(array: Any) -> tuple[Tensor, Tensor]:
        w = Tensor(array(weight), requires_grad=True)
        z = F.relu(Tensor(array(x)) @ np.transpose(w))
        return w, np.mean(softmax_cross_entropy(z, array(y)))

    (w, here), (v, there) = loss(np.asarray), loss(Strict)
    here.backward()
    there.backward()
    assert w.grad is not None
    assert v.grad is not None
    np.testing.assert_allclose(held(v.grad, STRICT), w.grad.data, rtol=1e-12)
