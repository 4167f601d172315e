"""The checker is checked: planted faults must fail, correct functions must not, kinks are kinks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp import functional as F
from tinygrad_bp.gradcheck import Verdict, check
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


def test_halved_gradient_of_many_elements(planted: Any) -> None:
    f = planted(np.square, lambda g, y, x: g * x)
    report = check(lambda x: np.sum(f(x)), np.linspace(1, 2, 100_000))
    assert not report.ok
    assert report.evaluations < 250


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in range(1, 6))]
)
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
        assert check(lambda x: np.sum(f(x)), x).ok
        report = check(lambda x: np.sum(f(x)), x, second_order=True)
    finally:
        del rules[cosine]
    assert not report.ok
    assert report.worst[0].parameter.startswith("second order")


@pytest.mark.parametrize("method", ["complex", "differences"])
def test_a_given_gradient_is_checked(method: str) -> None:
    x = np.array([1.0, 2.0, 3.0])
    right = check(lambda x: np.sum(x**3), x, gradient=lambda x: 3 * x**2, method=method)
    assert right.ok
    assert right.counts[Verdict.PASS] == 3
    wrong = check(lambda x: np.sum(x**3), x, gradient=lambda x: 3.0001 * x**2, method=method)
    assert wrong.counts[Verdict.FAIL] == 3


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
}


@pytest.mark.parametrize("case", CORRECT)
def test_no_false_alarms(case: str) -> None:
    function, values = CORRECT[case]
    report = check(function, np.array(values, float))
    assert report.ok, str(report)
    assert report.counts[Verdict.FAIL] == 0
    assert report.method == "complex step"


@pytest.mark.parametrize(
    "case", [c for c in CORRECT if c not in ("|x| at 1e-9", "relu at 1e-7", "sums to one")]
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


@pytest.mark.parametrize("case", KINKS)
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
    with pytest.raises(errors.GradcheckError, match="one array"):
        check(lambda x: [x, x], np.ones(2))


def test_reports_are_readable_and_json() -> None:
    report = check(lambda x: np.sum(x**2), np.array([1.0, 2.0]), seed=7)
    text = str(report)
    for part in ("gradcheck ok: 2 PASS", "complex step", "seed 7", "input 0[1]", "holds"):
        assert part in text
    again = json.loads(json.dumps(report.to_dict()))
    assert again["counts"]["PASS"] == 2
    assert again["ok"] is True


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    check(np.sum, np.ones(3), progress=lambda *state: seen.append(state))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_every_parameter_of_the_lessons_network(rng: np.random.Generator) -> None:
    net = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=rng)
    x = rng.random((1, 784)) * (rng.random((1, 784)) < 0.25)
    report = check(net, F.sum_squares, (x, np.eye(10)[[2]]))
    assert report.ok
    assert sum(report.counts.values()) == 13_002
    assert report.worst[0].relative_error < 1e-11
