"""One step of training: the contestants, how they are checked, and the phases of our own step.

`bench_step.py` times them. There are three settings:

- `sum_squares`: sigmoid layers, and the sum of squares averaged over the mini-batch;
- `cross_entropy`: ReLU layers, and softmax cross-entropy with integer labels;
- `momentum`: as `sum_squares`, with a momentum of 0.9 in the optimiser. What it is compared to is
  still the plain step by hand; the one by hand with momentum takes part as well.

Everything is float32. All contestants begin with the same weights, see the same mini-batch, take
the same number of steps, and work out the loss in each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import measure
import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

Put: TypeAlias = Callable[[Any], Any]
"""Takes an array of NumPy's to where it is to be calculated with."""

LR = 1e-3  # so small that after all rounds no neuron is saturated and no gradient denormal
HAND, HAND_MOMENTUM = "NumPy by hand", "by hand, momentum"
OURS, COMPILED = "tinygrad_bp", "tinygrad_bp compiled"
PYTORCH, PRODUCTS = "PyTorch eager", "matrix products alone"

SETTINGS: Mapping[str, tuple[str, float]] = {  # the loss, and the momentum
    "sum_squares": ("sum_squares", 0.0),
    "cross_entropy": ("cross_entropy", 0.0),
    "momentum": ("sum_squares", 0.9),
}


class Problem:
    """A mini-batch and first weights: x (n, in), each W (out, in), each b (out,).

    The targets y are labels (n,) for `cross_entropy`, one-hot rows (n, out) for `sum_squares`.
    """

    def __init__(self, batch: int, sizes: tuple[int, ...], setting: str) -> None:
        rng = np.random.default_rng(0)
        self.sizes, self.setting = sizes, setting
        self.loss, self.momentum = SETTINGS[setting]
        self.x = rng.random((batch, sizes[0]), dtype=np.float32)
        labels = rng.integers(0, sizes[-1], batch)
        one_hot = np.eye(sizes[-1], dtype=np.float32)[labels]
        self.y = labels if self.loss == "cross_entropy" else one_hot
        self.W = [
            (rng.standard_normal((n_out, n_in)) / np.sqrt(n_in)).astype(np.float32)
            for n_in, n_out in pairwise(sizes)
        ]
        self.b = [np.zeros(n_out, np.float32) for n_out in sizes[1:]]

    def __repr__(self) -> str:
        return f"{'-'.join(map(str, self.sizes))}, batch {len(self.x)}, {self.setting}"


class Contestant(NamedTuple):
    """A network that can be trained, beginning with a problem's weights."""

    take: measure.Timer
    """Take a number of steps."""
    weights: Callable[[], list[Array]] = list
    """Return the matrices as they are now, each (out, in); none where nothing is trained."""


class Learner(NamedTuple):
    """A network with a step of training."""

    step: Callable[[Any, Any], Any]
    """Take a step on inputs x and targets y, and return the loss."""
    layers: Callable[[], list[tuple[Array, Array]]]
    """Return the weights W (out, in) and biases b (out,) of each layer as they are now."""

    def on(self, x: Any, y: Any) -> Contestant:
        """Return what takes steps on one mini-batch."""
        return Contestant(measure.repeated(self.step, x, y), lambda: [W for W, _ in self.layers()])


Maker: TypeAlias = Callable[[Problem, float], Contestant]
"""Makes a contestant for a problem with a learning rate."""


# --- NumPy by hand --------------------------------------------------------------------------


def sigmoid(z: Array) -> Any:
    """Return the logistic function of each element."""
    return 1 / (1 + np.exp(-z))


def sigmoid_slope(a: Array) -> Any:
    """Return the derivative of the logistic function where its value is a."""
    return a * (1 - a)


def squares(z: Array, y: Array) -> tuple[Any, Array]:
    """Return the sum of squares behind a last sigmoid, and its derivative by z."""
    a, n = sigmoid(z), len(y)
    error = a - y
    return (error * error).sum() / n, (2 / n) * error * sigmoid_slope(a)


def relu(z: Array) -> Array:
    """Return max(z, 0) for each element."""
    return np.maximum(z, 0)


def relu_slope(a: Array) -> Any:
    """Return the derivative of max(z, 0) where its value is a."""
    return a > 0


