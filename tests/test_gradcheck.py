"""The checker is checked: planted faults must fail, correct functions must not, kinks are kinks."""

from __future__ import annotations

import ast
import io
import itertools
import json
import math
import sys
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quick import some_quick
from specs import CALLS, Call, differences
from specs.special import SPECIAL

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp import functional as F
from tinygrad_bp import rules as own
from tinygrad_bp.gradcheck import Verdict, check, check_vjp, waiting
from tinygrad_bp.gradcheck.mutants import plant
from tinygrad_bp.gradcheck.numerical import by_complex_step, by_differences, goes_through
from tinygrad_bp.registry import elementwise, primitive, rule, rules

Array = np.ndarray


@pytest.fixture
def planted() -> Any:
    """Make a primitive with a given rule, and take it out of the registry afterwards."""
    made = []

    def plant(forward: Callable[..., Any], *partials: Callable[..., Any], **options: Any) -> Any:
        function = primitive(lambda *args: forward(*args))  # noqa: PLW0108  (a new one each time)
        if "vjp" in options:
            rule(function, **options)
        else:
            elementwise(function, *partials)
        made.append(function)
        return function

    yield plant
    for function in made:
        del rules[function]


# --- planted faults ----------------------------------------------------------------------------

FAULTS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "factor 1.001": (np.exp, lambda g, y, x: 1.001 * g * y),
    "factor 1.0005": (np.sin, lambda g, y, x: 1.0005 * g * np.cos(x)),
    "factor 1 + 1e-8": (np.sin, lambda g, y, x: (1 + 1e-8) * g * np.cos(x)),
    "wrong sign": (np.cos, lambda g, y, x: g * np.sin(x)),
    "tiny function, doubled gradient": (lambda x: 1e-8 * x**2, lambda g, y, x: 4e-8 * g * x),
    "output for input": (np.square, lambda g, y, x: 2 * g * y),
    "gradient ignored": (np.exp, lambda g, y, x: y + 0 * g),
    "nan": (np.square, lambda g, y, x: g * np.full_like(x, np.nan)),
    "all zero": (np.square, lambda g, y, x: 0 * g),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["complex", "differences"])
def test_planted_faults_are_caught(fault: str, method: str, planted: Any) -> None:
    if fault == "factor 1 + 1e-8" and method == "differences":
        pytest.skip("differences tell 1e-7")
    f = planted(*FAULTS[fault])
    x = np.array([0.3, -0.7, 1.1])
    report = check(lambda x: np.sum(3.0 * f(x)), x, method=method)
    assert not report.ok
    assert report.counts[Verdict.FAIL] == 3 or fault == "gradient ignored"
    assert report.method == {"complex": "complex step"}.get(method, method)
    assert "blame" in report.blame[0]
    with pytest.raises(errors.GradcheckError, match="FAIL"):
        report.assert_ok()


@pytest.mark.slow
def test_halved_gradient_of_many_elements(planted: Any) -> None:
    f = planted(np.square, lambda g, y, x: g * x)
    report = check(lambda x: np.sum(f(x)), np.linspace(1, 2, 100_000))
    assert not report.ok
    assert report.evaluations < 1000


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_one_zeroed_entry_of_12544(seed: int, planted: Any) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(16, 784))
    hole = tuple(int(i) for i in (rng.integers(16), rng.integers(784)))
    mask = np.ones(x.shape)
    mask[hole] = 0.0
    f = planted(np.square, lambda g, y, x: 2 * g * x * mask)
    report = check(lambda x: np.sum(f(x)), x, identities=False)
    assert report.counts[Verdict.FAIL] == 1
    assert report.worst[0].index == hole


def test_swapped_arguments_and_missing_transpose(planted: Any, rng: np.random.Generator) -> None:
    swapped = planted(np.multiply, lambda g, y, a, b: g * a, lambda g, y, a, b: g * b)
    a, b = rng.normal(size=(2, 3))
    assert not check(lambda a, b: np.sum(swapped(a, b)), a, b).ok
    turned = planted(
        lambda a, b: a @ b,
        vjp=(lambda g, y, a, b: g @ b, lambda g, y, a, b: a.T @ g),
        jvp=(lambda t, y, a, b: t @ b, lambda t, y, a, b: a @ t),
    )
    square = rng.normal(size=(2, 3, 3))
    report = check(lambda a, b: np.sum(turned(a, b) ** 2), *square)
    assert not report.ok
    assert "argument 0" in report.blame[0]


def test_wrong_forward_mode_is_an_identity_that_fails(planted: Any) -> None:
    f = planted(np.exp, vjp=lambda g, y, x: g * y, jvp=lambda t, y, x: 1.01 * t * y)
    report = check(lambda x: np.sum(f(x)), np.array([0.5]), forward=True)
    assert report.counts[Verdict.FAIL] > 0
    assert "differ" in report.identities["<v, J u> = <Jᵀv, u>"]


def test_fault_of_second_order_only(planted: Any) -> None:
    @primitive
    def cosine(x: Array) -> Array:
        return np.cos(x)

    elementwise(cosine, lambda g, y, x: 2 * -g * np.sin(x))
    f = planted(np.sin, lambda g, y, x: g * cosine(x))
    x = np.array([0.3, 0.9])
    try:
        glance = check(lambda x: np.sum(f(x)), x)
        report = check(lambda x: np.sum(f(x)), x, second_order=True)
    finally:
        del rules[cosine]
    for found in (glance, report):
        assert not found.ok
        assert found.worst[0].parameter.startswith("second order")


