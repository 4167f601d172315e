"""Models in files of the ONNX format, run by onnxruntime: its numbers against ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_cases import LAYERS, made, shaken

import tinygrad_bp as bp
from tinygrad_bp import functional as F
from tinygrad_bp import interop, nn
from tinygrad_bp.containers import leaves
from tinygrad_bp.errors import ExportError, InPlaceError
from tinygrad_bp.interop.onnx.constants import array_at
from tinygrad_bp.interop.onnx.sizes import Size, fitted, points
from tinygrad_bp.interop.onnx.trace import Trace
from tinygrad_bp.operands import certainly

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def floats(*shape: int, seed: int = 0, dtype: Any = SINGLE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def whole(*shape: int, below: int = 10, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, below, shape)


def arrays(outputs: Any) -> list[np.ndarray[Any, Any]]:
    found = [leaf for leaf in leaves(outputs) if leaf is not None]
    return [np.asarray(y.data if isinstance(y, bp.Tensor) else y) for y in found]


def session(proto: Any) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def compare(model: Any, example: tuple[Any, ...], others: list[tuple[Any, ...]], **options: Any):
    """Export with one input, run with others, and return the model.

    Numbers may be apart by a limit, relative to 1 or to what they are if that is more.
    """
    pytest.importorskip("onnx")
    proto = interop.onnx.exported(model, *example, **options)
    tensors = model.named_tensors() if isinstance(model, nn.Module) else ()
    dtypes = {t.dtype for _, t in tensors} | {x.dtype for x in example if x is not None}
    limit = 1e-5 if SINGLE in dtypes else 1e-12
    run = session(proto)
    names = [each.name for each in run.get_inputs()]
    for inputs in others:
        with bp.no_grad():
            wanted = arrays(model(*inputs))
        given = [x for x in inputs if x is not None]
        found = run.run(None, dict(zip(names, given, strict=True)))
        for y, z in zip(wanted, found, strict=True):
            assert (y.shape, y.dtype) == (z.shape, z.dtype)
            size = np.maximum(np.abs(y.astype(float)), 1)
            with np.errstate(invalid="ignore"):
                apart = np.abs(y.astype(float) - z.astype(float)) / size
            assert np.all((apart <= limit) | (y == z))
    return proto


def kinds(proto: Any) -> set[str]:
    return {node.op_type for node in proto.graph.node}


# --- layers ---------------------------------------------------------------------------------


def test_there_are_150_settings_of_layers():
    assert len(LAYERS) >= 150


@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_the_same_for_any_number_of_examples(name):
    model, shape = made(name, SINGLE)
    others = [(floats(n, *shape[1:], seed=n),) for n in (4, 1, 7)]
    compare(model, (floats(*shape),), others, dynamic_batch=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_the_same_in_double_precision(name):
    model, shape = made(name, DOUBLE)
    others = [(floats(n, *shape[1:], seed=n, dtype=DOUBLE),) for n in (4, 3)]
    compare(model, (floats(*shape, dtype=DOUBLE),), others, dynamic_batch=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_the_same_at_fixed_sizes(name):
    model, shape = made(name, SINGLE)
    x, other = floats(*shape), floats(*shape, seed=3)
    proto = compare(model, (x,), [(other,)])
    assert [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == list(shape)


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
@pytest.mark.parametrize(("first", "second", "make"), [
    ((4, 3), (4, 5), lambda dtype: nn.Bilinear(3, 5, 2, dtype=dtype)),
    ((4, 3), (4, 5), lambda dtype: nn.Bilinear(3, 5, 2, bias=False, dtype=dtype)),
    ((4, 6), (4, 6), lambda dtype: nn.CosineSimilarity()),
    ((4, 6, 2), (4, 6, 2), lambda dtype: nn.CosineSimilarity(dim=2, eps=0.1)),
    ((4, 6), (4, 6), lambda dtype: nn.PairwiseDistance()),
])  # fmt: skip
def test_layers_of_two_inputs(first, second, make, dtype):
    def pair(n: int) -> Any:
        return floats(n, *first[1:], seed=n, dtype=dtype), floats(
            n, *second[1:], seed=n + 1, dtype=dtype
        )

    compare(shaken(make(dtype)), pair(4), [pair(n) for n in (1, 4, 6)], dynamic_batch=True)


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_take_states_and_any_length(kind, dtype):
    class WithStates(nn.Module):
        def __init__(self) -> None:
            self.layer = kind(3, 4, num_layers=2, dtype=dtype)

        def forward(self, x, h, c):
            return self.layer(x, (h, c) if kind is nn.LSTM else h + c)

    def inputs(steps: int, n: int) -> Any:
        return (
            floats(steps, n, 3, seed=n, dtype=dtype),
            floats(2, n, 4, seed=n + 1, dtype=dtype),
            floats(2, n, 4, seed=n + 2, dtype=dtype),
        )

    axes = {
        "input_0": {0: "time", 1: "batch"}, "input_1": {1: "batch"}, "input_2": {1: "batch"},
    }  # fmt: skip
    others = [inputs(5, 2), inputs(1, 3), inputs(9, 1)]
    proto = compare(shaken(WithStates()), inputs(4, 2), others, dynamic_axes=axes)
    assert (kind.__name__ if dtype == SINGLE else "Scan") in kinds(proto)


class Attention(nn.Module):
    def __init__(self, dtype: Any, **options: Any) -> None:
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True, dtype=dtype, **options)

    def forward(self, q, k, v, padding=None, mask=None):
        return self.layer(q, k, v, padding, attn_mask=mask, average_attn_weights=False)


@pytest.mark.parametrize("masks", ["none", "padding", "both", "numbers"])
@pytest.mark.parametrize("options", [
    {}, {"bias": False}, {"add_bias_kv": True}, {"add_zero_attn": True}, {"kdim": 8, "vdim": 6},
])  # fmt: skip
def test_attention_with_masks_that_differ_from_run_to_run(options, masks):
    def inputs(n: int) -> Any:
        width = options.get("vdim", 8)
        q, k, v = floats(n, 3, 8, seed=n), floats(n, 4, 8, seed=n + 1), floats(n, 4, width, seed=n)
        hidden = whole(n, 4, below=2, seed=n) == 1
        mask = whole(3, 4, below=2, seed=n) == 1
        if n == 1:
            hidden[...] = True  # nothing is seen at all
        if masks == "numbers":
            return q, k, v, None, np.where(mask, -2.5, 0).astype(SINGLE)
        return q, k, v, *{"none": (), "padding": (hidden,), "both": (hidden, mask)}[masks]

    names = {"input_0": {0: "n"}, "input_1": {0: "n"}, "input_2": {0: "n"}}
    names |= {"input_3": {0: "n"}} if masks in ("padding", "both") else {}
    model = shaken(Attention(SINGLE, **options))
    compare(model, inputs(4), [inputs(n) for n in (1, 4, 5)], dynamic_axes=names)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding", [None, 0])
def test_bags_of_embeddings(mode, padding):
    model = shaken(nn.EmbeddingBag(5, 3, mode=mode, padding_idx=padding))
    others = [(whole(n, 4, below=3, seed=n),) for n in (1, 2, 6)] + [(np.zeros((2, 4), int),)]
    compare(model, (whole(4, 4, below=5),), others, dynamic_batch=True)


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("last", [False, True])
def test_bags_of_embeddings_with_offsets(mode, last):
    model = shaken(nn.EmbeddingBag(5, 3, mode=mode, include_last_offset=last))

    def inputs(n: int, ends: list[int]) -> Any:
        return whole(n, below=5, seed=n), np.array([*ends, *([n] if last else [])])

    others = [inputs(6, [0, 2, 2, 5]), inputs(3, [0]), inputs(9, [0, 0, 0, 4, 9])]
    axes = {"input_0": {0: "words"}, "input_1": {0: "bags"}}
    compare(model, inputs(7, [0, 3, 3, 4]), others, dynamic_axes=axes)


def test_weights_of_samples_in_bags():
    model = shaken(nn.EmbeddingBag(5, 3, mode="sum"))

    def inputs(n: int) -> Any:
        return whole(n, 4, below=5, seed=n), None, floats(n, 4, seed=n)

    compare(model, inputs(3), [inputs(n) for n in (1, 5)], dynamic_batch=True)


# --- whole models ---------------------------------------------------------------------------


class LeNet(nn.Module):
    def __init__(self) -> None:
        self.first, self.second = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.third, self.last = nn.Linear(400, 120), nn.Linear(120, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        x = x.reshape(x.shape[0], -1)
        return self.last(F.relu(self.third(x)))


class Residual(nn.Module):
    def __init__(self, n: int) -> None:
        self.path = nn.Sequential(
            nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
            nn.Conv2d(n, n, 3, padding=1), nn.BatchNorm2d(n),
        )  # fmt: skip

    def forward(self, x):
        return F.relu(x + self.path(x))


class Tagger(nn.Module):
    def __init__(self) -> None:
        self.table = nn.Embedding(10, 6, padding_idx=0)
        self.layer = nn.LSTM(6, 5, batch_first=True, bidirectional=True, num_layers=2)
        self.last = nn.Linear(10, 4)

    def forward(self, x):
        states, _ = self.layer(self.table(x))
        return self.last(states).log_softmax(-1)


class Summarizer(nn.Module):
    def __init__(self) -> None:
        self.table = nn.Embedding(10, 6)
        self.layer = nn.GRU(6, 5, num_layers=2, dropout=0.5)
        self.last = nn.Linear(5, 4)

    def forward(self, x):
        _, h = self.layer(self.table(x).transpose(1, 0, 2))
        return self.last(h[-1])


class Classifier(nn.Module):
    """Padded sequences, of which the padding is neither seen nor counted."""

    def __init__(self) -> None:
        self.table = nn.Embedding(10, 8, padding_idx=0)
        self.places = nn.Parameter(floats(12, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.encoder, self.last = nn.TransformerEncoder(layer, 2), nn.Linear(8, 3)

    def forward(self, x):
        padding = x == 0
        y = self.encoder(self.table(x) + self.places[: x.shape[1]], src_key_padding_mask=padding)
        counts = np.expand_dims(np.logical_not(padding), -1)
        total = np.sum(np.where(counts, y, 0), axis=1)
        return self.last(total / np.maximum(np.sum(counts, axis=1), 1))


def padded(n: int, length: int = 6) -> Any:
    x = whole(n, length, below=9, seed=n) + 1
    for i, row in enumerate(x):
        row[max(1, length - 1 - i) :] = 0
    return (x,)


class Bags(nn.Module):
    def __init__(self) -> None:
        self.bag, self.last = nn.EmbeddingBag(10, 6), nn.Linear(6, 4)

    def forward(self, words):
        return self.last(self.bag(words)).softmax(-1)


class UNet(nn.Module):
    def __init__(self) -> None:
        self.down, self.below = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.up, self.last = nn.Conv2d(12, 4, 3, padding=1), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = F.relu(self.down(x))
        b = F.relu(self.below(F.max_pool2d(a, 2)))
        return self.last(F.relu(self.up(np.concatenate([a, self.larger(b)], axis=1))))


class Written(nn.Module):
    """What a user writes: NumPy's functions, sizes in Python, several outputs by name."""

    def __init__(self) -> None:
        self.w, self.k = nn.Parameter(floats(5, 3)), nn.Parameter(np.float32(2.0))
        self.register_buffer("m", np.arange(3, dtype=SINGLE))

    def forward(self, x):
        n = x.shape[0]
        y = np.tanh(x @ self.w) * self.k - self.m
        z = np.where(y > 0, np.sqrt(np.abs(y)), np.exp(y))
        a = np.concatenate([z, np.flip(z, 1)], axis=1)
        b = np.stack([a, a**3], axis=0).mean(axis=0)
        c = np.clip(b, -1, 1) / (1 + np.linalg.norm(b, axis=1, keepdims=True))
        d = c.reshape(n, 2, 3).transpose(0, 2, 1).reshape(n * 3, 2)
        return {
            "product": np.einsum("ij,kj->ik", d.reshape(n, 6), np.ones((2, 6), SINGLE)),
            "running": np.cumsum(c, axis=1)[:, ::2],
            "place": np.argmax(c, axis=1),
            "spread": np.std(c, axis=1),
            "padded": np.pad(c, ((0, 0), (1, 2)), mode="reflect"),
            "mean": np.sum(c, axis=0) / n,
            "so far": np.tril(np.ones((n, n), SINGLE)) @ c,
            "scaled": np.var(c, axis=0) * (1 / n),
            "numbered": np.arange(n).reshape(n, 1) + np.roll(c, 1, axis=1),
        }


