"""Models for the doctor: for each finding a broken one and a mended one, and healthy ones.

A case is a function that makes what `examine` takes, anew: model, loss, optimiser, inputs, targets,
and perhaps options in a dict.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import Tensor, data, grad, nn, no_grad, optim
from tinygrad_bp import functional as F

Case = Callable[[], tuple[Any, ...]]


class Pair(NamedTuple):
    """A finding, a subject that has it, and the same one mended."""

    finding: str
    broken: Case
    mended: Case


PAIRS: list[Pair] = []
HEALTHY: dict[str, Case] = {}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@cache
def _digits(n: int) -> tuple[Any, Any]:
    images, labels = data.drawn_digits(n, rng(3))
    return images.astype(np.float32), labels


def digits(n: int = 64) -> tuple[Any, Any]:
    """Images from 0 to 1, and labels; every class is there."""
    images, labels = _digits(n)
    return images.copy(), labels.copy()


def points(n: int = 40, features: int = 5) -> tuple[Any, Any]:
    """Standardised features, and a smooth function of them, (n, 1)."""
    x = rng(1).normal(size=(n, features)).astype(np.float32)
    return x, np.tanh(x[:, :1] - x[:, 1:2]).astype(np.float32)


def net(*layers: Any, seed: int = 1) -> nn.Sequential:
    """A chain; a number is the width of a Linear layer, the first one that of the input."""
    draw, made, width = rng(seed), [], layers[0]
    for layer in layers[1:]:
        made.append(nn.Linear(width, layer, rng=draw) if isinstance(layer, int) else layer)
        width = layer if isinstance(layer, int) else width
    return nn.Sequential(*made)


def classifier(*ends: Any) -> nn.Sequential:
    return net(784, 32, nn.ReLU(), 10, *ends)


def adam(model: Any, lr: float = 1e-2, **options: Any) -> optim.Adam:
    return optim.Adam(model.named_parameters(), lr=lr, **options)


def classes(model: Any = None, *, x: Any = None, y: Any = None, **options: Any) -> tuple[Any, ...]:
    """A classifier of digits with cross-entropy and Adam, of which something may differ."""
    model = model or classifier()
    images, labels = digits()
    x, y = images if x is None else x, labels if y is None else y
    loss = options.pop("loss", None) or nn.CrossEntropyLoss()
    return model, loss, options.pop("optimizer", None) or adam(model, 3e-3), x, y, options


def regression(
    model: Any = None, *, x: Any = None, y: Any = None, loss: Any = None, optimizer: Any = None
) -> tuple[Any, ...]:
    model = model or net(5, 32, nn.Tanh(), 1)
    features, targets = points()
    x, y = features if x is None else x, targets if y is None else y
    return model, loss or nn.MSELoss(), optimizer or adam(model), x, y, {}


def pair(finding: str, broken: Case, mended: Case) -> None:
    PAIRS.append(Pair(finding, broken, mended))


def healthy(make: Case) -> Case:
    HEALTHY[make.__name__] = make
    return make


class Lambda(nn.Module):
    """Layers by name, and what is done with them."""

    def __init__(self, call: Callable[..., Any], **layers: Any) -> None:
        for name, layer in layers.items():
            setattr(self, name, layer)
        self._call = call

    def forward(self, *inputs: Any) -> Any:
        return self._call(self, *inputs)


# --- inputs -----------------------------------------------------------------------------------


def _with_nan() -> Any:
    x = digits()[0]
    x[3, 100] = np.nan
    return x


def with_missing(value: float) -> tuple[Any, ...]:
    """A model that puts 0 for what is missing."""
    x, y = points()
    x[rng(3).random(x.shape) < 0.1] = value
    model = Lambda(lambda m, x: m.net(np.nan_to_num(x)), net=net(5, 32, nn.Tanh(), 1))
    return regression(model, x=x, y=y)


pair(
    "input-not-finite",
    lambda: classes(x=_with_nan()),
    lambda: classes(x=np.nan_to_num(_with_nan())),
)
pair("input-not-finite", lambda: with_missing(np.nan), lambda: with_missing(0))
pair("input-scale", lambda: classes(x=digits()[0] * 255), classes)
pair("input-scale", lambda: classes(x=np.rint(digits()[0] * 255).astype(np.uint8)), classes)
pair("input-scale", lambda: classes(x=digits()[0] / 255), classes)
pair("input-offset", lambda: regression(x=points()[0] * 0.1 + 4), regression)
pair("same-inputs", lambda: classes(x=np.repeat(digits()[0][:1], 64, axis=0)), classes)


def _with_constant() -> Any:
    x = points()[0]
    x[:, 2] = 1
    return x


pair("constant-features", lambda: regression(x=_with_constant()), regression)
pair("dtype", lambda: regression(net(5, 32, nn.Tanh(), 1).to(np.float16)), regression)
pair("dtype", lambda: regression(x=points()[0].astype(np.float16)), regression)
pair("dtype", lambda: regression(x=points()[0].astype(float)), regression)

# --- targets ----------------------------------------------------------------------------------

pair("label-range", lambda: classes(y=digits()[1] + 1), classes)
pair("label-range", lambda: classes(net(784, 16, nn.ReLU(), 5)), classes)
pair("label-range", lambda: classes(y=digits()[1] - 1), classes)
pair("label-shape", lambda: classes(y=digits()[1][:, None]), classes)
pair("label-shape", lambda: regression(y=points()[1][:, 0]), regression)
pair("label-dtype", lambda: classes(y=digits()[1].astype(np.float32)), classes)
pair("label-one-hot", lambda: classes(y=np.eye(10, dtype=int)[digits()[1]]), classes)
pair("label-one-hot", lambda: classes(loss=nn.MSELoss()),
     lambda: classes(loss=nn.MSELoss(), y=np.eye(10, dtype=np.float32)[digits()[1]]))  # fmt: skip
pair("logits-for-probabilities", lambda: regression(loss=nn.BCELoss(), y=yes()),
     lambda: regression(loss=nn.BCEWithLogitsLoss(), y=yes()))  # fmt: skip
pair("one-output", lambda: regression(loss=nn.CrossEntropyLoss(), y=np.zeros(40, int)),
     lambda: regression(loss=nn.BCEWithLogitsLoss(), y=yes()))  # fmt: skip
pair("broadcast-targets",
     lambda: regression(loss=lambda a, y: ((a - y) ** 2).mean(), y=points()[1][:, 0]),
     lambda: regression(loss=lambda a, y: ((a - y) ** 2).mean()))  # fmt: skip
pair("labels-unused", lambda: regression(loss=lambda a, y: (a * a).mean()), regression)
pair("target-scale", lambda: regression(y=points()[1] * 1e4 + 2e5), regression)
pair("target-scale", lambda: regression(y=points()[1] + 20), regression)
pair("missing-class", lambda: classes(net(784, 16, nn.ReLU(), 13), x=many()[0], y=many()[1]),
     lambda: classes(x=many()[0], y=many()[1]))  # fmt: skip
pair("missing-class", lambda: classes(net(784, 16, nn.ReLU(), 3), y=np.zeros(64, int)), classes)
pair("missing-class", lambda: classes(y=np.full(64, 3)), classes)


def yes() -> Any:
    return (points()[1] > 0).astype(np.float32)


def many() -> tuple[Any, Any]:
    return digits(150)


# --- what the loss is given -------------------------------------------------------------------

pair("loss-not-scalar", lambda: classes(loss=nn.CrossEntropyLoss(reduction="none")), classes)
pair("loss-not-scalar", lambda: classes(loss=lambda z, y: None), classes)
pair("no-graph", lambda: classes(loss=lambda z, y: F.cross_entropy(z, y).item()), classes)
pair("not-in-optimizer", lambda: tempered(left_out=True), lambda: tempered(left_out=False))
pair("loss-not-finite", lambda: regression(loss=lambda a, y: np.log(a - a.data - 1 + 0 * y).mean()),
     regression)  # fmt: skip
pair("no-graph", lambda: regression(Lambda(lambda m, x: m.net(x).detach(), net=net(5, 8, 1))),
     regression)  # fmt: skip
pair("no-graph", lambda: regression(net(5, 8, 1).requires_grad_(False), optimizer=None), regression)
pair("probabilities-for-logits", lambda: classes(classifier(nn.Softmax(dim=1))), classes)
pair("probabilities-for-logits", lambda: classes(classifier(nn.LogSoftmax(dim=1))), classes)
pair("probabilities-for-logits", lambda: classes(classifier(nn.Sigmoid())), classes)
pair("probabilities-for-logits", lambda: classes(classifier(nn.ReLU())), classes)
pair("probabilities-for-logits",
     lambda: regression(rising(nn.Sigmoid()), loss=nn.BCEWithLogitsLoss(), y=yes()),
     lambda: regression(rising(nn.Sigmoid()), loss=nn.BCELoss(), y=yes()))  # fmt: skip
pair("not-log-probabilities", lambda: classes(loss=nn.NLLLoss()),
     lambda: classes(classifier(nn.LogSoftmax(dim=1)), loss=nn.NLLLoss()))  # fmt: skip
pair("not-log-probabilities", lambda: classes(classifier(nn.Softmax(dim=1)), loss=nn.NLLLoss()),
     classes)  # fmt: skip
pair("unreachable-targets", lambda: regression(rising(nn.ReLU())), regression)
pair("unreachable-targets", lambda: regression(rising(nn.Tanh()), y=3 * points()[1]),
     lambda: regression(rising(nn.Tanh())))  # fmt: skip
pair("summed-loss",
     lambda: classes(m := classifier(), loss=nn.CrossEntropyLoss(reduction="sum"),
                     optimizer=sgd(m, 1e-3)), classes)  # fmt: skip
pair("starting-loss", lambda: classes(scaled(classifier(), {"2.weight": 40})), classes)


class Tempered(nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self) -> None:
        self.temperature = nn.Parameter(np.float32(1.0))

    def forward(self, z: Any, y: Any) -> Any:
        return F.cross_entropy(z * self.temperature, y)


def tempered(*, left_out: bool) -> tuple[Any, ...]:
    model, loss = classifier(), Tempered()
    trained = [*model.parameters(), *([] if left_out else loss.parameters())]
    return classes(model, loss=loss, optimizer=optim.Adam(trained, 3e-3))


def sgd(model: Any, lr: float, **options: Any) -> optim.SGD:
    return optim.SGD(model.named_parameters(), lr=lr, **options)


def adamw(model: Any, **options: Any) -> optim.AdamW:
    return optim.AdamW(model.named_parameters(), 1e-3, **options)


def rising(end: nn.Module) -> nn.Sequential:
    return net(5, 16, nn.ReLU(), 1, end)


def normed() -> nn.Sequential:
    return net(784, 16, nn.BatchNorm1d(16), nn.ReLU(), 10)


def scaled(model: Any, factors: dict[str, float]) -> Any:
    """The model with some parameters multiplied."""
    for name, factor in factors.items():
        model.get_parameter(name).data *= factor
    return model


pair("labels-not-shares", lambda: classes(y=_two_labels()),
     lambda: classes(y=_two_labels(), loss=nn.BCEWithLogitsLoss()))  # fmt: skip
pair("bottomless-loss", lambda: classes(loss=lambda z, y: -F.cross_entropy(z, y)), classes)
pair("bottomless-loss", lambda: regression(loss=nn.BCEWithLogitsLoss(), y=2 * yes() - 1),
     lambda: regression(loss=nn.SoftMarginLoss(), y=2 * yes() - 1))  # fmt: skip
pair("bottomless-loss",
     lambda: classes(classifier(nn.LogSoftmax(dim=1)), loss=lambda z, y: -F.nll_loss(z, y)),
     lambda: classes(classifier(nn.LogSoftmax(dim=1)), loss=nn.NLLLoss()))  # fmt: skip
pair("softmax-over-batch", lambda: classes(classifier(nn.LogSoftmax(dim=0)), loss=nn.NLLLoss()),
     lambda: classes(classifier(nn.LogSoftmax(dim=1)), loss=nn.NLLLoss()))  # fmt: skip
pair("softmax-over-batch", lambda: classes(classifier(nn.Softmax(dim=0))), classes)
pair("nothing-between", lambda: classes(net(784, 32, 10)), classes)


def _two_labels() -> Any:
    y = digits()[1]
    rows = np.eye(10, dtype=np.float32)
    return rows[y] + rows[(y + 3) % 10]


# --- parameters -------------------------------------------------------------------------------


def _of_another() -> tuple[Any, ...]:
    return classes(optimizer=adam(classifier()))


def _new_head() -> tuple[Any, ...]:
    model = net(784, 32, nn.ReLU(), 5)
    optimizer = adam(model)
    model[2] = nn.Linear(32, 10, rng=rng())
    return classes(model, optimizer=optimizer)


def _old_head_too() -> tuple[Any, ...]:
    model = classifier()
    old = nn.Linear(32, 5, rng=rng())
    return classes(model, optimizer=optim.Adam([*model.parameters(), *old.parameters()], lr=3e-3))


def _frozen() -> tuple[Any, ...]:
    model = classifier()
    model[0].requires_grad_(False)
    return classes(model, optimizer=optim.Adam(model.parameters(), lr=3e-3))


def _made_in_forward() -> tuple[Any, ...]:
    def call(m: Any, x: Any) -> Any:
        bias = Tensor(np.zeros(10, np.float32), requires_grad=True, name="bias")
        return m.net(x) + bias

    return classes(Lambda(call, net=classifier()))


def _no_grad_first() -> tuple[Any, ...]:
    def call(m: Any, x: Any) -> Any:
        with no_grad():
            h = m.first(x)
        return m.last(F.relu(h))

    first, last = net(784, 32, seed=1)[0], net(32, 10, seed=2)[0]
    return classes(Lambda(call, first=first, last=last))


def _unused() -> tuple[Any, ...]:
    return classes(
        Lambda(lambda m, x: m.net(x), net=classifier(), spare=nn.Linear(3, 3, rng=rng()))
    )


def _left_over() -> tuple[Any, ...]:
    made = classes()
    made[1](made[0](made[3]), made[4]).backward()
    return made


def dropping(p: float = 0.3) -> nn.Sequential:
    return net(784, 32, nn.ReLU(), nn.Dropout(p, rng=rng(4)), 10)


def resting(*places: int) -> tuple[Any, ...]:
    """Groups of the optimiser, one a layer, of which some have a learning rate of 0."""
    model = classifier()
    optimizer = optim.Adam([{"params": list(model[i].parameters())} for i in (0, 2)], lr=3e-3)
    for place in places:
        optimizer.param_groups[place]["lr"] = 0.0
    return classes(model, optimizer=optimizer)


pair("other-optimizer", _of_another, classes)
pair("not-in-optimizer", _new_head, classes)
pair("not-in-optimizer", lambda: classes(m := classifier(), optimizer=adam(m[2])), classes)
pair("strangers-in-optimizer", _old_head_too, classes)
pair("frozen-in-optimizer", _frozen, classes)
pair("unregistered-parameters", _made_in_forward, classes)
pair("zero-rate", lambda: resting(0, 1), resting)
pair("zero-rate", lambda: resting(0), resting)
pair("no-gradient", _no_grad_first, classes)
pair("no-gradient", _unused, classes)
pair("left-over-gradients", _left_over, classes)
pair("evaluation-mode", lambda: classes(dropping().eval()), lambda: classes(dropping()))
pair("too-much-dropout", lambda: classes(dropping(0.9)), lambda: classes(dropping(0.8)))
pair("too-much-dropout", lambda: classes(dropping(1)), lambda: classes(dropping(0.5)))
pair("batch-norm-of-one",
     lambda: classes(normed(), x=digits()[0][:1], y=digits()[1][:1]),
     lambda: classes(normed()))  # fmt: skip
pair("weight-decay", lambda: classes(m := classifier(), optimizer=sgd(m, 0.1, weight_decay=10.0)),
     lambda: classes(m := classifier(), optimizer=sgd(m, 0.1, weight_decay=1e-4)))  # fmt: skip
pair("weight-decay",
     lambda: classes(m := classifier(), optimizer=adamw(m, weight_decay=500)),
     lambda: classes(m := classifier(), optimizer=adamw(m)))  # fmt: skip

# --- hidden units -----------------------------------------------------------------------------


def _shifted(layer: str, by: float) -> Any:
    model = classifier()
    model.get_parameter(layer).data += by
    return model


def deep(activation: Callable[[], nn.Module], depth: int, gain: float | None = None) -> Any:
    """Many narrow layers; with a gain, they are made anew by Xavier's formula."""
    model = net(784, *[part for _ in range(depth) for part in (32, activation())], 10)
    for p in model.parameters() if gain else ():
        if p.ndim > 1:
            nn.init.xavier_normal_(p, gain=gain, rng=rng(p.size))
    return model


