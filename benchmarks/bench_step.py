"""One step of stochastic gradient descent: this library, NumPy by hand, PyTorch, JAX.

    python benchmarks/bench_step.py [--rounds N] [--threads N] [--json]

Sigmoid layers, the sum of squares averaged over the mini-batch, float32. All begin with the same
weights, see the same mini-batch and take the same number of steps. Before anything is timed, one
large step of each is compared to one done by hand in float64; after it, the weights of all are
compared again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import measure

if __name__ == "__main__":
    OPTIONS = measure.options(__doc__, rounds=200)  # before NumPy is imported

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

NETS = (  # batch, sizes of the layers
    (10, (784, 16, 16, 10)),
    (100, (784, 16, 16, 10)),
    (128, (784, 128, 10)),
    (128, (784, 512, 512, 10)),
)
LR = 1e-3  # so small that after all rounds no neuron is saturated and no gradient denormal
HAND, OURS, PRODUCTS = "NumPy by hand", "tinygrad_bp", "matrix products alone"


class Problem:
    """A mini-batch and first weights: x (n, in), y (n, out), each W (out, in), each b (out,)."""

    def __init__(self, batch: int, sizes: tuple[int, ...]) -> None:
        rng = np.random.default_rng(0)
        self.sizes = sizes
        self.name = f"{'-'.join(map(str, sizes))}, batch {batch}"
        self.x = rng.random((batch, sizes[0]), dtype=np.float32)
        self.y = np.eye(sizes[-1], dtype=np.float32)[rng.integers(0, sizes[-1], batch)]
        self.W = [
            (rng.standard_normal((n_out, n_in)) / np.sqrt(n_in)).astype(np.float32)
            for n_in, n_out in pairwise(sizes)
        ]
        self.b = [np.zeros(n_out, np.float32) for n_out in sizes[1:]]


class Contestant(NamedTuple):
    """A network that can be trained, beginning with a problem's weights."""

    run: measure.Run
    """Take a number of steps."""
    weights: Callable[[], list[Array]]
    """Return the matrices as they are now, each (out, in)."""


# --- the contestants ------------------------------------------------------------------------


def by_hand(problem: Problem, lr: float, dtype: Any = np.float32) -> Contestant:
    """The step as one writes it in NumPy, with the derivatives worked out on paper."""
    x, y, n = problem.x.astype(dtype), problem.y.astype(dtype), len(problem.x)
    W = [w.astype(dtype) for w in problem.W]
    b = [c.astype(dtype) for c in problem.b]

    def step() -> Any:
        a = x
        activations = [a]
        for l in range(len(W)):
            z = a @ W[l].T
            z += b[l]
            a = 1 / (1 + np.exp(-z))  # (n, out)
            activations.append(a)
        error = a - y
        cost = (error * error).sum() / n
        delta = (2 / n) * error * a * (1 - a)
        for l in reversed(range(len(W))):
            a = activations[l]
            gradient_W, gradient_b = delta.T @ a, delta.sum(axis=0)
            if l:
                delta = (delta @ W[l]) * a * (1 - a)
            W[l] -= lr * gradient_W
            b[l] -= lr * gradient_b
        return cost

    return Contestant(measure.repeated(step), lambda: W)


def products(problem: Problem) -> measure.Run:
    """The matrix products of a step and nothing else: what no implementation can do without."""
    W = problem.W
    a = [problem.x, *(np.ones((len(problem.x), n), np.float32) for n in problem.sizes[1:])]

    def step() -> None:
        for l in range(len(W)):
            a[l] @ W[l].T
        for l in reversed(range(len(W))):
            a[l + 1].T @ a[l]
            if l:
                a[l + 1] @ W[l]

    return measure.repeated(step)


def ours(problem: Problem, lr: float) -> Contestant:
    """A step of tinygrad_bp as a user writes it, with `nn` and `optim`."""
    from tinygrad_bp import nn, optim

    x, y = problem.x, problem.y
    model = nn.MLP(*problem.sizes, output_activation=nn.Sigmoid())
    layers = [layer for layer in model if isinstance(layer, nn.Linear)]
    for layer, W, b in zip(layers, problem.W, problem.b, strict=True):
        layer.weight.data, layer.bias.data = W, b
    loss = nn.SumSquares()
    optimizer = optim.SGD(model.parameters(), lr=lr)

    def step() -> None:
        optimizer.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        optimizer.step()

    return Contestant(measure.repeated(step), lambda: [layer.weight.data for layer in layers])