@pytest.mark.parametrize("method", ["complex", "differences"])
def test_a_given_gradient_is_checked(method: str) -> None:
    x = np.array([1.0, 2.0, 3.0])
    right = check(lambda x: np.sum(x**3), x, gradient=lambda x: 3 * x**2, method=method)
    assert right.ok
    assert right.counts[Verdict.PASS] == 3
    wrong = check(lambda x: np.sum(x**3), x, gradient=lambda x: 3.0001 * x**2, method=method)
    assert wrong.counts[Verdict.FAIL] == 3


def test_a_given_gradient_is_named_by_its_input() -> None:
    def energy(p: dict[str, Any]) -> Any:
        return np.sum(p["a"] * p["b"] ** 2)

    def slopes(p: dict[str, Array]) -> dict[str, Array]:
        return {"a": p["b"] ** 2, "b": p["a"] * p["b"]}

    report = check(energy, {"a": np.ones(2), "b": np.array([0.5, 2.0])}, gradient=slopes)
    blamed = "blame: the gradient of 'energy' for 'input 0['b']' is wrong: constant ratio 0.5"
    assert report.blame[0].startswith(blamed)


# --- correct functions -------------------------------------------------------------------------

CORRECT: dict[str, tuple[Callable[..., Any], list[float]]] = {
    "relu at 1e-7": (lambda x: np.sum(np.maximum(x, 0.0)), [1e-7, -1e-7]),
    "log at 1e-7": (lambda x: np.sum(np.log(x)), [1e-7, 1e-9]),
    "x^2 at 1e10": (lambda x: np.sum(x**2), [1e10]),
    "1e9 + sin": (lambda x: 1e9 + np.sin(x).sum(), [0.3, 1.2]),
    "|x| at 1e-9": (lambda x: np.sum(np.abs(x)), [1e-9, -1e-9]),
    "sqrt at 1e-12": (lambda x: np.sum(np.sqrt(x)), [1e-12]),
    "1/x at 1e-6": (lambda x: np.sum(1 / x), [1e-6]),
    "exp at 50 and -50": (lambda x: np.sum(np.exp(x)), [50.0, -50.0]),
    "tiny scale": (lambda x: np.sum(1e-30 * np.sin(x)), [0.4]),
    "cancelling": (lambda x: np.sum((x + 1e8) - 1e8), [0.7]),
    "saturated sigmoid": (lambda x: np.sum(bp.functional.sigmoid(x)), [-30.0, 30.0]),
    "masked root": (lambda x: np.sum(np.where(x > 0, np.sqrt(np.abs(x)), x)), [4.0, -2.0]),
    "softmax": (lambda x: np.sum(bp.functional.softmax(x) * np.arange(3.0)), [0.2, 5.0, -3.0]),
    "sums to one": (lambda x: np.sum(bp.functional.softmax(x)), [0.2, 1.0, -3.0]),
    "prod with a zero": (np.prod, [2.0, 0.0, 3.0]),
    "std": (np.std, [1.0, 2.0, 4.0]),
    "norm": (np.linalg.norm, [3.0, 4.0]),
    "sorted pick": (lambda x: np.max(x) - np.min(x), [0.3, 0.1, 0.2]),
    "nothing at all": (np.sum, []),
    "a whole number of steps": (lambda x: np.sum(x.astype(int) * x), [1.5, -0.25]),
    "first of equals": (lambda x: x[np.argmax(x * 0.0)] * x[np.argmin(x * 0.0)], [1.0, 1.0]),
}


@pytest.mark.parametrize("case", CORRECT)
def test_no_false_alarms(case: str) -> None:
    function, values = CORRECT[case]
    report = check(function, np.array(values, float))
    assert report.ok, str(report)
    assert report.counts[Verdict.FAIL] == 0
    assert report.method == "complex step"


@pytest.mark.parametrize(
    "case",
    some_quick((c for c in CORRECT if c not in ("|x| at 1e-9", "relu at 1e-7", "sums to one")), 3),
)
def test_no_false_alarms_by_differences(case: str) -> None:
    function, values = CORRECT[case]
    report = check(function, np.array(values, float), method="differences")
    assert report.counts[Verdict.FAIL] == 0, str(report)


KINKS: dict[str, tuple[Callable[..., Any], list[float], int]] = {
    "|x| at 0": (lambda x: np.sum(np.abs(x)), [0.0, 1.0], 1),
    "relu at 0": (lambda x: np.sum(F.relu(x)), [0.0, -1.0, 0.0], 2),
    "tied maximum": (np.max, [2.0, 2.0, 1.0], 2),
    "maximum of two": (lambda x: np.sum(np.maximum(x, 1.0)), [1.0, 0.5], 1),
    "clip at its end": (lambda x: np.sum(np.clip(x, 0.0, 1.0)), [0.0, 1.0, 0.5], 2),
    "norm at 0": (np.linalg.norm, [0.0, 0.0], 2),
}


@pytest.mark.parametrize("case", some_quick(KINKS, 2))
@pytest.mark.parametrize("method", ["complex", "differences"])
def test_kinks_are_called_kinks(case: str, method: str) -> None:
    function, values, kinks = KINKS[case]
    report = check(function, np.array(values), method=method)
    assert report.ok, str(report)
    assert report.counts[Verdict.KINK] == kinks
    assert "ties met" in " ".join(report.coverage)


def test_a_gradient_outside_the_two_slopes_of_a_kink_fails(planted: Any) -> None:
    f = planted(np.abs, lambda g, y, x: 1.5 * g)
    assert check(lambda x: np.sum(f(x)), np.array([0.0])).counts[Verdict.FAIL] == 1


def test_infinite_slope_fails() -> None:
    with np.errstate(divide="ignore"):
        report = check(lambda x: np.sum(np.sqrt(x)), np.array([0.0]))
    assert report.counts[Verdict.FAIL] == 1
    assert "not finite" in report.worst[0].note