def zeros() -> Any:
    return scaled(classifier(), {"0.weight": 0, "0.bias": 0, "2.weight": 0, "2.bias": 0})


pair("dead-relu", lambda: classes(_shifted("0.bias", -20)), classes)
pair("saturated", lambda: classes(scaled(net(784, 32, nn.Tanh(), 10), {"0.weight": 200})),
     lambda: classes(net(784, 32, nn.Tanh(), 10)))  # fmt: skip
pair("saturated", lambda: classes(scaled(net(784, 32, nn.Sigmoid(), 10), {"0.weight": 300})),
     lambda: classes(net(784, 32, nn.Sigmoid(), 10)))  # fmt: skip
pair("saturated", lambda: elman(100.0), lambda: elman(1.0))
pair("alike-units", lambda: classes(zeros()), classes)
pair("alike-units", lambda: classes(constant(net(784, 16, nn.Tanh(), 10))), classes)
pair("constant-output", lambda: classes(Lambda(lambda m, x: m.net(x * 0 + 0.5), net=classifier())),
     classes)  # fmt: skip
pair("vanishing-gradients", lambda: classes(deep(nn.Sigmoid, 8)),
     lambda: classes(deep(nn.ReLU, 8, 2**0.5), optimizer=None))  # fmt: skip
pair("vanishing-gradients",
     lambda: classes(m := deep(nn.Sigmoid, 4), optimizer=sgd(m, 1.0)),
     lambda: classes(m := deep(nn.Sigmoid, 2), optimizer=sgd(m, 1.0)))  # fmt: skip