class Translator(nn.Module):
    def __init__(self) -> None:
        self.layer = nn.Transformer(8, 2, 1, 2, 16, batch_first=True)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        return self.layer(source, target, tgt_mask=mask, tgt_is_causal=True)


MODELS: dict[str, Any] = {
    "LeNet": (LeNet, lambda n: (floats(n, 1, 28, 28, seed=n),)),
    "MLP": (lambda: nn.MLP(7, 5, 3), lambda n: (floats(n, 7, seed=n),)),
    "residual": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), Residual(4), Residual(4), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 5)),
        lambda n: (floats(n, 3, 15, 15, seed=n),)),
    "tagger": (Tagger, lambda n: (whole(n, 6, seed=n),)),
    "GRU": (Summarizer, lambda n: (whole(n, 6, seed=n),)),
    "transformer": (Classifier, padded),
    "bags": (Bags, lambda n: (whole(n, 5, seed=n),)),
    "autoencoder": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ELU(),
            nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid()),
        lambda n: (floats(n, 1, 8, 8, seed=n),)),
    "written": (Written, lambda n: (floats(n, 5, seed=n),)),
    "U-Net": (UNet, lambda n: (floats(n, 1, 8, 8, seed=n),)),
    "translator": (Translator, lambda n: (floats(n, 5, 8, seed=n), floats(n, 4, 8, seed=n + 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_whole_models(name):
    make, inputs = MODELS[name]
    model = shaken(make())
    compare(model, inputs(4), [inputs(n) for n in (4, 1, 2, 7)], dynamic_batch=True)


@pytest.mark.parametrize("name", MODELS)
def test_whole_models_in_double_precision(name):
    make, inputs = MODELS[name]
    if name in ("transformer", "written"):
        pytest.skip("they have arrays in float32 of their own")
    model = shaken(make()).double()
    model = model.eval()

    def wide(n: int) -> Any:
        return tuple([x.astype(float) if x.dtype == SINGLE else x for x in inputs(n)])

    compare(model, wide(4), [wide(n) for n in (1, 5)], dynamic_batch=True)


@pytest.mark.parametrize(("make", "inputs"), [
    (Tagger, lambda n, t: (whole(n, t, seed=n),)),
    (Classifier, padded),
    (lambda: nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2),
                           nn.ConvTranspose1d(4, 1, 2, stride=2)),
     lambda n, t: (np.ascontiguousarray(floats(n, t, 6, seed=n).reshape(n, t, 6)[:, :3]),)),
])  # fmt: skip
def test_two_dynamic_axes(make, inputs):
    axes = {"input": {0: "batch", 1: "time"}}
    if make not in (Tagger, Classifier):
        axes = {"input": {0: "batch"}}
    compare(
        shaken(make()), inputs(4, 5), [inputs(1, 3), inputs(7, 5), inputs(2, 8)], dynamic_axes=axes
    )


def test_images_of_any_size():
    model = shaken(nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.ConvTranspose2d(4, 1, 2, stride=2),
    ))  # fmt: skip
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    others = [(floats(n, 1, h, w, seed=n),) for n, h, w in ((1, 8, 6), (3, 20, 10), (2, 7, 9))]
    proto = compare(model, (floats(2, 1, 12, 14),), others, dynamic_axes=axes)
    (found,) = proto.graph.input
    dims = [d.dim_param or d.dim_value for d in found.type.tensor_type.shape.dim]
    assert dims == ["batch", 1, "height", "width"]