# --- several outputs, and many arrays ----------------------------------------------------------

A, B = np.array([7.3, -3.2, 0.4]), np.array([2.0, 1.5, -0.9])

SEVERAL: dict[str, tuple[Callable[..., Any], list[Array]]] = {
    "divmod": (lambda a, b: np.divmod(a * a, b)[1] ** 2, [A, B]),
    "both of divmod": (lambda a, b: np.multiply(*np.divmod(a, b)) * a, [A, B]),
    "the operator": (lambda a, b: divmod(a, b)[1] + divmod(9.1, b)[1] * a, [A, B]),
    "divmod of shapes that broadcast": (
        lambda a, b: np.divmod(a, b)[1] ** 2, [A[:, None], B[:2] / 3]),
    "modf": (lambda a: np.subtract(*np.modf(a)) * a, [A]),
    "frexp": (lambda a: np.ldexp(np.frexp(a)[0] ** 2, np.frexp(a)[1]), [A]),
    "concatenate": (lambda a, b: np.concatenate([a * b, a, b**2, [1.0, 2.0]]) ** 2, [A, B]),
    "heaviside": (lambda a, b: np.heaviside(np.array([0.0, 1.0, -1.0]), a * b), [A, B]),
    "full_like": (lambda a, b: np.full_like(a, b[0] ** 2) * a, [A, B]),
}  # fmt: skip


@pytest.mark.parametrize("case", some_quick(SEVERAL, 3))
@pytest.mark.parametrize("method", ["auto", "differences"])
def test_several_outputs_and_many_arrays(case: str, method: str) -> None:
    function, inputs = SEVERAL[case]
    report = check(function, *inputs, method=method, second_order=True, forward=True, float32=True)
    assert report.ok, str(report)
    assert report.method == {"auto": "complex step"}.get(method, method)
    assert report.counts[Verdict.PASS] >= 3


@pytest.mark.parametrize(
    ("function", "slot", "edge"),
    [
        (np.divmod, 0, "'divmod' for argument 0 and output 1"),
        (np.divmod, 1, "'divmod' for argument 1 and output 1"),
        (np.modf, None, "'modf' for argument 0 and output 0"),
        (np.frexp, None, "'frexp' for argument 0 and output 0"),
        (np.concatenate, None, "'concatenate' for argument 0"),
    ],
)
@pytest.mark.parametrize("fault", some_quick(["factor 1.001", "wrong sign"], 2))
def test_faults_in_rules_for_several(
    function: Any, slot: int | None, edge: str, fault: str
) -> None:
    def f(a: Any, b: Any) -> Any:
        d, m, e = np.divmod(a, b)[1], np.modf(a)[0], np.frexp(a)[0]
        return np.sum(np.sin(np.concatenate([d * b, m, e])))

    assert check(f, A, B).ok
    with plant(function, fault, slot):
        report = check(f, A, B)
    assert report.counts[Verdict.FAIL]
    sign = {"factor 1.001": "constant ratio 1.0010000", "wrong sign": "wrong sign"}[fault]
    assert report.blame[0] == f"blame: the rule of {edge} is wrong: {sign}"
    assert "d, m, e = " in report.blame[1] or "np.concatenate(" in report.blame[1]


def test_blame_tells_outputs_apart(planted: Any) -> None:
    def made(first: float, second: float, hole: float = 1.0) -> Any:
        return planted(
            lambda a, b: (a * b, a + b),
            vjp=(
                lambda g, y, a, b: first * g[0] * b / hole + g[1],
                lambda g, y, a, b: g[0] * a + second * g[1],
            ),
            jvp=(lambda t, y, a, b: (t * b, t), lambda t, y, a, b: (t * a, t)),
        )

    def product(f: Any) -> Any:
        return lambda a, b: np.sum(np.multiply(*f(a, b)))

    assert check(product(made(1, 1)), A, B, second_order=True, forward=True).ok
    assert "for argument 0 and output 0 is wrong" in check(product(made(2, 1)), A, B).blame[0]
    assert "for argument 1 and output 1 is wrong" in check(product(made(1, 2)), A, B).blame[0]
    report = check(product(made(1, 1, hole=0.0)), A, B)
    assert "for argument 0 and output 0 makes inf of a finite gradient" in report.blame[0]
    assert "has a finite slope there" in report.blame[0]


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (np.ceil, 1.0),
        (lambda x: np.heaviside(x, 0.5), 0.0),
        (lambda x: np.divmod(-x, 0.5)[1], 1.0),
        (lambda x: np.modf(x)[0], -1.0),
        (lambda x: np.frexp(x)[0], -1.0),
    ],
    ids=["ceil", "heaviside", "divmod", "modf", "frexp"],
)
def test_at_a_jump_the_complex_step_leaves_it_to_differences(function: Any, at: float) -> None:
    """It is to one side of the jump already, so it does not find the function's value there."""
    assert not goes_through(function, np.array([at]))
    assert check(lambda x: function(x) + x, np.array([at])).method == "differences"


# --- the complex step, on its own --------------------------------------------------------------