pair("exploding-gradients", lambda: classes(deep(lambda: nn.LeakyReLU(0.9), 12, 4.0)),
     lambda: classes(deep(lambda: nn.LeakyReLU(0.9), 3, 1.0)))  # fmt: skip


def constant(model: Any) -> Any:
    for p in model.parameters():
        p.data = np.full(p.shape, 0.01, p.dtype)
    return model


pair("gradient-not-finite", lambda: regression(no_weights(), y=0 * points()[1], loss=root),
     lambda: regression(loss=root))  # fmt: skip


def no_weights() -> Any:
    """A model that is right already, where all targets are 0."""
    return scaled(net(5, 1), {"0.weight": 0, "0.bias": 0})


def root(a: Any, y: Any) -> Any:
    return np.sqrt(((a - y) ** 2).mean())


# --- examples that mix ------------------------------------------------------------------------


def sequences(n: int = 24, steps: int = 6, features: int = 8) -> tuple[Any, Any]:
    x = rng(5).normal(size=(n, steps, features)).astype(np.float32)
    return x, (x[:, 0, 0] > 0).astype(int) + (x[:, -1, 0] > 0)


def recurrent(*, batch_first: bool) -> tuple[Any, ...]:
    model = Lambda(lambda m, x: m.out(m.lstm(x)[0][:, -1]),
                   lstm=nn.LSTM(8, 16, batch_first=batch_first, rng=rng(1)),
                   out=nn.Linear(16, 3, rng=rng(2)))  # fmt: skip
    return model, nn.CrossEntropyLoss(), adam(model), *sequences(), {}


