"""Transforms inside transforms, whatever they close over.

Each nesting is a function `f(d, xp)` of a library that differentiates and of its array functions,
so that one text runs here and in JAX. Beside it stands what it must give: a closed form, or a
complex step through a plain NumPy function in which the inner derivative is written by hand.
"""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, given

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim

RTOL = 1e-12
STEP = 1e-30  # an imaginary step has no rounding error, however small it is

X = np.array([0.3, -0.7, 1.1])
V = np.array([0.5, 2.0, -1.5])
M = np.array([[0.2, -1.0, 0.7], [1.3, 0.4, -0.6]])
DATA = np.array([[0.5, -1.0, 0.3], [1.5, 0.2, -0.8], [-0.4, 0.9, 1.2], [0.1, 0.6, -1.1]])
LABELS = np.array([0.3, -0.9, 1.4, 0.2])


# --- what is compared -------------------------------------------------------------------------


def complex_step(f: Callable[[Any], Any], x: Any) -> np.ndarray[Any, Any]:
    """All derivatives of a plain, analytic NumPy function: its shape, then that of x."""
    x = np.asarray(x, float)
    directions = np.eye(x.size).reshape(-1, *x.shape)
    columns = [np.imag(f(x + 1j * STEP * e)) / STEP for e in directions]
    return np.reshape(np.stack(columns, axis=-1), (*np.shape(columns[0]), *x.shape))


def plain(result: Any) -> Any:
    """A result of either library, with arrays in the places of its tensors."""
    if isinstance(result, dict):
        return {name: plain(part) for name, part in result.items()}
    if isinstance(result, list | tuple):
        return [plain(part) for part in result]
    return np.array(result.data if isinstance(result, Tensor) else result)


