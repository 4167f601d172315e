"""Convolutions, pooling, normalisation, attention: written out, by differences, and by PyTorch.

A row is written as a user would write it; `F` is ours or PyTorch's, the rest arrays or tensors.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from specs import differences

from tinygrad_bp import Tensor, gradients
from tinygrad_bp import functional as F
from tinygrad_bp.errors import LabelError, ShapeError

Array = Any

rng = np.random.default_rng(5)
VALUES = {
    "a": rng.uniform(-2, 2, (2, 4, 7)),
    "b": rng.uniform(-2, 2, (2, 4, 6, 5)),
    "c": rng.uniform(-2, 2, (1, 2, 4, 3, 5)),
    "u": rng.uniform(-1, 1, (6, 2, 3)),  # kernels, in two groups
    "v": rng.uniform(-1, 1, (6, 4, 3, 2)),
    "w": rng.uniform(-1, 1, (2, 2, 2, 3, 2)),
    "p": rng.uniform(-1, 1, (4, 3, 3)),  # and of transposes
    "q": rng.uniform(-1, 1, (4, 3, 3, 2)),
    "r": rng.uniform(-1, 1, (2, 3, 2, 3, 2)),
    "o": rng.uniform(-1, 1, 6),
    "s": rng.uniform(-1, 1, 4),
    "t": rng.uniform(-1, 1, 4),
    "m": rng.uniform(-1, 1, (2, 8, 9)),  # columns of windows
    "f": rng.uniform(0.5, 2, (2, 4, 6)),
    "x": rng.uniform(-2, 2, (2, 3, 4)),
    "y": rng.uniform(-2, 2, (2, 5, 4)),
    "z": rng.uniform(-2, 2, (2, 5, 3)),
    "k": rng.uniform(-2, 2, (2, 3, 5)),
    "W": rng.uniform(-1, 1, (2, 4, 4)),
    "d": rng.uniform(-1, 1, 2),
    "e": rng.uniform(-2, 2, (5, 3)),
    "h": np.array(0.7),
    "n": rng.uniform(0.5, 2, (3, 3)),
    "g": rng.uniform(-2, 2, (4, 3)),
    "classes": np.array([2, 0, 1, 1]),
    "listed": np.array([[2, 0, -1], [-1, 2, 0], [0, 1, 2], [1, -1, -1]]),
    "places": rng.permuted(np.tile(np.arange(120), (2, 4, 1)), axis=-1)[:, :, :30].reshape(
        2, 4, 6, 5
    ),
    "seen": rng.uniform(0, 1, (3, 5)) > 0.4,
}
PLAIN = ("places", "classes", "listed", "seen")

# fmt: off

ROWS = [
    "F.conv1d(a, u, groups=2)", "F.conv1d(a, u, o, 2, 3, 2, 2)",
    "F.conv1d(a[0], u, padding=2, groups=2)",
    "F.conv1d(a, u, padding='same', groups=2)",
    "F.conv1d(a, u[:, :, :2], padding='valid', groups=2)",
    "F.conv2d(b, v)", "F.conv2d(b, v, o, stride=(2, 1), padding=(1, 0), dilation=(1, 2))",
    "F.conv2d(b, v, stride=3)", "F.conv2d(b, v[:, :, :1, :1])", "F.conv2d(b, v[:4, :1], groups=4)",
    "F.conv3d(c, w, d, padding=1, stride=2)", "F.conv3d(c[0], w)",
    "F.conv_transpose1d(a, p)", "F.conv_transpose1d(a, p, o, 3, 2, 1, 2)",
    "F.conv_transpose1d(a, p, stride=2, dilation=3)", "F.conv_transpose2d(b, q, stride=2)",
    "F.conv_transpose2d(b, q, None, (2, 3), 1, (0, 2), 1, (2, 1))", "F.conv_transpose2d(b[0], q)",
    "F.conv_transpose3d(c, r, padding=1, stride=(2, 1, 1))",
    "F.unfold(b, 2)", "F.unfold(b, (3, 2), dilation=(2, 1), padding=1, stride=(1, 2))",
    "F.fold(m, (4, 4), 2)", "F.fold(m, (6, 7), 2, stride=2, padding=(0, 0))[0]",
    "F.fold(m, (5, 5), 2, padding=1, stride=2)",
    "F.avg_pool1d(a, 3)", "F.avg_pool1d(a, 3, 2, 1, True)", "F.avg_pool2d(b, 2, stride=1)",
    "F.avg_pool2d(b, (3, 2), (2, 2), (1, 1), ceil_mode=True, count_include_pad=False)",
    "F.avg_pool2d(b, (3, 2), (2, 2), (1, 1), ceil_mode=True)",
    "F.avg_pool2d(b, 2, divisor_override=3)", "F.avg_pool3d(c, (2, 1, 3), padding=(1, 0, 1))",
    "F.lp_pool1d(f, 2, 3)", "F.lp_pool2d(f, 3.0, (2, 3), stride=1)",
    "F.max_pool1d(a, 3, 2)", "F.max_pool2d(b, 2)", "F.max_pool2d(b, 3, 2, 1, ceil_mode=True)",
    "F.max_pool2d(b, 2, stride=1, dilation=2)", "F.max_pool3d(c, (2, 3, 2), 1)",
    "F.max_unpool2d(b, places, 2, 2, 0, (12, 11))",
    "F.matrix_norm(b)", "F.matrix_norm(b, 'nuc', (1, 3), True)", "F.matrix_norm(b, 1, (-1, 0))",
    "F.max_pool2d(b[0], (3, 2), 2, 1, return_indices=True)[0]",
    "F.adaptive_avg_pool1d(a, 3)", "F.adaptive_avg_pool2d(b, (4, None))",
    "F.adaptive_avg_pool3d(c, (3, 2, 7))", "F.adaptive_max_pool1d(a[0], 5)",
    "F.adaptive_max_pool2d(b, (4, 3))", "F.adaptive_max_pool3d(c, 2)",
    "F.pad(b, (1, 2))", "F.pad(b, (1, 2, 0, -1), value=3.0)",
    "F.pad(b, (2, 1, 3, 0), mode='reflect')",
    "F.pad(b, (4, 0, 1, 7), mode='replicate')", "F.pad(b, (5, 0, 1, 2), mode='circular')",
    "F.interpolate(a, 10)", "F.interpolate(a, scale_factor=0.6)", "F.interpolate(b, (4, 9))",
    "F.interpolate(b, scale_factor=(1.5, 2.0), mode='nearest-exact')",
    "F.interpolate(b, scale_factor=2.1)",
    "F.interpolate(b, scale_factor=(1.1, 1.7), mode='bilinear')",
    "F.interpolate(b, (4, 9), mode='area')", "F.interpolate(a, 10, mode='linear')",
    "F.interpolate(a, 3, mode='linear', align_corners=True)",
    "F.interpolate(b, scale_factor=1.7, mode='bilinear')",
    "F.interpolate(b, scale_factor=1.7, mode='bilinear', recompute_scale_factor=True)",
    "F.interpolate(b, (4, 9), mode='bicubic')",
    "F.interpolate(b, (4, 1), mode='bicubic', align_corners=True)",
    "F.interpolate(c, (2, 6, 6), mode='trilinear')",
    "F.pixel_shuffle(b, 2)", "F.pixel_unshuffle(b[:, :, :, :4], 2)", "F.channel_shuffle(b, 2)",
    "F.batch_norm(b, None, None, s, t, True)", "F.batch_norm(b, s, t * t, t, eps=0.1)",
    "F.group_norm(b, 2)", "F.group_norm(b, 4, s, t, 0.01)", "F.instance_norm(a)",
    "F.instance_norm(b, weight=s, bias=t)", "F.instance_norm(a, s, t * t, use_input_stats=False)",
    "F.local_response_norm(b, 3, 0.5, 0.6, 2.0)", "F.local_response_norm(a, 2)",
    "F.bilinear(x, x + 1, W, d)", "F.bilinear(x[0], x[1], W)",
    "F.scaled_dot_product_attention(x, y, z)",
    "F.scaled_dot_product_attention(x, y, z, k)",
    "F.scaled_dot_product_attention(x, y, z, seen, scale=0.7)",
    "F.scaled_dot_product_attention(x, y, z, is_causal=True)",
    "F.multi_margin_loss(g, classes)", "F.multi_margin_loss(g, classes, 2, 0.5, reduction='sum')",
    "F.multi_margin_loss(g, classes, weight=e[0] * e[0], reduction='none')",
    "F.multilabel_margin_loss(g, listed)", "F.multilabel_margin_loss(g, listed, reduction='none')",
    "F.triplet_margin_with_distance_loss(g, g + 0.1, e[:4], swap=True)",
    "F.pdist(e)", "F.pdist(e, 1.5)", "F.cdist(x, y)", "F.cdist(x, y, 1)", "F.cdist(x[0], y, 2.5)",
    "F.solve_triangular(n, g[:3], upper=False)", "F.solve_triangular(n, g, upper=True, left=False)",
    "F.solve_triangular(n.mT, g[:3].mT @ g[:3], upper=True, unitriangular=True)",
    "F.block_diag(e, g[0], s, h)", "F.cartesian_prod(s, g[0], o)", "F.cartesian_prod(s)",
    "F.combinations(s, 3)", "F.combinations(s, with_replacement=True)", "F.combinations(d, 3)",
    "F.chain_matmul(e, g.mT, g)", "F.chain_matmul(e)", "F.diag_embed(x)",
    "F.diag_embed(x, 1, 0, 2)",
    "F.diag_embed(x, -2)", "F.vander(e)", "F.vander(s, N=3)", "F.vander(s, N=6)", "F.trapezoid(x)",
    "F.trapz(x, dx=0.5, dim=1)", "F.trapezoid(x, y[0, 0], dim=-1)", "F.trapezoid(x, x * x, dim=0)",
    "F.trapezoid(x, g[0], dim=1)", "F.cumulative_trapezoid(x, dim=0)", "F.std_mean(x)[0]",
    "F.cumulative_trapezoid(x, g[0], dim=1)", "F.var_mean(x, dim=(0, 2), keepdim=True)[0]",
    "F.var_mean(x, False)[0]", "F.std_mean(x, 1, correction=0)[1]", "F.std_mean(x, dim=[0, 1])[0]",
    "math.prod(F.broadcast_tensors(e, g[0], h))", "F.view_as_real(F.complex(e, e * e))",
    "F.view_as_real(F.polar(f, f * f))", "F.view_as_real(F.view_as_complex(f.reshape(2, 12, 2)))",
    "F.cosine_similarity(x[:, :1], y, dim=-1)",
]

# fmt: on


def run(text: str, values: dict[str, Any], functional: Any = F) -> Any:
    return eval(text, {"F": functional, "np": np, "math": math, **values})  # noqa: S307


def names_in(text: str) -> list[str]:
    """The arrays that a row reads, and that a gradient can reach."""
    code = compile(text, "row", "eval")
    return [n for n in code.co_names if n in VALUES and n not in PLAIN]


def seed_for(y: Any) -> Array:
    return np.cos(np.arange(math.prod(y.shape)) + 1.0).reshape(tuple(y.shape))


def tensors(text: str, dtype: Any = float) -> dict[str, Tensor]:
    return {n: Tensor(VALUES[n].astype(dtype), requires_grad=True) for n in names_in(text)}


# What PyTorch has no gradient for.
NOT_THERE = {
    "multi_margin_loss(g, classes, weight": "e", "batch_norm(b, s": "st", "use_input_stats=": "st",
}  # fmt: skip
NOT_TWICE = ("cdist", "multi_margin", "multilabel_margin", "pdist")


@pytest.mark.parametrize("text", ROWS)
def test_the_gradient_is_that_of_differences(text: str) -> None:
    given = tensors(text)
    y = run(text, {**VALUES, **given})
    seed = seed_for(y)
    grads = gradients(np.sum(y * seed), list(given.values()))

    def f(point: list[Array]) -> Array:
        found = run(text, {**VALUES, **dict(zip(given, point, strict=True))})
        return np.sum(found.data * seed)

    points = [VALUES[n] for n in given]
    for number in range(2):
        direct = np.random.default_rng(number)
        direction = [direct.uniform(-0.01, 0.01, p.shape) for p in points]
        slope = differences(f, points, direction)
        found = sum(
            np.vdot(g.data, d) for g, d in zip(grads, direction, strict=True) if g is not None
        )
        assert found == pytest.approx(slope, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("text", ROWS)
def test_single_precision_is_kept(text: str) -> None:
    given = tensors(text, np.float32)
    plain = {n: VALUES[n] for n in PLAIN}
    y = run(text, {**plain, **given})
    assert y.dtype == np.float32
    y.backward(seed_for(y))
    assert {t.grad.dtype for t in given.values() if t.grad is not None} == {np.dtype(np.float32)}


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", ROWS)
def test_values_gradients_and_second_ones_are_pytorchs(text: str) -> None:
    import torch

    class Everywhere:
        def __getattr__(self, name: str) -> Any:
            places = (torch.nn.functional, torch.linalg, torch)
            return next(getattr(place, name) for place in places if hasattr(place, name))

    fixed = next((names for part, names in NOT_THERE.items() if part in text), "")
    plain = {n: torch.tensor(VALUES[n]) for n in PLAIN}
    its = {n: torch.tensor(VALUES[n], requires_grad=n not in fixed) for n in names_in(text)}
    mine = tensors(text)
    wanted, found = run(text, {**plain, **its}, Everywhere()), run(text, {**VALUES, **mine})
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found.data, wanted.detach().numpy(), rtol=1e-10, atol=1e-12)
    free = [n for n in its if n not in fixed]
    twice = not any(name in text for name in NOT_TWICE)
    first = torch.autograd.grad(
        (wanted * torch.tensor(seed_for(wanted))).sum(), [its[n] for n in free], create_graph=twice
    )
    own = gradients(np.sum(found * seed_for(found)), [mine[n] for n in free], create_graph=True)
    for g, h in zip(own, first, strict=True):
        np.testing.assert_allclose(g.data, h.detach().numpy(force=True), rtol=1e-9, atol=1e-11)
    if not any(h.requires_grad for h in first):
        return
    inner = sum((h * torch.tensor(seed_for(h))).sum() for h in first)
    second = torch.autograd.grad(inner, [its[n] for n in free], allow_unused=True)
    total = sum(np.sum(g * seed_for(g)) for g in own)
    for g, h in zip(gradients(total, [mine[n] for n in free]), second, strict=True):
        a, b = (0.0 if v is None else v for v in (g, h))
        a = a.data if isinstance(a, Tensor) else a
        b = b.detach().numpy(force=True) if isinstance(b, torch.Tensor) else b
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


# --- written out ------------------------------------------------------------------------------


def convolved(x: Array, w: Array, stride: int, pad: int, dilation: int) -> Array:
    """The definition, element by element."""
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    reach = [dilation * (k - 1) for k in w.shape[2:]]
    size = [(n - r - 1) // stride + 1 for n, r in zip(x.shape[2:], reach, strict=True)]
    y = np.zeros((len(x), len(w), *size))
    for n, o, i, j in np.ndindex(y.shape):
        for c, s, t in np.ndindex(w.shape[1:]):
            at = (i * stride + s * dilation, j * stride + t * dilation)
            y[n, o, i, j] += w[o, c, s, t] * x[(n, c, *at)]
    return y


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_convolution_is_its_definition(stride: int, pad: int, dilation: int) -> None:
    b, v = VALUES["b"], VALUES["v"]
    found = F.conv2d(b, v, stride=stride, padding=pad, dilation=dilation)
    np.testing.assert_allclose(found.data, convolved(b, v, stride, pad, dilation), atol=1e-12)


def test_a_transposed_convolution_is_the_gradient_of_one() -> None:
    x = Tensor(rng.uniform(-1, 1, (2, 4, 9, 8)), requires_grad=True)
    options: Any = {"stride": 2, "padding": 1, "dilation": (1, 2)}
    y = F.conv2d(x, VALUES["v"], **options)
    seed = seed_for(y)
    [wanted] = gradients(np.sum(y * seed), [x])
    found = F.conv_transpose2d(seed, VALUES["v"], output_padding=(0, 1), **options)
    np.testing.assert_allclose(found.data, wanted.data, atol=1e-12)


def test_of_equal_elements_the_first_receives_the_gradient() -> None:
    for pool in (lambda t: F.max_pool1d(t, 4), lambda t: F.adaptive_max_pool1d(t, 1)):
        x = Tensor([[[1.0, 3.0, 3.0, 2.0]]], requires_grad=True)
        pool(x).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [[[0.0, 1.0, 0.0, 0.0]]]


def test_places_of_maxima() -> None:
    y, where = F.max_pool2d(VALUES["b"], 3, 2, 1, return_indices=True)
    rows = VALUES["b"].reshape(2, 4, 30)
    found = np.take_along_axis(rows, where.reshape(2, 4, -1), -1)
    np.testing.assert_array_equal(found.reshape(y.shape), y.data)
    y, where = F.adaptive_max_pool2d(VALUES["b"], (4, 3), return_indices=True)
    found = np.take_along_axis(rows, where.reshape(2, 4, -1), -1)
    np.testing.assert_array_equal(found.reshape(y.shape), y.data)


def test_a_query_that_sees_no_key_gives_nothing() -> None:
    x, y, z = (Tensor(VALUES[n], requires_grad=True) for n in "xyz")
    seen = VALUES["seen"].copy()
    seen[1] = False
    out = F.scaled_dot_product_attention(x, y, z, seen)
    assert not out.data[:, 1].any()
    out.sum().backward()
    for t in (x, y, z):
        assert t.grad is not None
        assert np.isfinite(t.grad.data).all()
    assert not x.grad.data[:, 1].any()


def test_infinite_pixels_stay_where_they_are() -> None:
    x = np.array([[[1.0, 2.0, np.inf, 4.0]]])
    assert F.interpolate(x, 2).tolist() == [[[1.0, np.inf]]]
    assert F.adaptive_avg_pool1d(x, 2).tolist() == [[[1.5, np.inf]]]
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[[1.5, np.inf, np.inf]]]
    assert F.adaptive_avg_pool1d(x[..., :3], 2).tolist() == [[[1.5, np.inf]]]
    assert F.max_pool1d(x, 2).tolist() == [[[2.0, np.inf]]]


def test_a_pixel_that_is_no_number_reaches_its_neighbours_alone() -> None:
    x = np.zeros((1, 1, 9, 9))
    x[0, 0, 4, 4] = np.nan
    for mode, reach in {"nearest": 2, "area": 2, "bilinear": 4, "bicubic": 8}.items():
        found = np.isnan(F.interpolate(x, 18, mode=mode).data)
        assert found.sum() == reach**2, mode
        assert found[0, 0, 9 - reach // 2 : 9 + reach // 2, 9 - reach // 2 : 9 + reach // 2].all()
    # windows of 3 and 4 of 9 elements overlap: two of four hold the middle one
    assert np.isnan(F.adaptive_avg_pool2d(x, 4).data).sum() == 4


def test_means_of_windows_of_two_lengths() -> None:
    """By hand, of whole numbers, in half precision, and of no windows."""
    x = np.arange(1, 8).reshape(1, 1, 7)
    wanted = [[[2.0, 4.0, 6.0]]]  # of 1 2 3, 3 4 5 and 5 6 7
    assert F.adaptive_avg_pool1d(x, 3).tolist() == wanted
    windows = [[1, 2], [2, 3, 4], [4, 5, 6], [6, 7]]
    np.testing.assert_allclose(
        F.adaptive_avg_pool1d(x, 4).data[0, 0], [np.mean(w) for w in windows], rtol=1e-15
    )
    half = np.full((1, 1, 1001), 1000.0, np.float16)
    np.testing.assert_allclose(F.adaptive_avg_pool1d(half, 2).data, 1000, rtol=2e-3)
    assert F.adaptive_avg_pool2d(np.ones((2, 3, 4)), (0, 2)).shape == (2, 0, 2)


@pytest.mark.parametrize("mode", ["linear", "bilinear", "trilinear", "nearest"])
def test_an_axis_that_keeps_its_length_is_left_alone(mode: str) -> None:
    """As in PyTorch, whatever the factor, which rounding can hide."""
    axes = {"linear": 1, "trilinear": 3}.get(mode, 2)
    x = rng.standard_normal((1, 2, *(4, 3, 2)[:axes]))
    np.testing.assert_array_equal(F.interpolate(x, scale_factor=1.24, mode=mode).data, x)


def settings(number: int) -> tuple[Array, dict[str, Any], tuple[int, ...]]:
    """An input, how it is interpolated, and how many windows are pooled."""
    draw = np.random.default_rng(number)
    axes = 1 + number % 3
    most = [0, 60, 20, 8][axes]
    linear = ["", "linear", "bilinear", "trilinear"][axes]
    mode = ["nearest", "nearest-exact", "area", linear, "bicubic" if axes == 2 else linear]
    how: dict[str, Any] = {"mode": str(draw.choice(mode))}
    if how["mode"] in {linear, "bicubic"}:
        how["align_corners"] = bool(draw.integers(2))
    sizes = draw.integers(1, most, (3, axes)).tolist()
    # by a factor, PyTorch's gradient of "nearest" along one or three axes is not that of its values
    if draw.integers(2) or (how["mode"] == "nearest" and axes != 2):
        how["size"] = tuple(sizes[1])
    else:
        how["scale_factor"] = tuple(draw.uniform(1, 3, axes).tolist())
    return draw.standard_normal((2, 3, *sizes[0])), how, tuple(sizes[2])


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.parametrize("number", range(60))
def test_other_sizes_are_pytorchs(number: int) -> None:
    import torch

    x, how, windows = settings(number)
    pool = f"adaptive_avg_pool{x.ndim - 2}d"
    for name, options in {"interpolate": how, pool: {"output_size": windows}}.items():
        mine, its = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        found = getattr(F, name)(mine, **options)
        wanted = getattr(torch.nn.functional, name)(its, **options)
        np.testing.assert_allclose(found.data, wanted.detach().numpy(), rtol=1e-10, atol=1e-10)
        found.backward(seed_for(found))
        wanted.backward(torch.tensor(seed_for(found)))
        np.testing.assert_allclose(mine.grad.data, its.grad.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: F.conv2d(VALUES["a"], VALUES["v"]), ShapeError),
        (lambda: F.conv2d(VALUES["b"], VALUES["v"], groups=2), ShapeError),
        (lambda: F.conv1d(VALUES["a"], VALUES["u"], groups=2, dilation=4), ShapeError),
        (
            lambda: F.conv1d(VALUES["a"], VALUES["u"], padding="same", stride=2, groups=2),
            ValueError,
        ),
        (lambda: F.conv1d(VALUES["a"], VALUES["u"], stride=(1, 2), groups=2), ValueError),
        (lambda: F.conv_transpose1d(VALUES["a"], VALUES["u"]), ShapeError),
        (lambda: F.fold(VALUES["m"], (9, 9), 2), ShapeError),
        (lambda: F.max_pool1d(VALUES["a"], 2, padding=2), ValueError),
        (lambda: F.avg_pool1d(VALUES["a"], 9), ShapeError),
        (lambda: F.adaptive_avg_pool2d(VALUES["b"], (1, 2, 3)), ValueError),
        (lambda: F.pad(VALUES["b"], (1, 2, 3)), ValueError),
        (lambda: F.pad(VALUES["b"], (5, 0), mode="reflect"), ShapeError),
        (lambda: F.pad(VALUES["b"], (1, 1), mode="edge"), ValueError),
        (lambda: F.interpolate(VALUES["b"], 3, mode="linear"), ShapeError),
        (lambda: F.interpolate(VALUES["b"]), ValueError),
        (lambda: F.interpolate(VALUES["b"], 3, align_corners=True), ValueError),
        (lambda: F.pixel_shuffle(VALUES["b"], 3), ShapeError),
        (lambda: F.pixel_unshuffle(VALUES["b"], 4), ShapeError),
        (lambda: F.channel_shuffle(VALUES["b"], 3), ShapeError),
        (lambda: F.group_norm(VALUES["b"], 3), ShapeError),
        (lambda: F.batch_norm(VALUES["b"]), ValueError),
        (lambda: F.batch_norm(np.ones((1, 3)), training=True), ShapeError),
        (lambda: F.instance_norm(np.ones((1, 3, 1))), ShapeError),
        (lambda: F.local_response_norm(np.ones((1, 3)), 2), ShapeError),
        (
            lambda: F.scaled_dot_product_attention(*[VALUES[n] for n in "xyz"], dropout_p=1.5),
            ValueError,
        ),
        (lambda: F.multi_margin_loss(VALUES["g"], np.array([3, 0, 0, 0])), LabelError),
        (lambda: F.multilabel_margin_loss(VALUES["g"], VALUES["classes"]), ShapeError),
    ],
)
def test_what_does_not_fit_raises(call: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