def elman(factor: float) -> tuple[Any, ...]:
    """A recurrent layer of tanh, with its weights multiplied."""
    model = Lambda(lambda m, x: m.out(m.rnn(x)[0][:, -1]),
                   rnn=nn.RNN(8, 16, batch_first=True, rng=rng(1)), out=net(16, 3)[0])  # fmt: skip
    return (
        scaled(model, {"rnn.weight_ih_l0": factor}),
        nn.CrossEntropyLoss(),
        adam(model),
        *sequences(),
        {},
    )


def one_sequence(rows: Any) -> tuple[Any, ...]:
    """Examples without a time, which a recurrent layer takes for one sequence."""
    model = Lambda(lambda m, x: m.out(m.lstm(x[rows])[0]).reshape(-1, 2),
                   lstm=nn.LSTM(5, 16, batch_first=True, rng=rng(1)),
                   out=nn.Linear(16, 2, rng=rng(2)))  # fmt: skip
    x, y = points()
    return model, nn.CrossEntropyLoss(), adam(model), x, (y[:, 0] > 0).astype(int), {}


def _transposed(swap: Callable[[Any], Any]) -> tuple[Any, ...]:
    model = Lambda(lambda m, x: m.net(swap(x)), net=net(8, 16, nn.ReLU(), 3))
    x = sequences()[0][:, 0]
    return model, nn.CrossEntropyLoss(), adam(model), x, (x[:, 0] > 0).astype(int) * 2, {}