def assert_same(found: Any, expected: Any, rtol: float = RTOL) -> None:
    found, expected = plain(found), plain(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other, rtol)
        return
    assert found.shape == expected.shape
    largest = float(np.max(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * largest)


def backward(f: Callable[..., Any], *leaves: Any) -> tuple[Any, ...]:
    """The gradients that `backward()` leaves in fresh leaves with these values."""
    tensors = [Tensor(leaf, requires_grad=True) for leaf in leaves]
    f(*tensors).backward()
    return tuple(t.grad for t in tensors)


OURS = types.SimpleNamespace(**{name: getattr(bp, name, None) for name in bp.__all__})
OURS.backward = backward


@functools.cache
def in_jax() -> Any:
    """JAX under our names."""
    jax = pytest.importorskip("jax", reason="needs JAX")
    jax.config.update("jax_enable_x64", True)

    def jacobian(f: Any, argnum: int = 0, *, mode: str = "reverse") -> Any:
        return (jax.jacrev if mode == "reverse" else jax.jacfwd)(f, argnum)

    def per_example_grads(f: Any, argnums: Any = 0) -> Any:
        def of_batch(params: Any, *batch: Any) -> Any:
            axes = (None, *(0 for _ in batch))
            return jax.vmap(jax.grad(f, argnums), in_axes=axes)(params, *batch)

        return of_batch

    return types.SimpleNamespace(
        numpy=jax.numpy,
        compiled=jax.jit,
        grad=jax.grad,
        value_and_grad=jax.value_and_grad,
        vjp=jax.vjp,
        jvp=jax.jvp,
        hvp=lambda f, x, v: jax.jvp(jax.grad(f), (x,), (v,))[1],
        jacobian=jacobian,
        hessian=jax.hessian,
        linearize=jax.linearize,
        per_example_grads=per_example_grads,
        backward=lambda f, *leaves: jax.grad(f, tuple(range(len(leaves))))(*leaves),
    )


# --- the table --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Nesting:
    """A nesting of transforms, and what it gives."""

    run: Callable[[Any, Any], Any]
    expected: Any

    def __str__(self) -> str:
        return self.run.__name__


TABLE: list[Nesting] = []


def gives(expected: Any) -> Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]:
    """Add a nesting to the table, beside what it gives."""

    def add(run: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        TABLE.append(Nesting(run, expected))
        return run

    return add


# An inner function that closes over an outer variable: d/dx [x · d/dy (x y)] = d/dx x² = 2x.


@gives(6.0)
def grad_in_grad(d: Any, xp: Any) -> Any:
    return d.grad(lambda x: x * d.grad(lambda y: x * y)(1.0))(3.0)


@gives(6.0)
def jvp_in_grad(d: Any, xp: Any) -> Any:
    return d.grad(lambda x: x * d.jvp(lambda y: x * y, (1.0,), (1.0,))[1])(3.0)


@gives([9.0, 6.0])
def grad_in_jvp(d: Any, xp: Any) -> Any:
    return d.jvp(lambda x: x * d.grad(lambda y: x * y)(1.0), (3.0,), (1.0,))


@gives([9.0, 6.0])
def jvp_in_jvp(d: Any, xp: Any) -> Any:
    return d.jvp(lambda x: x * d.jvp(lambda y: x * y, (1.0,), (1.0,))[1], (3.0,), (1.0,))


@gives([9.0, 6.0])
def vjp_in_value_and_grad(d: Any, xp: Any) -> Any:
    return d.value_and_grad(lambda x: x * d.vjp(lambda y: x * y, 1.0)[1](1.0)[0])(3.0)


@gives([9.0, 6.0])
def linearize_in_vjp(d: Any, xp: Any) -> Any:
    value, pull = d.vjp(lambda x: x * d.linearize(lambda y: x * y, 1.0)[1](1.0), 3.0)
    return value, pull(1.0)[0]


@gives([6.0])
def grad_in_backward(d: Any, xp: Any) -> Any:
    return d.backward(lambda x: x * d.grad(lambda y: x * y)(1.0), 3.0)


@gives([6.0])
def jvp_in_backward(d: Any, xp: Any) -> Any:
    return d.backward(lambda x: x * d.jvp(lambda y: x * y, (1.0,), (1.0,))[1], 3.0)


# Which variable is whose, and where the inner derivative is taken.


@gives(24.0)  # d/dx 2 x y at y = x² is d/dx 2 x³
def the_inner_argument_varies_too(d: Any, xp: Any) -> Any:
    return d.grad(lambda x: d.grad(lambda y: x * y**2)(x**2))(2.0)


@gives(lambda: complex_step(lambda x: 2 * np.exp(x) * np.sin(x) * x, 0.4))
def the_inner_function_closes_over_a_result(d: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        z = xp.exp(x)
        return x * d.grad(lambda y: z * y**2)(xp.sin(x))

    return d.grad(f)(0.4)


@gives(lambda: [complex_step(lambda x: np.sin(2 * x) * x * np.cos(2 * x), 0.7)] * 2)
def value_and_gradient_of_a_closure_are_both_used(d: Any, xp: Any) -> Any:
    def reverse(x: Any) -> Any:
        value, slope = d.value_and_grad(lambda y: xp.sin(x * y))(2.0)
        return value * slope

    def forward(x: Any) -> Any:
        value, slope = d.jvp(lambda y: xp.sin(x * y), (2.0,), (1.0,))
        return value * slope

    return d.grad(reverse)(0.7), d.grad(forward)(0.7)


@gives([1.0, 1.0, 1.0, 1.0])  # not 2: the inner derivative of x + y is 1, and does not vary
def perturbations_are_not_confused(d: Any, xp: Any) -> Any:
    inner = [
        lambda x: d.grad(lambda y: x + y)(1.0),
        lambda x: d.jvp(lambda y: x + y, (1.0,), (1.0,))[1],
        lambda x: d.vjp(lambda y: x + y, 1.0)[1](1.0)[0],
        lambda x: d.linearize(lambda y: x + y, 1.0)[1](1.0),
    ]
    return [d.grad(lambda x, slope=slope: x * slope(x))(1.0) for slope in inner]


@gives([6 * -0.5 * 0.7**2] * 2)
def mixed_derivatives_agree(d: Any, xp: Any) -> Any:
    def product(x: Any, y: Any) -> Any:
        return x**2 * y**3

    by_x_last = d.grad(lambda x: d.grad(lambda y: product(x, y))(0.7))(-0.5)
    by_y_last = d.grad(lambda y: d.grad(lambda x: product(x, y))(-0.5))(0.7)
    return by_x_last, by_y_last


@gives(12.0)
def an_inner_gradient_of_nothing_outer_is_a_constant(d: Any, xp: Any) -> Any:
    return d.grad(lambda x: x * d.grad(lambda y: y**3)(2.0))(5.0)


@gives([1.0, 1.0, 1.0, 1.0])
def an_inner_gradient_that_does_not_vary_adds_nothing(d: Any, xp: Any) -> Any:
    return [
        d.grad(lambda x: x + d.grad(lambda y: 3.0 * y)(x))(2.0),
        d.grad(lambda x: x + d.jvp(lambda y: 3.0 * y, (x,), (1.0,))[1])(2.0),
        d.grad(lambda x: x + d.vjp(lambda y: 3.0 * y, x)[1](1.0)[0])(2.0),
        d.backward(lambda x: x + d.grad(lambda y: 3.0 * y)(x), 2.0)[0],
    ]


# Several arguments and structures.


@gives(
    lambda: [complex_step(lambda s: _of_two(s, V), 1.5), complex_step(lambda v: _of_two(1.5, v), V)]
)
def gradients_of_two_numbered_arguments(d: Any, xp: Any) -> Any:
    def f(s: Any, v: Any) -> Any:
        by_a, by_c = d.grad(lambda a, b, c: a**2 * xp.sum(b * c**2), (0, 2))(s, X, v)
        return by_a * xp.sum(by_c)

    return d.grad(f, argnums=(0, 1))(1.5, V)


def _of_two(s: Any, v: Any) -> Any:
    return 2 * s * np.sum(X * v**2) * np.sum(2 * s**2 * X * v)


@gives(lambda: {"b": complex_step(lambda b: _penalty(M, b), 0.4 * X[:2]),
                "w": complex_step(lambda w: _penalty(w, 0.4 * X[:2]), M)})  # fmt: skip
def gradients_of_a_dict_in_a_gradient_of_a_dict(d: Any, xp: Any) -> Any:
    def penalty(p: Any) -> Any:
        inner = d.grad(lambda q: xp.sum(xp.tanh(q["w"] @ X + q["b"])))(p)
        return xp.sum(inner["w"] ** 2) + xp.sum(inner["b"] ** 2)

    return d.grad(penalty)({"b": 0.4 * X[:2], "w": M})


def _penalty(w: Any, b: Any) -> Any:
    slope = 1 - np.tanh(w @ X + b) ** 2
    return np.sum(np.outer(slope, X) ** 2) + np.sum(slope**2)


@gives(
    lambda: [complex_step(lambda a: _of_pair(a, V), X), complex_step(lambda b: _of_pair(X, b), V)]
)
def gradients_of_a_list_in_a_gradient_of_a_list(d: Any, xp: Any) -> Any:
    def f(pair: Any) -> Any:
        by_a, by_b = d.grad(lambda inner: xp.sum(xp.sin(inner[0] * inner[1])))(pair)
        return xp.sum(by_a**2 * by_b)

    return d.grad(f)([X, V])


def _of_pair(a: Any, b: Any) -> Any:
    return np.sum((b * np.cos(a * b)) ** 2 * a * np.cos(a * b))


# Vectors: pulls and pushes, matrices, products with a Hessian.


@gives(lambda: complex_step(lambda x: np.sum(x * (x * V) * np.cos(x * V) ** 2), X))
def a_pull_inside_a_gradient(d: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        _, pull = d.vjp(lambda y: xp.sin(x * y), V)
        return xp.sum(pull(x * V * xp.cos(x * V))[0])

    return d.grad(f)(X)


@gives(lambda: [M.T @ V[:2], complex_step(lambda g: np.sum((M.T @ g) ** 3), V[:2])])
def a_pull_from_outside_is_differentiated_by_what_arrives(d: Any, xp: Any) -> Any:
    _, pull = d.vjp(lambda x: M @ x, X)
    return pull(V[:2])[0], d.grad(lambda g: xp.sum(pull(g)[0] ** 3))(V[:2])


@gives(lambda: V * np.cos(X))  # the transpose of the transpose is the map itself
def a_pull_of_a_pull_pushes_forward(d: Any, xp: Any) -> Any:
    _, pull = d.vjp(xp.sin, X)
    _, back = d.vjp(lambda g: pull(g)[0], 0.0 * X)
    return back(V)[0]


@gives(lambda: [np.sin(X), V * np.cos(X),
                complex_step(lambda x: np.sum((V * np.cos(x)) ** 2 + np.sin(x) * x * np.cos(x)), X),
                complex_step(lambda t: np.sum((t * np.cos(X)) ** 3), V)])  # fmt: skip
def a_linear_map_inside_and_outside_a_gradient(d: Any, xp: Any) -> Any:
    def f(x: Any) -> Any:
        value, push = d.linearize(xp.sin, x)
        return xp.sum(push(V) ** 2 + value * push(x))

    value, push = d.linearize(xp.sin, X)
    return value, push(V), d.grad(f)(X), d.grad(lambda t: xp.sum(push(t) ** 3))(V)


@gives(lambda: complex_step(lambda a: np.sum(6 * a * X * V * X), V))
def a_hessian_of_a_closure(d: Any, xp: Any) -> Any:
    def f(a: Any) -> Any:
        curvature = d.hessian(lambda x: xp.sum(a * x**3))(X)
        return xp.sum(curvature @ (V * X))

    return d.grad(f)(V)


@gives(lambda: complex_step(lambda a: np.sum(a * np.cos(a * X) @ M.T), V))
def jacobians_of_a_closure(d: Any, xp: Any) -> Any:
    def f(a: Any) -> Any:
        reverse = d.jacobian(lambda x: M @ xp.sin(a * x))(X)
        forward = d.jacobian(lambda x: M @ xp.sin(a * x), mode="forward")(X)
        return xp.sum(reverse) / 2 + xp.sum(forward) / 2

    return d.grad(f)(V)


@gives(lambda: complex_step(lambda x: (2 - np.eye(3)) * np.prod(x**2) / np.outer(x, x), X))
def a_jacobian_of_a_jacobian_of_a_gradient(d: Any, xp: Any) -> Any:
    third = d.jacobian(d.jacobian(d.grad(lambda x: xp.prod(x**2) / 2)), mode="forward")
    return third(X)


@gives(lambda: [complex_step(lambda a: np.sum(-(a**2) * np.sin(a * X) * V), 0.8),
                complex_step(lambda x: np.sum(-np.sin(x) * V * x), X),
                -np.sin(X) * V])  # fmt: skip
def products_with_a_hessian(d: Any, xp: Any) -> Any:
    def total(x: Any) -> Any:
        return xp.sum(xp.sin(x))

    by_a = d.grad(lambda a: xp.sum(d.hvp(lambda x: total(a * x), X, V)))(0.8)
    by_x = d.grad(lambda x: xp.sum(d.hvp(total, x, V) * x))(X)
    by_v = d.grad(lambda v: xp.sum(d.hvp(total, X, v) * V))(V)
    return by_a, by_x, by_v


@gives([24 * 0.7, 24.0])
def pushes_three_and_four_deep(d: Any, xp: Any) -> Any:
    def pushed(f: Any) -> Any:
        return lambda x: d.jvp(f, (x,), (1.0,))[1]

    third = pushed(pushed(pushed(lambda x: x**4)))
    return third(0.7), pushed(third)(0.7)


@gives(2 * 1.1 * 3 * 0.5**2 * 4 * 0.3**3)
def four_variables_four_deep(d: Any, xp: Any) -> Any:
    def by_w(w: Any) -> Any:
        return d.grad(lambda x: by_y(w, x))(0.5)

    def by_y(w: Any, x: Any) -> Any:
        return d.jvp(lambda y: by_z(w, x, y), (1.1,), (1.0,))[1]

    def by_z(w: Any, x: Any, y: Any) -> Any:
        return d.vjp(lambda z: z * y**2 * x**3 * w**4, 1.7)[1](1.0)[0]

    return d.value_and_grad(by_w)(0.3)[1]


@gives(324 * 0.6**2)
def all_kinds_five_deep(d: Any, xp: Any) -> Any:
    def by_x(x: Any) -> Any:  # 108 x³
        return d.vjp(lambda y: by_z(x, y), x)[1](1.0)[0]

    def by_z(x: Any, y: Any) -> Any:  # 36 y³ x
        return d.linearize(lambda z: twice_by_w(x, y, z), y)[1](1.0)

    def twice_by_w(x: Any, y: Any, z: Any) -> Any:  # 12 w² x y z at w = z
        return d.jvp(d.grad(lambda w: w**4 * x * y * z), (z,), (1.0,))[1]

    return d.grad(by_x)(0.6)


@gives(lambda: [complex_step(lambda s: np.sum(2 * s**3 * X**2), 0.6),
                complex_step(lambda x: np.sum((x + V[:2, None]) * 2 * x), X)])  # fmt: skip
def broadcasting_inside_and_out(d: Any, xp: Any) -> Any:
    column = V[:2, None]

    def by_number(s: Any) -> Any:
        return s**2 * d.grad(lambda y: xp.sum((y * X) ** 2))(s)

    def by_row(x: Any) -> Any:
        return xp.sum((x + column) * d.grad(lambda y: xp.sum((y + 0.0 * column) ** 2) / 2)(x))

    return d.grad(by_number)(0.6), d.grad(by_row)(X)


# What nesting is for.


@gives(lambda: complex_step(lambda w: _after_a_step(w, 0.1), V))
def a_gradient_step_is_differentiated(d: Any, xp: Any) -> Any:
    def after_a_step(w: Any) -> Any:
        def loss(w: Any, x: Any, y: Any) -> Any:
            return xp.mean((xp.tanh(x @ w) - y) ** 2)

        adapted = w - 0.1 * d.grad(loss)(w, DATA[:2], LABELS[:2])
        return loss(adapted, DATA[2:], LABELS[2:])

    return d.grad(after_a_step)(V)


def _after_a_step(w: Any, lr: Any) -> Any:
    y = np.tanh(DATA[:2] @ w)
    adapted = w - lr * ((y - LABELS[:2]) * (1 - y**2)) @ DATA[:2]
    return np.mean((np.tanh(DATA[2:] @ adapted) - LABELS[2:]) ** 2)


@gives(lambda: [complex_step(lambda lr: _descend(lr, V), 0.05),
                complex_step(lambda w: _descend(0.05, w), V)])  # fmt: skip
def several_steps_with_momentum_are_differentiated(d: Any, xp: Any) -> Any:
    def loss(w: Any) -> Any:
        return xp.mean((xp.exp(0.5 * DATA @ w) - LABELS) ** 2)

    def descend(lr: Any, w: Any) -> Any:
        velocity = 0.0 * w
        for _ in range(5):
            velocity = 0.9 * velocity + d.grad(loss)(w)
            w = w - lr * velocity
        return loss(w)

    return d.grad(descend, argnums=(0, 1))(0.05, V)


def _descend(lr: Any, w: Any) -> Any:
    velocity = 0.0 * w
    for _ in range(5):
        e = np.exp(0.5 * DATA @ w)
        velocity = 0.9 * velocity + (0.25 * (e - LABELS) * e) @ DATA
        w = w - lr * velocity
    return np.mean((np.exp(0.5 * DATA @ w) - LABELS) ** 2)


def _minimum(x: float) -> float:
    """Where (y - x²)²/2 + y⁴/4 has its minimum: y - x² + y³ = 0, by Cardano's formula."""
    half = x * x / 2
    root = np.sqrt(half**2 + 1 / 27)
    return float(np.cbrt(half + root) + np.cbrt(half - root))


@gives(lambda: 2 * 0.8 / (1 + 3 * _minimum(0.8) ** 2) * np.cos(_minimum(0.8)))
def the_minimum_of_an_inner_problem_is_differentiated(d: Any, xp: Any) -> Any:
    def outer(x: Any) -> Any:
        def inner(y: Any) -> Any:
            return (y - x**2) ** 2 / 2 + y**4 / 4

        y = x
        for _ in range(8):  # Newton's method; at the solution its derivative is the implicit one
            y = y - d.grad(inner)(y) / d.grad(d.grad(inner))(y)
        return xp.sin(y)

    return d.grad(outer)(0.8)


@gives(lambda: [complex_step(lambda q: _leapfrog(q, 0.3), 0.9),
                complex_step(lambda p: _leapfrog(0.9, p), 0.3)])  # fmt: skip
def an_integrator_with_forces_from_a_gradient(d: Any, xp: Any) -> Any:
    def energy(q: Any, p: Any) -> Any:
        return p**2 / 2 + q**4 / 4 - xp.cos(q)

    def last(q: Any, p: Any) -> Any:
        for _ in range(4):
            p = p - 0.1 * d.grad(energy)(q, p)
            q = q + 0.1 * d.grad(energy, argnums=1)(q, p)
        return q * p

    return d.backward(last, 0.9, 0.3)


def _leapfrog(q: Any, p: Any) -> Any:
    for _ in range(4):
        p = p - 0.1 * (q**3 + np.sin(q))
        q = q + 0.1 * p
    return q * p


@gives(lambda: complex_step(lambda m: np.sum((np.sqrt(np.sum(_slopes(m) ** 2, 1)) - 1) ** 2), M))
def the_size_of_a_gradient_is_penalised(d: Any, xp: Any) -> Any:
    def penalty(m: Any) -> Any:
        slopes = d.grad(lambda x: xp.sum(xp.tanh(x @ m.T)))(DATA)
        return xp.sum((xp.sqrt(xp.sum(slopes**2, axis=1)) - 1.0) ** 2)

    return d.grad(penalty)(M)


def _slopes(m: Any) -> Any:
    return (1 - np.tanh(DATA @ m.T) ** 2) @ m


@gives(lambda: {"b": _errors(V, 0.2), "w": _errors(V, 0.2)[:, None] * DATA})
def gradients_of_each_example(d: Any, xp: Any) -> Any:
    def loss(p: Any, x: Any, y: Any) -> Any:
        return (x @ p["w"] + p["b"] - y) ** 2 / 2

    return d.per_example_grads(loss)({"b": np.array(0.2), "w": V}, DATA, LABELS)


def _errors(w: Any, b: Any) -> Any:
    return DATA @ w + b - LABELS


@gives(lambda: [complex_step(lambda s: _spread(s, V), 0.7),
                complex_step(lambda w: _spread(0.7, w), V)])  # fmt: skip
def gradients_of_each_example_in_a_gradient(d: Any, xp: Any) -> Any:
    def spread(s: Any, w: Any) -> Any:
        def loss(w: Any, x: Any, y: Any) -> Any:
            return s * (x @ w - y) ** 2 / 2

        return xp.sum(d.per_example_grads(loss)(w, DATA, LABELS) ** 2)

    return d.grad(spread, argnums=(0, 1))(0.7, V)


def _spread(s: Any, w: Any) -> Any:
    return np.sum((s * _errors(w, 0.0)[:, None] * DATA) ** 2)


@gives(
    lambda: [complex_step(lambda w: _residual(w, V), X), complex_step(lambda v: _residual(X, v), V)]
)
def a_second_derivative_in_a_loss(d: Any, xp: Any) -> Any:
    points = np.linspace(-1.0, 1.0, 5)

    def residual(w: Any, v: Any) -> Any:
        def u(x: Any) -> Any:
            return xp.sum(xp.tanh(xp.reshape(x, (-1, 1)) * w) @ v)

        def u_x(x: Any) -> Any:
            return d.grad(u)(x)

        u_xx = d.grad(lambda x: xp.sum(u_x(x)))(points)
        return xp.mean((u_xx + u_x(points) * points) ** 2)

    return d.backward(residual, X, V)


def _residual(w: Any, v: Any) -> Any:
    x = np.linspace(-1.0, 1.0, 5)
    y = np.tanh(x[:, None] * w)
    u_x = (1 - y**2) @ (v * w)
    u_xx = (-2 * y * (1 - y**2)) @ (v * w**2)
    return np.mean((u_xx + u_x * x) ** 2)


def outcome(nesting: Nesting) -> Any:
    """What a nesting must give, worked out when it is asked for."""
    return nesting.expected() if callable(nesting.expected) else nesting.expected


@pytest.mark.parametrize("nesting", TABLE, ids=str)
def test_against_the_reference(nesting: Nesting) -> None:
    assert_same(nesting.run(OURS, np), outcome(nesting))


@pytest.mark.parametrize("nesting", TABLE, ids=str)
def test_the_same_in_jax(nesting: Nesting) -> None:
    jax = in_jax()
    theirs = jax.compiled(lambda: nesting.run(jax, jax.numpy))()  # op by op it takes minutes
    assert_same(theirs, outcome(nesting))
    assert_same(nesting.run(OURS, np), theirs)


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 30
    assert len(set(map(str, TABLE))) == len(TABLE)


# --- what comes back --------------------------------------------------------------------------

# Each transform of w x³ by x at 2, as a number: value 8 w, slope 12 w, curvature 12 w.
TRANSFORMS: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "grad": (lambda f, x: bp.grad(f)(x), 12.0),
    "value of value_and_grad": (lambda f, x: bp.value_and_grad(f)(x)[0], 8.0),
    "value_and_grad": (lambda f, x: bp.value_and_grad(f)(x)[1], 12.0),
    "value of vjp": (lambda f, x: bp.vjp(f, x)[0], 8.0),
    "vjp": (lambda f, x: bp.vjp(f, x)[1](1.0)[0], 12.0),
    "value of jvp": (lambda f, x: bp.jvp(f, (x,), (1.0,))[0], 8.0),
    "jvp": (lambda f, x: bp.jvp(f, (x,), (1.0,))[1], 12.0),
    "hvp": (lambda f, x: bp.hvp(f, x, 1.0), 12.0),
    "jacobian": (lambda f, x: bp.jacobian(f)(x), 12.0),
    "jacobian forward": (lambda f, x: bp.jacobian(f, mode="forward")(x), 12.0),
    "hessian": (lambda f, x: bp.hessian(f)(x), 12.0),
    "value of linearize": (lambda f, x: bp.linearize(f, x)[0], 8.0),
    "linearize": (lambda f, x: bp.linearize(f, x)[1](1.0), 12.0),
    "per_example_grads": (lambda f, x: bp.per_example_grads(lambda x, _: f(x))(x, X)[1], 12.0),
}
every_transform = pytest.mark.parametrize(
    ("transform", "expected"), TRANSFORMS.values(), ids=list(TRANSFORMS)
)


@every_transform
def test_what_it_closes_over_gets_its_gradient(
    transform: Callable[[Any, Any], Any], expected: float
) -> None:
    w = Tensor(0.5, requires_grad=True)
    result = transform(lambda x: w * x**3, 2.0)
    assert isinstance(result, Tensor)
    assert result.requires_grad
    assert w.grad is None
    result.backward()
    assert (result.item(), w.grad.item()) == (0.5 * expected, expected)


@every_transform
def test_what_is_given_gets_its_gradient(
    transform: Callable[[Any, Any], Any], expected: float
) -> None:
    x = Tensor(2.0, requires_grad=True)
    transform(lambda x: 0.5 * x**3, x).backward()
    # w x³ by x: one order more of each; 8, 12 and 12 w at 2 have the slopes 12, 12 and 6 w.
    curved = transform(lambda x: x**3, 3.0) - transform(lambda x: x**3, 1.0)
    by_difference = {26.0: 12.0, 24.0: 12.0, 12.0: 6.0}[float(curved)]
    assert x.grad.item() == 0.5 * by_difference


@every_transform
def test_arrays_for_arrays_and_tensors_for_tensors(
    transform: Callable[[Any, Any], Any], expected: float
) -> None:
    w, constant = Tensor(0.5, requires_grad=True), Tensor(0.5)
    for factor in (0.5, np.array(0.5), constant, w.detach()):
        for x in (2.0, np.array(2.0)):
            result = transform(lambda x, factor=factor: factor * x**3, x)
            assert isinstance(result, np.ndarray | np.generic)
            assert result == 0.5 * expected
        result = transform(lambda x, factor=factor: factor * x**3, Tensor(2.0))
        assert isinstance(result, Tensor)
        assert not result.requires_grad


@every_transform
def test_arrays_where_recording_is_off(
    transform: Callable[[Any, Any], Any], expected: float
) -> None:
    w = Tensor(0.5, requires_grad=True)
    with bp.no_grad():
        result = transform(lambda x: w * x**3, 2.0)
    assert isinstance(result, np.ndarray | np.generic)
    assert result == 0.5 * expected


@pytest.mark.parametrize("name", sorted(TRANSFORMS.keys() - {"hvp", "hessian"}))  # two in one
def test_variables_stop_tracking(name: str) -> None:
    transform, expected = TRANSFORMS[name]
    seen: list[Tensor] = []

    def f(x: Any) -> Any:
        seen.append(x)
        return 0.5 * x**3

    assert transform(f, 2.0) == 0.5 * expected
    assert seen
    assert not any(x.requires_grad for x in seen)
    assert not (seen[0] * 2.0).requires_grad


def test_nestings_are_right_where_recording_is_off() -> None:
    with bp.no_grad():
        assert bp.grad(lambda x: x * bp.grad(lambda y: x * y)(1.0))(3.0) == 6.0
        assert bp.jvp(lambda x: x * bp.grad(lambda y: x * y)(1.0), (3.0,), (1.0,))[1] == 6.0


def test_recording_switched_off_in_a_nesting_makes_a_constant() -> None:
    def f(x: Any) -> Any:
        with bp.no_grad():
            slope = bp.grad(lambda y: x * y**2)(1.0)  # 2 x
        assert isinstance(slope, np.ndarray)
        return x * slope

    assert bp.grad(f)(3.0) == 6.0  # 12 with the inner derivative recorded


def test_backward_inside_a_transform() -> None:
    def f(x: Any) -> Any:
        y = Tensor(2.0, requires_grad=True)
        (x * y**2).backward(create_graph=True)
        return x * y.grad  # 2 x² y

    assert bp.grad(f)(3.0) == 24.0
    assert bp.jvp(f, (3.0,), (1.0,))[1] == 24.0


def test_backward_through_two_levels_of_closures() -> None:
    w, v = Tensor(3.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    inner = lambda x: bp.grad(lambda y: w * x**2 * y**3 * v)  # noqa: E731
    outer = bp.grad(lambda x: inner(x)(v))(w)  # 2 w x · 3 y² v at x = w, y = v: 6 w² v³
    outer.backward()
    assert (outer.item(), w.grad.item(), v.grad.item()) == (432.0, 288.0, 648.0)


def test_nestings_of_float32_stay_float32() -> None:
    x, v = X.astype(np.float32), V.astype(np.float32)

    def f(x: Any) -> Any:
        inner = bp.grad(lambda y: np.sum(np.sin(x * y)))(v)  # x cos(x v)
        pushed = bp.jvp(lambda y: np.tanh(x * y), (v,), (v,))[1]
        return np.sum(inner**2) + np.mean(pushed)

    expected = bp.grad(lambda x: np.sum((x * np.cos(x * V)) ** 2)
                       + np.mean((1 - np.tanh(x * V) ** 2) * x * V))(X)  # fmt: skip
    for found in (bp.grad(f)(x), bp.vjp(f, x)[1](np.float32(1.0))[0], bp.jacobian(f)(x)):
        assert found.dtype == np.float32
        assert_same(found, expected, rtol=1e-5)
    assert bp.hessian(f)(x).dtype == bp.hvp(f, x, v).dtype == np.float32


# --- models -----------------------------------------------------------------------------------


class Curve(nn.Module):
    """u(x) = Σ v tanh(w x + b), for numbers x along the first axis."""

    def __init__(self) -> None:
        self.w = Tensor(X, requires_grad=True)
        self.b = Tensor(0.3 * V, requires_grad=True)
        self.v = Tensor(V, requires_grad=True)

    def forward(self, x: Any) -> Any:
        return np.tanh(np.reshape(x, (-1, 1)) * self.w + self.b) @ self.v


POINTS = np.linspace(-1.0, 1.0, 6)


def derivatives_by_hand(w: Any, b: Any, v: Any) -> tuple[Any, Any, Any]:
    y = np.tanh(POINTS[:, None] * w + b)
    return y @ v, (1 - y**2) @ (v * w), (-2 * y * (1 - y**2)) @ (v * w**2)


def assert_gradients(net: nn.Module, loss_by_hand: Callable[..., Any]) -> None:
    """Every parameter has the gradient that complex steps through the loss find."""
    values = {name: t.data for name, t in net.named_parameters()}
    for name, t in net.named_parameters():
        expected = complex_step(lambda x, n=name: loss_by_hand(**{**values, n: x}), values[name])
        assert t.grad is not None, name
        assert_same(t.grad, expected)


def test_a_loss_made_of_a_models_derivative() -> None:
    net = Curve()
    du = bp.grad(lambda x: net(x).sum())(POINTS)
    assert du.requires_grad
    np.sum(du**2).backward()
    assert_gradients(net, lambda w, b, v: np.sum(derivatives_by_hand(w, b, v)[1] ** 2))


def test_a_loss_made_of_a_models_second_derivative() -> None:
    net = Curve()
    u_x = bp.grad(lambda x: net(x).sum())
    u_xx = bp.grad(lambda x: u_x(x).sum())
    residual = u_xx(POINTS) + u_x(POINTS) * net(POINTS) - np.sin(POINTS)
    np.mean(residual**2).backward()

    def by_hand(w: Any, b: Any, v: Any) -> Any:
        u, u_x, u_xx = derivatives_by_hand(w, b, v)
        return np.mean((u_xx + u_x * u - np.sin(POINTS)) ** 2)

    assert_gradients(net, by_hand)


def test_the_second_derivative_of_a_model_by_pushes() -> None:
    net, ones = Curve(), np.ones_like(POINTS)

    def pushed(x: Any) -> Any:
        return bp.jvp(net, (x,), (ones,))[1]

    value, u_xx = bp.jvp(pushed, (POINTS,), (ones,))
    np.sum(value * u_xx).backward()
    assert_gradients(net, lambda w, b, v: np.sum(np.prod(derivatives_by_hand(w, b, v)[1:], axis=0)))


def test_a_model_is_trained_on_its_derivative() -> None:
    net = nn.MLP(1, 8, 1, activation=nn.Tanh(), rng=np.random.default_rng(0))
    optimizer = optim.SGD(net.named_parameters(), lr=0.05)
    x = POINTS.astype(np.float32)[:, None]
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        slopes = bp.grad(lambda x: net(x).sum())(x)
        loss = np.mean((slopes - x) ** 2) + np.sum(net(0 * x[:1]) ** 2)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert loss.dtype == np.float32
    assert losses[-1] < losses[0] / 2


def test_the_derivative_of_a_model_under_no_grad_is_an_array() -> None:
    net = Curve()
    with bp.no_grad():
        du = bp.grad(lambda x: net(x).sum())(POINTS)
    assert isinstance(du, np.ndarray)
    assert_same(du, derivatives_by_hand(X, 0.3 * V, V)[1])


@pytest.mark.parametrize("recording", [True, False])
def test_value_and_gradients_of_a_module(recording: bool) -> None:
    """Its parameters track, so what is derived tracks as well, unless recording is off."""
    net, other = Curve(), Curve()
    with bp.enable_grad() if recording else bp.no_grad():
        value, gradients = bp.value_and_grad(lambda net: np.sum(net(POINTS) ** 2))(net)
    loss = np.sum(other(POINTS) ** 2)
    loss.backward()
    assert plain(value) == loss.item()
    assert list(gradients) == [name for name, _ in net.named_parameters()]
    for name, t in other.named_parameters():
        assert isinstance(gradients[name], Tensor if recording else np.ndarray)
        assert getattr(gradients[name], "requires_grad", False) == recording
        assert_same(gradients[name], t.grad, rtol=0)
    assert all(t.grad is None and t.requires_grad for t in net.parameters())
    assert net(POINTS).requires_grad


def test_a_gradient_step_on_a_model_by_its_derivative_at_the_data() -> None:
    net = Curve()
    by_x, by_s = bp.grad(lambda x, s: (s * net(x)).sum(), argnums=(0, 1))(POINTS, 1.0)
    (np.sum(by_x) * by_s).backward()

    def by_hand(w: Any, b: Any, v: Any) -> Any:
        u, u_x, _ = derivatives_by_hand(w, b, v)
        return np.sum(u_x) * np.sum(u)

    assert_gradients(net, by_hand)


# --- each example -----------------------------------------------------------------------------


def test_gradients_of_each_example_are_those_of_a_loop() -> None:
    def loss(params: Any, x: Any, y: Any) -> Any:
        (w, b), scale = params
        return np.sum((scale * np.tanh(w @ x + b) - y) ** 2)

    params = ([M, V[:2]], np.array(0.7))
    labels = np.stack([LABELS, -LABELS], axis=1)
    (w, b), scale = bp.per_example_grads(loss)(params, DATA, labels)
    assert (w.shape, b.shape, scale.shape) == ((4, 2, 3), (4, 2), (4,))
    for i, (x, y) in enumerate(zip(DATA, labels, strict=True)):
        assert_same([[w[i], b[i]], scale[i]], bp.grad(loss)(params, x, y))


def test_gradients_of_each_example_by_several_arguments() -> None:
    def loss(w: Any, b: Any, x: Any) -> Any:
        return np.sum(np.exp(w * x)) * b

    found = bp.per_example_grads(lambda p, x: loss(*p, x))((V, 0.5), DATA)
    assert_same(found[0], 0.5 * DATA * np.exp(V * DATA))
    assert_same(found[1], np.sum(np.exp(V * DATA), axis=1))


def test_batches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"4.*3|3.*4"):
        bp.per_example_grads(lambda w, x, y: (x @ w - y) ** 2)(V, DATA, LABELS[:3])


# --- drawn nestings ---------------------------------------------------------------------------

# A polynomial with whole coefficients: {the variables of a monomial, in order: its coefficient}.
Polynomial = dict[tuple[int, ...], int]

# The derivative of a function of one number, and its order.
DERIVATIVES: dict[str, tuple[Callable[[Any, Any], Any], int]] = {
    **{name: (TRANSFORMS[name][0], 1) for name in ("grad", "vjp", "jvp", "linearize", "jacobian")},
    **{name: (TRANSFORMS[name][0], 2) for name in ("hvp", "hessian")},
    "backward": (lambda f, x: backward(f, x)[0], 1),
}


def plus(a: Polynomial, b: Polynomial) -> Polynomial:
    return {m: a.get(m, 0) + b.get(m, 0) for m in {**a, **b}}


def times(a: Polynomial, b: Polynomial) -> Polynomial:
    product: Polynomial = {}
    for (m, p), (n, q) in itertools.product(a.items(), b.items()):
        product = plus(product, {tuple(sorted(m + n)): p * q})
    return product


def derivative(a: Polynomial, variable: int) -> Polynomial:
    result: Polynomial = {}
    for monomial, p in a.items():
        if count := monomial.count(variable):
            rest = list(monomial)
            rest.remove(variable)
            result = plus(result, {tuple(rest): count * p})
    return result


def substitute(a: Polynomial, variable: int, value: Polynomial) -> Polynomial:
    result: Polynomial = {}
    for monomial, p in a.items():
        term: Polynomial = {tuple(v for v in monomial if v != variable): p}
        for _ in range(monomial.count(variable)):
            term = times(term, value)
        result = plus(result, term)
    return result


@dataclass(frozen=True)
class Drawn:
    """An expression of the variables in scope: a number, a variable, a sum, product or derivative.

    A derivative brings a variable of its own for its body, and is taken where `right` says.
    """

    kind: str
    number: int = 0  # or which variable
    left: Any = None
    right: Any = None

    def run(self, scope: tuple[Any, ...]) -> Any:
        """Compute it with the library."""
        if self.kind in ("number", "variable"):
            return float(self.number) if self.kind == "number" else scope[self.number]
        if self.kind in ("plus", "times"):
            left, right = self.left.run(scope), self.right.run(scope)
            return left + right if self.kind == "plus" else left * right
        transform, _ = DERIVATIVES[self.kind]
        return transform(lambda y: self.left.run((*scope, y)) * y**2 + y, self.right.run(scope))

    def exactly(self, depth: int) -> Polynomial:
        """Work it out with whole numbers."""
        if self.kind in ("number", "variable"):
            return {(): self.number} if self.kind == "number" else {(self.number,): 1}
        if self.kind in ("plus", "times"):
            combine = plus if self.kind == "plus" else times
            return combine(self.left.exactly(depth), self.right.exactly(depth))
        body = times(self.left.exactly(depth + 1), {(depth, depth): 1})
        body = plus(body, {(depth,): 1})
        for _ in range(DERIVATIVES[self.kind][1]):
            body = derivative(body, depth)
        return substitute(body, depth, self.right.exactly(depth))


@st.composite
def expressions(draw: st.DrawFn, depth: int, size: int) -> Drawn:
    kinds = ["number"] + ["variable"] * (depth > 0)
    if size > 0:
        kinds = ["plus", "times", *(name for name in DERIVATIVES if name != "backward")]
    kind = draw(st.sampled_from(kinds))
    if kind == "number":
        return Drawn(kind, draw(st.integers(-2, 3)))
    if kind == "variable":
        return Drawn(kind, draw(st.integers(0, depth - 1)))
    inner = depth + (kind in DERIVATIVES)
    return Drawn(kind, 0, draw(expressions(inner, size - 1)), draw(expressions(depth, size // 2)))


@given(outermost=st.sampled_from(list(DERIVATIVES)), body=expressions(1, 4), at=st.integers(-2, 2))
def test_drawn_nestings_of_polynomials(outermost: str, body: Drawn, at: int) -> None:
    drawn = Drawn(outermost, 0, body, Drawn("number", at))
    exact = drawn.exactly(0).get((), 0)
    assume(abs(exact) < 2**40)
    assert plain(drawn.run(())) == pytest.approx(exact, rel=RTOL, abs=RTOL)


# --- what is passed on as it is ---------------------------------------------------------------


def test_a_function_may_return_its_argument() -> None:
    """The variables of a transform stop tracking when it returns; what it gives back does not."""

    def same(x: Any) -> Any:
        return x

    assert bp.grad(same)(2.0) == 1
    assert bp.grad(bp.grad(same))(2.0) == 0
    assert bp.vjp(same, 2.0)[1](3.0) == (3.0,)
    assert bp.jvp(same, (2.0,), (3.0,)) == (2.0, 3.0)
    assert_same(bp.jacobian(same)(X), np.eye(3))
    assert_same(bp.hvp(lambda x: x[()], np.array(2.0), np.array(3.0)), 0.0)


def test_a_tangent_or_a_gradient_that_passes_unchanged_differentiates() -> None:
    assert bp.grad(lambda v: bp.jvp(lambda x: x + 1.0, (2.0,), (v,))[1])(3.0) == 1
    assert bp.grad(lambda v: bp.vjp(lambda x: x - 1.0, 2.0)[1](v)[0])(3.0) == 1
    assert bp.grad(lambda x: bp.value_and_grad(lambda y: y)(x)[0])(3.0) == 1
    assert_same(bp.jacobian(lambda v: bp.jvp(lambda x: x + X, (X,), (v,))[1])(V), np.eye(3))
