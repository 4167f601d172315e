"""The same values, shapes, dtypes, gradients and training trajectories as PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, functional, gradients
from tinygrad_bp import rules as own

torch = pytest.importorskip("torch")
F = torch.nn.functional

Array = Any
Function = Callable[..., Any]

# What a function is called here, what it is called there, and the shapes and ranges of its
# arguments: ours takes tensors, theirs torch tensors.
A, B, POSITIVE, SMALL = (-2.0, 2.0), (0.5, 2.0), (0.25, 3.0), (-0.8, 0.8)

UNARY: list[tuple[Function, Function, tuple[float, float]]] = [
    (np.exp, torch.exp, A),
    (np.exp2, torch.exp2, A),
    (np.expm1, torch.expm1, A),
    (np.log, torch.log, POSITIVE),
    (np.log2, torch.log2, POSITIVE),
    (np.log10, torch.log10, POSITIVE),
    (np.log1p, torch.log1p, POSITIVE),
    (np.sqrt, torch.sqrt, POSITIVE),
    (np.square, torch.square, A),
    (np.reciprocal, torch.reciprocal, POSITIVE),
    (np.negative, torch.negative, A),
    (np.absolute, torch.abs, A),
    (np.sin, torch.sin, A),
    (np.cos, torch.cos, A),
    (np.tan, torch.tan, SMALL),
    (np.arcsin, torch.arcsin, SMALL),
    (np.arccos, torch.arccos, SMALL),
    (np.arctan, torch.arctan, A),
    (np.sinh, torch.sinh, A),
    (np.cosh, torch.cosh, A),
    (np.tanh, torch.tanh, A),
    (np.arcsinh, torch.arcsinh, A),
    (np.arccosh, torch.arccosh, (1.5, 3.0)),
    (np.arctanh, torch.arctanh, SMALL),
    (np.deg2rad, torch.deg2rad, A),
    (np.rad2deg, torch.rad2deg, A),
    (own.sigmoid, torch.sigmoid, A),
    (own.relu, torch.relu, A),
    (lambda x: x**3, lambda x: x**3, A),
    (lambda x: x**-1.5, lambda x: x**-1.5, POSITIVE),
    (lambda x: 2**x, lambda x: 2**x, A),
    (lambda x: np.clip(x, -0.7, 0.7), lambda x: torch.clamp(x, -0.7, 0.7), A),
    (np.sum, torch.sum, A),
    (np.mean, torch.mean, A),
    (np.max, torch.amax, A),
    (np.prod, torch.prod, A),
    (lambda x: np.sum(x, axis=0), lambda x: x.sum(0), A),
    (lambda x: np.mean(x, axis=-1, keepdims=True), lambda x: x.mean(-1, keepdim=True), A),
    (lambda x: np.max(x, axis=1), lambda x: x.amax(1), A),
    (lambda x: np.min(x, axis=1), lambda x: x.amin(1), A),
    (lambda x: np.prod(x, axis=1), lambda x: x.prod(1), A),
    (lambda x: np.var(x, axis=0), lambda x: x.var(0, correction=0), A),
    (lambda x: np.std(x, axis=0, ddof=1), lambda x: x.std(0), A),
    (lambda x: np.linalg.norm(x, axis=1), lambda x: torch.linalg.vector_norm(x, dim=1), A),
    (lambda x: np.cumsum(x, axis=1), lambda x: x.cumsum(1), A),
    (own.logsumexp, lambda x: x.logsumexp(-1), A),
    (own.softmax, lambda x: x.softmax(-1), A),
    (own.log_softmax, lambda x: x.log_softmax(-1), A),
    (np.transpose, lambda x: x.T, A),
    (lambda x: np.reshape(x, (4, 3)), lambda x: x.reshape(4, 3), A),
    (lambda x: np.roll(x, 2, 1), lambda x: x.roll(2, 1), A),
    (lambda x: np.flip(x, 1), lambda x: x.flip(1), A),
    (np.tril, torch.tril, A),
    (lambda x: np.triu(x, 1), lambda x: x.triu(1), A),
    (lambda x: np.tile(x, (2, 2)), lambda x: x.tile(2, 2), A),
    (np.trace, torch.trace, A),
    (np.diagonal, torch.diagonal, A),
    (lambda x: x[1:, ::2], lambda x: x[1:, ::2], A),
    (lambda x: x[[0, 0, 2]], lambda x: x[[0, 0, 2]], A),
    (lambda x: x[..., None, 1], lambda x: x[..., None, 1], A),
    (lambda x: np.take(x, [1, 1], axis=1), lambda x: x[:, [1, 1]], A),
    (lambda x: np.einsum("ij->j", x), lambda x: torch.einsum("ij->j", x), A),
]

BINARY: list[tuple[Function, Function, tuple[float, float], tuple[float, float]]] = [
    (np.add, torch.add, A, A),
    (np.subtract, torch.subtract, A, A),
    (np.multiply, torch.multiply, A, A),
    (np.divide, torch.divide, A, B),
    (np.power, torch.pow, B, A),
    (np.maximum, torch.maximum, A, A),
    (np.minimum, torch.minimum, A, A),
    (np.fmax, torch.fmax, A, A),
    (np.fmin, torch.fmin, A, A),
    (np.hypot, torch.hypot, A, B),
    (np.arctan2, torch.atan2, A, B),
    (np.logaddexp, torch.logaddexp, A, A),
    (np.logaddexp2, torch.logaddexp2, A, A),
    (np.remainder, torch.remainder, A, B),
    (np.fmod, torch.fmod, A, B),
    (lambda a, b: np.where(a > b, a, b * b), lambda a, b: torch.where(a > b, a, b * b), A, A),
]
PAIRS = [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((), (2,)), ((0, 4), (4,))]

PRODUCTS: list[tuple[Function, Function, tuple[int, ...], tuple[int, ...]]] = [
    (np.matmul, torch.matmul, (3, 4), (4, 2)),
    (np.matmul, torch.matmul, (4,), (4,)),
    (np.matmul, torch.matmul, (3, 4), (4,)),
    (np.matmul, torch.matmul, (4,), (5, 4, 2)),
    (np.matmul, torch.matmul, (2, 1, 3, 4), (5, 4, 2)),
    (np.outer, torch.outer, (3,), (4,)),
    (np.inner, torch.inner, (2, 3), (4, 3)),
    (np.kron, torch.kron, (2, 3), (3, 2)),
    (np.tensordot, lambda a, b: torch.tensordot(a, b, dims=2), (2, 3, 4), (3, 4, 2)),
    (np.vecdot, torch.linalg.vecdot, (2, 3), (2, 3)),
    *(
        (lambda a, b, s=s: np.einsum(s, a, b), lambda a, b, s=s: torch.einsum(s, a, b), p, q)
        for s, p, q in [
            ("ij,jk->ik", (2, 3), (3, 4)),
            ("bij,bkj->bik", (2, 3, 4), (2, 5, 4)),
            ("ij,ij->", (2, 3), (2, 3)),
            ("i...,i...->...", (3,), (3, 3)),
            ("...ij,...jk->...ik", (2, 3, 4), (4, 2)),
            ("ii,ij->j", (3, 3), (3, 2)),
        ]
    ),
    (
        lambda a, b: np.concatenate([a, b], axis=1),
        lambda a, b: torch.cat([a, b], dim=1),
        (2, 3),
        (2, 1),
    ),
    (lambda a, b: np.stack([a, b], -1), lambda a, b: torch.stack([a, b], -1), (2, 3), (2, 3)),
]


def compare(ours: Function, theirs: Function, arrays: list[Array]) -> None:
    """Value, shape, dtype and the gradient for a random gradient that arrives."""
    tolerance = 1e-12 if arrays[0].dtype == np.float64 else 4e-6
    mine = [Tensor(a, requires_grad=True) for a in arrays]
    its = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, wanted = ours(*mine), theirs(*its)
    assert_alike(y, wanted, tolerance)
    seed = np.random.default_rng(1).uniform(-1, 1, y.shape).astype(y.dtype)
    expected = torch.autograd.grad(wanted, its, torch.tensor(seed))
    for g, h in zip(gradients(y, mine, seed=Tensor(seed)), expected, strict=True):
        assert_alike(g, h, tolerance)


def assert_alike(mine: Tensor, its: Any, tolerance: float) -> None:
    its = its.detach().numpy()
    assert mine.shape == its.shape
    assert mine.dtype == its.dtype
    scale = np.max(np.abs(its), initial=1.0)
    np.testing.assert_allclose(mine.data, its, rtol=0, atol=tolerance * scale)


def draw(rng: np.random.Generator, span: tuple[float, float], shape: Any, dtype: Any) -> Array:
    return np.asarray(rng.uniform(*span, shape), dtype)


both_dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


# --- functions ------------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize(("ours", "theirs", "span"), UNARY)
def test_functions_of_one_array(
    ours: Function, theirs: Function, span: Any, dtype: Any, rng: np.random.Generator
) -> None:
    compare(ours, theirs, [draw(rng, span, (3, 4), dtype)])


@both_dtypes
@pytest.mark.parametrize("case", BINARY)
@pytest.mark.parametrize("shapes", PAIRS)
def test_functions_of_two_arrays(
    case: Any, shapes: Any, dtype: Any, rng: np.random.Generator
) -> None:
    ours, theirs, left, right = case
    compare(ours, theirs, [draw(rng, left, shapes[0], dtype), draw(rng, right, shapes[1], dtype)])


@both_dtypes
@pytest.mark.parametrize("case", PRODUCTS)
def test_products_and_joins(case: Any, dtype: Any, rng: np.random.Generator) -> None:
    ours, theirs, left, right = case
    compare(ours, theirs, [draw(rng, A, left, dtype), draw(rng, A, right, dtype)])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (np.max, torch.amax),
        (np.min, torch.amin),
        (lambda x: np.maximum(x, 1), lambda x: torch.maximum(x, torch.ones_like(x))),
        (lambda x: np.minimum(x, 1), lambda x: torch.minimum(x, torch.ones_like(x))),
        (lambda x: np.clip(x, 0, 1), lambda x: torch.clamp(x, 0, 1)),
        (np.absolute, torch.abs),
        (own.relu, torch.relu),
        (np.prod, torch.prod),
        (lambda x: np.linalg.norm(0 * x), lambda x: torch.linalg.vector_norm(0 * x)),
    ],
)
def test_kinks_are_decided_alike(ours: Function, theirs: Function) -> None:
    compare(ours, theirs, [np.array([0.0, 1.0, 1.0, 0.0])])


# --- layers and losses ----------------------------------------------------------------------


@both_dtypes
def test_linear(dtype: Any, rng: np.random.Generator) -> None:
    shapes = [(5, 3), (4, 3), (4,)]
    compare(functional.linear, F.linear, [draw(rng, A, shape, dtype) for shape in shapes])


@both_dtypes
def test_mse_loss(dtype: Any, rng: np.random.Generator) -> None:
    arrays = [draw(rng, A, (5, 3), dtype) for _ in range(2)]
    compare(functional.mse_loss, F.mse_loss, arrays)


@both_dtypes
def test_sums_of_squares(dtype: Any, rng: np.random.Generator) -> None:
    arrays = [draw(rng, A, (5, 3), dtype) for _ in range(2)]
    compare(functional.sum_squares, lambda a, b: F.mse_loss(a, b, reduction="sum") / 5, arrays)
    compare(
        functional.half_sum_squares, lambda a, b: F.mse_loss(a, b, reduction="sum") / 10, arrays
    )


@both_dtypes
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_cross_entropy(dtype: Any, scale: float, rng: np.random.Generator) -> None:
    labels = np.array([2, 0, 1, 1, 3])
    compare(
        lambda z: functional.cross_entropy(z, labels),
        lambda z: F.cross_entropy(z, torch.tensor(labels)),
        [draw(rng, (-scale, scale), (5, 4), dtype)],
    )