pair("mixed-examples", lambda: recurrent(batch_first=False), lambda: recurrent(batch_first=True))
pair("mixed-examples", lambda: one_sequence(np.s_[:]), lambda: one_sequence(np.s_[:, None]))
pair("mixed-examples", lambda: _transposed(lambda x: np.swapaxes(x, 0, 1).reshape(x.shape)),
     lambda: _transposed(lambda x: x.reshape(x.shape)))  # fmt: skip

# --- learning ---------------------------------------------------------------------------------

pair("learning-rate", lambda: classes(m := classifier(), optimizer=adam(m, 3.0)), classes)
pair("learning-rate", lambda: classes(m := classifier(), optimizer=sgd(m, 3.0, momentum=0.99)),
     lambda: classes(m := classifier(), optimizer=sgd(m, 0.1, momentum=0.9)))  # fmt: skip
pair("learning-rate", lambda: classes(m := classifier(), optimizer=sgd(m, 30.0)),
     lambda: classes(m := classifier(), optimizer=sgd(m, 0.1)))  # fmt: skip
pair("learning-rate", lambda: classes(m := classifier(), optimizer=adam(m, 1e-7)), classes)
pair("learning-rate", lambda: regression(m := net(5, 32, nn.Tanh(), 1), optimizer=sgd(m, 1e-5)),
     lambda: regression(m := net(5, 32, nn.Tanh(), 1), optimizer=sgd(m, 0.1)))  # fmt: skip


def _contradicting() -> tuple[Any, ...]:
    x, _ = points(20)
    return regression(
        x=np.concatenate([x[:10], x[:10]]), y=np.repeat([[-1], [1]], 10, axis=0).astype("f")
    )


def _pooled_away() -> tuple[Any, ...]:
    """Labels that say which half of an image is bright; the mean of it does not."""
    x = rng(1).random((60, 8)).astype(np.float32)
    y = np.arange(60) % 2
    x[y == 1] = x[y == 1][:, ::-1] * 0 + x[y == 0][:, ::-1]
    return x, y


def halves(*, pooled: bool) -> tuple[Any, ...]:
    (x, y), layers = _pooled_away(), net(1 if pooled else 8, 16, nn.ReLU(), 2)
    call = (
        (lambda m, x: m.net(x.mean(axis=1, keepdims=True))) if pooled else (lambda m, x: m.net(x))
    )
    model = Lambda(call, net=layers)
    return model, nn.CrossEntropyLoss(), adam(model), x, y, {}


pair("cannot-overfit", _contradicting, regression)
pair("cannot-overfit", lambda: halves(pooled=True), lambda: halves(pooled=False))


# --- a step of one's own ----------------------------------------------------------------------


def _stepping(*parts: str) -> tuple[Any, ...]:
    model, loss, optimizer, x, y, _ = classes()

    def step(x: Any, y: Any) -> None:
        for part in parts:
            if part == "zero_grad":
                optimizer.zero_grad()
            elif part == "backward":
                loss(model(x), y).backward()
            else:
                optimizer.step(accumulated=part == "accumulated")

    return model, loss, optimizer, x, y, {"step": step}


GOOD_STEP = ("zero_grad", "backward", "step")
pair("zero-grad-forgotten", lambda: _stepping("backward", "step"), lambda: _stepping(*GOOD_STEP))
pair("zero-grad-forgotten", lambda: _stepping("backward", "accumulated"),
     lambda: _stepping(*GOOD_STEP))  # fmt: skip
pair(
    "step-moves-nothing", lambda: _stepping("zero_grad", "backward"), lambda: _stepping(*GOOD_STEP)
)
pair(
    "step-fails", lambda: _stepping("backward", "zero_grad", "step"), lambda: _stepping(*GOOD_STEP)
)

# --- healthy ones -------------------------------------------------------------------------------

ACTIVATIONS = (
    nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh,
    nn.Sigmoid, nn.Softplus, nn.Softsign, nn.ReLU6, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid,
)  # fmt: skip

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4),
    "Adam": lambda p: optim.Adam(p, lr=1e-3),
    "AdamW": lambda p: optim.AdamW(p, lr=1e-3),
    "Adamax": optim.Adamax,
    "NAdam": optim.NAdam,
    "RAdam": optim.RAdam,
    "RMSprop": lambda p: optim.RMSprop(p, lr=1e-3),
    "Adagrad": optim.Adagrad,
    "Adadelta": optim.Adadelta,
    "Rprop": optim.Rprop,
    "LBFGS": lambda p: optim.LBFGS(p, line_search_fn="strong_wolfe"),
}

for _kind in ACTIVATIONS:
    HEALTHY[f"mlp_{_kind.__name__}"] = lambda kind=_kind: classes(
        net(784, 32, kind(), 32, kind(), 10)
    )
for _name, _make in OPTIMIZERS.items():
    HEALTHY[f"by_{_name}"] = lambda make=_make: classes(
        m := classifier(), optimizer=make(m.parameters())
    )


def images(model: Any, **options: Any) -> tuple[Any, ...]:
    x, y = digits(32)
    return classes(model, x=x.reshape(-1, 1, 28, 28), y=y, **options)