def cross_entropy(z: Array, y: Array) -> tuple[Any, Array]:
    """Return the softmax cross-entropy of logits z (n, out) and labels y, and its derivative."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    n = len(y)
    rows = np.arange(n)
    cost = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    return cost, p / n


# How far apart weights may end, as a share of how far they have moved. Where rounding decides on
# which side of zero the input of a ReLU lies, a step's gradient differs by that of an example.
ENDS = {"sum_squares": 1e-3, "cross_entropy": 1e-2}

BY_HAND: Mapping[str, tuple[Callable[..., Any], ...]] = {
    "sum_squares": (sigmoid, sigmoid_slope, squares),
    "cross_entropy": (relu, relu_slope, cross_entropy),
}


def by_hand(problem: Problem, lr: float) -> Contestant:
    """The plain step by hand."""
    return hand_learner(problem, lr).on(problem.x, problem.y)


def by_hand_with_momentum(problem: Problem, lr: float) -> Contestant:
    """The step by hand with the momentum that the others have."""
    return hand_learner(problem, lr, momentum=problem.momentum).on(problem.x, problem.y)


def by_hand_exactly(problem: Problem, lr: float) -> Contestant:
    """The plain step by hand in float64."""
    return hand_learner(problem, lr, np.float64).on(problem.x.astype(np.float64), problem.y)


def hand_learner(
    problem: Problem,
    lr: float,
    dtype: Any = np.float32,
    *,
    momentum: float = 0.0,
    put: Put = np.asarray,
) -> Learner:
    """The step as one writes it in NumPy, with the derivatives worked out on paper."""
    layers = [
        (put(W.astype(dtype)), put(b.astype(dtype)))
        for W, b in zip(problem.W, problem.b, strict=True)
    ]
    *hidden, (W_last, b_last) = layers
    velocities = [(np.zeros_like(W), np.zeros_like(b)) for W, b in layers]
    activation, slope, loss = BY_HAND[problem.loss]

    def step(x: Array, y: Array) -> Any:
        activations = [x]
        for W, b in hidden:
            z = activations[-1] @ W.T
            z += b
            activations.append(activation(z))  # (n, out)
        z = activations[-1] @ W_last.T
        z += b_last
        cost, delta = loss(z, y)
        for l in reversed(range(len(layers))):
            (W, b), a = layers[l], activations[l]
            gradient_W, gradient_b = delta.T @ a, delta.sum(axis=0)
            if l:
                delta = (delta @ W) * slope(a)
            if momentum:
                gradient_W = accelerated(velocities[l][0], gradient_W, momentum)
                gradient_b = accelerated(velocities[l][1], gradient_b, momentum)
            W -= lr * gradient_W
            b -= lr * gradient_b
        return cost

    return Learner(step, lambda: layers)


def accelerated(velocity: Array, gradient: Array, momentum: float) -> Array:
    """Return the velocity after it has changed by a gradient."""
    velocity *= momentum
    velocity += gradient
    return velocity


def products(problem: Problem, _lr: float) -> Contestant:
    """The matrix products of a step and nothing else: what no NumPy code can do without."""
    W = problem.W
    a = [problem.x, *(np.ones((len(problem.x), n), np.float32) for n in problem.sizes[1:])]

    def step() -> None:
        for l in range(len(W)):
            a[l] @ W[l].T
        for l in reversed(range(len(W))):
            a[l + 1].T @ a[l]
            if l:
                a[l + 1] @ W[l]

    return Contestant(measure.repeated(step))


# --- tinygrad_bp ----------------------------------------------------------------------------


class Network(NamedTuple):
    """A model of tinygrad_bp with a problem's weights, its loss and its optimiser."""

    model: Any
    loss: Any
    optimizer: Any


def network(problem: Problem, lr: float) -> Network:
    """Return the network as a user sets it up, with `nn` and `optim`."""
    from tinygrad_bp import nn, optim

    loss: nn.Module
    if problem.loss == "cross_entropy":
        model, loss = nn.MLP(*problem.sizes, activation=nn.ReLU()), nn.CrossEntropyLoss()
    else:
        model, loss = nn.MLP(*problem.sizes, output_activation=nn.Sigmoid()), nn.SumSquares()
    for layer, W, b in zip(linear_layers(model), problem.W, problem.b, strict=True):
        layer.weight.data, layer.bias.data = W.copy(), b.copy()
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=problem.momentum)
    return Network(model, loss, optimizer)


def linear_layers(model: Any) -> list[Any]:
    """Return the layers of a model that have weights."""
    from tinygrad_bp import nn

    return [layer for layer in model if isinstance(layer, nn.Linear)]


def ours(problem: Problem, lr: float) -> Contestant:
    """A step of tinygrad_bp, eager."""
    return our_learner(problem, lr).on(problem.x, problem.y)


def compiled(problem: Problem, lr: float) -> Contestant:
    """The same step of tinygrad_bp, compiled; the mini-batch is an argument, as it is in use."""
    return compiled_learner(problem, lr).on(problem.x, problem.y)


