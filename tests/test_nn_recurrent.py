"""Recurrent layers: against PyTorch, against steps by hand, and differentiated in every mode."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, gradients, nn
from tinygrad_bp import rules as own
from tinygrad_bp.gradcheck import check

LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
CELLS = {"RNNCell": nn.RNNCell, "LSTMCell": nn.LSTMCell, "GRUCell": nn.GRUCell}
STATES = {"LSTM": 2, "LSTMCell": 2}


def listed(states: Any) -> list[Any]:
    return list(states) if isinstance(states, tuple) else [states]


def weighed(outputs: list[Any], rng: np.random.Generator) -> tuple[list[np.ndarray], Any]:
    weights = [rng.normal(size=tuple(y.shape)) for y in outputs]
    return weights, sum((y * w).sum() for y, w in zip(outputs, weights, strict=True))


def assert_alike(ours: Any, theirs: Any) -> None:
    values = ours.data if isinstance(ours, Tensor) else ours
    np.testing.assert_allclose(values, theirs.detach().numpy(), rtol=1e-10, atol=1e-12)


# --- against PyTorch --------------------------------------------------------------------------


def compare(name: str, options: dict[str, Any], x: Any, states: list[Any], seed: int = 0) -> None:
    """Values, and gradients of everything, of a layer or a cell of both libraries."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, name)(3, 4, dtype=torch.float64, **options)
    ours = getattr(nn, name)(3, 4, dtype=np.float64, **options)
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    assert repr(ours) == repr(theirs)

    inputs = [x, *states]
    ts = [torch.tensor(a, requires_grad=True) for a in inputs]
    us = [Tensor(a, requires_grad=True) for a in inputs]
    found = []
    for model, (first, *before) in ((theirs, ts), (ours, us)):
        hx = (before[0] if len(before) == 1 else tuple(before)) if before else None
        result = model(first, hx)
        output = list(result) if name in LAYERS else [result]
        found.append([part for each in output for part in listed(each)])
    for u, t in zip(found[1], found[0], strict=True):
        assert u.shape == tuple(t.shape)
        assert_alike(u, t)
    weights, loss = weighed(found[1], np.random.default_rng(seed))
    loss.backward()
    sum((y * torch.tensor(w)).sum() for y, w in zip(found[0], weights, strict=True)).backward()
    for u, t in zip(us, ts, strict=True):
        assert_alike(u.grad, t.grad)
    own_parameters = dict(ours.named_parameters())
    for key, p in theirs.named_parameters():
        assert_alike(own_parameters[key].grad, p.grad)


def arguments(name: str, options: dict[str, Any], shape: tuple[int, ...], told: bool) -> Any:
    """An input, and states if they are to be given."""
    rng = np.random.default_rng(len(repr(options)))
    x = rng.normal(size=(*shape, 3))
    if not told:
        return x, []
    count = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    examples = () if len(shape) == 1 else (shape[0 if options.get("batch_first") else 1],)
    widths = [options.get("proj_size", 0) or 4, 4][: STATES.get(name, 1)]
    return x, [rng.normal(size=(count, *examples, width)) for width in widths]


SETTINGS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 3, "bias": False},
    {"batch_first": True},
    {"batch_first": True, "bidirectional": True, "bias": False},
]
PROJECTED: list[dict[str, Any]] = [
    {"proj_size": 2},
    {"proj_size": 3, "num_layers": 2, "bidirectional": True, "bias": False},
]
RELU: list[dict[str, Any]] = [{"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("shape", [(5, 2), (1, 3), (4,)], ids=str)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *itertools.product(LAYERS, SETTINGS),
        *(("LSTM", options) for options in PROJECTED),
        *(("RNN", options) for options in RELU),
    ],
    ids=str,
)
def test_a_layer_is_pytorchs(
    name: str, options: dict[str, Any], shape: tuple[int, ...], told: bool
) -> None:
    compare(name, options, *arguments(name, options, shape, told))


@st.composite
def drawn_layers(draw: st.DrawFn) -> tuple[str, dict[str, Any], tuple[int, ...], bool]:
    """A layer with any of its options, a shape of its input, whether it is given states."""
    name = draw(st.sampled_from(sorted(LAYERS)))
    options: dict[str, Any] = {
        "num_layers": draw(st.integers(1, 3)),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "bidirectional": draw(st.booleans()),
    }
    if name == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if name == "LSTM":
        options["proj_size"] = draw(st.integers(0, 3))
    shape = draw(st.tuples(*[st.integers(1, 7)] * draw(st.integers(1, 2))))
    return name, options, shape, draw(st.booleans())