@healthy
def lenet() -> tuple[Any, ...]:
    draw = rng(1)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, rng=draw), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, rng=draw), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120, rng=draw), nn.Tanh(), nn.Linear(120, 84, rng=draw), nn.Tanh(),
        nn.Linear(84, 10, rng=draw),
    )  # fmt: skip
    return images(model, optimizer=sgd(model, 0.05, momentum=0.9))


@healthy
def convolutions_with_batch_norm() -> tuple[Any, ...]:
    draw = rng(1)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, rng=draw), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, rng=draw), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10, rng=draw),
    )  # fmt: skip
    return images(model, optimizer=optim.AdamW(model.parameters(), 3e-3))


@healthy
def batch_normed_mlp() -> tuple[Any, ...]:
    model = net(784, 32, nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.5, rng=rng(3)), 10)
    return classes(model, optimizer=sgd(model, 0.1))


@healthy
def input_that_is_normalised_inside() -> tuple[Any, ...]:
    model = nn.Sequential(nn.BatchNorm1d(5), *net(5, 32, nn.ReLU(), 1))
    return regression(model, x=points()[0] * 50 + 100)


@healthy
def input_that_the_model_scales_itself() -> tuple[Any, ...]:
    model = Lambda(lambda m, x: m.net(x.astype(np.float32) / 255), net=classifier())
    return classes(model, x=np.rint(digits()[0] * 255).astype(np.uint8))


@healthy
def lstm() -> tuple[Any, ...]:
    return recurrent(batch_first=True)


@healthy
def gru_with_time_first() -> tuple[Any, ...]:
    model = Lambda(lambda m, x: m.out(m.gru(x)[0][-1]),
                   gru=nn.GRU(8, 16, rng=rng(1)), out=nn.Linear(16, 3, rng=rng(2)))  # fmt: skip
    x, y = sequences()
    return model, nn.CrossEntropyLoss(), adam(model), x.swapaxes(0, 1).copy(), y, {}


@healthy
def language_model_with_time_first() -> tuple[Any, ...]:
    def call(m: Any, x: Any) -> Any:
        return m.out(m.lstm(m.table(x))[0]).reshape(-1, 27)

    model = Lambda(call, table=nn.Embedding(27, 16, rng=rng(1)), lstm=nn.LSTM(16, 32, rng=rng(2)),
                   out=nn.Linear(32, 27, rng=rng(3)))  # fmt: skip
    text = rng(4).integers(0, 27, (13, 16))
    loss = lambda z, y: F.cross_entropy(z, y.reshape(-1))  # noqa: E731
    return model, loss, adam(model, 3e-3), text[:-1], text[1:], {}


@healthy
def transformer() -> tuple[Any, ...]:
    def call(m: Any, x: Any) -> Any:
        return m.out(m.encoder(m.table(x) + m.places(np.arange(x.shape[1]))).mean(axis=1))

    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, rng=rng(1))
    table, places = nn.Embedding(20, 16, rng=rng(2)), nn.Embedding(8, 16, rng=rng(3))
    out = nn.Linear(16, 2, rng=rng(4))
    model = Lambda(call, encoder=layer, table=table, places=places, out=out)
    words = rng(5).integers(0, 20, (32, 8))
    return model, nn.CrossEntropyLoss(), adam(model, 1e-3), words, (words[:, 0] > 9).astype(int), {}


@healthy
def autoencoder() -> tuple[Any, ...]:
    model = net(784, 64, nn.ReLU(), 16, nn.ReLU(), 64, nn.ReLU(), 784, nn.Sigmoid())
    x, _ = digits()
    return classes(model, y=x, loss=nn.MSELoss(), optimizer=adam(model, 3e-3))


@healthy
def embedding_bag() -> tuple[Any, ...]:
    model = nn.Sequential(
        nn.EmbeddingBag(100, 16, mode="mean", rng=rng(1)), nn.Linear(16, 2, rng=rng(2))
    )
    words = rng(3).integers(0, 100, (32, 7))
    return model, nn.CrossEntropyLoss(), adam(model), words, (words.min(axis=1) > 9).astype(int), {}


@healthy
def linear_regression() -> tuple[Any, ...]:
    model = net(5, 1)
    return regression(model, optimizer=sgd(model, 0.1))


@healthy
def robust_regression() -> tuple[Any, ...]:
    return regression(loss=nn.HuberLoss())


@healthy
def absolute_errors() -> tuple[Any, ...]:
    return regression(loss=nn.L1Loss())


@healthy
def logistic_regression() -> tuple[Any, ...]:
    return regression(net(5, 1), loss=nn.BCEWithLogitsLoss(), y=yes())


@healthy
def rare_positives() -> tuple[Any, ...]:
    y = (points()[1] > 0.9).astype(np.float32)
    return regression(loss=nn.BCEWithLogitsLoss(pos_weight=[9.0]), y=y)


@healthy
def smoothed_labels_in_weighted_classes() -> tuple[Any, ...]:
    weight = np.linspace(0.5, 1.5, 10, dtype=np.float32)
    return classes(loss=nn.CrossEntropyLoss(weight=weight, label_smoothing=0.1))


@healthy
def soft_labels() -> tuple[Any, ...]:
    return classes(y=(0.9 * np.eye(10)[digits()[1]] + 0.01).astype(np.float32))


@healthy
def labels_smoothed_much() -> tuple[Any, ...]:
    """The lowest loss is the entropy of the labels, which is far from 0."""
    return classes(loss=nn.CrossEntropyLoss(label_smoothing=0.4))