def test_a_decoder_at_any_length_makes_its_mask_itself():
    axes = {"input_0": {0: "n", 1: "source"}, "input_1": {0: "n", 1: "target"}}

    def inputs(n: int, s: int, t: int) -> Any:
        return floats(n, s, 8, seed=n), floats(n, t, 8, seed=t)

    compare(shaken(Translator()), inputs(2, 5, 4), [inputs(1, 1, 1), inputs(3, 6, 7)],
            dynamic_axes=axes)  # fmt: skip


# --- functions ------------------------------------------------------------------------------

FUNCTIONS: dict[str, Any] = {
    "arithmetic": lambda x: (x + 1) * 2 - x / 3 + 1 / (2 + x * x) - x,
    "powers": lambda x: (x**2, np.abs(x) ** 1.5, 2.0**x, x**3, np.cbrt(x)),
    "exponentials": lambda x: (np.exp(x), np.expm1(x), np.exp2(x), np.logaddexp(x, 1 - x)),
    "logarithms": lambda x: [f(np.abs(x) + 0.5) for f in (np.log, np.log2, np.log10, np.log1p)],
    "waves": lambda x: (np.sin(x), np.cos(x), np.tan(x)),
    "hyperbolic": lambda x: (np.sinh(x), np.cosh(x), np.tanh(x)),
    "steps": lambda x: (np.floor(x), np.ceil(x), np.rint(x), np.trunc(x), np.sign(x)),
    "remainders": lambda x: (x % 0.7, x // 0.7, np.fmod(x, 0.7)),
    "extremes": lambda x: (np.maximum(x, 0.1), np.minimum(x, -x), np.clip(x, -0.5, 0.5)),
    "choices": lambda x: (np.where(x > 0, x, 2 * x), np.where((x > 0) & (x < 1), 1.0, x)),
    "finite": lambda x: np.where(np.isfinite(1 / np.maximum(x, 0.1)), x, 0),
    "truths": lambda x: (x > 0, (x > 0) | (x < -1), ~(x > 0), np.any(x > 1, axis=1), x != 0),
    "sums": lambda x: (x.sum(), x.sum(1), x.mean((0, 2)), np.prod(x, axis=2), x.max(1), x.min()),
    "spread": lambda x: (np.var(x, axis=1), np.std(x), x.var(1, ddof=1), np.ptp(x, axis=1)),
    "norms": lambda x: (np.linalg.norm(x), np.linalg.norm(x, axis=1), np.linalg.norm(x, 1, axis=2)),
    "places": lambda x: (np.argmax(x, axis=1), np.argmin(x, axis=2), np.count_nonzero(x > 0)),
    "running": lambda x: (np.cumsum(x, axis=1), np.diff(x, axis=2)),
    "shapes": lambda x: (x.reshape(len(x), -1), x.T, x.swapaxes(0, 2), np.moveaxis(x, 0, 1),
                         x.ravel(), np.expand_dims(x, (1, 3)), x[:, None].squeeze(1)),
    "joined": lambda x: (np.concatenate([x, x], axis=1), np.stack([x, x], axis=-1),
                         np.hstack([x, -x]), np.vstack([x, x]), np.append(x, x, axis=2)),
    "cut": lambda x: (x[:, 1], x[..., ::-1], x[:, 1:3, ::2], x[:, -1, None],
                      np.split(x, 2, axis=2)),
    "looked up": lambda x: (x[:, [2, 0, 1]], x[:, [0, 1], [1, 2]], x[..., np.array([[0], [3]])],
                            np.take(x, [1, 1], axis=1), x[:, np.array([True, False, True])]),
    "turned": lambda x: (np.flip(x), np.roll(x, 1, axis=1), np.roll(x, (1, 2), axis=(1, 2)),
                         np.rot90(x, axes=(1, 2))),
    "repeated": lambda x: (np.repeat(x, 2, axis=1), np.tile(x, (1, 2, 1)), np.repeat(x, 3)),
    "padded": lambda x: (np.pad(x, ((0, 0), (1, 2), (0, 1))), np.pad(x, ((0, 0), (1, 1), (2, 0)),
                         mode="edge"), np.pad(x, ((0, 0), (0, 0), (1, 1)), constant_values=2)),
    "triangles": lambda x: (np.tril(x), np.triu(x, 1)),
    "products": lambda x: (x @ x.mT, np.dot(x, np.ones(4, x.dtype)), np.outer(x[0, 0], x[0, 1]),
                           np.einsum("...ij,...kj->...ik", x, x),
                           np.tensordot(x, x, ([1, 2], [1, 2]))),
    "softened": lambda x: (F.softmax(x, 1), F.log_softmax(x), F.logsumexp(x, 1), F.softmin(x, 2)),
    "gradients": lambda x: bp.grad(lambda t: (t * np.tanh(t)).sum())(x) + 1,
    "sorted": lambda x: (np.sort(x, axis=1), np.argsort(x, axis=0), np.sort(x, axis=None),
                         np.take_along_axis(x, np.argsort(x, axis=2), axis=2)),
    "largest": lambda x: x.topk(2),
    "one-hot": lambda x: F.one_hot(np.argmax(x, axis=1), 3),
    "along": lambda x: np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), axis=1),
    "likes": lambda x: (np.zeros_like(x) + x, np.ones_like(x) * x, np.full_like(x, 2) - x),
    "averages": lambda x: (np.average(x, axis=1), np.average(x, axis=2, weights=[1, 2, 3, 4])),
    "sizes": lambda x: (x * len(x), x / x.size, x + np.arange(len(x)).reshape(-1, 1, 1),
                        np.broadcast_to(x[:1], x.shape) + x),
    "numbers": lambda x: (np.astype(x * 3, int) // 2, np.astype(x, int) % 2, np.astype(x > 0, int)),
    "methods": lambda x: (x.relu(), x.gelu(), x.pow(2), x.unsqueeze(1), x.permute(1, 0, 2),
                          x.masked_fill(x > 0, 5.0), x.flatten(1), x.chunk(2, dim=2)),
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=2).mean(-1),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_numpy(name, dtype):
    function = FUNCTIONS[name]
    others = [(floats(n, 3, 4, seed=n, dtype=dtype),) for n in (2, 5)]

    def on_tensors(x: Any) -> Any:
        return function(bp.Tensor(x) if isinstance(x, np.ndarray) else x)

    compare(on_tensors, (floats(4, 3, 4, dtype=dtype),), others, dynamic_batch=True)


