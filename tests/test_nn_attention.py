"""Attention and transformers: against PyTorch, against the formula, and under masks."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, errors, gradients, nn
from tinygrad_bp import functional as F
from tinygrad_bp.functional.attention import attention_weights
from tinygrad_bp.gradcheck import check

QUERIES, KEYS, EXAMPLES, FEATURES, HEADS = 3, 4, 2, 8, 2


def rng_of(*key: Any) -> np.random.Generator:
    return np.random.default_rng(sum(map(ord, repr(key))))


def assert_alike(ours: Any, theirs: Any) -> None:
    values = ours.data if isinstance(ours, Tensor) else ours
    np.testing.assert_allclose(values, theirs.detach().numpy(), rtol=1e-10, atol=1e-11)


# --- against PyTorch --------------------------------------------------------------------------


def pair(name: str, *args: Any, **options: Any) -> tuple[Any, Any]:
    """A module of each library, with the same parameters, none of them at zero or one."""
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(*args, **options, dtype=torch.float64)
    ours = getattr(nn, name)(*args, **options, dtype=float)
    rng = rng_of(name, options)
    state = {k: rng.normal(size=tuple(v.shape)) * 0.5 for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    ours.load_state_dict(state)
    return theirs, ours


def compare(theirs: Any, ours: Any, inputs: list[Any], masks: dict[str, Any], **told: Any) -> None:
    """Outputs, and gradients of inputs, of parameters, and of masks of floats."""
    torch = pytest.importorskip("torch")
    floats = {name for name, mask in masks.items() if mask.dtype.kind == "f"}
    ts = [torch.tensor(a, requires_grad=True) for a in inputs]
    us = [Tensor(a, requires_grad=True) for a in inputs]
    tm = {name: torch.tensor(m, requires_grad=name in floats) for name, m in masks.items()}
    um = {name: Tensor(m, requires_grad=True) if name in floats else m for name, m in masks.items()}
    found = []
    for model, args, options in ((theirs, ts, tm), (ours, us, um)):
        result = model(*args, **options, **told)
        found.append(result if isinstance(result, tuple) else (result,))
    rng = rng_of(told)
    losses = [0.0, 0.0]
    for t, u in zip(*found, strict=True):
        if t is None:
            assert u is None
            continue
        assert u.shape == tuple(t.shape)
        assert_alike(u, t)
        w = rng.normal(size=u.shape)
        losses[0], losses[1] = losses[0] + (t * torch.tensor(w)).sum(), losses[1] + (u * w).sum()
    for loss in losses:
        loss.backward()
    for u, t in zip([*us, *(um[k] for k in floats)], [*ts, *(tm[k] for k in floats)], strict=True):
        assert_alike(u.grad, t.grad)
    parameters = dict(ours.named_parameters())
    for name, p in theirs.named_parameters():
        assert_alike(parameters[name].grad, p.grad)


def sequence(rng: np.random.Generator, places: int, width: int, shape: str) -> Any:
    sizes = {"alone": (places,), "first": (EXAMPLES, places), "second": (places, EXAMPLES)}[shape]
    return rng.normal(size=(*sizes, width))


def masks_for(rng: np.random.Generator, kind: str, shape: str, keys: int) -> dict[str, Any]:
    """No mask, or some: each query is left a key that counts."""
    queries = QUERIES
    examples = 1 if shape == "alone" else EXAMPLES
    hidden = rng.random((queries, keys)) < 0.4
    hidden[:, 0] = False
    padding = np.zeros((examples, keys), bool)
    padding[-1, -1] = True
    if shape == "alone":
        padding = padding[0]
    for_heads = rng.normal(size=(examples * HEADS, queries, keys))
    return {
        "none": {},
        "hidden": {"attn_mask": hidden},
        "added": {"attn_mask": for_heads},
        "padded": {"key_padding_mask": padding},
        "both": {"attn_mask": hidden, "key_padding_mask": padding},
        "both added": {"attn_mask": for_heads, "key_padding_mask": np.where(padding, -1.5, 0.25)},
    }[kind]


MASKS = ("none", "hidden", "added", "padded", "both", "both added")
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"kdim": 3, "vdim": 5},
    {"kdim": 3, "bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True},
]
WEIGHTS: list[dict[str, Any]] = [
    {"need_weights": False},
    {},
    {"average_attn_weights": False},
]


@pytest.mark.parametrize("shape", ["alone", "first", "second"])
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_multihead_attention_is_pytorchs(options: dict[str, Any], kind: str, shape: str) -> None:
    theirs, ours = pair(
        "MultiheadAttention", FEATURES, HEADS, batch_first=shape == "first", **options
    )
    rng = rng_of(options, kind, shape)
    widths = FEATURES, options.get("kdim", FEATURES), options.get("vdim", FEATURES)
    places = QUERIES, KEYS, KEYS
    inputs = [sequence(rng, n, width, shape) for n, width in zip(places, widths, strict=True)]
    masks = masks_for(rng, kind, shape, KEYS)
    for told in WEIGHTS:
        theirs.zero_grad()
        ours.zero_grad()
        compare(theirs, ours, inputs, masks, **told)


LAYERS = list(
    itertools.product(
        ("TransformerEncoderLayer", "TransformerDecoderLayer"),
        (
            {},
            {"norm_first": True, "activation": "gelu", "batch_first": True},
            {"bias": False, "layer_norm_eps": 0.1},
        ),
    )
)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)
def test_layers_of_transformers_are_pytorchs(
    name: str, options: dict[str, Any], train: bool
) -> None:
    theirs, ours = pair(name, FEATURES, HEADS, 12, 0.0, **options)
    theirs.train(train)
    ours.train(train)
    rng = rng_of(options)
    shape = "first" if options.get("batch_first") else "second"
    target, memory = (sequence(rng, n, FEATURES, shape) for n in (QUERIES, KEYS))
    later = ~np.tri(QUERIES, dtype=bool)
    padding = np.zeros((EXAMPLES, QUERIES), bool)
    padding[0, 2] = True
    if name == "TransformerEncoderLayer":
        masks = {"src_mask": later, "src_key_padding_mask": padding}
        compare(theirs, ours, [target], masks)
    else:
        masks = {
            "tgt_mask": later,
            "tgt_key_padding_mask": padding,
            "memory_mask": rng.normal(size=(QUERIES, KEYS)),
        }
        compare(theirs, ours, [target, memory], masks)


def test_a_whole_transformer_is_pytorchs() -> None:
    theirs, ours = pair("Transformer", FEATURES, HEADS, 2, 2, 12, 0.0, batch_first=True)
    rng = rng_of("whole")
    inputs = [sequence(rng, n, FEATURES, "first") for n in (KEYS, QUERIES)]
    compare(theirs, ours, inputs, {"tgt_mask": ~np.tri(QUERIES, dtype=bool)})


@pytest.mark.parametrize("final", [True, False])
def test_stacks_of_layers_are_pytorchs(final: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = rng_of("stack")
    x = sequence(rng, QUERIES, FEATURES, "first")
    options: dict[str, Any] = {"batch_first": True}
    theirs = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(FEATURES, HEADS, 12, 0.0, dtype=torch.float64, **options),
        2,
        torch.nn.LayerNorm(FEATURES, dtype=torch.float64) if final else None,
    )
    ours = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(FEATURES, HEADS, 12, 0.0, dtype=float, **options),
        2,
        nn.LayerNorm(FEATURES, dtype=float) if final else None,
    )
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    compare(theirs, ours, [x], {})


def test_a_causal_mask_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    ours = nn.Transformer.generate_square_subsequent_mask(4)
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(4).numpy()
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_a_query_without_keys_gets_zero_as_in_pytorchs_product() -> None:
    torch = pytest.importorskip("torch")
    rng = rng_of("nothing")
    q, k, v = (rng.normal(size=(2, 3, 4)) for _ in range(3))
    seen = np.array([[True, True, False], [False, False, False], [False, True, True]])
    for mask in (seen, np.where(seen, 0.5, -np.inf)):
        ours = F.scaled_dot_product_attention(q, k, v, mask)
        theirs = torch.nn.functional.scaled_dot_product_attention(
            *map(torch.tensor, (q, k, v)), attn_mask=torch.tensor(mask)
        )
        assert_alike(ours, theirs)


# --- without PyTorch --------------------------------------------------------------------------


def softmax(a: np.ndarray) -> np.ndarray:
    powers = np.exp(a - a.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_attention_is_its_formula_for_each_head(rng: np.random.Generator) -> None:
    layer = nn.MultiheadAttention(FEATURES, HEADS, batch_first=True, rng=rng, dtype=float)
    layer.in_proj_bias.data = rng.normal(size=3 * FEATURES)
    x, memory = rng.normal(size=(2, 3, FEATURES)), rng.normal(size=(2, 4, FEATURES))
    state = layer.state_dict()
    wq, wk, wv = np.split(state["in_proj_weight"], 3)
    bq, bk, bv = np.split(state["in_proj_bias"], 3)
    q, k, v = x @ wq.T + bq, memory @ wk.T + bk, memory @ wv.T + bv
    means, shares = [], []
    for head in np.split(np.arange(FEATURES), HEADS):
        products = q[..., head] @ k[..., head].transpose(0, 2, 1) / np.sqrt(FEATURES / HEADS)
        shares.append(softmax(products))
        means.append(shares[-1] @ v[..., head])
    expected = np.concatenate(means, axis=-1) @ state["out_proj.weight"].T
    output, weights = layer(x, memory, memory)
    np.testing.assert_allclose(output.data, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(weights.data, np.mean(shares, axis=0), rtol=1e-12)


@pytest.mark.slow
def test_the_checker_agrees(rng: np.random.Generator) -> None:
    layer = nn.TransformerEncoderLayer(2, 1, 2, 0.0, "gelu", rng=rng, dtype=float)
    assert check(layer, rng.normal(size=(2, 1, 2)))


def test_dropout_is_replayed_by_the_checker(rng: np.random.Generator) -> None:
    layer = nn.MultiheadAttention(2, 1, 0.5, rng=rng, dtype=float)
    x = rng.normal(size=(3, 1, 2))
    assert check(lambda x: layer(x, x, x)[0], x)
    assert (layer(x, x, x)[0].data != layer(x, x, x)[0].data).any()
    layer.eval()
    assert (layer(x, x, x)[0].data == layer(x, x, x)[0].data).all()


def test_gradients_of_gradients(rng: np.random.Generator) -> None:
    layer = nn.MultiheadAttention(4, 2, rng=rng, dtype=float)
    x, along = rng.normal(size=(3, 1, 4)), rng.normal(size=(3, 1, 4))

    def slope(values: np.ndarray) -> Tensor:
        t = Tensor(values, requires_grad=True)
        y, _ = layer(t, t, t)
        [g] = gradients((y * y).sum(), [t], create_graph=True)
        return t, g

    t, g = slope(x)
    [twice] = gradients((g * along).sum(), [t])
    h = 1e-5
    ends = [slope(x + side * h * along)[1].data for side in (1, -1)]
    np.testing.assert_allclose(twice.data, (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("layers", [1, 2])
def test_no_place_sees_a_later_one_if_it_is_causal(layers: int, rng: np.random.Generator) -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True, rng=rng, dtype=float)
    encoder = nn.TransformerEncoder(layer, layers)
    x = Tensor(rng.normal(size=(1, 5, 4)), requires_grad=True)
    by_mask = encoder(x, mask=nn.Transformer.generate_square_subsequent_mask(5, dtype=float))
    by_word = encoder(x, is_causal=True)
    np.testing.assert_allclose(by_word.data, by_mask.data, rtol=1e-12)
    [g] = gradients((by_word[0, 2] * rng.normal(size=4)).sum(), [x])
    assert np.abs(g.data[0, :3]).min() > 0
    assert g.data[0, 3:].tolist() == np.zeros((2, 4)).tolist()


def test_padded_keys_change_nothing_whatever_they_hold(rng: np.random.Generator) -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True, rng=rng, dtype=float)
    x = rng.normal(size=(2, 5, 4))
    padding = np.zeros((2, 5), bool)
    padding[:, 3:] = True
    other = x.copy()
    other[:, 3:] = 1e6
    first, second = (layer(x[:, :3], keys, keys, padding)[0].data for keys in (x, other))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, layer(*[x[:, :3]] * 3)[0].data, rtol=1e-12)


def test_where_everything_is_padding_the_mean_is_zero_and_so_is_its_gradient() -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True, dtype=float)
    x = Tensor(np.ones((2, 3, 4)), requires_grad=True)
    padding = np.array([[False] * 3, [True] * 3])
    for mask in (padding, np.where(padding, -np.inf, 0.0)):
        output, weights = layer(x, x, x, mask)
        np.testing.assert_allclose(output.data[1], 0, atol=1e-15)
        assert weights.data[1].tolist() == np.zeros((3, 3)).tolist()
        [g] = gradients(output[1].sum(), [x])
        assert np.isfinite(g.data).all()
        assert not g.data.any()


def test_a_scale_of_a_mask_can_be_learnt(rng: np.random.Generator) -> None:
    """As for biases that grow with the distance."""
    distance = -np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0)))
    q, k = rng.normal(size=(2, 3, 4))
    assert check(lambda s: attention_weights(q, k, s * distance), np.array(0.7))


def test_weights_are_left_out_by_draws_from_what_is_passed(rng: np.random.Generator) -> None:
    q, k, v = rng.normal(size=(3, 2, 50, 4))
    one, same, other = (
        F.scaled_dot_product_attention(q, k, v, dropout_p=0.3, rng=np.random.default_rng(seed)).data
        for seed in (1, 1, 2)
    )
    assert (one == same).all()
    assert (one != other).any()
    everything = F.scaled_dot_product_attention(q, k, v, dropout_p=1.0)
    assert not everything.data.any()
    whole = F.scaled_dot_product_attention(q, k, np.ones_like(v)).data
    many = F.scaled_dot_product_attention(
        q, k, np.ones_like(v), dropout_p=0.3, rng=np.random.default_rng(0)
    ).data
    assert whole.mean() == pytest.approx(1)
    assert many.mean() == pytest.approx(1, abs=0.1)


def test_float32_stays() -> None:
    model = nn.Transformer(8, 2, 1, 1, 16, 0.1)
    src, tgt = np.ones((4, 2, 8), np.float32), np.ones((3, 2, 8), np.float32)
    output = model(src, tgt, tgt_is_causal=True, src_key_padding_mask=np.eye(2, 4, dtype=bool))
    assert output.dtype == np.float32
    output.sum().backward()
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype(np.float32)}


# --- how they start, and copies ---------------------------------------------------------------


def test_parameters_start_as_pytorchs_do() -> None:
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True, rng=np.random.default_rng(0))
    assert not layer.in_proj_bias.data.any()
    assert not layer.out_proj.bias.data.any()
    reach = np.sqrt(6 / (64 + 3 * 64))
    assert 0.99 * reach < np.abs(layer.in_proj_weight.data).max() <= reach
    assert 0.97 / 8 < np.abs(layer.out_proj.weight.data).max() <= 1 / 8
    assert layer.bias_k.data.std() == pytest.approx(1 / 8, rel=0.4)
    model = nn.Transformer(16, 2, 1, 1, 32, rng=np.random.default_rng(0))
    reach = np.sqrt(6 / (16 + 32))
    assert 0.95 * reach < np.abs(model.encoder.layers[0].linear1.weight.data).max() <= reach


def test_copies_start_equal_are_trained_apart_and_draw_in_turn() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, 0.5, rng=np.random.default_rng(0), dtype=float)
    encoder = nn.TransformerEncoder(layer, 2)
    first, second = encoder.layers
    for p, q in zip(first.parameters(), second.parameters(), strict=True):
        assert p is not q
        assert p.tolist() == q.tolist()
    assert len(list(encoder.named_streams())) == 1
    x = np.ones((3, 1, 4))
    assert (first(x).data != second(x).data).any()
    again = copy.deepcopy(encoder)  # with the stream where it is
    np.testing.assert_array_equal(encoder(x).data, again(x).data)
    # A layer that is not copied is none of the encoder's.
    assert all(p is not q for p in layer.parameters() for q in encoder.parameters())


def test_the_same_generator_gives_the_same_model() -> None:
    one, two = (nn.Transformer(8, 2, 1, 1, 16, rng=np.random.default_rng(3)) for _ in range(2))
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert p.data.tobytes() == q.data.tobytes()
    x = np.ones((3, 2, 8), np.float32)
    np.testing.assert_array_equal(one(x, x).data, two(x, x).data)  # dropout, too


# --- bad input --------------------------------------------------------------------------------


X = np.zeros((2, 3, 8))

SHAPES: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((X[..., :7], X, X), {}, "expects a query of (examples, places, 8) or (places, 8)"),
    ((X, X[0], X[0]), {}, "expects keys and values of as many places"),
    ((X, X, X[:, :2]), {}, "expects keys and values of as many places"),
    ((X, X[:1], X[:1]), {}, "expects keys and values of as many places"),
    ((X, X, X), {"attn_mask": np.zeros((2, 3))}, "expects attn_mask of (3, 3) or (4, 3, 3)"),
    ((X, X, X), {"attn_mask": np.zeros((3, 3), int)}, "of booleans or floats, got int64"),
    ((X, X, X), {"key_padding_mask": np.zeros((3, 2))}, "key_padding_mask of (2, 3), got (3, 2)"),
]


@pytest.mark.parametrize(("inputs", "masks", "message"), SHAPES)
def test_wrong_shapes_say_what_was_expected(
    inputs: tuple[Any, ...], masks: dict[str, Any], message: str
) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True, dtype=float)
    with pytest.raises(errors.ShapeError) as caught:
        layer(*inputs, **masks)
    assert message in str(caught.value)


def test_wrong_shapes_say_where() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)
    with pytest.raises(errors.ShapeError, match=r"self_attn = MultiheadAttention\(8, 2\): expects"):
        encoder(np.zeros((3, 2, 7)))
    with pytest.raises(errors.ShapeError, match="expects two sequences of"):
        nn.Transformer(8, 2, 1, 1, 16)(np.zeros((3, 2, 8)), np.zeros((3, 2, 7)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MultiheadAttention(8, 3), "3 heads do not share 8 features evenly"),
        (lambda: nn.MultiheadAttention(8, 0), "0 heads do not share"),
        (lambda: nn.MultiheadAttention(8, 2, 1.5), "dropout is a probability"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="tanh"), "must be 'relu', 'gelu'"),
        (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8), 0),
            "num_layers must be 1 or more, not 0",
        ),
    ],
)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(errors.ModuleError, match=message):
        make()