# NumPy conjugates in these, or orders by size, so of complex numbers they are other functions.
NOT_FOLLOWED = {
    np.linalg.cholesky, np.linalg.eigh, np.linalg.eigvalsh, np.linalg.lstsq, np.linalg.pinv,
    np.linalg.qr, np.linalg.slogdet, np.linalg.svd, np.linalg.svdvals, own.cofactors,
    own.cofactors_along,
    own.eigensystem, own.eigenvectors, own.least_squares, own.lower_factor, own.singular_system,
    own.singular_vectors, own.truncated_pinv,
    np.linalg.eig, np.linalg.eigvals, np.polyfit,
    own.general_eigensystem, own.general_eigenvectors,
    np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft, np.fft.fftn,
    np.fft.ifftn, np.fft.fft2, np.fft.ifft2, np.fft.rfftn, np.fft.rfft2, np.fft.irfftn,
    np.fft.irfft2, np.sort_complex, np.real_if_close,
}  # fmt: skip
# Norms by singular values; Python's erf, which NumPy lacks, and gelu, which is made of it, but for
# "tanh". A partition is sorted in part, by what complex numbers it is given.
FOLLOWED_IN_PART = {
    np.linalg.cond, np.linalg.matrix_norm, np.linalg.norm, own.erf, own.gelu, np.partition,
}  # fmt: skip
FOLLOWED_IN_PART |= {spec.function for spec in SPECIAL if spec.calls}  # and SciPy takes few


@pytest.mark.slow
def test_the_complex_step_follows_every_function() -> None:
    """It needs no rule to do so, and finds the slopes that differences find."""
    for call in (call for call in CALLS if not call.is_complex):
        bases = call.bases()
        ends = np.cumsum([base.size for base in bases])[:-1]

        def f(flat: Any, call: Call = call, bases: Any = bases, ends: Any = ends) -> Any:
            parts = [flat[a:b] for a, b in zip([0, *ends], [*ends, flat.size], strict=True)]
            shaped = [p.reshape(base.shape) for p, base in zip(parts, bases, strict=True)]
            return np.concatenate([np.ravel(y) for y in call(call.views(shaped))])

        x = np.concatenate([base.ravel() for base in bases])
        u = np.random.default_rng(0).uniform(-1, 1, x.size)
        with np.errstate(all="ignore"):
            if not goes_through(f, x):
                assert call.function in NOT_FOLLOWED | FOLLOWED_IN_PART, str(call)
                continue
            assert call.function not in NOT_FOLLOWED, str(call)
            found = by_complex_step(f, x, u).value
            slopes = differences(lambda point, f=f: f(*point), [x], [u])
        gap = np.abs(found - slopes).max(initial=0.0)
        assert gap <= 1e-9 * np.abs(slopes).max(initial=1.0), str(call)


# --- what is checked and how -------------------------------------------------------------------


def test_arrays_tensors_containers_and_any_output() -> None:
    def f(p: dict[str, Any], n: int, x: Array) -> Array:
        return np.tanh(p["w"] @ x + p["b"][0]) ** n

    p = {"w": np.arange(6.0).reshape(2, 3) / 5, "b": [Tensor([0.1, -0.2], dtype=np.float32)]}
    report = check(f, p, 2, np.array([0.3, -0.4, 0.5]), second_order=True, forward=True)
    assert report.ok, str(report)
    assert {e.parameter.removeprefix("second order: ") for e in report.worst} <= {
        "input 0['w']", "input 0['b'][0]", "input 2", "forward mode",
    }  # fmt: skip
    assert all(not problem for problem in report.identities.values())
    assert "the Hessian is symmetric" in report.identities


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_models_are_checked_in_double_and_restored(dtype: type, rng: np.random.Generator) -> None:
    model = nn.MLP(5, 4, 3, activation=nn.Tanh(), rng=rng, dtype=dtype)
    before = model.state_dict()
    x, labels = rng.normal(size=(3, 5)), np.array([0, 2, 1])
    report = check(model, F.cross_entropy, (x, labels), second_order=True, float32=True)
    assert report.ok, str(report)
    assert report.worst[0].relative_error < 1e-10
    for name, p in model.named_parameters():
        assert p.data.dtype == dtype
        assert p.data.tobytes() == before[name].tobytes()
        assert p.grad is None


def test_what_is_frozen_is_not_checked(rng: np.random.Generator) -> None:
    model = nn.MLP(3, 4, 2, activation=nn.Tanh(), rng=rng)
    model[0].weight.requires_grad = False
    report = check(model, F.sum_squares, (rng.normal(size=(2, 3)), np.zeros((2, 2))))
    assert report.ok, str(report)
    assert sum(report.counts.values()) == 4 + 8 + 2
    assert "'hidden1.weight' is not trained, so it was not checked" in report.coverage


def test_a_loss_of_a_models_own_derivative(rng: np.random.Generator) -> None:
    """As in a network that is trained on a differential equation."""
    model = nn.MLP(3, 4, 1, activation=nn.Tanh(), rng=rng)
    x = rng.normal(size=(2, 3))

    def loss(u: Tensor, target: Array) -> Tensor:
        slope = bp.grad(lambda t: np.sum(model(t)))(x)
        return np.sum((slope - u) ** 2) + F.sum_squares(u, target)

    report = check(model, loss, (x, np.ones((2, 1))), second_order=True)
    assert report.ok, str(report)
    assert report.method == "complex step"


def test_dead_units_are_named(rng: np.random.Generator) -> None:
    model = nn.MLP(3, 4, 2, activation=nn.ReLU(), rng=rng)
    model[0].bias.data = np.array([5.0, -50.0, 5.0, 5.0])
    report = check(model, F.sum_squares, (rng.normal(size=(2, 3)), np.zeros((2, 2))))
    assert any("'hidden1.weight': no gradient reaches rows 1" in line for line in report.coverage)


def test_functions_that_complex_numbers_cannot_go_through() -> None:
    def f(x: Array) -> Array:
        return np.sum(x * float(np.sum(array_values(x))))

    def array_values(x: Any) -> Array:
        return x.detach().numpy()

    report = check(f, np.array([1.0, 2.0]))  # the detached factor is missing from the gradient
    assert report.method == "differences"
    assert report.counts[Verdict.FAIL] == 2
    assert "outside the graph" in report.blame[0]