def our_learner(problem: Problem, lr: float, put: Put = np.asarray) -> Learner:
    """A step of tinygrad_bp as a user writes it."""
    model, loss, optimizer = network(problem, lr)
    model.to(put)

    def step(x: Array, y: Array) -> Any:
        optimizer.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        optimizer.step()
        return cost

    layers = linear_layers(model)
    return Learner(step, lambda: [(layer.weight.data, layer.bias.data) for layer in layers])


def compiled_learner(problem: Problem, lr: float, put: Put = np.asarray) -> Learner:
    """The same step, compiled."""
    import tinygrad_bp as bp

    step, layers = our_learner(problem, lr, put)
    return Learner(bp.compile(step), layers)


# --- PyTorch --------------------------------------------------------------------------------


def pytorch(problem: Problem, lr: float) -> Contestant:
    """The same lines in PyTorch, eager."""
    import torch

    return pytorch_learner(problem, lr).on(torch.tensor(problem.x), torch.tensor(problem.y))


def pytorch_learner(problem: Problem, lr: float, device: str = "cpu") -> Learner:
    """A step of PyTorch, on tensors of a device."""
    import torch

    torch.set_num_threads(measure.threads())
    layers = [torch.nn.Linear(n_in, n_out) for n_in, n_out in pairwise(problem.sizes)]
    for layer, W, b in zip(layers, problem.W, problem.b, strict=True):
        layer.weight.data = torch.tensor(W, device=device)
        layer.bias.data = torch.tensor(b, device=device)
    model, loss = pytorch_model(problem, layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=problem.momentum)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        optimizer.step()
        return cost

    def arrays() -> list[tuple[Array, Array]]:
        return [tuple(p.detach().cpu().numpy() for p in layer.parameters()) for layer in layers]

    return Learner(step, arrays)


def pytorch_model(problem: Problem, layers: list[Any]) -> tuple[Any, Callable[..., Any]]:
    """Return the layers with activations between them, and the loss."""
    from torch import nn

    if problem.loss == "cross_entropy":
        activated = [module for layer in layers for module in (layer, nn.ReLU())]
        return nn.Sequential(*activated[:-1]), nn.CrossEntropyLoss()
    activated = [module for layer in layers for module in (layer, nn.Sigmoid())]
    total = nn.MSELoss(reduction="sum")
    return nn.Sequential(*activated), lambda a, y: total(a, y) / len(y)


# --- JAX ------------------------------------------------------------------------------------


def jax_queued(problem: Problem, lr: float) -> Contestant:
    """A compiled step of JAX, called from Python without waiting; old weights' memory is reused."""
    import jax

    step = jax.jit(jax_step(problem.loss, lr), donate_argnums=0)

    def steps(parameters: Any, x: Any, y: Any, n: int) -> Any:
        for _ in range(n):
            parameters, cost = step(parameters, x, y)
        return parameters, cost

    return jax_contestant(problem, steps)


def jax_loop(problem: Problem, lr: float) -> Contestant:
    """All the steps of a turn compiled by JAX as one loop."""
    import jax

    step = jax_step(problem.loss, lr)

    def steps(parameters: Any, x: Any, y: Any, n: int) -> Any:
        before = (parameters, jax.numpy.float32(0))
        return jax.lax.fori_loop(0, n, lambda _, state: step(state[0], x, y), before)

    return jax_contestant(problem, jax.jit(steps, donate_argnums=0))


def jax_step(loss: str, lr: float) -> Callable[..., Any]:
    """Return the function from (parameters, x, y) to (new parameters, cost)."""
    import jax

    jnp = jax.numpy
    activation = jax.nn.relu if loss == "cross_entropy" else jax.nn.sigmoid

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        *hidden, (W_last, b_last) = parameters
        a = x
        for W, b in hidden:
            a = activation(a @ W.T + b)
        z = a @ W_last.T + b_last
        if loss == "cross_entropy":
            return -jnp.mean(jax.nn.log_softmax(z)[jnp.arange(len(y)), y])
        return jnp.sum((activation(z) - y) ** 2) / len(y)

    def step(parameters: Any, x: Any, y: Any) -> Any:
        value, gradients = jax.value_and_grad(cost)(parameters, x, y)
        return jax.tree.map(lambda p, g: p - lr * g, parameters, gradients), value

    return step


def jax_contestant(problem: Problem, steps: Callable[..., Any]) -> Contestant:
    """Return what takes steps by `steps(parameters, x, y, n)`, and waits for the last one only."""
    import jax

    x, y = jax.numpy.array(problem.x), jax.numpy.array(problem.y)
    parameters = jax_parameters(problem)

    def run(n: int) -> None:
        nonlocal parameters
        parameters, cost = steps(parameters, x, y, n)
        jax.block_until_ready((parameters, cost))

    return Contestant(measure.timer(run), lambda: [np.asarray(W) for W, _ in parameters])