@given(drawn_layers())
@settings(max_examples=25)
def test_layers_with_any_options_are_pytorchs(drawn: Any) -> None:
    name, options, shape, states_are_given = drawn
    compare(name, options, *arguments(name, options, shape, states_are_given))


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("shape", [(2,), ()], ids=str)
@pytest.mark.parametrize(
    ("name", "options"),
    [*itertools.product(CELLS, ({}, {"bias": False})), ("RNNCell", {"nonlinearity": "relu"})],
    ids=str,
)
def test_a_cell_is_pytorchs(
    name: str, options: dict[str, Any], shape: tuple[int, ...], told: bool
) -> None:
    rng = np.random.default_rng(1)
    states = [rng.normal(size=(*shape, 4)) for _ in range(STATES.get(name, 1))]
    compare(name, options, rng.normal(size=(*shape, 3)), states if told else [])


# --- without PyTorch --------------------------------------------------------------------------


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def test_an_lstm_is_its_formula(rng: np.random.Generator) -> None:
    layer = nn.LSTM(3, 2, rng=rng, dtype=float)
    x = rng.normal(size=(4, 5, 3))
    w, u, b, d = (p.data for p in layer.parameters())
    h = c = np.zeros((5, 2))
    expected = []
    for now in x:
        i, f, g, o = np.split(now @ w.T + h @ u.T + b + d, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h)
    output, (h_n, c_n) = layer(x)
    np.testing.assert_allclose(output.data, expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(h_n.data[0], h, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(c_n.data[0], c, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(("name", "cell"), list(zip(LAYERS, CELLS, strict=True)))
def test_a_cell_taken_step_by_step_is_the_layer(name: str, cell: str) -> None:
    rng = np.random.default_rng(3)
    layer = LAYERS[name](3, 4, rng=rng, dtype=float)
    one = CELLS[cell](3, 4, dtype=float)
    one.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = rng.normal(size=(6, 2, 3))
    found, state = [], None
    for now in x:
        state = one(now, state)
        found.append(listed(state)[0])
    output, last = layer(x)
    np.testing.assert_allclose(output.data, np.stack([h.data for h in found]), rtol=1e-13)
    for ours, states in zip(listed(state), listed(last), strict=True):
        np.testing.assert_allclose(states.data[0], ours.data, rtol=1e-13)
    # And so are their gradients, over one node or six of them.
    output.sum().backward()
    sum(h.sum() for h in found).backward()
    for p, q in zip(layer.parameters(), one.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.data, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_checker_agrees(name: str, n: int) -> None:
    rng = np.random.default_rng(5)
    layer = LAYERS[name](1, n, n, bidirectional=n > 1, rng=rng, dtype=float)
    assert check(layer, rng.normal(size=(2, 1, 1)))


def test_a_sequence_is_one_node_a_direction() -> None:
    layer = nn.LSTM(3, 4, bidirectional=True)
    output, _ = layer(np.zeros((50, 2, 3), np.float32))
    names = [op.rule.name for op in bp.engine.topological_order(output)]
    assert names.count("lstm") == 2
    assert len(names) < 20


def function_of(name: str) -> Any:
    """A scalar of a layer's output as a function of its weights, and some weights."""
    rng = np.random.default_rng(7)
    layer = LAYERS[name](2, 2, rng=rng, dtype=float).requires_grad_(False)
    x, at = rng.normal(size=(3, 2, 2)), layer.weight_hh_l0.data.copy()

    def loss(weight: Any) -> Any:
        changed = {**dict(layer.named_tensors()), "weight_hh_l0": weight}
        output, _ = nn.functional_call(layer, changed, x)
        return (output * output).sum()

    return loss, at, rng.normal(size=at.shape)


@pytest.mark.parametrize("name", LAYERS)
def test_every_mode_of_the_second_order_gives_one_number(name: str) -> None:
    """Forward over reverse, reverse over reverse, and differences of the gradient."""
    loss, at, along = function_of(name)
    w = Tensor(at, requires_grad=True)
    [first] = gradients(loss(w), [w], create_graph=True)
    [twice] = gradients((first * along).sum(), [w])
    h = 1e-5
    ends = [bp.grad(loss)(at + side * h * along) for side in (1, -1)]
    np.testing.assert_allclose(twice.data, (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(bp.hvp(loss, at, along), twice.data, rtol=1e-11, atol=1e-13)
    _, slope = bp.jvp(loss, (at,), (along,))
    np.testing.assert_allclose(slope, np.vdot(first.data, along), rtol=1e-12)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_third_derivatives(name: str) -> None:
    """Of gradients that were made of gradients: nothing is kept that hides a dependence."""
    function = getattr(own, name)
    gates, states = {"rnn": (1, 1), "lstm": (4, 2), "gru": (3, 1)}[name]
    rng = np.random.default_rng(11)
    z, bias = rng.normal(size=(3, gates, 1, 1)), rng.normal(size=gates)
    start = [rng.normal(size=(1, 1)) for _ in range(states)]
    direction = rng.normal(size=(gates, 1))

    def derivative(order: int, s: Any) -> Any:
        if order == 0:
            y = function(z, s * direction, bias, *start)
            return np.sum(np.sin(y[0] if isinstance(y, tuple) else y))
        return bp.grad(lambda s: derivative(order - 1, s))(s)

    h = 1e-4
    for order in (1, 2, 3):
        ends = [float(derivative(order - 1, 0.3 + side * h)) for side in (1, -1)]
        found = float(derivative(order, 0.3))
        assert found == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-7)


# --- dtypes, states, dropout ------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays(name: str) -> None:
    layer = LAYERS[name](3, 4, 2, bidirectional=True)
    output, last = layer(np.ones((5, 2, 3), np.float32))
    assert {y.dtype for y in (output, *listed(last))} == {np.dtype(np.float32)}
    output.sum().backward()
    assert {p.grad.dtype for p in layer.parameters()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", LAYERS)
def test_saturated_gates_neither_overflow_nor_lose_their_states(name: str) -> None:
    layer = LAYERS[name](1, 1)
    for p in layer.parameters():
        p.data = np.full_like(p.data, 1e4)
    x = np.array([[[1e4]], [[-1e4]], [[1e4]]], np.float32)
    output, _ = layer(x)
    output.sum().backward()
    assert np.isfinite(output.data).all()
    assert all(np.isfinite(p.grad.data).all() for p in layer.parameters())


def test_whole_numbers_as_inputs_are_numbers() -> None:
    layer = nn.LSTM(2, 3, dtype=float)
    x = np.arange(12).reshape(3, 2, 2)
    np.testing.assert_array_equal(layer(x)[0].data, layer(x.astype(float))[0].data)


@pytest.mark.parametrize("name", LAYERS)
def test_no_examples_make_no_output(name: str) -> None:
    layer = LAYERS[name](3, 4)
    output, _ = layer(np.zeros((5, 0, 3), np.float32))
    assert output.shape == (5, 0, 4)
    output.sum().backward()
    assert layer.weight_hh_l0.grad.tolist() == np.zeros(layer.weight_hh_l0.shape).tolist()


def test_states_carry_on_where_a_sequence_was_cut(rng: np.random.Generator) -> None:
    layer = nn.GRU(3, 4, 2, rng=rng, dtype=float)
    x = rng.normal(size=(6, 2, 3))
    whole, last = layer(x)
    first, state = layer(x[:2])
    second, end = layer(x[2:], state)
    joined = np.concatenate([first.data, second.data])
    np.testing.assert_allclose(joined, whole.data, rtol=1e-13)
    np.testing.assert_allclose(end.data, last.data, rtol=1e-13)


def test_dropout_is_between_layers_and_in_training_alone() -> None:
    layer = nn.RNN(2, 4, 2, dropout=0.5, rng=np.random.default_rng(0), dtype=float)
    assert [name for name, _ in layer.named_streams()] == ["rng"]
    x = np.ones((3, 1, 2))
    first, second = layer(x)[0].data, layer(x)[0].data
    assert (first != second).any()
    layer.eval()
    np.testing.assert_array_equal(layer(x)[0].data, layer(x)[0].data)
    layer.train()
    assert check(layer, x)  # the draws are made again


def test_dropout_of_everything_leaves_the_second_layer_its_biases() -> None:
    layer = nn.GRU(3, 2, 2, dropout=1.0, dtype=float)
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    output, _ = layer(x)
    np.testing.assert_array_equal(output.data, layer(x + 1)[0].data)


def test_the_same_generator_gives_the_same_parameters() -> None:
    one, two = (nn.LSTM(3, 4, 2, rng=np.random.default_rng(2)) for _ in range(2))
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert p.data.tobytes() == q.data.tobytes()
        assert np.abs(p.data).max() <= 0.5


def test_frozen_weights_and_plain_inputs_take_no_gradient() -> None:
    layer = nn.LSTM(3, 4)
    layer.weight_hh_l0.requires_grad_(False)
    layer(np.ones((2, 2, 3), np.float32))[0].sum().backward()
    assert layer.weight_hh_l0.grad is None
    assert layer.bias_hh_l0.grad is not None


# --- bad input --------------------------------------------------------------------------------


class PackedSequence:
    """As PyTorch's looks to a layer."""

    batch_sizes = (2, 1)


SHAPES: list[tuple[Any, Any, str]] = [
    (np.zeros((5, 2, 4)), None, r"expects (steps, examples, 3) or (steps, 3), got (5, 2, 4)"),
    (np.zeros(3), None, r"expects (steps, examples, 3) or (steps, 3), got (3,)"),
    (np.zeros((0, 2, 3)), None, "expects one step or more, got none"),
    (np.zeros((5, 2, 3)), np.zeros((1, 2, 4)), "expects states (h, c), a tuple of 2"),
    (np.zeros((5, 2, 3)), (np.zeros((1, 2, 4)),) * 3, "expects states (h, c), a tuple of 2"),
    (
        np.zeros((5, 2, 3)),
        (np.zeros((1, 2, 4)), np.zeros((2, 4))),
        "expects a state c of (1, 2, 4), got (2, 4)",
    ),
    (
        np.zeros((5, 3)),
        (np.zeros((1, 1, 4)), np.zeros((1, 1, 4))),
        "expects a state h of (1, 4), got (1, 1, 4)",
    ),
]


@pytest.mark.parametrize(("x", "hx", "message"), SHAPES)
def test_wrong_shapes_say_what_was_expected(x: Any, hx: Any, message: str) -> None:
    with pytest.raises(errors.ShapeError) as caught:
        nn.LSTM(3, 4)(x, hx)
    assert message in str(caught.value)
    assert str(caught.value).startswith("LSTM(3, 4): ")


def test_wrong_shapes_of_cells() -> None:
    with pytest.raises(errors.ShapeError, match=r"GRUCell\(3, 4\): expects \(examples, 3\)"):
        nn.GRUCell(3, 4)(np.zeros((2, 4)))
    with pytest.raises(errors.ShapeError, match=r"expects a state h of \(2, 4\), got \(4,\)"):
        nn.GRUCell(3, 4)(np.zeros((2, 3)), np.zeros(4))


def test_packed_sequences_are_refused() -> None:
    with pytest.raises(errors.ModuleError, match="takes no packed sequences: give the padded"):
        nn.GRU(3, 4)(PackedSequence())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.RNN(3, 4, nonlinearity="sigmoid"), "must be 'tanh' or 'relu'"),
        (lambda: nn.RNNCell(3, 4, nonlinearity="sigmoid"), "must be 'tanh' or 'relu'"),
        (lambda: nn.GRU(3, 0), "hidden_size must be 1 or more, not 0"),
        (lambda: nn.GRUCell(0, 3), "input_size must be 1 or more, not 0"),
        (lambda: nn.GRU(3, 4, 0), "num_layers must be 1 or more, not 0"),
        (lambda: nn.LSTM(3, 4, 2, dropout=1.5), "dropout is a probability"),
        (lambda: nn.LSTM(3, 4, proj_size=4), "proj_size must be below hidden_size, 4: 4"),
    ],
)
def test_wrong_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(errors.ModuleError, match=message):
        make()


def test_dropout_of_one_layer_warns() -> None:
    with pytest.warns(UserWarning, match="one layer alone"):
        nn.GRU(3, 4, dropout=0.5)