def test_functions_that_runtimes_have_in_single_precision_alone():
    def inverses(x: Any) -> Any:
        y = x / (1 + np.abs(x))
        return np.arctan(x), np.arcsin(y), np.arccos(y), np.arcsinh(x), np.arctanh(y)

    def on_tensors(x: Any) -> Any:
        return inverses(bp.Tensor(x) if isinstance(x, np.ndarray) else x)

    compare(on_tensors, (floats(4, 3),), [(floats(2, 3, seed=1),)], dynamic_batch=True)


@given(st.data())
def test_indices_of_any_kind(data):
    shape = (3, 4, 5)
    parts = []
    arrays_too = data.draw(st.booleans())
    for n in shape:
        cut = st.builds(slice, st.none() | st.integers(-n, n), st.none() | st.integers(-n, n),
                        st.none() | st.sampled_from([1, 2, -1, -2]))  # fmt: skip
        single = st.integers(-n, n - 1)
        several = st.lists(st.integers(-n, n - 1), min_size=2, max_size=2).map(np.array)
        parts.append(data.draw(cut | several if arrays_too else cut | single))
    index = tuple(parts[: data.draw(st.integers(1, 3))])
    x = floats(*shape, seed=1)
    if not x[index].size:
        return
    compare(lambda t: bp.Tensor(t)[index] if isinstance(t, np.ndarray) else t[index], (x,),
            [(floats(*shape, seed=2),)])  # fmt: skip