def pytorch(problem: Problem, lr: float) -> Contestant:
    """The same lines in PyTorch, eager."""
    import torch

    torch.set_num_threads(OPTIONS.threads)
    x, y, n = torch.tensor(problem.x), torch.tensor(problem.y), len(problem.x)
    layers = [torch.nn.Linear(n_in, n_out) for n_in, n_out in pairwise(problem.sizes)]
    for layer, W, b in zip(layers, problem.W, problem.b, strict=True):
        layer.weight.data, layer.bias.data = torch.tensor(W), torch.tensor(b)
    model = torch.nn.Sequential(*(m for layer in layers for m in (layer, torch.nn.Sigmoid())))
    loss = torch.nn.MSELoss(reduction="sum")
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def step() -> None:
        optimizer.zero_grad()
        cost = loss(model(x), y) / n
        cost.backward()
        optimizer.step()

    return Contestant(
        measure.repeated(step), lambda: [layer.weight.detach().numpy() for layer in layers]
    )


def jax(problem: Problem, lr: float) -> Contestant:
    """The whole step compiled by JAX, with the old weights' memory given to the new ones."""
    import jax
    import jax.numpy as jnp

    x, y = jnp.array(problem.x), jnp.array(problem.y)
    parameters = [(jnp.array(W), jnp.array(b)) for W, b in zip(problem.W, problem.b, strict=True)]

    def cost(parameters: Any, x: Any, y: Any) -> Any:
        a = x
        for W, b in parameters:
            a = jax.nn.sigmoid(a @ W.T + b)
        return jnp.sum((a - y) ** 2) / len(x)

    def descend(parameters: Any, x: Any, y: Any) -> Any:
        gradients = jax.grad(cost)(parameters, x, y)
        return jax.tree.map(lambda p, g: p - lr * g, parameters, gradients)

    step = jax.jit(descend, donate_argnums=0)

    def run(n: int) -> None:
        nonlocal parameters
        for _ in range(n):
            parameters = step(parameters, x, y)
        jax.block_until_ready(parameters)

    return Contestant(run, lambda: [np.asarray(W) for W, _ in parameters])


def contestants() -> dict[str, Callable[[Problem, float], Contestant]]:
    """Return what there is to compare, by name, the hand-written step first."""
    found: dict[str, Callable[[Problem, float], Contestant]] = {HAND: by_hand, OURS: ours}
    if measure.installed("torch"):
        found["PyTorch eager"] = pytorch
    if measure.installed("jax"):
        found["JAX jit"] = jax
    return found


# --- the comparison -------------------------------------------------------------------------


def distance(weights: list[Array], others: list[Array]) -> float:
    """Return the largest difference between two networks' weights."""
    return max(float(np.abs(W - V).max()) for W, V in zip(weights, others, strict=True))


def check_one_step(problem: Problem) -> None:
    """Compare one large step of each to the step by hand in float64."""
    exact = by_hand(problem, 1.0, np.float64)
    exact.run(1)
    moved = distance(exact.weights(), problem.W)
    for name, make in contestants().items():
        contestant = make(problem, 1.0)
        contestant.run(1)
        off = distance(contestant.weights(), exact.weights())
        assert off <= 1e-4 * moved, f"{problem.name}: the step of {name} is off by {off:.1g}"


def compare(problem: Problem, rounds: int) -> dict[str, list[float]]:
    """Return the microseconds of a step by contestant, one figure a round."""
    check_one_step(problem)
    trained = {name: make(problem, LR) for name, make in contestants().items()}
    runs = {name: contestant.run for name, contestant in trained.items()}
    times = measure.interleave({**runs, PRODUCTS: products(problem)}, rounds=rounds)
    by_name = {name: contestant.weights() for name, contestant in trained.items()}
    moved = distance(by_name[HAND], problem.W)
    for name, weights in by_name.items():
        off = distance(weights, by_name[HAND])
        assert off <= 1e-3 * moved, f"{problem.name}: {name} ends off by {off:.1g}"
    return times


def main() -> None:
    """Measure every net and print the table."""
    names = [*contestants(), PRODUCTS]
    peers = [name for name in names if name not in (HAND, OURS, PRODUCTS)]
    results, rows = {}, []
    for batch, sizes in NETS:
        problem = Problem(batch, sizes)
        times = compare(problem, OPTIONS.rounds)
        microseconds = {name: median(times[name]) for name in names}
        to_hand = {name: measure.ratio(times[name], times[HAND]) for name in names}
        ours_to = {name: measure.ratio(times[OURS], times[name]) for name in peers}
        results[problem.name] = {
            "microseconds": microseconds,
            "to_hand": to_hand,
            "ours_to": ours_to,
        }
        cells = [f"{microseconds[name]:,.0f} ({to_hand[name]:.2f})" for name in names]
        rows.append([problem.name, *cells, *(f"{ours_to[name]:.2f}" for name in peers)])
    header = ["net", *names, *(f"{OURS} / {name}" for name in peers)]
    title = "Microseconds of a step (in brackets: over the hand-written one)"
    measure.report({title: (header, rows)}, {"steps": results}, as_json=OPTIONS.json)


if __name__ == "__main__":
    main()
