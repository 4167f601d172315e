"""Complex numbers: one convention, at every place where a user meets a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from quick import some_quick

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, optim
from tinygrad_bp import functional as F
from tinygrad_bp.gradcheck import check

Z = np.array([1 + 2j, -0.5 + 0.25j])


def leaf(values: Any = Z) -> Tensor:
    return Tensor(values, requires_grad=True)


# --- the convention: steepest ascent, dL/dx + i dL/dy ------------------------------------------


def test_the_gradient_of_a_real_loss_is_the_direction_of_steepest_ascent() -> None:
    z = leaf()
    np.sum(np.abs(z) ** 2).backward()  # x² + y²
    np.testing.assert_allclose(z.grad.data, 2 * Z, rtol=1e-15)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (np.real, lambda z: 1 + 0 * z),
        (np.imag, lambda z: 1j + 0 * z),
        (lambda z: np.real(z * z), lambda z: 2 * np.conj(z)),
        (lambda z: np.real(np.exp(z)), lambda z: np.conj(np.exp(z))),
        (lambda z: np.real(z * np.conj(z)), lambda z: 2 * z),
        (np.abs, lambda z: z / np.abs(z)),
        (np.angle, lambda z: 1j * z / np.abs(z) ** 2),
        (lambda z: np.angle(z, deg=True), lambda z: 1j * z / np.abs(z) ** 2 * 180 / np.pi),
        (lambda z: np.real(z) * np.imag(z), lambda z: z.imag + 1j * z.real),
    ],
)
def test_gradients_in_closed_form(loss: Any, expected: Any) -> None:
    g = bp.grad(lambda z: np.sum(loss(z)))(Z)
    assert g.dtype == complex
    np.testing.assert_allclose(g, expected(Z), rtol=1e-14)


def test_a_real_input_of_a_complex_computation_gets_a_real_gradient() -> None:
    x, z = leaf([1.0, 2.0]), leaf()
    np.sum(np.abs(np.exp(1j * x) * z + x) ** 2).backward()
    assert x.grad.dtype == float
    assert z.grad.dtype == complex
    h = 1e-6

    def loss(x: Any) -> Any:
        return np.sum(np.abs(np.exp(1j * x) * Z + x) ** 2)

    slopes = [(loss(x.data + h * e) - loss(x.data - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(x.grad.data, slopes, rtol=1e-8)


def test_of_real_numbers_the_complex_functions_are_plain() -> None:
    x = leaf([1.0, -2.0])
    np.sum(np.real(x) * np.conj(x) + np.imag(x)).backward()
    np.testing.assert_array_equal(x.grad.data, [2.0, -4.0])
    assert type(np.sign(x)) is np.ndarray


def test_a_step_of_descent_lowers_a_loss_of_complex_parameters() -> None:
    z = leaf()
    optimizer = optim.SGD([z], lr=0.1, momentum=0.5)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = np.sum(np.abs(z - (3 - 1j)) ** 2)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-6 * losses[0]
    np.testing.assert_allclose(z.data, 3 - 1j, atol=1e-3)


def test_a_step_that_would_not_be_finite_is_refused() -> None:
    z = leaf()
    np.real(z.sum()).backward()
    z.grad = np.array([np.inf + 1j, 1.0])
    with np.errstate(invalid="ignore"), pytest.raises(errors.OptimizerError, match="inf"):
        optim.SGD([z], lr=0.1).step()
    np.testing.assert_array_equal(z.data, Z)


# --- what arrives, and what is seen on the way --------------------------------------------------


def test_a_complex_output_needs_what_arrives() -> None:
    z = leaf()
    with pytest.raises(errors.GradientError, match=r"real scalar.*np\.real"):
        np.sum(z * z).backward()
    with pytest.raises(errors.GradientError, match="complex, the tensor is real"):
        np.sum(np.abs(z)).backward(1j)


def test_what_arrives_is_a_gradient_too() -> None:
    """backward(g) is the gradient of the real inner product of g and the output."""
    g, z, w = np.array([0.5 - 1j, 2.0]), leaf(), leaf()
    (z**3).backward(g)
    np.sum(np.real(np.conj(g) * w**3)).backward()
    np.testing.assert_allclose(z.grad.data, w.grad.data, rtol=1e-14)
    value, pull = bp.vjp(lambda z: z**3, Z)
    np.testing.assert_allclose(pull(g)[0], z.grad.data, rtol=1e-14)
    np.testing.assert_allclose(value, Z**3)


def test_vjp_and_jvp_are_adjoint_in_the_real_inner_product() -> None:
    def f(z: Any) -> Any:
        return np.exp(z) * np.conj(z) + np.abs(z)

    rng = np.random.default_rng(0)
    g, t = rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2))
    _, moved = bp.jvp(f, (Z,), (t,))
    _, pull = bp.vjp(f, Z)
    assert np.isclose(np.vdot(g, moved).real, np.vdot(pull(g)[0], t).real, rtol=1e-14)


def test_hooks_and_kept_gradients_are_shown_as_users_see_them() -> None:
    z = leaf()
    square = z * z
    square.retain_grad()
    shown = []
    square.register_hook(lambda g: shown.append(g.data) or g * 2)
    np.sum(np.imag(square)).backward()
    np.testing.assert_allclose(shown[0], [1j, 1j])
    np.testing.assert_allclose(square.grad.data, [2j, 2j])
    np.testing.assert_allclose(z.grad.data, 2 * np.conj(2 * Z) * 1j)


def test_gradients_of_gradients() -> None:
    """The Hessian of |z|⁴, in its two real variables, times a direction."""
    v = np.array([1 - 1j, 0.5j])
    found = bp.hvp(lambda z: np.sum(np.abs(z) ** 4), Z, v)
    inner = np.real(np.conj(Z) * v)
    np.testing.assert_allclose(found, 4 * np.abs(Z) ** 2 * v + 8 * inner * Z, rtol=1e-13)


@pytest.mark.parametrize("transform", [bp.jacobian, bp.hessian])
def test_matrices_of_derivatives_are_of_real_numbers(transform: Any) -> None:
    with pytest.raises(errors.GradientError, match="real and imaginary parts"):
        transform(lambda z: np.sum(np.abs(z)))(Z)


# --- the checker --------------------------------------------------------------------------------


FUNCTIONS = [
    lambda z: np.exp(z) * np.conj(z),
    lambda z: np.abs(z) * np.sign(z),
    lambda z: np.arcsin(z) + np.arccos(z) * np.arctan(z),
    lambda z: np.arcsinh(z) + np.arccosh(z) * np.arctanh(z),
    lambda z: np.sqrt(z) + np.log(z) / np.tan(z),
    lambda z: z ** (1 + 0.5j) + 2**z,
    lambda z: z @ np.array([[1, 2j], [3, 1j]]),
    lambda z: np.real(z) * np.angle(z),
    lambda z: 1 / (1 + z * z),
]


@pytest.mark.parametrize("f", some_quick(FUNCTIONS, 3))
def test_the_checker_takes_complex_functions(f: Any) -> None:
    report = check(f, Z, second_order=True, forward=True)
    assert report.ok, str(report)


def test_the_checker_finds_a_missing_conjugate() -> None:
    wrong = bp.custom_rule(lambda g, y, z: g, jvp=[lambda t, y, z: t])(lambda z: np.conj(1 * z))
    report = check(lambda z: np.real(wrong(z) * z), Z)
    assert not report.ok


@pytest.mark.parametrize("loss", [F.sum_squares, F.half_sum_squares, F.mse_loss])
def test_losses_of_real_numbers_refuse_complex_ones(loss: Any) -> None:
    z, real = np.array([1 + 2j, 3.0]), np.ones(2)
    for output, target in ((z, real), (real, z)):
        with pytest.raises(errors.ConversionError, match=r"np\.abs\(output - target\) \*\* 2"):
            loss(output, target)


@pytest.mark.parametrize("activation", [F.softplus, F.logsigmoid, F.mish])
def test_softplus_and_its_kin_refuse_complex_numbers(activation: Any) -> None:
    with pytest.raises(TypeError):
        activation(Tensor([1 + 2j], requires_grad=True))