@given(st.data())
def test_convolutions_of_any_kind(data):
    def number(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    groups = number(1, 2)
    how = {
        "stride": (number(1, 3), number(1, 3)), "padding": (number(0, 2), number(0, 2)),
        "dilation": (number(1, 2), number(1, 2)), "groups": groups,
    }  # fmt: skip
    dtype = data.draw(st.sampled_from([SINGLE, DOUBLE]))
    kernel = (number(1, 3), number(1, 3))
    h, w = number(5, 8), number(5, 8)
    kind = data.draw(st.sampled_from([nn.Conv2d, nn.ConvTranspose2d]))
    layer = shaken(kind(2 * groups, 2 * groups, kernel, **how, dtype=dtype))
    compare(layer, (floats(2, 2 * groups, h, w, dtype=dtype),),
            [(floats(3, 2 * groups, h, w, seed=1, dtype=dtype),)], dynamic_batch=True)  # fmt: skip


# --- what is in a file ----------------------------------------------------------------------


def initializers(proto: Any) -> dict[str, Any]:
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


class Shared(nn.Module):
    def __init__(self) -> None:
        self.table = nn.Embedding(10, 6)
        self.last = nn.Linear(6, 10)
        self.last.weight = self.table.weight

    def forward(self, x):
        return self.last(self.table(x))


def test_tensors_keep_their_names_and_shared_ones_are_one():
    pytest.importorskip("onnx")
    model = Shared()
    found = initializers(interop.onnx.exported(model, whole(2, 3), dynamic_batch=True))
    assert {"table.weight", "last.bias"} <= found.keys()
    assert not any(name.startswith("last.weight") for name in found)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(found[name], value)
    assert sum(a.size for a in found.values()) < 60 + 10 + 10


@pytest.mark.parametrize("name", ["LeNet", "tagger", "transformer", "residual"])
def test_every_tensor_is_there_as_it_is(name):
    pytest.importorskip("onnx")
    make, inputs = MODELS[name]
    model = shaken(make())
    found = initializers(interop.onnx.exported(model, *inputs(2), dynamic_batch=True))
    for key, value in model.state_dict().items():
        if "num_batches_tracked" not in key:
            np.testing.assert_array_equal(found[key], value)


def test_names_of_inputs_and_outputs(tmp_path):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    interop.onnx.export(
        nn.Bilinear(3, 5, 2), path, floats(4, 3), floats(4, 5), input_names=["a", "b"],
        output_names=["y"], dynamic_axes={"a": {0: "n"}, "b": {0: "n"}},
    )  # fmt: skip
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    run = session(proto)
    y = run.run(["y"], {"a": floats(2, 3), "b": floats(2, 5)})
    assert y[0].shape == (2, 2)
    assert [entry.version for entry in proto.opset_import] == [18]


def test_a_model_is_left_as_it_was():
    pytest.importorskip("onnx")
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    before = model.state_dict()
    tensors = [id(t) for _, t in model.named_tensors()]
    stream = model[2].rng.bit_generator.state if getattr(model[2], "rng", None) else None
    interop.onnx.exported(model, floats(2, 3))
    assert model.training
    assert all(module.training for module in model.modules())
    assert [id(t) for _, t in model.named_tensors()] == tensors
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    if stream is not None:
        assert model[2].rng.bit_generator.state == stream
    assert isinstance(model(floats(2, 3)), bp.Tensor)


def test_a_model_is_left_as_it_was_when_its_forward_raises():
    pytest.importorskip("onnx")

    class Sorted(nn.Module):
        def __init__(self) -> None:
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            return np.partition(self.layer(x), 1, axis=1)

    model = Sorted()
    with pytest.raises(ExportError):
        interop.onnx.exported(model, floats(2, 3))
    assert isinstance(model.layer.weight, bp.Tensor)
    assert model.training
    model(floats(2, 3)).sum().backward()


def test_the_same_model_gives_the_same_bytes():
    pytest.importorskip("onnx")
    model = shaken(Classifier())
    first, second = (
        interop.onnx.exported(model, *padded(3), dynamic_batch=True).SerializeToString()
        for _ in range(2)
    )
    assert first == second


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    with pytest.raises(ExportError):
        interop.onnx.export(lambda x: np.partition(x, 1), path, floats(2, 3))
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"before")
    with pytest.raises(ExportError):
        interop.onnx.export(lambda x: np.partition(x, 1), path, floats(2, 3))
    assert path.read_bytes() == b"before"
    with pytest.raises(ExportError, match="could not be written"):
        interop.onnx.export(nn.Identity(), tmp_path / "none" / "model.onnx", floats(2, 3))


