"""Compiled steps against the same steps in eager mode: everything they leave, to the bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from specs import CALLS, Call
from test_interop_onnx import LAYERS, MODELS
from test_nn_losses import CASES
from twins_of_steps import Work, alike, bits, compiled_like_eager, go_on, of_model, outcome

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.containers import leaves

SINGLE = np.float32


def floats(*shape: int, seed: int = 0, dtype: Any = SINGLE) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sgd(model: Any) -> Any:
    return optim.SGD(model.named_parameters(), lr=0.01)


def squares(outputs: Any) -> Any:
    """A number in which all outputs have a say."""
    found = [y for y in leaves(outputs) if isinstance(y, Tensor) and y.dtype.kind == "f"]
    return sum([np.mean(y * y) for y in found[1:]], start=np.mean(found[0] * found[0]))


def net(*sizes: int, seed: int = 0, **options: Any) -> Any:
    return nn.MLP(*sizes, rng=generator(seed), **options)


# --- layers and models ----------------------------------------------------------------------


def layer(name: str) -> Callable[[], Any]:
    kind, args, options, _ = LAYERS[name]

    def make() -> Any:
        try:
            return kind(*args, **options, rng=generator())
        except TypeError:
            return kind(*args, **options)

    return make


def goes_on_as_eager_mode(name: str) -> None:
    shape = LAYERS[name][-1]
    inputs = [(Tensor(floats(*shape, seed=i)),) for i in range(4)]
    for training in (True, False):
        work = of_model(lambda: layer(name)().train(training), sgd, lambda m, x: squares(m(x)))
        compiled_like_eager(work, inputs)


SOME_LAYERS = [
    "Linear", "BatchNorm2d", "InstanceNorm2d running", "LayerNorm", "Dropout", "Dropout2d",
    "AlphaDropout", "RReLU", "PReLU", "Conv2d 2 1 2", "ConvTranspose2d longer", "LSTM 2 True",
    "GRUCell", "2d Max 1 True", "Upsample bicubic", "TransformerEncoderLayer True gelu",
]  # fmt: skip


@pytest.mark.parametrize("name", SOME_LAYERS)
def test_layers(name):
    goes_on_as_eager_mode(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LAYERS if name not in SOME_LAYERS])
def test_all_layers(name):
    goes_on_as_eager_mode(name)


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_whole_models(name, training):
    make, inputs = MODELS[name]
    work = of_model(lambda: make().train(training), sgd, lambda m, *x: squares(m(*x)))
    with np.errstate(all="ignore"):
        compiled_like_eager(work, [inputs(4)] * 4)


# --- losses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda i: CASES[i][0])
def test_losses(case):
    name, inputs, moving, options = CASES[case]
    kinds = ["none", "mean", "sum"] if case % 3 == 0 else ["mean"]
    for reduction in kinds:
        loss = getattr(nn, name)(**options, reduction=reduction)

        def make(loss: Any = loss) -> Work:
            moved = [Tensor(x, requires_grad=True) for x in inputs[:moving]]

            def step(*rest: Any) -> Any:
                for x in moved:
                    x.zero_grad()
                found = loss(*moved, *rest)
                np.sum(found).backward()
                return found

            return Work(step, tensors=moved)

        rest = inputs[moving:]
        others = [x[::-1].copy() if np.ndim(x) else x for x in rest]
        compiled_like_eager(make, [tuple(rest), tuple(others), tuple(rest), tuple(others)])


# --- optimisers -----------------------------------------------------------------------------

OPTIMISERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "SGD": (optim.SGD, {"lr": 0.1}),
    "SGD decay": (optim.SGD, {"lr": 0.1, "weight_decay": 0.1}),
    "momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "dampened": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "SGD maximize": (optim.SGD, {"lr": 0.1, "maximize": True}),
    "Adam": (optim.Adam, {"lr": 0.1}),
    "Adam amsgrad": (optim.Adam, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    "Adam maximize": (optim.Adam, {"lr": 0.1, "maximize": True, "betas": (0.8, 0.9)}),
    "AdamW": (optim.AdamW, {"lr": 0.1}),
    "Adamax": (optim.Adamax, {"lr": 0.1, "weight_decay": 0.1}),
    "NAdam": (optim.NAdam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "RAdam": (optim.RAdam, {"lr": 0.1}),
    "RMSprop": (optim.RMSprop, {"lr": 0.1}),
    "RMSprop centred": (optim.RMSprop, {"lr": 0.1, "centered": True, "momentum": 0.5}),
    "Adagrad": (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    "Adadelta": (optim.Adadelta, {"lr": 1.0}),
    "Rprop": (optim.Rprop, {"lr": 0.1}),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers(name):
    kind, options = OPTIMISERS[name]

    def optimizer(model: Any) -> Any:
        return kind(model.named_parameters(), **options)

    def loss(model: Any, x: Any, y: Any) -> Any:
        return F.mse_loss(model(x), y)

    work = of_model(lambda: net(3, 4, 2, seed=1), optimizer, loss)
    calls = [(floats(5, 3, seed=i), floats(5, 2, seed=i + 50)) for i in range(9)]
    compiled_like_eager(work, calls, programs=None)


class Mixed(nn.Module):
    """Parameters of two dtypes, one of them frozen, one shared, one that nothing depends on."""

    def __init__(self) -> None:
        self.a = nn.Parameter(floats(3, 4, seed=1))
        self.b = nn.Parameter(floats(4, seed=2, dtype=np.float64))
        self.c = nn.Parameter(floats(4, 3, seed=3)).requires_grad_(False)
        self.d = nn.Parameter(np.float32(2.0))
        self.unused = nn.Parameter(floats(2, seed=4))
        self.again = self.a

    def forward(self, x: Any) -> Any:
        return (np.tanh(x @ self.a + self.b) @ self.c * self.d) @ self.again


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.RMSprop])
def test_groups_dtypes_frozen_and_missing_parameters(kind):
    def optimizer(model: Any) -> Any:
        groups = [
            {"params": [("a", model.a), ("d", model.d)], "lr": 0.05, "weight_decay": 0.1},
            {"params": [("b", model.b), ("c", model.c), ("unused", model.unused)]},
        ]
        return kind(groups, lr=0.01)

    work = of_model(Mixed, optimizer, lambda m, x: squares(m(x)))
    compiled_like_eager(work, [(floats(2, 3, seed=i),) for i in range(6)], programs=None)


# --- the table of specs ---------------------------------------------------------------------


def weighed(outputs: Any) -> Any:
    terms = [np.sum(y * (np.arange(1, y.size + 1).reshape(y.shape) / 10)) for y in outputs]
    terms = [np.real(t) + 2 * np.imag(t) if t.dtype.kind == "c" else t for t in terms]
    return sum(terms[1:], start=terms[0])


def readers(call: Call) -> Iterator[Callable[..., Any]]:
    """Ways to call a function: on arrays and tensors, its gradient, and second derivatives."""

    def scalar(*arrays: Any) -> Any:
        return weighed(call(call.views(arrays)))

    gradient = bp.grad(scalar, tuple(range(len(call.draws))))
    yield lambda *arrays: call(call.views(arrays))
    yield lambda *arrays: call(call.views([Tensor(a) for a in arrays]))
    yield gradient
    yield lambda *arrays: gradient(*[Tensor(a) for a in arrays])
    yield lambda x, *rest: bp.hvp(lambda moved: scalar(moved, *rest), x, np.ones_like(x))


def moved(base: Any, seed: int) -> Any:
    """Values a little beside others, complex ones in both directions."""
    away = 1e-3 * generator(seed).standard_normal(base.shape)
    return np.asarray(base + away * (1 + 1j if base.dtype.kind == "c" else 1), base.dtype)


BY_VALUES = {"trim_zeros", "polymul"}  # the shapes of their results depend on values


def runs_as_called(call: Call) -> None:
    bases = call.bases()
    inputs = [bases, *([moved(b, seed) for b in bases] for seed in (1, 2))]
    for function in readers(call):
        compiled = bp.compile(function)
        for given in inputs:
            wanted = outcome(function, given, {})
            found = outcome(compiled, given, {})
            if found[0] == "raised" and call.function.__name__ in BY_VALUES:
                assert found[1] is bp.errors.ProgramError
            else:
                assert alike(found, wanted), f"{found} is not {wanted}"


@pytest.mark.parametrize("call", CALLS[::60], ids=str)
def test_functions_and_their_derivatives(call):
    with np.errstate(all="ignore"):
        runs_as_called(call)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_call_of_the_table_of_specs(call):
    with np.errstate(all="ignore"):
        runs_as_called(call)