@healthy
def a_teacher_that_is_not_sure() -> tuple[Any, ...]:
    logits = rng(4).normal(size=(10, 10))[digits()[1]]
    return classes(y=np.asarray(F.softmax(logits, axis=-1), np.float32))


def grey(end: nn.Module, loss: nn.Module) -> tuple[Any, ...]:
    """An autoencoder of curves whose numbers are nearly all between 0.2 and 0.8."""
    t, draw = np.linspace(-2, 2, 64), rng(5).normal(size=(2, 40, 1))
    x = (1 / (1 + np.exp(-draw[0] * t - draw[1] * np.sin(3 * t)))).astype(np.float32)
    return regression(net(64, 32, nn.ReLU(), 64, end), x=x, y=x, loss=loss)


HEALTHY["grey_probabilities"] = lambda: grey(nn.Sigmoid(), nn.BCELoss())
HEALTHY["grey_logits"] = lambda: grey(nn.Identity(), nn.BCEWithLogitsLoss())


@healthy
def labels_that_do_not_count() -> tuple[Any, ...]:
    x, y = digits()
    y[::5] = -100
    return classes(x=x, y=y)


@healthy
def a_head_of_zeros() -> tuple[Any, ...]:
    return classes(scaled(classifier(), {"2.weight": 0, "2.bias": 0}))


@healthy
def squares_of_the_lesson() -> tuple[Any, ...]:
    model = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=rng(1))
    x, y = digits(100)
    return classes(model, x=x, y=np.eye(10, dtype=np.float32)[y], loss=nn.SumSquares(),
                   optimizer=sgd(model, 1.0))  # fmt: skip


@healthy
def margins() -> tuple[Any, ...]:
    return classes(loss=nn.MultiMarginLoss())


def learnt(**options: Any) -> tuple[Any, ...]:
    made = model, loss, optimizer, x, y, _ = classes(**options)
    for _ in range(40):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    return made


HEALTHY["a_model_that_has_learnt"] = learnt
HEALTHY["one_that_has_learnt_smoothed_labels"] = lambda: learnt(
    loss=nn.CrossEntropyLoss(label_smoothing=0.4)
)


@healthy
def a_small_batch() -> tuple[Any, ...]:
    x, y = digits()
    return classes(x=x[:4], y=y[:4])


@healthy
def one_example() -> tuple[Any, ...]:
    x, y = digits()
    return classes(x=x[:1], y=y[:1])


@healthy
def a_frozen_body() -> tuple[Any, ...]:
    model = classifier()
    model[0].requires_grad_(False)
    return classes(model, optimizer=adam(model[2]))


@healthy
def frozen_statistics() -> tuple[Any, ...]:
    """Batch normalisation in evaluation mode on purpose, with all else in training: a note."""
    model = normed()
    model[1].eval()
    return classes(model, optimizer=adam(model, 3e-3))


@healthy
def pairs_in_a_batch() -> tuple[Any, ...]:
    """Each example is compared with every other, which is what it is for."""
    model = Lambda(lambda m, a, b: m.f(a) @ m.g(b).T, f=net(20, 32, nn.ReLU(), 8),
                   g=net(20, 32, nn.ReLU(), 8, seed=2))  # fmt: skip
    a = rng(1).normal(size=(32, 20)).astype(np.float32)
    return model, nn.CrossEntropyLoss(), adam(model), (a, a[:, ::-1].copy()), np.arange(32), {}


@healthy
def several_outputs() -> tuple[Any, ...]:
    model = Lambda(
        lambda m, x: (m.one(x), m.two(x)), one=classifier(), two=net(784, 16, nn.ReLU(), 1)
    )
    loss = lambda z, y: F.cross_entropy(z[0], y[0]) + F.mse_loss(z[1], y[1])  # noqa: E731
    x, y = digits()
    return model, loss, adam(model, 3e-3), x, (y, x.mean(axis=1, keepdims=True)), {}


@healthy
def miles_per_gallon() -> tuple[Any, ...]:
    x, y = points(64)
    return regression(net(5, 64, nn.ReLU(), 1), x=x, y=23 + 6 * y, loss=nn.L1Loss())


@healthy
def a_policy() -> tuple[Any, ...]:
    model = net(6, 32, nn.Tanh(), 3)
    x, actions = rng(1).normal(size=(40, 6)).astype(np.float32), rng(2).integers(0, 3, 40)
    rewards = rng(3).normal(size=40).astype(np.float32)

    def loss(z: Any, taken: Any) -> Any:
        actions, rewards = taken
        return -(F.log_softmax(z, axis=-1)[np.arange(len(actions)), actions] * rewards).mean()

    return model, loss, adam(model), x, (actions, rewards), {}


@healthy
def a_step_of_its_own() -> tuple[Any, ...]:
    return _stepping(*GOOD_STEP)


@healthy
def no_optimizer() -> tuple[Any, ...]:
    model = classifier()
    return model, nn.CrossEntropyLoss(), None, *digits(), {}


@healthy
def double_precision() -> tuple[Any, ...]:
    model = classifier().double()
    return classes(model, x=digits()[0].astype(float), optimizer=adam(model, 3e-3))


@healthy
def complex_numbers() -> tuple[Any, ...]:
    draw = rng(1)
    weight = nn.Parameter(draw.normal(size=(5, 3)) + 1j * draw.normal(size=(5, 3)))
    model = Lambda(lambda m, x: np.abs(x @ m.weight) ** 2, weight=weight)
    x = draw.normal(size=(40, 5))
    return model, nn.MSELoss(), sgd(model, 0.003), x, np.abs(x[:, :3]), {}


