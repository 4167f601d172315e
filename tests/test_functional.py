"""Activations and losses: closed forms, PyTorch's answers, slopes, and what is refused.

A row is written as a user would write it; `F` is ours or PyTorch's, the rest arrays or tensors.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from specs import differences

from tinygrad_bp import Tensor
from tinygrad_bp import functional as F
from tinygrad_bp.errors import LabelError, ShapeError
from tinygrad_bp.gradcheck import check

Array = Any

rng = np.random.default_rng(3)
VALUES = {
    "x": rng.uniform(-2, 2, (4, 3)),
    "y": rng.uniform(-2, 2, (4, 3)),
    "z": rng.uniform(-2, 2, (4, 3)),
    "p": rng.uniform(0.05, 0.95, (4, 3)),
    "q": rng.uniform(0.05, 0.95, (4, 3)),
    "b": np.array([[1.0, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]]),  # yes and no
    "s": np.array([1.0, -1, 1, -1]),  # signs, one an example
    "S": np.array([[1.0, -1, 1], [-1, -1, 1], [1, 1, -1], [-1, 1, 1]]),
    "n": np.array([[0.0, 1, 2], [3, 0, 5], [2, 2, 1], [4, 0, 0]]),  # counts
    "w": np.array([0.5, 2.0, 1.25]),
    "W": rng.uniform(-1, 1, (2, 3)),
    "c": np.array([0.5, -0.25]),
    "r": rng.uniform(-2, 2, (4, 6)),
    "i": rng.uniform(-2, 2, (2, 3, 4)),
    "labels": np.array([2, 0, 1, 1]),
    "rows": np.array([[0, 3], [3, 1]]),
    "places": np.array([[0, 2, 1, 3, 3, 0, 1], [1, 1, 2, 0, 3, 2, 2]]),
    "pixels": np.arange(60).reshape(2, 5, 6) * 7 % 4,
    "line": rng.permutation(np.linspace(-2, 2, 2 * 4 * 7)).reshape(2, 4, 7),
    "image": rng.permutation(np.linspace(-2, 2, 2 * 4 * 5 * 6)).reshape(2, 4, 5, 6),
    "solid": rng.permutation(np.linspace(-2, 2, 2 * 3 * 3 * 4)).reshape(1, 2, 3, 3, 4),
    "k1": rng.uniform(-1, 1, (6, 4, 3)),
    "k2": rng.uniform(-1, 1, (6, 4, 3, 2)),
    "k3": rng.uniform(-1, 1, (4, 2, 2, 2, 3)),
    "g2": rng.uniform(-1, 1, (6, 2, 2, 3)),
    "t1": rng.uniform(-1, 1, (4, 3, 3)),
    "t2": rng.uniform(-1, 1, (4, 3, 3, 2)),
    "t3": rng.uniform(-1, 1, (2, 1, 2, 2, 2)),
    "b6": rng.uniform(-1, 1, 6),
    "four": rng.uniform(0.5, 1.5, 4),
    "Q": rng.uniform(-1, 1, (2, 3, 4)),
    "K": rng.uniform(-1, 1, (2, 5, 4)),
    "V": rng.uniform(-1, 1, (2, 5, 2)),
    "B": rng.uniform(-1, 1, (3, 5)),
}
VALUES["shares"] = VALUES["q"] / VALUES["q"].sum(-1, keepdims=True)
VALUES["logs"] = np.log(VALUES["p"] / VALUES["p"].sum(-1, keepdims=True))
INTEGERS = ("labels", "rows", "places", "pixels")

# fmt: off

# What is written, and the textbook's formula: overflow and lost digits are no matter here.
CLOSED_FORMS = {
    "F.relu(x)": "np.clip(x, 0, None)",
    "F.relu6(4 * x)": "np.clip(4 * x, 0, 6)",
    "F.leaky_relu(x, 0.2)": "np.where(x > 0, x, 0.2 * x)",
    "F.elu(x, 0.5)": "np.where(x > 0, x, 0.5 * (np.exp(x) - 1))",
    "F.celu(x, 0.5)": "np.where(x > 0, x, 0.5 * (np.exp(x / 0.5) - 1))",
    "F.selu(x)": "1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(x) - 1))",
    "F.gelu(x)": "x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2",
    "F.silu(x)": "x / (1 + np.exp(-x))",
    "F.mish(x)": "x * np.tanh(np.log(1 + np.exp(x)))",
    "F.softplus(x, beta=2.0)": "np.log(1 + np.exp(2 * x)) / 2",
    "F.softsign(x)": "x / (1 + abs(x))",
    "F.tanhshrink(x)": "x - np.tanh(x)",
    "F.hardshrink(x)": "np.where(abs(x) > 0.5, x, 0)",
    "F.softshrink(x)": "np.sign(x) * np.clip(abs(x) - 0.5, 0, None)",
    "F.threshold(x, 0.1, -7.0)": "np.where(x > 0.1, x, -7)",
    "F.hardtanh(x, -0.5, 1.5)": "np.clip(x, -0.5, 1.5)",
    "F.hardsigmoid(3 * x)": "np.clip(3 * x / 6 + 0.5, 0, 1)",
    "F.hardswish(3 * x)": "3 * x * np.clip(3 * x / 6 + 0.5, 0, 1)",
    "F.logsigmoid(x)": "-np.log(1 + np.exp(-x))",
    "F.sigmoid(x)": "1 / (1 + np.exp(-x))",
    "F.tanh(x)": "np.tanh(x)",
    "F.softmin(x, dim=1)": "np.exp(-x) / np.exp(-x).sum(1, keepdims=True)",
    "F.softmax(x, dim=0)": "np.exp(x) / np.exp(x).sum(0)",
    "F.log_softmax(x, dim=1)": "np.log(np.exp(x) / np.exp(x).sum(1, keepdims=True))",
    "F.glu(r)": "r[:, :3] / (1 + np.exp(-r[:, 3:]))",
    "F.normalize(x)": "x / np.sqrt((x * x).sum(1, keepdims=True))",
    "F.cosine_similarity(x, y)":
        "(x * y).sum(1) / np.sqrt((x * x).sum(1) * (y * y).sum(1))",
    "F.pairwise_distance(x, y, eps=0.0)": "np.sqrt(((x - y) ** 2).sum(1))",
    "F.mse_loss(x, y)": "np.mean((x - y) ** 2)",
    "F.mse_loss(x, y, reduction='sum')": "np.sum((x - y) ** 2)",
    "F.mse_loss(x, y, reduction='none')": "(x - y) ** 2",
    "F.l1_loss(x, y)": "np.mean(abs(x - y))",
    "F.smooth_l1_loss(x, y, beta=0.5)":
        "np.mean(np.where(abs(x - y) < 0.5, (x - y) ** 2, abs(x - y) - 0.25))",
    "F.huber_loss(x, y, delta=0.5)":
        "np.mean(np.where(abs(x - y) < 0.5, (x - y) ** 2 / 2, 0.5 * (abs(x - y) - 0.25)))",
    "F.cross_entropy(x, labels)":
        "-np.mean(np.log(np.exp(x) / np.exp(x).sum(1, keepdims=True))[range(4), labels])",
    "F.nll_loss(logs, labels)": "-np.mean(logs[range(4), labels])",
    "F.nll_loss(logs, labels, weight=w)":
        "-np.sum(w[labels] * logs[range(4), labels]) / w[labels].sum()",
    "F.cross_entropy(x, shares)":
        "-np.mean((shares * np.log(np.exp(x) / np.exp(x).sum(1, keepdims=True))).sum(1))",
    "F.binary_cross_entropy(p, b)": "-np.mean(b * np.log(p) + (1 - b) * np.log(1 - p))",
    "F.binary_cross_entropy_with_logits(x, q, pos_weight=w)":
        "np.mean(w * q * np.log(1 + np.exp(-x)) + (1 - q) * np.log(1 + np.exp(x)))",
    "F.kl_div(logs, shares)": "np.mean(shares * (np.log(shares) - logs))",
    "F.kl_div(logs, shares, reduction='batchmean')":
        "np.sum(shares * (np.log(shares) - logs)) / 4",
    "F.hinge_embedding_loss(x, S)": "np.mean(np.where(S == 1, x, np.clip(1 - x, 0, None)))",
    "F.margin_ranking_loss(x, y, S, margin=0.3)": "np.mean(np.clip(0.3 - S * (x - y), 0, None))",
    "F.soft_margin_loss(x, S)": "np.mean(np.log(1 + np.exp(-S * x)))",
    "F.multilabel_soft_margin_loss(x, b)":
        "np.mean(b * np.log(1 + np.exp(-x)) + (1 - b) * np.log(1 + np.exp(x)))",
    "F.poisson_nll_loss(x, n)": "np.mean(np.exp(x) - n * x)",
    "F.gaussian_nll_loss(x, y, p)": "np.mean((np.log(p) + (x - y) ** 2 / p) / 2)",
    "F.triplet_margin_loss(x, y, z, eps=0.0)":
        "np.mean(np.clip(np.sqrt(((x - y) ** 2).sum(1)) - np.sqrt(((x - z) ** 2).sum(1)) + 1,"
        " 0, None))",
    "F.linear(x, W)": "x @ W.T",
    "F.layer_norm(x, (3,), w, eps=0.0)":
        "(x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) * w",
    "F.rms_norm(x, (3,), w, eps=0.0)": "x / np.sqrt((x * x).mean(1, keepdims=True)) * w",
    "F.embedding(rows, x)": "x[rows]",
    "F.batch_norm(x, None, None, training=True, eps=0.5)":
        "(x - x.mean(0)) / np.sqrt(x.var(0) + 0.5)",
    "F.batch_norm(x, w, w + 1, y[0], z[0], eps=0.5)":
        "(x - w) / np.sqrt(w + 1.5) * y[0] + z[0]",
    "F.conv1d(line, k1)": "np.einsum('ncxk,ock->nox', windows(line, 3, -1), k1)",
    "F.conv2d(image, k2)": "np.einsum('ncxykl,ockl->noxy', windows(image, (3, 2), (2, 3)), k2)",
    "F.conv_transpose2d(image, t2)":
        "np.einsum('ncxykl,cokl->noxy', windows(np.pad(image, [(0, 0), (0, 0), (2, 2), (1, 1)]),"
        " (3, 2), (2, 3)), t2[:, :, ::-1, ::-1])",
    "F.avg_pool2d(image[..., :4, :], 2)":
        "image[..., :4, :].reshape(2, 4, 2, 2, 3, 2).mean((3, 5))",
    "F.max_pool2d(image[..., :4, :], 2)":
        "image[..., :4, :].reshape(2, 4, 2, 2, 3, 2).max((3, 5))",
    "F.scaled_dot_product_attention(Q, K, V)":
        "(lambda e: e / e.sum(-1, keepdims=True))"
        "(np.exp(np.einsum('nle,nse->nls', Q, K) / 2)) @ V",
}

# More options; what they should give, PyTorch knows.
MORE = [
    "F.cross_entropy(x, labels, w)", "F.nll_loss(logs, labels, w)",
    "F.binary_cross_entropy(p, q, w)", "F.binary_cross_entropy_with_logits(x, b, w)",
    "F.multilabel_soft_margin_loss(x, b, w)",
    "F.nll_loss(logs, labels * 0, ignore_index=0, reduction='none')",
    "F.cross_entropy(x, labels * 0, ignore_index=0, reduction='sum')",
    "F.leaky_relu(x)", "F.elu(x)", "F.celu(x)", "F.gelu(x, approximate='tanh')", "F.softplus(x)",
    "F.softplus(x, 3.0, 1.0)", "F.hardshrink(x, 1.0)", "F.softshrink(x, 0.25)", "F.hardtanh(x)",
    "F.glu(r, dim=0)", "F.prelu(x, w)", "F.prelu(i, w)", "F.prelu(x, c[:1])", "F.softmin(x, 0)",
    "F.log_softmax(x, 0)", "F.normalize(x, dim=0)", "F.normalize(i)", "F.normalize(x, p=2.0)",
    "F.normalize(i, dim=-1, eps=3.0)", "F.cosine_similarity(x, y, dim=0)",
    "F.cosine_similarity(x, y, eps=2.5)", "F.cosine_similarity(i, i[:1])",
    "F.pairwise_distance(x, y)", "F.pairwise_distance(x, y, keepdim=True)",
    "F.pairwise_distance(x, z[0])", "F.l1_loss(x, y, reduction='sum')",
    "F.l1_loss(x, y, reduction='none')", "F.smooth_l1_loss(x, y)",
    "F.smooth_l1_loss(x, y, beta=0.0)", "F.smooth_l1_loss(x, y, beta=2.0, reduction='none')",
    "F.huber_loss(x, y)", "F.huber_loss(x, y, delta=2.0, reduction='sum')",
    "F.cross_entropy(x, labels, reduction='sum')", "F.cross_entropy(x, labels, reduction='none')",
    "F.cross_entropy(x, labels, weight=w)", "F.cross_entropy(x, labels, weight=w, reduction='sum')",
    "F.cross_entropy(x, labels, ignore_index=1)", "F.cross_entropy(x[0], labels[0])",
    "F.cross_entropy(x, labels, ignore_index=1, reduction='none')",
    "F.cross_entropy(x, labels, ignore_index=1, weight=w, label_smoothing=0.2)",
    "F.cross_entropy(x, labels, label_smoothing=0.1)",
    "F.cross_entropy(x, labels, label_smoothing=0.1, weight=w, reduction='none')",
    "F.cross_entropy(x, labels, label_smoothing=0.1, weight=w, reduction='sum')",
    "F.cross_entropy(x, shares, weight=w)", "F.cross_entropy(x, shares, reduction='none')",
    "F.cross_entropy(x, shares, weight=w, label_smoothing=0.3)",
    "F.cross_entropy(x, shares, label_smoothing=0.3, reduction='sum')",
    "F.cross_entropy(x[0], shares[0])", "F.cross_entropy(x, labels, ignore_index=-100)",
    "F.nll_loss(logs, labels, ignore_index=0)", "F.nll_loss(logs, labels, reduction='none')",
    "F.nll_loss(logs, labels, weight=w, ignore_index=0, reduction='sum')",
    "F.binary_cross_entropy(p, q)", "F.binary_cross_entropy(p, b, weight=w)",
    "F.binary_cross_entropy(p, q, weight=q, reduction='sum')",
    "F.binary_cross_entropy(p, b, reduction='none')", "F.binary_cross_entropy_with_logits(x, b)",
    "F.binary_cross_entropy_with_logits(50 * x, b, reduction='none')",
    "F.binary_cross_entropy_with_logits(x, b, weight=w, pos_weight=w + 1, reduction='sum')",
    "F.kl_div(logs, shares, reduction='sum')", "F.kl_div(logs, shares, reduction='none')",
    "F.kl_div(logs, logs - 0.1, log_target=True)", "F.kl_div(logs, b, reduction='batchmean')",
    "F.hinge_embedding_loss(x, S, margin=0.5, reduction='none')",
    "F.margin_ranking_loss(x, y, S)", "F.margin_ranking_loss(x, y, S, reduction='sum')",
    "F.cosine_embedding_loss(x, y, s)",
    "F.cosine_embedding_loss(x, y, s, margin=0.2, reduction='none')",
    "F.triplet_margin_loss(x, y, z)", "F.triplet_margin_loss(x, y, z, swap=True)",
    "F.triplet_margin_loss(x, y, z, margin=2.0, reduction='none')",
    "F.soft_margin_loss(x, S, reduction='none')",
    "F.multilabel_soft_margin_loss(x, b, weight=w, reduction='none')",
    "F.multilabel_soft_margin_loss(x, b, reduction='sum')",
    "F.poisson_nll_loss(x, n, full=True)", "F.poisson_nll_loss(p, n, log_input=False)",
    "F.poisson_nll_loss(p, n, log_input=False, full=True, eps=0.1, reduction='none')",
    "F.gaussian_nll_loss(x, y, p, full=True, reduction='sum')",
    "F.gaussian_nll_loss(x, y, 0.5)", "F.cross_entropy(x, labels, weight=[0.5, 2, 1])",
    "F.gaussian_nll_loss(x, y, p[:, :1])", "F.gaussian_nll_loss(x, y, p[:, 0])",
    "F.gaussian_nll_loss(x, y, p, reduction='none')", "F.linear(x, W, c)", "F.linear(i[0].T, W)",
    "F.layer_norm(x, (3,))", "F.layer_norm(x, (3,), w, w, 0.5)", "F.rms_norm(x, (3,), w, 0.5)",
    "F.layer_norm(i, (3, 4))", "F.layer_norm(x, (3,), w, w - 1)",
    "F.rms_norm(x, (3,))", "F.rms_norm(i, (3, 4))", "F.embedding(rows, x, padding_idx=3)",
    "F.embedding(rows, x, padding_idx=-1)", "F.logsumexp(x)",
    "F.batch_norm(image, None, None, four, four + 1, training=True)",
    "F.batch_norm(line, y[:, 0], p[:, 0], four)", "F.group_norm(image, 2, four, four - 1)",
    "F.group_norm(line, 4)", "F.group_norm(image, 1, eps=0.5)",
    "F.conv1d(line, k1, b6, 2, 1)", "F.conv1d(line[0], k1, padding='same', dilation=2)",
    "F.conv2d(image, k2, b6, stride=2, padding=1)", "F.conv2d(image, k2, padding='same')",
    "F.conv2d(image, k2, b6, stride=(1, 3), padding=(0, 2), dilation=(2, 1))",
    "F.conv2d(image, g2, b6, groups=2)", "F.conv2d(image[1], g2, stride=2, groups=2)",
    "F.conv2d(image, k2, padding='valid')", "F.conv2d(image, k2, padding=1, dilation=3)",
    "F.conv3d(solid, k3, four)", "F.conv3d(solid, k3[:, :1], padding=1, stride=2, groups=2)",
    "F.conv_transpose1d(line, t1, stride=2, padding=1, output_padding=1)",
    "F.conv_transpose1d(line[1], t1, dilation=2)",
    "F.conv_transpose2d(image, t2, w, stride=2)", "F.conv_transpose2d(image, t2, padding=2)",
    "F.conv_transpose2d(image, t2, b6, (2, 3), (1, 0), (0, 2), 2, (1, 2))",
    "F.conv_transpose2d(image[0], t2, groups=4)", "F.conv_transpose3d(solid, t3, stride=2)",
    "F.conv_transpose3d(solid, t3, groups=2, output_padding=1, stride=(2, 2, 3))",
    "F.cross_entropy(line, places)", "F.cross_entropy(image[:, :3], pixels % 3, weight=w)",
    "F.cross_entropy(image, pixels, label_smoothing=0.2, reduction='none')",
    "F.cross_entropy(line, places, ignore_index=2, reduction='sum')",
    "F.cross_entropy(line, line + 3)", "F.cross_entropy(line, line + 3, reduction='none')",
    "F.nll_loss(image, pixels, reduction='none')", "F.nll_loss(line[:, :3], places % 3, weight=w)",
    "F.cross_entropy(i[..., :3], rows[:, [0, 1, 1]] % 3)",
    "F.pad(image, (1, 2))", "F.pad(image, (1, 0, -1, 2), value=3.0)", "F.pad(x, (-1, -1))",
    "F.pad(line, (2, 1), 'reflect')", "F.pad(image, (1, 2, 0, 1), mode='replicate')",
    "F.pad(line, (3, 1), mode='circular')", "F.pad(line, (-1, 2), 'reflect')",
    "F.pad(image, (2, -1, -1, 1), 'replicate')", "F.pad(line, (-2, 1), 'circular')",
    "F.avg_pool1d(line, 3)", "F.avg_pool1d(line, 3, 2, padding=1)",
    "F.avg_pool2d(image, (2, 3), stride=1)", "F.avg_pool2d(image[0], 3, 2, 1)",
    "F.avg_pool2d(image, 3, 2, (1, 0), count_include_pad=False)", "F.avg_pool3d(solid, 2, 1)",
    "F.max_pool1d(line, 2)", "F.max_pool1d(line, 3, 1, padding=1)", "F.max_pool2d(image, (2, 3))",
    "F.max_pool2d(image, 2, stride=1, dilation=2)", "F.max_pool2d(image[0], 3, 2, (1, 0))",
    "F.max_pool3d(solid, 2, 1)", "F.max_pool2d(image, 2, 3, ceil_mode=True)",
    "F.max_pool1d(line, 3, 2, 1, 2, ceil_mode=True)", "F.avg_pool2d(image, 2, ceil_mode=True)",
    "F.avg_pool2d(image, 3, 2, 1, ceil_mode=True)",
    "F.avg_pool1d(line, 3, 3, 1, ceil_mode=True, count_include_pad=False)",
    "F.scaled_dot_product_attention(Q, K, V, is_causal=True)",
    "F.scaled_dot_product_attention(Q, K, V, B)",
    "F.scaled_dot_product_attention(Q, K, V, B > -0.5)",
    "F.scaled_dot_product_attention(Q[0], K[0], V[0], scale=0.25)",
]

# fmt: on

ALL = [*CLOSED_FORMS, *MORE]

# What PyTorch does not differentiate by, gives nan for (t log t at 0), or, for lengths below eps,
# takes the slope of a function that is not the one it computes.
NOT_THERE = {
    "weight=": "wqs", "batch_norm(x, w": "w", "batch_norm(line": "yp",
    "embedding": "s", "soft_margin_loss(x, S": "S", "kl_div(logs, b": "b",
    "full=True": "n", "eps=2.5": "xy", "labels, w)": "w", "(p, q, w)": "w",
    "logits(x, b, w)": "w",
}  # fmt: skip


def run(text: str, values: dict[str, Any], functional: Any = F) -> Any:
    named = {"F": functional, "np": np, "math": math, "windows": sliding_window_view, **values}
    return eval(text, named)  # noqa: S307


def tensors(**options: Any) -> dict[str, Any]:
    return {k: a if k in INTEGERS else Tensor(a, **options) for k, a in VALUES.items()}


def backward(text: str, dtype: Any = float) -> tuple[Tensor, dict[str, Array]]:
    """The result on tensors that track, and the gradients for one that arrives."""
    given = {
        k: a if k in INTEGERS else Tensor(a.astype(dtype), requires_grad=True)
        for k, a in VALUES.items()
    }
    y = run(text, given)
    (y * seed_for(y)).sum().backward()
    grads = {k: t.grad.data for k, t in given.items() if getattr(t, "grad", None) is not None}
    return y, grads


def seed_for(y: Any) -> Array:
    return (
        np.cos(np.arange(math.prod(y.shape)) + 1.0)
        .reshape(tuple(y.shape))
        .astype(str(y.dtype).removeprefix("torch."))
    )


@pytest.mark.parametrize(("text", "formula"), CLOSED_FORMS.items())
def test_the_value_is_the_textbooks(text: str, formula: str) -> None:
    wanted = run(formula, VALUES)
    for values in (VALUES, tensors(), tensors(requires_grad=True)):
        found = run(text, values)
        assert isinstance(found, Tensor)
        assert found.shape == np.shape(wanted)
        np.testing.assert_allclose(found.data, wanted, rtol=1e-12, atol=1e-12)


# What has no slope, or a jump: t log t at 0, a comparison with 1, the start of Stirling's formula.
STEPS = {"kl_div(logs, b": "b", "S": "S", "s)": "s", "s,": "s", "full=True": "n"}


@pytest.mark.parametrize("text", [text for text in ALL if "padding_idx" not in text])
def test_the_gradient_is_that_of_differences(text: str) -> None:
    y, grads = backward(text)
    seed = seed_for(y)
    steps = {name for part, name in STEPS.items() if part in text}
    names = [name for name in grads if name not in steps]
    assert names

    def f(point: list[Array]) -> Array:
        given = run(text, {**VALUES, **dict(zip(names, point, strict=True))})
        return np.sum(given.data * seed)

    for seed_of_direction in range(3):
        direct = np.random.default_rng(seed_of_direction)
        direction = [direct.uniform(-0.1, 0.1, VALUES[name].shape) for name in names]
        slope = differences(f, [VALUES[name] for name in names], direction)
        pairs = zip(names, direction, strict=True)
        found = sum(float(np.vdot(grads[name], d)) for name, d in pairs)
        assert found == pytest.approx(slope, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("text", ALL)
def test_single_precision_is_kept(text: str) -> None:
    y, grads = backward(text, np.float32)
    assert y.dtype == np.float32
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
    double, _ = backward(text)
    np.testing.assert_allclose(y.data, double.data, rtol=2e-5, atol=2e-5)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", ALL)
def test_it_is_pytorchs(text: str) -> None:
    import torch

    theirs = {k: torch.tensor(a, requires_grad=k not in INTEGERS) for k, a in VALUES.items()}
    functional = torch.nn.functional
    functional.logsumexp = lambda x: torch.logsumexp(x, -1)
    for part, names in NOT_THERE.items():
        if part in text:
            for name in names:
                theirs[name].requires_grad_(False)
    its_text = text.replace("[0.5, 2, 1]", "w.new_tensor([0.5, 2, 1])")
    wanted = run(its_text, theirs, functional)
    found, grads = backward(text)
    assert found.shape == tuple(wanted.shape)
    loose = 1e-7 if "hardsigmoid" in text else 1e-9  # there, 1 / 6 has single precision
    np.testing.assert_allclose(found.data, wanted.detach().numpy(), rtol=loose, atol=loose)
    if not wanted.requires_grad:
        return
    (wanted * torch.tensor(seed_for(wanted))).sum().backward()
    for name, its in theirs.items():
        if its.grad is not None:
            np.testing.assert_allclose(
                grads.get(name, 0.0), its.grad.numpy(), rtol=loose, atol=loose, err_msg=name
            )


# --- kinks, and large numbers -----------------------------------------------------------------

KINKS = {
    "F.relu": {0.0: 0.0},
    "F.relu6": {0.0: 0.0, 6.0: 0.0},
    "F.leaky_relu": {0.0: 0.01},
    "F.elu": {0.0: 1.0},
    "F.celu": {0.0: 1.0},
    "F.selu": {0.0: 1.0507009873554805 * 1.6732632423543772},
    "F.hardtanh": {-1.0: 0.0, 1.0: 0.0},
    "F.hardsigmoid": {-3.0: 0.0, 3.0: 0.0},
    "F.hardswish": {-3.0: 0.0, 3.0: 1.0},
    "F.hardshrink": {-0.5: 0.0, 0.5: 0.0},
    "F.softshrink": {-0.5: 0.0, 0.5: 0.0},
    "F.softsign": {0.0: 1.0},
}


@pytest.mark.parametrize("name", KINKS)
def test_the_slope_at_a_kink_is_pytorchs(name: str) -> None:
    points = np.array(list(KINKS[name]))
    x = Tensor(points, requires_grad=True)
    run(f"{name}(x)", {"x": x}).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, list(KINKS[name].values()), rtol=1e-12)
    if importlib.util.find_spec("torch") is not None:
        import torch

        its = torch.tensor(points, requires_grad=True)
        run(f"{name}(x)", {"x": its}, torch.nn.functional).sum().backward()
        np.testing.assert_allclose(x.grad.data, its.grad.numpy(), rtol=1e-12)


def slope(text: str, **values: Any) -> Array:
    given = {k: Tensor(v, requires_grad=True) for k, v in values.items()}
    run(text, {**VALUES, **given}).sum().backward()
    (first, *_) = given.values()
    assert first.grad is not None
    return first.grad.tolist()


def test_the_slope_of_a_loss_at_its_kink_is_0() -> None:
    assert slope("F.l1_loss(a, np.array([1.0, 2.0]))", a=[1.0, 3.0]) == [0.0, 0.5]
    assert slope("F.margin_ranking_loss(a, np.zeros(1), np.ones(1))", a=[0.0]) == [0.0]
    assert slope("F.hinge_embedding_loss(a, -np.ones(1))", a=[1.0]) == [0.0]
    assert slope("F.huber_loss(a, np.zeros(2), reduction='sum')", a=[1.0, -1.0]) == [1.0, -1.0]
    assert slope("F.smooth_l1_loss(a, np.zeros(2), beta=2.0)", a=[2.0, -2.0]) == [0.5, -0.5]
    assert slope("F.normalize(a, dim=0, eps=0.5)", a=[0.0, 0.0]) == [2.0, 2.0]
    assert slope("F.gaussian_nll_loss(x, y, v)", v=np.full((4, 3), 1e-9)) == [[0.0] * 3] * 4


LARGE = [-1e4, -800.0, 0.0, 800.0, 1e4]


@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "softsign",
        "tanhshrink",
        "hardshrink",
        "softshrink",
        "hardtanh",
        "hardsigmoid",
        "hardswish",
        "logsigmoid",
        "sigmoid",
        "tanh",
        "softmin",
        "softmax",
        "log_softmax",
    ],
)
def test_large_numbers_give_no_warning_and_no_nan(name: str) -> None:
    for dtype in (np.float64, np.float32):
        x = Tensor(np.array(LARGE, dtype), requires_grad=True)
        with np.errstate(under="ignore"):  # as NumPy has it by default
            y = getattr(F, name)(x)
            y.sum().backward()
        assert np.isfinite(y.data).all()
        assert x.grad is not None
        assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize(
    "name", ["gelu", "silu", "mish", "elu", "softplus", "hardtanh", "relu6", "softshrink"]
)
def test_nan_is_not_hidden(name: str) -> None:
    with np.errstate(invalid="ignore"):
        assert np.isnan(getattr(F, name)(np.array([np.nan])).data).all()


@pytest.fixture
def quiet() -> Iterator[None]:
    with np.errstate(under="ignore"):
        yield


@pytest.mark.usefixtures("quiet")
def test_losses_of_large_logits_are_exact() -> None:
    z = np.array([-1e4, -800.0, 800.0, 1e4])
    t = np.array([1.0, 0.0, 1.0, 0.0])
    losses = F.binary_cross_entropy_with_logits(z, t, reduction="none")
    assert losses.tolist() == [1e4, 0.0, 0.0, 1e4]
    assert slope("F.binary_cross_entropy_with_logits(a, np.ones(2))", a=[-1e4, 1e4]) == [-0.5, 0.0]
    tiny = F.binary_cross_entropy_with_logits(np.array([30.0]), np.array([1.0])).item()
    assert tiny == pytest.approx(math.exp(-30), rel=1e-12)
    assert F.soft_margin_loss(np.array([-1e4]), np.array([1])).item() == 1e4
    assert F.cross_entropy(1e4 * np.eye(3), np.array([0, 1, 1])).item() == pytest.approx(1e4 / 3)


def test_a_saturated_probability_costs_100_at_most() -> None:
    losses = F.binary_cross_entropy(np.array([0.0, 1.0, 0.0, 1.0]), np.array([1, 0, 0, 1.0]),
                                    reduction="none")  # fmt: skip
    assert losses.tolist() == pytest.approx([100.0, 100.0, 0.0, 0.0])


def test_masked_logits_take_no_part() -> None:
    z = np.array([[0.0, 1.0, -np.inf]])
    shares = np.array([[0.5, 0.5, 0.0]])
    with np.errstate(invalid="ignore"):
        soft = F.cross_entropy(z, shares)
    assert soft.item() == pytest.approx(F.cross_entropy(z[:, :2], shares[:, :2]).item())


# --- what is given is checked -----------------------------------------------------------------

TWO_ALIKE = [
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "soft_margin_loss",
    "binary_cross_entropy_with_logits",
    "multilabel_soft_margin_loss",
    "kl_div",
    "poisson_nll_loss",
    "hinge_embedding_loss",
    "sum_squares",
    "half_sum_squares",
]


@pytest.mark.parametrize("name", TWO_ALIKE)
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    loss = getattr(F, name)
    with pytest.raises(ShapeError, match=r"output has shape \(4, 1\) and target \(4,\)"):
        loss(np.full((4, 1), 0.5), np.ones(4))
    with pytest.raises(ShapeError, match="empty batch"):
        loss(np.ones((0, 2)), np.ones((0, 2)))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("F.mse_loss(x, y, reduction='median')", ValueError, "'mean', 'sum' or 'none'"),
        ("F.cross_entropy(x, labels, reduction='')", ValueError, "'mean', 'sum' or 'none'"),
        ("F.cross_entropy(x, labels, weight=w[:2])", ShapeError, "3 classes need as many weights"),
        ("F.cross_entropy(x, labels - 1)", LabelError, "label -1 at position 1"),
        ("F.cross_entropy(x, labels * 0 - 100)", LabelError, "every label is -100"),
        ("F.cross_entropy(x, labels - 100)", LabelError, "label -"),
        ("F.cross_entropy(x, labels * 0, ignore_index=0)", LabelError, "every label is 0"),
        ("F.cross_entropy(x[0, 0], labels[0])", ShapeError, "one number is no logits"),
        ("F.multi_margin_loss(x[0, 0], labels[0])", ShapeError, "one number is no logits"),
        ("F.multilabel_margin_loss(x[0, 0], labels[0])", ShapeError, "a target of ()"),
        ("F.cross_entropy(x, labels + 1, ignore_index=0)", LabelError, "label 3"),
        ("F.cross_entropy(x, shares, ignore_index=0)", ValueError, "these are probabilities"),
        ("F.cross_entropy(x, labels, label_smoothing=1.5)", ValueError, "between 0 and 1"),
        ("F.cross_entropy(x, b.astype(int))", ShapeError, "need labels of shape (4,)"),
        ("F.cross_entropy(x[:0], shares[:0])", ShapeError, "empty batch"),
        ("F.nll_loss(logs, labels[:3])", ShapeError, "nll_loss: logits of shape (4, 3)"),
        ("F.nll_loss(logs, labels + 0.0)", LabelError, "whole numbers"),
        ("F.binary_cross_entropy(x, b)", LabelError, "between 0 and 1"),
        ("F.gaussian_nll_loss(x, y, -p)", LabelError, "negative"),
        ("F.gaussian_nll_loss(x, y, p[:2])", ShapeError, "var of shape (2, 3)"),
        ("F.huber_loss(x, y, delta=0.0)", ValueError, "above 0"),
        ("F.margin_ranking_loss(x, y, s)", ShapeError, "must be equal"),
        ("F.triplet_margin_loss(x, y, z[0])", ShapeError, "must be equal"),
        ("F.cosine_embedding_loss(x, y, S)", ShapeError, "must be equal"),
        ("F.layer_norm(x, (4,))", ShapeError, "does not end in (4,)"),
        ("F.prelu(x, w[:2])", ShapeError, "weights of shape (2,)"),
        ("F.embedding([4], x)", LabelError, "index 4 at position 0"),
        ("F.embedding([0.5], x)", LabelError, "whole numbers"),
        ("F.one_hot([-1, 0])", LabelError, "label -1"),
        ("F.one_hot([0, 3], 3)", LabelError, "label 3"),
        ("F.glu(x)", ValueError, "no two halves"),
        ("F.gelu(x, 'erf')", ValueError, "'none' or 'tanh'"),
        ("F.softmax(x, 0, dim=0)", TypeError, "two names"),
        ("F.cross_entropy(line, places.T)", ShapeError, "(2, 4, 7) need labels of shape (2, 7)"),
        ("F.conv2d(x, k2)", ShapeError, "not (examples, channels) and 2 more axes"),
        ("F.conv2d(image, k2[:, 1:])", ShapeError, "does not fit 4 channels"),
        ("F.conv2d(image, g2, groups=4)", ShapeError, "in 4 groups"),
        ("F.conv2d(image, k2, stride=2, padding='same')", ValueError, "'same' with stride 1"),
        ("F.conv2d(image, k2, padding='full')", ValueError, "padding='full' is not"),
        ("F.conv2d(image, k2, stride=(1, 2, 3))", ValueError, "for each of 2 axes"),
        ("F.conv_transpose2d(image[:, :3], t2)", ShapeError, "conv_transpose2d: a weight of shape"),
        ("F.max_pool2d(image, 7)", ShapeError, "windows of [7, 7] do not fit"),
        ("F.avg_pool1d(line, 2, padding=2)", ValueError, "more than half of the windows"),
        ("F.group_norm(image, 3)", ShapeError, "4 channels in 3 groups"),
        ("F.batch_norm(x)", ValueError, "training=True"),
        ("F.scaled_dot_product_attention(Q, K, V, B, is_causal=True)", ValueError, "not both"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        run(text, VALUES)
    assert message in str(raised.value)


def test_padding_that_differs_does_not_move_the_places_of_the_largest() -> None:
    image = np.arange(12.0).reshape(1, 3, 4)
    y, places = F.max_pool2d(image, 2, padding=(1, 0, 0, 1), return_indices=True)
    assert y.tolist() == np.take(image, places).tolist() == [[[4.0, 6.0], [8.0, 10.0]]]


def test_whole_numbers_are_interpolated_by_fractions() -> None:
    line = np.array([[[0, 1, 3]]])
    for mode, shape in (("linear", (1, 1, 3)), ("bilinear", (1, 1, 1, 3))):
        x = line.reshape(shape)
        found = F.interpolate(x, (5,) if mode == "linear" else (1, 5), mode=mode)
        np.testing.assert_allclose(found.data.ravel(), [0, 0.4, 1, 2.2, 3], rtol=1e-15)
    assert F.interpolate(line, 6).dtype == line.dtype


def test_one_hot_rows_are_labels_or_probabilities() -> None:
    rows = F.one_hot(VALUES["labels"])
    assert rows.tolist() == np.eye(3)[VALUES["labels"]].tolist()
    assert F.one_hot([0], 2, dtype=np.float32).dtype == np.float32
    x = VALUES["x"]
    soft, hard = F.cross_entropy(x, rows), F.cross_entropy(x, VALUES["labels"])
    assert soft.item() == pytest.approx(hard.item(), rel=1e-14)


def test_a_target_or_a_weight_that_tracks_receives_its_gradient() -> None:
    for text in (
        "F.cross_entropy(x, a, label_smoothing=0.1)",
        "F.kl_div(logs, a)",
        "F.binary_cross_entropy_with_logits(x, a)",
        "F.mse_loss(x, a)",
        "F.huber_loss(x, a)",
    ):
        assert check(lambda a, text=text: run(text, {**VALUES, "a": a}), VALUES["shares"]).ok
    weighted = "F.cross_entropy(x, labels, weight=a, label_smoothing=0.1)"
    assert check(lambda a: run(weighted, {**VALUES, "a": a}), VALUES["w"]).ok


@pytest.mark.parametrize(("dtype", "digits"), [("f2", 1), ("f4", 5), ("f8", 5)])
def test_the_error_function_is_right_to_its_last_digits(dtype: str, digits: int) -> None:
    exact = np.array([0.0, -0.0, 1e-300, 0.46875, -0.46876, 4.0, 6.0, 7.0, np.inf, -np.inf])
    with np.errstate(under="ignore"):
        x = np.concatenate([exact, np.linspace(-6.5, 6.5, 20_001)]).astype(dtype)
    expected = np.array([math.erf(v) for v in x.astype(float)])
    y = Tensor(x).erf().data
    assert y.dtype == x.dtype
    one = np.spacing(np.abs(expected).astype(dtype)).astype(float)
    assert np.max(np.abs(y.astype(float) - expected) / one) < digits
    assert np.all(np.signbit(y) == np.signbit(x))
    assert np.isnan(Tensor(np.array(np.nan, dtype)).erf().data)
