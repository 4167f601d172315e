"""Gradients of other frameworks: right ones pass, wrong ones fail, and what PyTorch's are like."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck import Verdict, check, foreign, frameworks, libraries
from tinygrad_bp.gradcheck.frameworks import (
    check_autograd,
    check_jax,
    check_jvp,
    check_torch,
    check_vjp,
)
from tinygrad_bp.registry import rules

Function = Callable[..., Any]
X = np.array([-1.75, 0.4, 2.2])


# --- a gradient written by hand -------------------------------------------------------------------


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def test_a_right_vjp_passes_by_complex_step():
    report = check_vjp(softmax, lambda g, x: (y := softmax(x)) * (g - np.sum(g * y)), X)
    assert report.ok
    assert report.method == "complex step"
    assert report.counts[Verdict.PASS] == 9


def test_a_wrong_vjp_fails_and_is_named():
    report = check_vjp(softmax, lambda g, x: 2 * (y := softmax(x)) * (g - np.sum(g * y)), X)
    assert not report.ok
    assert "the gradient of 'softmax' for 'input 0' is wrong: constant ratio 2.000" in str(report)
    assert "recorded at" not in str(report)


@pytest.mark.slow
def test_outputs_in_single_precision_are_rounded_and_no_fault():
    """What arrives is rounded as they are, and each output has stairs of its own."""
    a = np.random.default_rng(0).normal(size=(40, 3))

    def rounded(x):
        return (a @ np.sin(x)).astype(np.float32)

    def right(g, x):
        return (a.T @ g) * np.cos(x)

    report = check_vjp(rounded, right, X)
    assert not report.wrong, report
    assert check_vjp(rounded, lambda g, x: 1.01 * right(g, x), X).counts[Verdict.FAIL]
    assert check_vjp(lambda x: np.float32(np.sin(x)), lambda g, x: g * np.cos(x), X).ok
    squared = check_vjp(rounded, lambda g, x: right(g * np.abs(g), x), X)
    assert squared.identities["linear in the arriving gradient"]


def test_containers_and_constants_keep_their_places():
    def function(tree, labels, power):
        return tree["a"][labels] * tree["b"] ** power

    def vjp(g, tree, labels, power):
        by_a = np.zeros(3)
        np.add.at(by_a, labels, g * tree["b"] ** power)
        return [by_a, np.sum(g * tree["a"][labels] * power * tree["b"] ** (power - 1))]

    assert check_vjp(function, vjp, {"a": X, "b": np.array(1.5)}, np.array([0, 2, 0]), 3).ok
    with pytest.raises(GradcheckError, match="are 1 gradients for 2"):
        check_vjp(function, lambda *a: vjp(*a)[0], {"a": X, "b": 1.5}, np.array([0]), 3)


def test_the_function_has_a_rule_only_while_it_is_checked():
    before = dict(rules)
    assert check_vjp(np.sin, lambda g, x: g * np.cos(x), X).ok
    with pytest.raises(ZeroDivisionError):
        check_vjp(np.sin, lambda g, x: 1 / 0, X)
    assert rules == before


def test_differences_can_be_asked_for():
    report = check_vjp(np.sin, lambda g, x: g * np.cos(x), X, method="differences")
    assert (report.ok, report.method) == (True, "differences")


def test_a_missing_framework_is_named_with_its_package(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(libraries.importlib, "import_module", missing)
    for checked, name in ((check_torch, "torch"), (check_jax, "jax"), (check_autograd, "autograd")):
        with pytest.raises(ModuleNotFoundError, match=f"pip install {name}"):
            checked(np.sin, X)


# --- JAX and HIPS autograd ------------------------------------------------------------------------


def test_jax():
    jax = pytest.importorskip("jax")

    def function(x, labels):
        return jax.numpy.sin(x)[labels] * x

    report = check_jax(function, X, np.array([2, 0, 0]), forward=True)
    assert (report.ok, report.method) == (True, "differences")
    wrong = jax.custom_vjp(jax.numpy.sin)
    wrong.defvjp(lambda x: (jax.numpy.sin(x), x), lambda x, g: (2 * g * jax.numpy.cos(x),))
    report = check_jax(wrong, X, forward=True)
    assert not report.ok
    assert "there is no forward mode to look at" in report.coverage


def test_jax_takes_whole_numbers_among_the_outputs():
    """Nothing arrives at them, and they do not move; outputs keep the order they have."""
    jax = pytest.importorskip("jax")

    def by_name(x):
        values, places = top(x)
        return {"places": places, "maximum": values[:1], "values": values[1:]}

    top = partial(jax.lax.top_k, k=2)
    assert check_jax(top, X, forward=True).ok
    assert check_jax(by_name, X, forward=True).ok
    assert check_jax(jax.numpy.argsort, X, forward=True).ok
    wrong = jax.custom_vjp(top)
    wrong.defvjp(lambda x: (top(x), x), lambda x, g: (2 * jax.vjp(top, x)[1](g)[0],))
    assert check_jax(wrong, X).counts[Verdict.FAIL] == 2


def test_autograd():
    anp = pytest.importorskip("autograd.numpy")
    assert check_autograd(lambda x, y: anp.tanh(x) * y, X, np.array(0.5)).ok
    assert not check_autograd(anp.linalg.norm, np.zeros(2)).ok  # nan


# --- complex numbers ------------------------------------------------------------------------------

Z = np.array([1 + 2j, 0.3 - 0.7j])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "vjp", "x"),
    [
        (lambda z: z**2, lambda g, z: g * np.conj(2 * z), Z),
        (lambda z: np.abs(z) ** 2, lambda g, z: 2 * g * z, Z),
        (lambda x: np.exp(1j * x), lambda g, x: np.real(g * np.conj(1j * np.exp(1j * x))), X),
        (lambda z: (z**2, 3 * z.real), lambda g, z: g[0] * np.conj(2 * z) + 3 * g[1], Z),
    ],
)
def test_a_complex_vjp_gives_the_steepest_ascent(function, vjp, x):
    assert check_vjp(function, vjp, x).ok
    assert not check_vjp(function, lambda g, x: np.conj(vjp(g, x)) * (1 + 1e-6), x).ok


def test_a_complex_gradient_is_conjugated():
    def energy(z):
        return np.sum(np.abs(z) ** 2)

    assert check(energy, Z, gradient=lambda z: 2 * z).ok
    assert not check(energy, Z, gradient=lambda z: 2 * np.conj(z)).ok


@pytest.mark.slow
def test_a_complex_jvp():
    def tangent(t, z):
        return 2 * z * t * np.conj(z) + z**2 * np.conj(t)

    assert check_jvp(lambda z: z**2 * np.conj(z), tangent, Z).ok
    assert not check_jvp(lambda z: z**2 * np.conj(z), lambda t, z: 3 * z**2 * t, Z).ok
    assert check_jvp(lambda z: np.abs(z) ** 2, lambda t, z: 2 * np.real(np.conj(z) * t), Z).ok
    assert check_jvp(lambda x: np.exp(1j * x), lambda t, x: 1j * t * np.exp(1j * x), X).ok


@pytest.mark.parametrize("name", ["torch", "jax.numpy", "autograd.numpy"])
def test_complex_functions_of_frameworks(name):
    xp = pytest.importorskip(name)
    checked = {"torch": check_torch, "jax.numpy": check_jax, "autograd.numpy": check_autograd}[name]
    assert checked(lambda z: xp.sum(xp.abs(z) ** 2 * xp.real(z)), Z).ok
    assert checked(lambda z: z**3 + xp.conj(z), Z).ok
    assert checked(lambda x: xp.exp(1j * x), X).ok


# --- PyTorch --------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_torch_with_everything_around_it(torch):
    def loss(parameters, x, labels):
        hidden = torch.tanh(x @ parameters["w"] + parameters["b"])
        dropped = torch.nn.functional.dropout(hidden, 0.5)
        return torch.nn.functional.cross_entropy(dropped, labels)

    rng = np.random.default_rng(0)
    parameters = {"w": rng.standard_normal((2, 3)), "b": rng.standard_normal(3)}
    before = torch.random.get_rng_state()
    inputs = parameters, rng.standard_normal((4, 2)), np.array([0, 1, 2, 1])
    report = check_torch(loss, *inputs, forward=True)
    assert (report.ok, report.method) == (True, "differences")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_wrong_torch_function_fails(torch):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx, g):
            return 1.001 * g * ctx.saved_tensors[0].cos()

    report = check_torch(Wrong.apply, X, forward=True)
    assert report.counts[Verdict.FAIL] == 3
    assert any("constant ratio 1.001" in line for line in report.blame)
    assert "there is no forward mode to look at" in report.coverage


def _doubles_its_input(ctx, x):
    x.mul_(2)
    ctx.doubled = x.clone()
    return x.sin()


def _columns_first(a):
    return a.as_strided(a.shape, (a.shape[1], 1))


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda ctx, x: 3 * x, lambda ctx, g, x: g.mul_(3)),
        (_doubles_its_input, lambda ctx, g, x: 2 * g * ctx.doubled.cos()),
        (lambda ctx, x: x.sin(), lambda ctx, g, x: (g * x.cos(), x.data.mul_(0))[0]),
        (lambda ctx, x: x.sin(), lambda ctx, g, x: _columns_first(g) * x.cos()),
        (lambda ctx, x: x.sin(), lambda ctx, g, x: g * _columns_first(x).cos()),
        (lambda ctx, x: x.sin(), lambda ctx, g, x: g * (x.cos() if g.is_contiguous() else 1)),
    ],
)  # fmt: skip
def test_pytorch_gets_a_hostile_caller_as_well(torch, forward, backward):
    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(ctx, x)

        @staticmethod
        def backward(ctx, g):
            return backward(ctx, g, *ctx.saved_tensors)

    a = np.random.default_rng(0).normal(size=(3, 4))
    assert not check_torch(Function.apply, a).ok
    assert check_torch(torch.sin, a).ok


def test_a_domain_that_is_left_on_the_way(torch):
    """Far steps make the matrix indefinite, and PyTorch raises; nearer ones do not."""
    spd = np.array([[1.0, 0.99], [0.99, 1.0]])
    assert check_torch(lambda a: torch.linalg.cholesky((a + a.mT) / 2), spd).ok
    with pytest.raises(RuntimeError, match="cholesky"):
        check_torch(torch.linalg.cholesky, -spd)


def test_what_is_no_tensor_or_not_precise_is_refused(torch):
    assert check_torch(lambda x: (x, x.sum()), X).ok
    with pytest.raises(GradcheckError, match="gave str, not a PyTorch tensor"):
        check_torch(lambda x: (x, "x"), X)
    with pytest.raises(GradcheckError, match="gave torch.float32"):
        check_torch(lambda x: x.float(), X)


# --- PyTorch, function by function ----------------------------------------------------------------


def words(text: str) -> list[str]:
    return text.split()


ANYWHERE = words("""exp exp2 expm1 sin cos tanh sinh cosh atan asinh erf erfc sigmoid abs square
    sinc neg sgn deg2rad nan_to_num frac i0 special.i0e special.i1 special.i1e special.ndtr
    special.log_ndtr
    special.erfcx nn.functional.relu nn.functional.elu nn.functional.selu nn.functional.celu
    nn.functional.gelu nn.functional.silu nn.functional.mish nn.functional.softplus
    nn.functional.softsign nn.functional.hardtanh nn.functional.hardsigmoid nn.functional.hardswish
    nn.functional.leaky_relu nn.functional.logsigmoid nn.functional.relu6 nn.functional.tanhshrink
    nn.functional.softshrink nn.functional.hardshrink sum mean prod var std max min amax amin
    median msort diff trapezoid linalg.vector_norm linalg.vander fft.rfft_abs""")
POSITIVE = words("""log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma special.entr
    special.gammaln special.xlogy special.xlog1py pow atan2 hypot logaddexp logaddexp2 fmod
    remainder maximum minimum fmax fmin copysign mul div add sub dist nn.functional.mse_loss
    nn.functional.l1_loss nn.functional.smooth_l1_loss nn.functional.huber_loss
    nn.functional.poisson_nll_loss""")
WITHIN_1 = words("asin acos atanh erfinv tan logit special.ndtri")
SQUARE = words("""linalg.inv linalg.det linalg.pinv linalg.svdvals linalg.cond
    linalg.matrix_norm trace tril triu cov off_diagonal_corrcoef logdet
    linalg.cholesky_of_square""")
TWO = set(POSITIVE[POSITIVE.index("special.xlogy") :])
OURS: dict[str, Function] = {
    # The diagonal is clipped to 1, where it is.
    "off_diagonal_corrcoef": lambda torch: lambda x: torch.corrcoef(x)[[0, 0, 1], [1, 2, 2]],
    "fft.rfft_abs": lambda torch: lambda x: torch.fft.rfft(x).abs(),
    "linalg.cholesky_of_square": lambda torch: lambda a: torch.linalg.cholesky(a @ a.mT),
}

WITH_OPTIONS: dict[str, tuple[Function, list[Any]]] = {
    "softmax": (lambda torch, x: torch.softmax(x, -1), [X]),
    "log_softmax": (lambda torch, x: torch.log_softmax(x, -1), [X]),
    "logsumexp": (lambda torch, x: torch.logsumexp(x, -1), [X]),
    "cumsum": (lambda torch, x: torch.cumsum(x, 0), [X]),
    "cumprod, two zeros": (lambda torch, x: torch.cumprod(x, 0), [np.array([2.0, 0, 3, 0])]),
    "logcumsumexp": (lambda torch, x: torch.logcumsumexp(x, 0), [np.array([9.0, -9.0, 9.0])]),
    "prod, two zeros": (lambda torch, x: torch.prod(x), [np.array([0.0, 0.0, 3.0])]),
    "kthvalue": (lambda torch, x: torch.kthvalue(x, 2)[0], [X]),
    "quantile": (lambda torch, x: torch.quantile(x, 0.3), [X]),
    "xlogy at 0": (lambda torch, x: torch.special.xlogy(x, 2.0 + 0 * x.detach()), [X]),
    "norm 3": (lambda torch, x: torch.linalg.vector_norm(x, 3), [X]),
    "norm at 0": (lambda torch, x: torch.linalg.vector_norm(x), [np.zeros(2)]),
    "max tie": (lambda torch, x: torch.max(x), [np.array([2.0, 2.0, 1.0])]),
    "amax tie": (lambda torch, x: torch.amax(x, 0), [np.array([2.0, 2.0, 1.0])]),
    "relu near 0": (lambda torch, x: torch.relu(x), [np.array([0.0, 1e-7, -1e-7])]),
    "abs near 0": (lambda torch, x: torch.abs(x), [np.array([0.0, 1e-7, -1e-7])]),
    "clamp edge": (lambda torch, x: x.clamp(0, 1), [np.array([0.0, 1.0, 0.5])]),
    "1e9 + sin": (lambda torch, x: 1e9 + torch.sin(x), [X]),
    "cross_entropy": (
        lambda torch, x, y: torch.nn.functional.cross_entropy(x, y, label_smoothing=0.1),
        [np.outer(X, X), np.array([0, 2, 1])],
    ),
    "layer_norm": (
        lambda torch, x, w, b: torch.nn.functional.layer_norm(x, (3,), w, b),
        [np.outer(X, X) + np.eye(3), X, X],
    ),
    "conv1d": (
        lambda torch, x, w: torch.nn.functional.conv1d(x, w, padding=1),
        [X.reshape(1, 1, 3), X.reshape(1, 1, 3)],
    ),
    "max_pool1d": (lambda torch, x: torch.nn.functional.max_pool1d(x, 2), [X.reshape(1, 1, 3)]),
    "einsum": (lambda torch, a, b: torch.einsum("i,j->ij", a, b), [X, X]),
}


def named(torch, name):
    if name in OURS:
        return OURS[name](torch)
    found = torch
    for part in name.split("."):
        found = getattr(found, part)
    return found


def inputs_of(name):
    if name in SQUARE:
        return [np.array([[2.0, 0.5, -0.25], [0.75, 3.0, 0.5], [0.25, -0.5, 1.5]])]
    if name in WITHIN_1:
        return [np.array([0.3, 0.8]) if name in ("logit", "special.ndtri") else X / 3]
    if name in POSITIVE:
        first = np.array([0.2, 0.9, 3.1])
        return [first, first[::-1] + 0.07] if name in TWO else [first]
    return [X]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ANYWHERE, *POSITIVE, *WITHIN_1, *SQUARE])
def test_torch_is_right_at_ordinary_points(torch, name):
    assert_right(check_torch(named(torch, name), *inputs_of(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_torch_is_right_with_options_and_at_kinks(torch, name):
    function, inputs = WITH_OPTIONS[name]
    assert_right(check_torch(lambda *xs: function(torch, *xs), *inputs))


def assert_right(report):
    assert report.ok, str(report)
    assert sum(report.counts.values()) > report.counts[Verdict.INCONCLUSIVE]


def test_the_table_is_long_enough():
    names = [*ANYWHERE, *POSITIVE, *WITHIN_1, *SQUARE, *WITH_OPTIONS]
    assert len(names) == len(set(names)) > 120


# --- what PyTorch 2.13 does that its function does not --------------------------------------------

# A newer version may be right; each of these prints the wrong numbers when it is run by itself.


def test_det_of_a_singular_matrix_has_a_gradient(torch):
    """The adjugate [[4, -2], [-2, 1]], where PyTorch gives zeros."""
    report = check_torch(torch.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]]))
    if report.ok:
        pytest.skip("PyTorch is right now")
    assert {e.analytic for e in report.worst if e.verdict is Verdict.FAIL} == {0.0}


def test_sinc_near_zero_loses_its_gradient(torch):
    """A relative error of 1e-3 at 1e-7, of 0.36 at 1e-8, of 1 at 1e-9: cancellation."""
    report = check_torch(torch.sinc, np.array([1e-7]))
    if report.ok:
        pytest.skip("PyTorch is right now")
    (entry,) = report.worst
    assert 1e-4 < abs(entry.analytic / (-(math.pi**2) / 3 * 1e-7) - 1) < 1e-2


def test_matrix_exp_is_not_linear_in_what_arrives(torch):
    """What arrives decides, by its size, how a doubled matrix is raised to a power: wrongly."""
    report = check_torch(torch.linalg.matrix_exp, np.array([[0.3, 1.0], [-0.5, 0.8]]))
    if report.ok:
        pytest.skip("PyTorch is right now")
    assert not report.counts[Verdict.FAIL]  # it is right for ordinary numbers
    assert "scaled by 1.27e+30" in report.identities["linear in the arriving gradient"]


@pytest.mark.parametrize("name", ["bessel_j0", "modified_bessel_k1", "airy_ai"])
def test_some_special_functions_cut_the_graph_silently(torch, name):
    report = check_torch(lambda x: x + getattr(torch.special, name)(x), np.array([0.9]))
    if report.ok:
        pytest.skip("PyTorch is right now")
    assert report.worst[0].analytic == 1.0


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        pytest.param(
            lambda torch, x: torch.zeros(1, dtype=x.dtype).scatter_reduce(
                0, torch.tensor([0, 0]), x, "prod", include_self=False
            ),
            [np.array([2.0, 3.0])],
            id="scatter_reduce prod",
        ),
        pytest.param(
            lambda torch, a: torch.cholesky_inverse(torch.linalg.cholesky(a @ a.mT)),
            [np.array([[2.0, 0.5], [0.75, 3.0]])],
            id="cholesky_inverse",
        ),
        pytest.param(
            lambda torch, a, b: torch.fmax(a, b), [np.ones(1), np.ones(1)], id="fmax at a tie"
        ),
    ],
)
def test_forward_mode_is_not_the_transpose_of_reverse_mode(torch, function, inputs):
    report = check_torch(lambda *xs: function(torch, *xs), *inputs)
    if report.ok:
        pytest.skip("PyTorch is right now")
    assert not report.counts[Verdict.FAIL]  # reverse mode is right
    assert [name for name, fault in report.identities.items() if fault] == ["<v, J u> = <Jᵀv, u>"]


@pytest.mark.parametrize("module", [foreign, frameworks, libraries])
def test_the_module_imports_no_framework(module):
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert "import torch" not in source
    assert "import jax" not in source
