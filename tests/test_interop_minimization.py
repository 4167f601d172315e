"""SciPy's solvers on parameters: the same optimum, and all parameters move or none."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_bp import Tensor, interop, nn, no_grad
from tinygrad_bp import functional as F
from tinygrad_bp.errors import GradientError, OptimizerError
from tinygrad_bp.interop.minimization import WITH_CURVATURE, WITH_HESSIAN, WITHOUT_GRADIENT


@pytest.fixture
def optimize():
    return pytest.importorskip("scipy.optimize")


@pytest.fixture(autouse=True)
def _as_users_have_it():
    with np.errstate(all="ignore"):
        yield


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def rosenbrock(w):
    return 100 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2


WITH_GRADIENT = {"L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP"}
METHODS = sorted(WITH_GRADIENT | WITH_CURVATURE | WITH_HESSIAN | WITHOUT_GRADIENT)


# --- the optimum ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_valley(optimize, method):
    w = leaf(-1.2, 1.0)
    result = interop.minimize(lambda: rosenbrock(w), [w], method)
    assert isinstance(result, optimize.OptimizeResult)
    assert result.fun < (0.5 if method == "cobyla" else 1e-6)  # of 24.2; COBYLA is in no hurry
    assert np.array_equal(w.data, result.x)
    assert w.grad is None


def test_it_takes_scipys_own_way(optimize):
    w = leaf(-1.2, 1.0)
    found = interop.minimize(lambda: rosenbrock(w), [w])
    wanted = optimize.minimize(
        optimize.rosen, [-1.2, 1.0], jac=optimize.rosen_der, method="L-BFGS-B"
    )
    assert (found.nfev, found.nit) == (wanted.nfev, wanted.nit)
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-10)


def test_curvature_is_exact(optimize):
    w = leaf(-1.2, 1.0)
    found = interop.minimize(lambda: rosenbrock(w), [w], "trust-exact", gtol=1e-8)
    wanted = optimize.minimize(
        optimize.rosen, [-1.2, 1.0], jac=optimize.rosen_der, hess=optimize.rosen_hess,
        method="trust-exact", options={"gtol": 1e-8},
    )  # fmt: skip
    assert found.nit == wanted.nit
    np.testing.assert_allclose(found.hess, wanted.hess, rtol=1e-10)


def test_a_model_is_fitted_in_one_line(optimize):
    rng = np.random.default_rng(0)
    x = np.linspace(-1, 1, 40).reshape(-1, 1)
    y = np.sin(3 * x)
    net = nn.MLP(1, 8, 1, activation=nn.Tanh(), dtype=np.float64, rng=rng)
    for parameters in net, net.parameters(), net.named_parameters():
        result = interop.minimize(lambda: F.mse_loss(net(x), y), parameters, ftol=1e-9)
    assert result.fun < 1e-4
    assert F.mse_loss(net(x), y).item() == result.fun
    flat = np.concatenate([p.data.ravel() for p in net.parameters()])
    assert np.array_equal(flat, result.x)


def test_least_squares_have_the_solution_of_numpy(optimize):
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(20, 6)), rng.normal(size=20)
    matrix, offset = leaf(*np.zeros(4)), leaf(0.0, 0.0)
    result = interop.minimize(
        lambda: np.sum((A[:, :4] @ matrix + A[:, 4:] @ offset - b) ** 2),
        [matrix, offset],
        "Newton-CG",
        tol=1e-12,
    )
    np.testing.assert_allclose(result.x, np.linalg.lstsq(A, b)[0], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_parameters_keep_their_dtype_and_memory(optimize, dtype):
    w, v = leaf(3.0, dtype=dtype), leaf(1.0, dtype=np.float64)
    memory = w.data
    result = interop.minimize(lambda: np.sum((w - 1) ** 2 + (v - 2.0) ** 2), [w, v])
    assert w.data is memory
    assert w.dtype == dtype
    assert result.x.dtype == np.float64
    assert w.item() == pytest.approx(1, abs=0.01)


def test_bounds_constraints_tolerance_and_callbacks_are_scipys(optimize):
    w, seen = leaf(3.0, 3.0), []
    interop.minimize(lambda: np.sum(w**2), [w], bounds=[(1, 5), (None, None)], callback=seen.append)
    np.testing.assert_allclose(w.data, [1, 0], atol=1e-6)
    assert seen
    rule = {"type": "eq", "fun": lambda x: x.sum() - 4}
    result = interop.minimize(lambda: np.sum(w**2), [w], "SLSQP", constraints=rule)
    assert result.success  # although the loss was lower at the start
    np.testing.assert_allclose(w.data, [2, 2], atol=1e-6)


def test_it_works_where_nothing_is_recorded(optimize):
    w = leaf(3.0)
    with no_grad():
        for method in "BFGS", "Newton-CG":
            interop.minimize(lambda: ((w - 1) ** 4).sum() + ((w - 1) ** 2).sum(), [w], method)
    assert w.item() == pytest.approx(1, abs=1e-4)


def test_a_loss_without_curvature(optimize):
    w = leaf(3.0)
    result = interop.minimize(
        lambda: np.sum(2 * w), [w], "trust-constr", bounds=[(1, 4)], tol=1e-10
    )
    assert result.x[0] == pytest.approx(1, abs=1e-3)


def test_what_is_frozen_stays(optimize):
    w, v = leaf(3.0), leaf(5.0).requires_grad_(False)
    interop.minimize(lambda: np.sum((w - v) ** 2), [w, v])
    assert v.item() == 5
    assert w.item() == pytest.approx(5, abs=1e-4)


# --- all or nothing ---------------------------------------------------------------------------


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("method", ["L-BFGS-B", "trust-ncg", "Powell"])
@pytest.mark.parametrize("error", [StopHereError, KeyboardInterrupt])
def test_an_error_in_the_loss_leaves_all_as_it_was(optimize, method, error):
    w, v = leaf(-1.2), leaf(1.0)
    calls = 0

    def loss():
        nonlocal calls
        calls += 1
        if calls == 6:
            raise error
        return (100 * (v - w**2) ** 2 + (1 - w) ** 2).sum()

    with pytest.raises(error):
        interop.minimize(loss, [w, v], method)
    assert (w.item(), v.item()) == (-1.2, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_no_value_that_is_not_finite_stays_and_no_success_is_false(optimize, method):
    """The first steps lead beyond the domain of the logarithm."""
    w = leaf(30.0, 30.0)
    limit = {"maxfun" if method == "TNC" else "maxiter": 300}
    result = interop.minimize(lambda: np.sum(50 * w - np.log(w)), [w], method, **limit)
    assert np.isfinite(w.data).all()
    if result.success:
        np.testing.assert_allclose(w.data, 0.02, atol=2e-3)
    elif not (np.isfinite(result.fun) and result.fun < 2990):
        assert w.data.tolist() == [30, 30]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_at_the_start(optimize, value):
    w = leaf(1.0)
    with pytest.raises(OptimizerError, match=f"the loss is {value} at the start"):
        interop.minimize(lambda: np.sum(w * value), [w])
    assert w.item() == 1


def test_what_stops_at_a_limit_is_kept_if_it_is_better(optimize):
    w = leaf(-1.2, 1.0)
    before = rosenbrock(w).item()
    result = interop.minimize(lambda: rosenbrock(w), [w], maxiter=3)
    assert not result.success
    assert rosenbrock(w).item() == result.fun < before
    w = leaf(3.0, 3.0)
    rule = {"type": "eq", "fun": lambda x: 1000 * (x[0] * x[1] - 9 + x[0] ** 4)}
    result = interop.minimize(lambda: np.sum(w**2), [w], "SLSQP", constraints=rule, maxiter=2)
    assert not result.success
    assert w.data.tolist() == [3, 3]


def test_values_beyond_a_dtype_are_not_kept(optimize):
    w = leaf(1.0, dtype=np.float16)
    result = interop.minimize(
        lambda: -np.sum(np.minimum(w.astype(np.float64), 2e5)), [w], "Powell", bounds=[(0, 1e9)]
    )
    assert result.success
    assert result.x[0] > 65_504
    assert w.item() == 1


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ([], "no parameters to fit"),
        ([leaf(1.0).requires_grad_(False)], "no parameters to fit"),
        ([leaf()], "no parameters to fit"),
        ([np.ones(2)], "'parameter 0' is no leaf"),
        ([("w", Tensor([1.0]))], "'w' is no leaf"),
        ([leaf(1.0) * 2], "'parameter 0' is no leaf"),
        ([leaf(1.0, dtype=complex)], "'parameter 0' is no leaf of real numbers"),
        ([TWICE := leaf(1.0), TWICE], "'parameter 1' is given twice"),
    ],
)
def test_what_cannot_be_fitted(optimize, parameters, problem):
    with pytest.raises(OptimizerError, match=problem):
        interop.minimize(lambda: Tensor(1.0), parameters)


def test_a_parameter_that_the_loss_does_not_reach_is_named(optimize):
    w, v = leaf(3.0), leaf(5.0)
    with pytest.raises(OptimizerError, match="the loss does not depend on v: leave out"):
        interop.minimize(lambda: np.sum(w**2), [("w", w), ("v", v)])
    assert (w.item(), v.item()) == (3, 5)


@pytest.mark.parametrize("method", ["BFGS", "Nelder-Mead"])
def test_a_loss_is_one_real_number(optimize, method):
    w = leaf(1.0, 2.0)
    for loss in lambda: w, lambda: w.sum() * 1j, lambda: w.sum() > 0:
        with pytest.raises((OptimizerError, GradientError), match="the loss is to be one real"):
            interop.minimize(loss, [w], method)
    assert w.data.tolist() == [1, 2]


def test_an_unknown_method_is_scipys_to_refuse(optimize):
    w = leaf(1.0)
    with pytest.raises(ValueError, match="Unknown solver"):
        interop.minimize(lambda: np.sum(w**2), [w], "downhill")


def test_a_graph_from_before_is_stale_afterwards(optimize):
    w = leaf(3.0)
    old = (w**2).sum()
    interop.minimize(lambda: np.sum(w**2), [w])
    with pytest.raises(GradientError, match="changed"):
        old.backward()