def test_random_masks_are_replayed_or_named() -> None:
    rng = np.random.default_rng(3)
    state = rng.bit_generator.state

    def dropout(x: Array) -> Array:
        return np.sum(x * (rng.random(3) < 0.5))

    assert check(dropout, np.ones(3)).ok
    rng.bit_generator.state = state
    hidden = iter(np.random.default_rng(0).random(1000))
    with pytest.raises(errors.GradcheckError, match="two different results"):
        check(lambda x: np.sum(x) * next(hidden), np.ones(3))


def test_inputs_are_left_alone() -> None:
    x = np.array([1.0, 2.0])
    check(lambda x: np.sum(x * x), x)
    assert x.tolist() == [1.0, 2.0]


def test_bad_requests() -> None:
    with pytest.raises(ValueError, match="method"):
        check(np.sum, np.ones(2), method="best")
    with pytest.raises(errors.GradcheckError, match="not finite"):
        check(lambda x: np.sum(x * np.inf), np.ones(2))
    with pytest.raises(errors.GradcheckError, match="shapes"):
        check(np.sum, np.ones(2), gradient=lambda x: np.ones(3))
    with pytest.raises(errors.GradcheckError, match="gave nothing"):
        check(lambda x: [], np.ones(2))
    with pytest.raises(ValueError, match="everywhere"):
        check(np.sum, np.ones(2), at="home")


def test_reports_are_readable_and_json() -> None:
    report = check(lambda x: np.sum(x**2), np.array([1.0, 2.0]), seed=7)
    text = str(report)
    for part in ("gradcheck ok: 2 PASS", "complex step", "seed 7", "input 0[1]", "hold"):
        assert part in text
    again = json.loads(json.dumps(report.to_dict()))
    assert again["counts"]["PASS"] == 2
    assert again["ok"] is True


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    check(np.sum, np.ones(3), progress=lambda *state: seen.append(state))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_terminal_shows_a_bar_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    check(np.sum, np.ones(30))
    assert terminal.getvalue() == ""  # it took no two seconds
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "OFTEN", 0.0)
    check(np.sum, np.ones(30))
    *shown, blank, last = terminal.getvalue().split("\r")[1:]
    assert shown[14] == "checking [" + 15 * "#" + 15 * "." + "] 15 of 30"
    assert last == blank.strip() == ""
    monkeypatch.setattr(sys, "stderr", plain := io.StringIO())
    check(np.sum, np.ones(30))
    assert plain.getvalue() == ""


@pytest.mark.slow
def test_every_parameter_of_the_lessons_network(rng: np.random.Generator) -> None:
    net = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=rng)
    x = rng.random((1, 784)) * (rng.random((1, 784)) < 0.25)
    report = check(net, F.sum_squares, (x, np.eye(10)[[2]]))
    assert report.ok
    assert sum(report.counts.values()) == 13_002
    assert report.worst[0].relative_error < 1e-11


# --- differences that know their error ---------------------------------------------------------

SLOPES: dict[str, tuple[Callable[..., Any], float, float]] = {
    "far below the step": (lambda x: np.tanh(1e6 * x), 1e-7, 1e6 / math.cosh(0.1) ** 2),
    "saturated": (lambda x: np.tanh(1e6 * x), 0.3, 0.0),
    "a narrow bump": (lambda x: x + np.exp(-(((x - 0.25) * 2**20) ** 2)), 0.25 + 2.0**-21,
                      1 - 2**20 * math.exp(-0.25)),
    "fast and small": (lambda x: x + 1e-8 * np.sin(1e5 * x), 0.5, 1 + 1e-3 * math.cos(5e4)),
    "fast": (lambda x: np.sin(1e5 * x), 0.5, 1e5 * math.cos(5e4)),
    "a switch between approximations": (lambda x: np.sin(x) + 3e-16 * (x > 0.5), 0.5,
                                        math.cos(0.5)),
    "a coarse one": (lambda x: np.sin(x) + 3e-10 * (x > 0.5), 0.5, math.cos(0.5)),
    "single precision within": (lambda x: np.sin(x.astype(np.float32)).astype(float), 0.3,
                                math.cos(0.3)),
    "edge of the domain": (np.arcsin, 1 - 2.0**-30, (2.0**-29 - 2.0**-60) ** -0.5),
    "stairs of rounding": (lambda x: (x + 1e8) - 1e8, 0.7, 1.0),
    "stairs that are meant": (np.floor, 100.5, 0.0),
    "a jump": (np.floor, 1.0, 0.0),
    "next to a kink": (np.abs, -1e-300, -1.0),
    "next to a pole": (lambda x: 1 / x, 1e-6, -1e12),
    "tiny": (lambda x: 1e-200 * np.sin(x), 0.4, 1e-200 * math.cos(0.4)),
    "a large constant": (lambda x: 1e9 + np.sin(x), 1.2, math.cos(1.2)),
}  # fmt: skip


@pytest.mark.parametrize("case", SLOPES)
def test_differences_know_their_error(case: str) -> None:
    function, x, slope = SLOPES[case]
    with np.errstate(all="ignore"):
        found = by_differences(function, np.array([x]), 0)
    assert abs(found.value[0] - slope) <= 4 * found.error[0] + 1e-14 * abs(slope)
    assert 4 * found.error[0] <= 1e-4 * abs(slope) or slope == 0
    assert found.left is None