@healthy
def parameters_without_layers() -> tuple[Any, ...]:
    draw = rng(1)
    model = Lambda(lambda m, x: np.maximum(x @ m.first, 0) @ m.second,
                   first=nn.Parameter(0.4 * draw.normal(size=(5, 32))),
                   second=nn.Parameter(0.2 * draw.normal(size=(32, 1))))  # fmt: skip
    x, y = points()
    return model, nn.MSELoss(), adam(model), x.astype(float), y.astype(float), {}


@healthy
def a_differential_equation() -> tuple[Any, ...]:
    """A loss without targets, of the model's own derivative."""
    net = nn.MLP(1, 16, 1, activation=nn.Tanh(), dtype=np.float64, rng=rng())
    model = Lambda(lambda m, x: grad(lambda x: m.net(x).sum())(x) + m.net(x), net=net)
    at_0 = np.zeros((1, 1))
    loss = lambda residual: (residual**2).mean() + ((net(at_0) - 1) ** 2).mean()  # noqa: E731
    return model, loss, adam(model), np.linspace(0, 1, 20).reshape(20, 1), None, {}


@healthy
def a_policy_that_is_given_its_actions_alone() -> tuple[Any, ...]:
    """Its loss falls without end for the actions that were bad, and for them alone."""
    model = net(6, 32, nn.Tanh(), 3)
    x, actions = rng(1).normal(size=(40, 6)).astype(np.float32), rng(2).integers(0, 3, 40)
    rewards = rng(3).normal(size=40).astype(np.float32)

    def loss(z: Any, taken: Any) -> Any:
        known = F.log_softmax(z, axis=-1)[np.arange(len(taken)), taken]
        return -(known * rewards[: len(taken)]).mean()

    return model, loss, adam(model), x, actions, {}


@healthy
def a_sum_with_a_rate_for_it() -> tuple[Any, ...]:
    model = classifier()
    return classes(model, loss=nn.CrossEntropyLoss(reduction="sum"), optimizer=sgd(model, 1e-3))


@healthy
def words_and_places() -> tuple[Any, ...]:
    """The places are the model's own parameter, and the words are not what it multiplies."""
    model = Lambda(lambda m, x: m.out((m.table(x) + m.places).mean(axis=1)),
                   table=nn.Embedding(50, 16, rng=rng(1)), out=nn.Linear(16, 2, rng=rng(2)),
                   places=nn.Parameter(0.02 * rng(3).normal(size=(8, 16)).astype("f")))  # fmt: skip
    words = rng(4).integers(0, 50, (32, 8))
    return model, nn.CrossEntropyLoss(), adam(model), words, (words[:, 0] > 24).astype(int), {}


@healthy
def a_mask_of_infinities() -> tuple[Any, ...]:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, rng=rng(1))
    model = Lambda(lambda m, x, mask: m.out(m.layer(x, src_mask=mask)).mean(axis=1), layer=layer,
                   out=nn.Linear(8, 3, rng=rng(2)))  # fmt: skip
    x, y = sequences()
    mask = np.where(np.triu(np.ones((6, 6)), 1), -np.inf, 0).astype(np.float32)
    return model, nn.CrossEntropyLoss(), adam(model), (x, mask), y, {}


@healthy
def sparse_features() -> tuple[Any, ...]:
    """Rows of length 1, with a few words out of very many."""
    x, y = np.zeros((40, 5000), np.float32), np.arange(40) % 2
    for row, words in zip(x, rng(1).integers(0, 2500, (40, 10)), strict=True):
        row[words] = 0.3
    x[y == 1] = np.roll(x[y == 1], 2500, axis=1)
    model = net(5000, 8, nn.ReLU(), 2)
    return model, nn.CrossEntropyLoss(), adam(model, 3e-3), x, y, {}


@healthy
def nodes_of_a_graph() -> tuple[Any, ...]:
    """Each node is told of its neighbours, which is what edges are for."""
    x, y = points()
    edges = (rng(2).random((40, 40)) < 0.05) + np.eye(40)
    edges = (edges / edges.sum(axis=1, keepdims=True)).astype(np.float32)
    model = Lambda(lambda m, x, edges: m.two(edges @ F.relu(m.one(edges @ x))),
                   one=net(5, 32)[0], two=net(32, 1)[0])  # fmt: skip
    return regression(model, x=(x, edges), y=y)


@healthy
def a_critic() -> tuple[Any, ...]:
    """Its loss is a straight line, with no lowest value."""
    model = net(5, 32, nn.LeakyReLU(0.2), 1)
    return regression(model, loss=lambda z, y: (z * y).mean(), y=2 * yes() - 1)


@healthy
def a_state_that_is_carried_on() -> tuple[Any, ...]:
    def call(m: Any, x: Any) -> Any:
        carried = m.state if m.state is not None and m.state.shape[1] == len(x) else None
        outputs, state = m.gru(x, carried)
        m.state = state.detach()
        return m.out(outputs[:, -1])

    model = Lambda(call, gru=nn.GRU(8, 16, batch_first=True, rng=rng(1)), state=None,
                   out=nn.Linear(16, 3, rng=rng(2)))  # fmt: skip
    x, y = sequences()
    model(x)
    return model, nn.CrossEntropyLoss(), adam(model), x, y, {}
