"""grad, value_and_grad, vjp, jvp, hvp, jacobian, hessian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors
from tinygrad_bp.containers import leaves


def rosenbrock(x: np.ndarray) -> np.ndarray:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def rosenbrock_gradient(x: np.ndarray) -> np.ndarray:
    g = np.zeros_like(x)
    g[:-1] += -400 * x[:-1] * (x[1:] - x[:-1] ** 2) - 2 * (1 - x[:-1])
    g[1:] += 200 * (x[1:] - x[:-1] ** 2)
    return g


def rosenbrock_hessian(x: np.ndarray) -> np.ndarray:
    n = len(x)
    h = np.zeros((n, n))
    for i in range(n - 1):
        h[i, i] += 1200 * x[i] ** 2 - 400 * x[i + 1] + 2
        h[i, i + 1] += -400 * x[i]
        h[i + 1, i] += -400 * x[i]
        h[i + 1, i + 1] += 200
    return h


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=5)


def test_gradient_and_hessian_of_a_known_function(x: np.ndarray) -> None:
    value, gradient = bp.value_and_grad(rosenbrock)(x)
    assert type(value) is type(gradient) is np.ndarray
    np.testing.assert_allclose(value, rosenbrock(x), rtol=1e-15)
    np.testing.assert_allclose(gradient, rosenbrock_gradient(x), rtol=1e-12)
    hessian = bp.hessian(rosenbrock)(x)
    np.testing.assert_allclose(hessian, rosenbrock_hessian(x), rtol=1e-12, atol=1e-12)
    for mode in ("reverse", "forward"):
        again = bp.jacobian(bp.grad(rosenbrock), mode=mode)(x)
        np.testing.assert_allclose(again, hessian, rtol=1e-12, atol=1e-12)


def test_hvp_is_the_hessian_times_a_vector(x: np.ndarray, rng: np.random.Generator) -> None:
    v = rng.normal(size=5)
    np.testing.assert_allclose(bp.hvp(rosenbrock, x, v), rosenbrock_hessian(x) @ v, rtol=1e-12)


def test_both_modes_pair_up(x: np.ndarray, rng: np.random.Generator) -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return np.tanh(np.outer(x, x)) @ np.sin(x)

    t, v = rng.normal(size=5), rng.normal(size=5)
    y, moved = bp.jvp(f, (x,), (t,))
    value, pull = bp.vjp(f, x)
    np.testing.assert_array_equal(y, value)
    np.testing.assert_allclose(v @ moved, pull(v)[0] @ t, rtol=1e-12)
    np.testing.assert_allclose(bp.jacobian(f)(x) @ t, moved, rtol=1e-12)
    np.testing.assert_allclose(bp.jacobian(f, mode="forward")(x) @ t, moved, rtol=1e-12)


@pytest.mark.parametrize("order", range(6))
def test_derivatives_nest(order: int) -> None:
    f = np.sin
    for _ in range(order):
        f = bp.grad(f)
    expected = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)][order % 4](0.7)
    np.testing.assert_allclose(f(0.7), expected, rtol=1e-14)


def test_no_perturbation_confusion() -> None:
    # d/dx [x · d/dy (x + y)] = 1; a confused implementation gives 2.
    def inner(x: Tensor) -> Tensor:
        return x * bp.jvp(lambda y: x + y, (1.0,), (1.0,))[1]

    assert bp.jvp(inner, (1.0,), (1.0,))[1] == 1.0
    assert bp.grad(lambda x: x * bp.grad(lambda y: x + y)(1.0))(1.0) == 1.0


def test_forward_over_forward_and_reverse_over_forward() -> None:
    def slope(x: np.ndarray) -> np.ndarray:
        return bp.jvp(lambda x: x**3, (x,), (Tensor(1.0),))[1]

    assert bp.jvp(slope, (2.0,), (1.0,))[1] == 12.0
    assert bp.grad(slope)(2.0) == 12.0


def test_containers_keep_their_structure(rng: np.random.Generator) -> None:
    params = {"layers": [(rng.normal(size=(2, 3)), np.zeros(2))], "scale": np.array(2.0)}

    def f(p: dict, x: np.ndarray) -> np.ndarray:
        (w, b), *_ = p["layers"]
        return np.sum(p["scale"] * (w @ x + b))

    x = np.arange(3.0)
    g = bp.grad(f)(params, x)
    assert list(g) == ["layers", "scale"]
    np.testing.assert_array_equal(g["layers"][0][0], 2.0 * np.stack([x, x]))
    np.testing.assert_array_equal(g["layers"][0][1], [2.0, 2.0])
    np.testing.assert_allclose(g["scale"], np.sum(params["layers"][0][0] @ x))
    by_both = bp.grad(f, argnums=(0, 1))(params, x)
    assert isinstance(by_both, tuple)
    np.testing.assert_allclose(by_both[1], 2.0 * params["layers"][0][0].sum(axis=0))


def test_tensors_in_tensors_out() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    g = bp.grad(lambda w: np.sum(w**3))(w)
    assert isinstance(g, Tensor)
    assert g.requires_grad  # still connected: it can be differentiated on
    g.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [6.0, 12.0]


def test_works_under_no_grad() -> None:
    with bp.no_grad():
        assert bp.grad(lambda x: x**2)(3.0) == 6.0


def test_unused_arguments_get_zeros_and_unused_everything_an_error() -> None:
    g = bp.grad(lambda x, y: x * 2.0, argnums=(0, 1))(1.0, 5.0)
    assert g == (2.0, 0.0)
    with pytest.raises(errors.GradientError, match="does not depend"):
        bp.grad(lambda x: Tensor(1.0))(2.0)
    with pytest.raises(errors.GradientError, match="does not depend"):
        bp.jvp(lambda x: Tensor(1.0), (2.0,), (1.0,))


def test_bad_requests() -> None:
    with pytest.raises(errors.GradientError, match=r"has shape \(3,\).*jacobian"):
        bp.grad(lambda x: x * 2)(np.ones(3))
    with pytest.raises(errors.GradientError, match="int64"):
        bp.grad(lambda x: x * 2)(3)
    with pytest.raises(errors.ShapeError, match="tangent"):
        bp.jvp(lambda x: x * 2, (np.ones(3),), (np.ones(2),))
    with pytest.raises(ValueError, match="'reverse' or 'forward'"):
        bp.jacobian(lambda x: x, mode="sideways")


def test_leaves_other_gradients_alone() -> None:
    w = Tensor(3.0, requires_grad=True)
    bp.grad(lambda x: x * w)(2.0)
    assert w.grad is None


def test_jacobian_shapes() -> None:
    x = np.ones((2, 3))
    assert bp.jacobian(lambda x: np.sum(x, axis=0))(x).shape == (3, 2, 3)
    assert bp.jacobian(lambda x: np.sum(x, axis=0), mode="forward")(x).shape == (3, 2, 3)


def test_linear_functions_have_a_second_derivative() -> None:
    assert bp.grad(bp.grad(lambda x: 3.0 * x))(2.0) == 0.0
    assert bp.hvp(np.sum, np.ones(3), np.ones(3)).tolist() == [0.0, 0.0, 0.0]
    assert not bp.hessian(np.sum)(np.ones(3)).any()
    cube = lambda x: x**3  # noqa: E731
    assert bp.grad(bp.grad(bp.grad(bp.grad(cube))))(2.0) == 0.0


def test_gradients_of_results_and_leaves_at_once() -> None:
    x = Tensor(2.0, requires_grad=True)
    h = x * x
    y = h * 3.0 + x
    by_h, by_x = bp.gradients(y, [h, x])
    assert by_h is not None
    assert by_x is not None
    assert (by_h.item(), by_x.item()) == (3.0, 13.0)
    assert bp.gradients(y, [Tensor(1.0, requires_grad=True)]) == [None]


def test_gradients_takes_one_tensor_and_any_iterable() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    (by_x,) = bp.gradients((x * x).sum(), x)
    assert by_x.tolist() == [2.0, 4.0]
    layer = bp.nn.Linear(2, 1)
    of_weight, of_bias = bp.gradients(layer(np.ones((3, 2))).sum(), layer.parameters())
    assert of_weight.tolist() == [[3.0, 3.0]]
    assert of_bias.tolist() == [3.0]
    assert x.grad is None


# --- values with parts ------------------------------------------------------------------------


def parts(x: Tensor, y: Tensor) -> dict[str, object]:
    return {"a": x * y, "b": (np.sum(x), [y**2, np.exp(1j * x)])}


def in_a_row(tree: object) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in leaves(tree)])


def test_a_value_may_have_parts(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=2), rng.normal(size=2).astype(np.float32)
    value, pull = bp.vjp(parts, x, y)
    assert [part.dtype for part in leaves(value)] == [float, float, np.float32, complex]
    np.testing.assert_array_equal(value["b"][1][1], np.exp(1j * x))
    t, u = rng.normal(size=2), rng.normal(size=2).astype(np.float32)
    same, moved = bp.jvp(parts, (x, y), (t, u))
    np.testing.assert_array_equal(in_a_row(same), in_a_row(value))
    np.testing.assert_allclose(moved["a"], t * y + x * u)
    np.testing.assert_allclose(moved["b"][0], np.sum(t))
    g = {"a": rng.normal(size=2), "b": (2.0, [np.ones(2, np.float32), rng.normal(size=2) + 1j])}
    gx, gy = pull(g)
    assert (gx.dtype, gy.dtype) == (float, np.float32)
    paired = np.real(np.vdot(in_a_row(g), in_a_row(moved)))
    assert np.dot(gx, t) + np.dot(gy, u) == pytest.approx(paired, rel=1e-6)


def test_parts_nest_and_other_shapes_are_refused() -> None:
    def slope(x: Tensor) -> Tensor:
        return bp.vjp(lambda z: (z * z, [z * x]), x)[1]((x, [1.0]))[0]

    assert bp.grad(slope)(3.0) == 13  # of 2 x² + x
    of_both = bp.hvp(lambda p: np.sum(p["w"] ** 3) * p["b"], {"w": np.ones(2), "b": 2.0},
                     {"w": np.array([1.0, 0.0]), "b": 1.0})  # fmt: skip
    np.testing.assert_allclose(of_both["w"], [15.0, 3.0])
    assert of_both["b"] == 3
    with pytest.raises(errors.ShapeError, match="parts of shapes"):
        bp.vjp(lambda x: [x, x], 1.0)[1]([1.0])
    for mode in ("auto", "reverse", "forward"):
        with pytest.raises(errors.GradientError, match=r"not to a list; join its parts"):
            bp.jacobian(lambda x: [x, x], mode=mode)(np.ones(2))


def test_a_jacobian_takes_the_mode_with_fewer_passes() -> None:
    taken: list[str] = []

    def noting(mode: str) -> Callable[..., Any]:
        def doubled(t: Any, y: Any, x: Any) -> Any:
            taken.append(mode)
            return 2.0 * t

        return doubled

    twice = bp.custom_rule(noting("reverse"), jvp=noting("forward"))(lambda x: 2.0 * x)
    x = np.array([1.0, 2.0])
    tall, wide = (lambda x: np.outer(twice(x), x[:2])), (lambda x: np.sum(twice(x), axis=0))
    np.testing.assert_allclose(bp.jacobian(tall)(x), bp.jacobian(tall, mode="reverse")(x))
    assert taken == ["forward"] * 2 + ["reverse"] * 4
    taken.clear()
    assert bp.jacobian(wide)(x).tolist() == [2.0, 2.0]
    assert taken == ["reverse"]
    without_jvp = bp.custom_rule(lambda g, y, x: 2.0 * g)(lambda x: 2.0 * x)
    found = bp.jacobian(lambda x: np.outer(without_jvp(x), np.ones(3)))(x)
    np.testing.assert_array_equal(found, np.einsum("ij,k->ikj", 2 * np.eye(2), np.ones(3)))


@pytest.mark.parametrize("mode", ["auto", "reverse", "forward"])
@pytest.mark.parametrize(("given", "inside"), [("f8", "f4"), ("f4", "f8")])
def test_a_jacobian_has_the_dtype_of_its_argument(mode: str, given: str, inside: str) -> None:
    x = np.array([1.0, 2.0], given)
    for f in (lambda x: np.outer(x, x).astype(inside), lambda x: np.sum(x).astype(inside)):
        assert bp.jacobian(f, mode=mode)(x).dtype == given


def test_a_jacobian_names_the_function_that_does_not_depend_on_its_argument() -> None:
    with pytest.raises(errors.GradientError, match=r"^the value of round does not depend"):
        bp.jacobian(np.round)(np.ones(2))


def test_jvp_takes_lists_of_arrays() -> None:
    x, t = np.array([0.0, 1.0]), np.array([1.0, 10.0])
    for primals, tangents in ((x, t), ((x,), t), (x, (t,))):
        with pytest.raises(errors.GradientError, match=r"jvp\(f, \(x,\), \(t,\)\)"):
            bp.jvp(np.tanh, primals, tangents)  # type: ignore[arg-type]