def jax_parameters(problem: Problem) -> list[tuple[Any, Any]]:
    """Return a problem's first weights as arrays of JAX."""
    import jax

    return [
        (jax.numpy.array(W), jax.numpy.array(b)) for W, b in zip(problem.W, problem.b, strict=True)
    ]


# --- the parts of a step of tinygrad_bp -----------------------------------------------------


class Phases:
    """The phases of a step of tinygrad_bp, in the order in which they are called."""

    def __init__(self, problem: Problem, lr: float) -> None:
        self.batch = problem.x, problem.y
        self.model, self.loss, self.optimizer = network(problem, lr)
        self.cost: Any = None

    def zero_grad(self) -> None:
        """Forget the gradients of the step before."""
        self.optimizer.zero_grad()

    def forward(self) -> None:
        """Work out the loss, and record how."""
        x, y = self.batch
        self.cost = self.loss(self.model(x), y)

    def backward(self) -> None:
        """Work out the gradients."""
        self.cost.backward()

    def step(self) -> None:
        """Change the weights."""
        self.optimizer.step()

    def freeing(self) -> None:
        """Forget the loss, and with it what is left of the graph."""
        self.cost = None

    def nothing(self) -> None:
        """Do nothing: what this takes is the clock, and the clock is in every other phase too."""


PHASES = ("zero_grad", "forward", "backward", "step", "freeing", "nothing")


def phase(problem: Problem, lr: float, *, name: str) -> Contestant:
    """Whole steps of tinygrad_bp, of which only one phase is timed."""
    phases = Phases(problem, lr)
    calls = [getattr(phases, each) for each in PHASES]
    i = PHASES.index(name)
    before, timed, after = calls[:i], calls[i], calls[i + 1 :]

    def take(n: int) -> measure.Taken:
        turns = []
        for _ in range(n):
            for call in before:
                call()
            turns.append(measure.timed(timed))
            for call in after:
                call()
        return measure.Taken(*map(sum, zip(*turns, strict=True)))

    return Contestant(take)


# --- who takes part, and how they are checked -----------------------------------------------


def contestants(setting: str) -> dict[str, Maker]:
    """Return what there is to compare, by name, the hand-written step first."""
    found: dict[str, Maker] = {HAND: by_hand}
    if setting == "momentum":
        found[HAND_MOMENTUM] = by_hand_with_momentum
    found |= {OURS: ours, COMPILED: compiled}
    if measure.installed("torch"):
        found[PYTORCH] = pytorch
    if measure.installed("jax") and setting != "momentum":
        found |= {"JAX queued": jax_queued, "JAX loop": jax_loop}
    return {**found, PRODUCTS: products}


def parts() -> dict[str, Maker]:
    """Return a whole step of tinygrad_bp, and each of its phases, by name."""
    return {"whole step": ours, **{name: partial(phase, name=name) for name in PHASES}}


def distance(weights: list[Array], others: list[Array]) -> float:
    """Return the largest difference between two networks' weights."""
    return max(float(np.abs(W - V).max()) for W, V in zip(weights, others, strict=True))


def check_one_step(problem: Problem) -> None:
    """Compare one large step of each to the step by hand in float64."""
    exact = by_hand_exactly(problem, 1.0)
    exact.take(1)
    moved = distance(exact.weights(), problem.W)
    for name, make in contestants(problem.setting).items():
        contestant = make(problem, 1.0)
        contestant.take(1)
        if weights := contestant.weights():
            off = distance(weights, exact.weights())
            assert off <= 1e-4 * moved, f"{problem}: {name} is off by {off:.1g} of {moved:.1g}"


def sample(weights: list[Array]) -> list[list[float]]:
    """Return every 97th weight of each matrix, which is enough to compare where training ended."""
    return [W.ravel()[::97].tolist() for W in weights]


def check_ends(problem: Problem, ends: Mapping[str, list[list[float]]]) -> None:
    """Compare samples of the weights after the same number of steps."""
    samples = {name: [np.array(W) for W in end] for name, end in ends.items() if end}
    if HAND_MOMENTUM in samples:
        samples[HAND] = samples.pop(HAND_MOMENTUM)  # the plain step ends elsewhere
    moved = distance(samples[HAND], [np.array(W) for W in sample(problem.W)])
    for name, weights in samples.items():
        off = distance(weights, samples[HAND])
        assert off <= ENDS[problem.loss] * moved, (
            f"{problem}: {name} ends off by {off:.1g} of {moved:.1g}"
        )