def test_differences_that_cannot_tell_say_so() -> None:
    found = by_differences(lambda x: x + np.exp(-(((x - 0.3) * 1e11) ** 2)), np.array([0.3]), 0)
    assert found.error[0] > 1e-3
    found = by_differences(lambda x: 1e9 + 1e-9 * np.sin(x), np.array([0.3]), 0)
    assert found.error[0] > 1e-9


@pytest.mark.parametrize("seed", [22, 118, 156])
def test_what_never_moves_may_have_a_gradient_of_rounding(seed: int) -> None:
    """The largest entry of a complex eigenvector is real: its imaginary part is always 0."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, 2))
    a = noise + np.array([[2.0, 3.0], [-4.0, 1.0]])
    report = check(lambda a: np.linalg.eig(a)[1], a, at="here")
    assert report.ok, str(report)


# --- what is not known is not ok ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_what_rounding_hides_is_not_ok(factor: float) -> None:
    report = check(
        lambda x: 1e9 + np.sum(1e-9 * np.sin(x)),
        np.array([0.3, 0.9]),
        gradient=lambda x: factor * 1e-9 * np.cos(x),
        method="differences",
    )
    assert report.counts[Verdict.INCONCLUSIVE] == 2
    assert not report.ok
    assert "gradcheck UNDECIDED: 2 INCONCLUSIVE" in str(report)
    with pytest.raises(errors.GradcheckError, match="could not be confirmed"):
        report.assert_ok()


@pytest.mark.parametrize("method", ["complex", "differences"])
def test_rules_that_look_for_their_output_among_their_inputs(method: str, planted: Any) -> None:
    top = planted(
        np.max,
        vjp=lambda g, y, x: g * (x == y),
        jvp=lambda t, y, x: np.sum(t * (x == y)),
    )
    report = check(
        lambda x: top(x - 0.5 * x) + top(F.softmax(x)) - np.sum(F.softmax(x)) * np.sum(x / 3),
        np.array([0.3, 0.9, 1.7]),
        method=method,
    )
    assert report.ok, str(report)
    assert report.counts[Verdict.PASS] == 3


# --- blame -------------------------------------------------------------------------------------


def test_what_makes_nan_is_blamed_first(planted: Any) -> None:
    wrong = planted(np.exp, lambda g, y, x: 2 * g * y)
    bad = planted(np.square, lambda g, y, x: 2 * g * x / np.where(x > 1, 0, 1))
    report = check(lambda x: np.sum(bad(wrong(x))), np.array([-1.0, 0.5]))
    assert "makes inf of a finite gradient, in 1 of 2 entries" in report.blame[0]
    assert "its function has a finite slope there" in report.blame[0]
    report = check(lambda x: np.sum(np.sqrt(x)), np.array([0.0, 1.0]))
    assert "'sqrt' for argument 0 makes inf" in report.blame[0]
    assert "no finite slope there" in report.blame[0]


def test_blame_names_the_line_of_the_user(planted: Any) -> None:
    wrong = planted(
        np.prod, vjp=lambda g, y, x: 2 * g * y / x, jvp=lambda t, y, x: np.sum(2 * t * y / x)
    )
    x = np.array([1.0, 2.0])
    report = check(wrong, x)
    assert report.blame[1].endswith("`report = check(wrong, x)`")


@pytest.mark.slow
def test_one_wrong_entry_of_many_is_found_by_blame(planted: Any) -> None:
    hole = np.arange(5000) != 4321
    f = planted(np.square, lambda g, y, x: 2 * g * x * hole)
    report = check(lambda x: np.sum(f(x)), np.linspace(1, 2, 5000))
    assert "1 of 5000 compared entries are wrong, 1 of them 0" in report.blame[0]


# --- gradients written by hand, right and wrong ------------------------------------------------

POINT = np.array([0.7, -1.2, 0.4, 2.1])
LABELS = np.array([0, 2, 2, 3, 0])


def scatter(g: Array) -> Array:
    return np.bincount(LABELS, weights=g, minlength=4)


def overwrite(g: Array) -> Array:
    result = np.zeros(4)
    result[LABELS] = g
    return result


def mutate(a: Array, result: Array) -> Array:
    a *= 1.5
    return result


def one_by_one(function: Callable[[float], float]) -> Callable[[Array], Array]:
    """As a function that complex numbers cannot go through."""
    return lambda x: np.array([function(float(v)) for v in x])


WRONG: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[Any]]] = {
    "1e-8 of a sine, doubled": (
        lambda x: 1e-8 * np.sin(x), lambda g, x: 2e-8 * g * np.cos(x), [POINT]),
    "1e-200 of a sine, zero": (lambda x: 1e-200 * np.sin(x), lambda g, x: 0 * g, [POINT]),
    "a millionth too much": (np.sin, lambda g, x: (1 + 1e-6) * g * np.cos(x), [POINT]),
    "1e9 + sine, doubled": (
        lambda x: 1e9 + np.sum(np.sin(x)), lambda g, x: 2 * g * np.cos(x), [POINT]),
    "one nan": (np.sin, lambda g, x: np.where(x == 0.4, np.nan, g * np.cos(x)), [POINT]),
    "inf": (np.sin, lambda g, x: g * np.inf, [POINT]),
    "no sum over rows": (
        lambda a, b: a * b, lambda g, a, b: [g * b, (g * a)[0]], [np.outer(POINT, POINT), POINT]),
    "transposed": (lambda a: a.T * 1.0, lambda g, a: g, [np.outer(POINT, POINT**2)]),
    "an index twice": (lambda x: x[LABELS], lambda g, x: overwrite(g), [POINT]),
    "softmax without the others": (
        F.softmax, lambda g, x: (p := F.softmax(x)) * (1 - p) * g, [POINT]),
    "relu leaks": (
        lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x > 0, 1, 1e-3), [POINT]),
    "outside of a clip": (lambda x: np.clip(x, -1, 1), lambda g, x: g, [POINT]),
    "maximum for everyone": (np.max, lambda g, x: g * np.ones(4), [POINT]),
    "product by division": (
        np.prod, lambda g, x: g * np.where(x == 0, 0, np.prod(x)), [np.array([0.0, 2.0])]),
    "cumsum forwards": (np.cumsum, lambda g, x: np.cumsum(g), [POINT]),
    "half of the variance": (
        np.var, lambda g, x: g * (x - np.mean(x)) / 4, [POINT]),
    "arriving gradient ignored": (np.sin, lambda g, x: np.cos(x), [POINT]),
    "arriving gradient's size": (np.sin, lambda g, x: np.abs(g) * np.cos(x), [POINT]),
    "arriving gradient clipped": (
        np.sin, lambda g, x: np.clip(g, -5, 5) * np.cos(x), [POINT]),
    "arriving gradient written to": (
        np.sin, lambda g, x: mutate(g, g * np.cos(x)) * 1.5, [POINT]),
    "inputs written to": (np.sin, lambda g, x: mutate(x, g * np.cos(x)), [POINT]),
    "single precision": (
        np.sin, lambda g, x: (g * np.cos(x)).astype(np.float32), [POINT]),
    "tiny next to huge": (
        lambda x: np.sum(x * [1e9, 1e-9]), lambda g, x: g * np.array([1e9, 2e-9]), [POINT[:2]]),
    "beside a kink": (
        lambda x: np.maximum(x, 0), lambda g, x: g * (x > 1e-6), [np.array([1e-7, 1.0])]),
    "a trace of what it does not depend on": (
        lambda x: 1e-20 * np.sin(x[0]), lambda g, x: g * 1e-20 * np.array([np.cos(x[0]), 1e-14]),
        [POINT[:2]]),
    "softmax at 30, doubled": (
        lambda x: np.log(np.sum(np.exp(x - x[0]))),
        lambda g, x: 2 * g * (F.softmax(x) - [1, 0, 0]), [np.array([30.0, 0.0, 1.0])]),
}  # fmt: skip


@pytest.mark.parametrize("case", some_quick(WRONG, 3))
@pytest.mark.parametrize("method", ["auto", "differences"])
def test_wrong_gradients_by_hand(case: str, method: str) -> None:
    function, vjp, inputs = WRONG[case]
    assert not check_vjp(function, vjp, *inputs, method=method).ok


RIGHT: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[Any]]] = {
    "squares at 1e10": (one_by_one(lambda v: v * v), lambda g, x: 2 * g * x, [POINT * 1e10]),
    "log at 1e-7": (
        one_by_one(math.log), lambda g, x: g / x, [np.array([1e-7, 1e-12, 5.0])]),
    "|x| at 1e-9": (one_by_one(abs), lambda g, x: g * np.sign(x), [POINT * 1e-9]),
    "relu at 1e-7": (
        one_by_one(lambda v: max(v, 0.0)), lambda g, x: g * (x > 0), [POINT * 1e-7]),
    "1e9 + sines": (
        lambda x: np.array(1e9 + sum(math.sin(v) for v in x)), lambda g, x: g * np.cos(x),
        [POINT]),
    "saturated": (
        one_by_one(lambda v: 1 / (1 + math.exp(-v))),
        lambda g, x: g / (1 + np.exp(x)) / (1 + np.exp(-x)), [np.array([-30.0, 0.5])]),
    "sums to one": (
        lambda x: np.array(sum((p := np.exp(np.asarray(x))) / p.sum())),
        lambda g, x: (p := np.exp(F.log_softmax(x))) * (g - np.sum(g * p)), [POINT]),
    "repeated indices": (
        lambda x, i: np.asarray(x)[i], lambda g, x, i: scatter(g), [POINT, LABELS]),
    "eigenvalues": (
        lambda a: np.linalg.eigvalsh(a + a.T),
        lambda g, a: 2 * ((v := np.linalg.eigh(a + a.T)[1]) * g) @ v.T,
        [np.outer(POINT, POINT**2) + np.diag([1.0, 2.0, 3.0, 4.0])]),
    "floor": (one_by_one(math.floor), lambda g, x: 0 * g, [np.array([0.3, 2.0, 100.5])]),
    "filled in place": (
        one_by_one(lambda v: v**3), lambda g, x: 3 * g * x**2, [np.zeros(2)]),
}  # fmt: skip


@pytest.mark.parametrize("case", some_quick(RIGHT, 3))
def test_right_gradients_by_hand(case: str) -> None:
    function, vjp, inputs = RIGHT[case]
    report = check_vjp(function, vjp, *inputs)
    assert report.ok, str(report)


# --- hard functions of our own, right ----------------------------------------------------------

HARD: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "softmax at 30": (F.softmax, [np.array([30.0, 0.0, -5.0])]),
    "softmax at 100": (F.softmax, [np.array([100.0, 0.0, -100.0])]),
    "cross entropy at 30": (
        lambda x: F.cross_entropy(x, np.array([0])), [np.array([[30.0, 0.0, 0.0]])]),
    "cross entropy at 1000": (
        lambda x: F.cross_entropy(x, np.array([0, 1])),
        [np.array([[100.0, 0.0, 0.0], [1e3, -1e3, 0.0]])]),
    "x / x": (lambda x: x / x, [POINT]),
    "sine² + cosine²": (lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, [POINT]),
    "1e-200": (lambda x: 1e-200 * np.sin(x), [POINT]),
    "1e200": (lambda x: 1e200 * np.sin(x), [POINT]),
    "root at 1e-300": (np.sqrt, [np.array([1e-300, 1e-20, 4.0])]),
    "exponential at -700": (np.exp, [np.array([-700.0, -800.0, 1.0])]),
    "square at 1e-150": (np.square, [np.array([1e-150, -1e-30, 0.0])]),
    "length 1e-140": (np.linalg.norm, [np.array([1e-140, -2e-140])]),
    "near a corner of clip": (
        lambda x: np.clip(x, -1, 1), [np.array([-1 + 1e-12, 1 - 1e-12, 3.0])]),
    "two zeros in a product": (np.prod, [np.array([0.0, 0.0, 3.0])]),
    "narrow bump": (lambda x: x + np.exp(-(((x - 0.3) * 1e6) ** 2)), [np.array([0.3 + 5e-7])]),
    "a branch": (lambda x: np.sum(x**2) if x.sum() > 0 else np.sum(x**3), [POINT]),
    "reduced over two axes": (
        lambda x: np.sum(x**2, axis=(0, 2)), [np.outer(POINT, POINT).reshape(2, 4, 2)]),
    "constants": (
        lambda x, n, i, m: np.sum(x[i] ** n) + np.sum(x[m]), [POINT, 3, LABELS, POINT > 0]),
    "no axes": (lambda x: x * x + 1 / x, [0.7]),
    "no elements": (lambda x: x * 2, [np.zeros((0, 3))]),
    "some without elements": (
        lambda a, b: np.sum(a) + np.sum(b**2), [np.zeros((0, 3)), POINT]),
    "single precision inputs": (lambda x: np.sin(x) * x, [POINT.astype(np.float32)]),
    "many outputs": (lambda x: x * np.ones(20_000), [1.3]),
    "huge beside tiny": (
        lambda a, b: 1e9 * np.sum(a) + 1e-9 * np.sum(np.sin(b)), [POINT, POINT]),
    "zero times x": (lambda x: x * 0.0, [POINT]),
    "a gradient": (bp.grad(lambda t: np.sum(np.sin(t) * t)), [POINT]),
    "a gradient of a closure": (
        lambda x, w: bp.grad(lambda t: np.sum(np.sin(t * w)))(x), [POINT, POINT + 1]),
    "a Hessian": (lambda x: bp.hessian(lambda t: np.sum(t**3 * x))(x), [POINT[:3]]),
    "arguments by name": (
        lambda x: np.sum(axis=0, a=np.stack(arrays=[x, x * x])) * np.clip(x, a_max=1, a_min=-1),
        [POINT]),
}  # fmt: skip


@pytest.mark.parametrize("case", some_quick(HARD, 3))
def test_hard_functions_are_right(case: str) -> None:
    function, inputs = HARD[case]
    with np.errstate(all="ignore"):
        report = check(function, *inputs)
    assert report.ok, str(report)


# --- what surrounds the function ---------------------------------------------------------------


def test_global_generators_are_replayed_and_set_back() -> None:
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    report = check(lambda x: np.sum(x * np.random.rand(4)), POINT)  # noqa: NPY002
    assert report.ok, str(report)
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert str(after) == str(state)


def test_generators_are_found_and_set_back() -> None:
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state

    def mask() -> Array:
        return rng.random(4) < 0.5

    report = check(lambda x: np.sum(x * mask()), POINT)  # held by a function that it calls
    assert report.ok, str(report)
    assert rng.bit_generator.state == before


def test_what_changes_from_call_to_call_is_noticed() -> None:
    calls = itertools.count()
    with pytest.raises(errors.GradcheckError, match="two different results"):
        check(lambda x: np.sum(x) * (1 + next(calls) % 2), POINT)
    later = itertools.count()
    report = check(lambda x: np.sum(x) if next(later) < 3 else np.sum(x**2), POINT)
    assert not report.ok


def test_a_function_that_takes_another_path_when_recorded() -> None:
    def f(x: Any) -> Any:
        return np.sum(x) if x.requires_grad else np.sum(x) + 1e-3

    report = check(f, POINT)
    assert not report.ok
    assert "differ" in report.identities["recording changes no value"]


def test_gradients_of_single_precision_inputs_are_asked_for_in_double() -> None:
    x = np.array([1.1, 2.3], np.float32)
    assert check(lambda x: np.sum(x**3), x, gradient=lambda x: 3 * x**2).ok
    report = check(lambda x: np.sum(x**3), x, gradient=lambda x: mutate(x, 3 * x**2))
    assert not report.ok
    assert report.identities["inputs are left alone"]
    assert x.tolist() == np.array([1.1, 2.3], np.float32).tolist()


def test_there_must_be_something_to_differentiate() -> None:
    with pytest.raises(errors.GradcheckError, match=r"write 2\.0 for 2"):
        check(np.sum, np.array([1, 2]))
    report = check(lambda x, i: np.sum(x[i]), POINT, LABELS)
    assert any("'input 1' is constant" in line for line in report.coverage)


def test_nan_in_single_precision_is_off() -> None:
    report = check(lambda x: np.sum(np.exp(x)) * 1e-40, np.array([95.0]), float32=True)
    assert not report.ok


# --- the package -------------------------------------------------------------------------------


def test_imports_within_the_package_point_one_way() -> None:
    root = Path(bp.gradcheck.__file__).parent
    imports: dict[str, set[str]] = {}
    for path in root.rglob("*.py"):
        name = ".".join([bp.gradcheck.__name__, *path.relative_to(root).with_suffix("").parts])
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        imports[name.removesuffix(".__init__")] = {
            m for m in found if m and m.startswith(f"{bp.gradcheck.__name__}.")
        }
    assert len(list(TopologicalSorter(imports).static_order())) > 30  # it raises if they circle