# --- what is refused ------------------------------------------------------------------------

REFUSED: dict[str, Any] = {
    "partition": (lambda x: np.partition(x, 1, axis=1), "partition has no form"),
    "a condition as an index": (lambda x: x[x > 0], "np.where"),
    "a branch": (lambda x: x if x.sum() > 0 else -x, "a branch"),
    "a loop": (lambda x: [x for _ in range(int(x[0, 0]))], r"int\(\)"),
    "float": (lambda x: x * float(x[0, 0]), r"float\(\)"),
    "item": (lambda x: x * x[0, 0].item(), r"item\(\)"),
    "tolist": (lambda x: np.array(x.tolist()) * x, r"tolist\(\)"),
    "a plain array": (lambda x: np.asarray(x) * 2, "plain array"),
    "an index of a plain array": (lambda x: np.ones(5)[np.astype(x, int)], "plain array"),
    "a constant": (lambda x: np.ones(3), "does not depend"),
    "unique": (np.unique, "unique"),
    "a call for each example": (lambda x: np.stack([row * 2 for row in x]), "dynamic axes"),
    "a size in a list": (lambda x: x + np.arange(len(x)).reshape(-1, 1) ** 2, "no formula"),
    "a branch on the size": (lambda x: x * 2 if len(x) % 2 else np.exp(x), "at one length"),
    "squeeze": (lambda x: x[:, :1].squeeze(), "squeeze without an axis"),
    "decimals": (lambda x: np.round(x, 2), "decimals"),
    "random numbers": (
        lambda x: x * np.random.default_rng().random(x.shape[1]), "with other values"),
    "the first few of a dynamic axis": (lambda x: x[:3] * 2, "shorter where the axis is"),
    "the last few of a dynamic axis": (lambda x: x[-2:] * 2, "shorter where the axis is"),
    "a module in training": (lambda x: nn.Linear(3, 2)(x) * 2, "training mode"),
    "a gradient": (
        lambda x: bp.grad(lambda t: (t * x).sum())(x * 2), "gradients within a model"),
    "a plain array's index": (lambda x: x * [1.0, 2.0][np.argmax(x)], "plain array"),
    "a primitive that writes": (
        lambda x: F.fold(x[:, :2, None], (1, 2), (1, 2)), "overlap_add has no form"),
    "an item set": (lambda x: x.__setitem__(0, 1), r"t\[index\] = value"),
    "linear algebra": (lambda x: np.linalg.inv(x[:2, :2]), "inv"),
    "a function that is made of itself": (lambda x: np.linalg.svd(x).S, "svd has no form"),
}  # fmt: skip


PLACELESS = {
    "a constant", "a call for each example", "an item set", "a module in training", "a gradient",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_is_refused_with_its_name_and_line(name):
    pytest.importorskip("onnx")
    function, problem = REFUSED[name]
    with pytest.raises((ExportError, InPlaceError), match=problem) as caught:
        interop.onnx.exported(function, floats(4, 3), dynamic_batch=True)
    if name not in PLACELESS:
        assert __file__ in str(caught.value)


@pytest.mark.parametrize("function", [
    lambda x: F.dropout(x, 0.5),
    lambda x: x + np.random.default_rng().random(3),
    nn.FractionalMaxPool2d(2, 3),
    shaken(nn.Sequential(nn.Linear(7, 7), nn.FractionalMaxPool2d(2, 3))),
])  # fmt: skip
def test_random_numbers_are_no_constants_at_fixed_sizes_either(function):
    pytest.importorskip("onnx")
    shape = (2, 3) if not isinstance(function, nn.Module) else (1, 9, 7, 7)
    with pytest.raises(ExportError, match="with other values"):
        interop.onnx.exported(function, floats(*shape))


def test_what_is_kept_from_another_call_is_refused():
    pytest.importorskip("onnx")

    kept: list[Any] = []

    def keeps(x: Any) -> Any:
        kept.append(x * 2)
        return kept[0]

    with pytest.raises(ExportError, match="kept|does not depend"):
        interop.onnx.exported(keeps, floats(2, 3))


def test_the_layer_is_named():
    pytest.importorskip("onnx")
    model = nn.Sequential(nn.Linear(3, 3), nn.EmbeddingBag(5, 3, mode="max"))

    class Model(nn.Module):
        def __init__(self) -> None:
            self.parts = model

        def forward(self, words, ends):
            return self.parts[1](words, ends)

    with pytest.raises(ExportError, match=r"unique has no form in ONNX here \(in 'parts.1', at "):
        interop.onnx.exported(Model(), whole(4, below=5), np.array([0, 2]))


@pytest.mark.parametrize(("options", "problem"), [
    ({"input_names": ["a", "b"]}, "input_names"),
    ({"output_names": ["a", "a"]}, "output_names"),
    ({"output_names": ["input"]}, "of an input and of an output"),
    ({"dynamic_axes": {"x": {0: "n"}}}, "the inputs are input"),
    ({"dynamic_axes": {"input": {5: "n"}}}, "has no axis 5"),
    ({"dynamic_axes": {"input": {0: "n", 1: "n"}}}, "another of that name"),
])  # fmt: skip
def test_wrong_options_are_refused(options, problem):
    pytest.importorskip("onnx")
    with pytest.raises(ExportError, match=problem):
        interop.onnx.exported(nn.Linear(3, 2), floats(4, 3), **options)


def test_a_reshape_with_the_number_of_the_example_in_it_is_refused():
    pytest.importorskip("onnx")
    with pytest.raises((ExportError, ValueError)):
        interop.onnx.exported(lambda x: x.reshape(4, 3, 1), floats(4, 3), dynamic_batch=True)


def test_rows_that_would_still_be_shortened_are_refused():
    pytest.importorskip("onnx")
    model = nn.Embedding(5, 3, max_norm=0.1)
    with pytest.raises(ExportError, match="max_norm"):
        interop.onnx.exported(model, whole(4, below=5))
    model(np.arange(5))
    compare(model, (whole(4, below=5),), [(whole(4, below=5, seed=1),)])


def test_models_beyond_the_limit_of_the_format_are_refused(monkeypatch):
    pytest.importorskip("onnx")
    from tinygrad_bp.interop.onnx import model

    monkeypatch.setattr(model, "MAX_BYTES", (1 << 20) + 10)
    with pytest.raises(ExportError, match="bytes"):
        interop.onnx.exported(nn.Linear(3, 2), floats(4, 3))


# --- without the packages -------------------------------------------------------------------


def test_sizes_are_found_where_there_are_some():
    where = points({"n": 4, "t": 3})
    assert fitted([p["n"] * p["t"] + 2 for p in where], where) == Size({("n", "t"): 1, (): 2})
    assert fitted([7 for _ in where], where) == 7
    assert fitted([p["n"] // 2 for p in where], where) is None
    assert fitted([p["n"] ** 2 for p in where], where) is None


@pytest.mark.parametrize("make", [
    lambda n: np.zeros((n, 3)),
    np.arange,
    lambda n: 1 + 2.0 * np.arange(n).reshape(1, n, 1),
    lambda n: np.tri(n, dtype=bool),
    lambda n: np.triu(np.full((n, n), -math.inf), 1),
])  # fmt: skip
def test_constants_that_vary_with_sizes_are_found(make):
    where = points({"n": 4})
    assert array_at([make(p["n"]) for p in where], where) is not None


@pytest.mark.parametrize("make", [
    lambda n: np.arange(n) ** 2,
    np.eye,
    lambda n: np.linspace(0, 1, n),
    lambda n: np.full(3, n),
    lambda n: np.array([n, 1 / n]),
])  # fmt: skip
def test_constants_that_vary_otherwise_are_not(make):
    where = points({"n": 4})
    assert array_at([make(p["n"]) for p in where], where) is None


def test_what_is_not_known_is_never_certain():
    x = Trace(known={np.greater, np.all}).source("x", np.ones(3), fixed=False)
    assert not certainly(np.all(x > 0))
    assert certainly(np.all(np.ones(3) > 0))
    with pytest.raises(ExportError, match="a branch"):
        bool(x > 0)


def test_the_package_is_named_if_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r"tinygrad_bp\[onnx\]"):
        interop.onnx.exported(nn.Identity(), floats(2, 3))
