"""Ordinary code of users, with the types they would write; `test_typing.py` has it checked.

It runs as well, so that no declaration promises what does not happen. What must be found wrong
has an ignore beside it, which is an error itself where there is nothing to ignore.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true
from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp import functional as F

Floats = NDArray[np.float64]


# --- a module of one's own --------------------------------------------------------------------


class Net(nn.Module):
    """A hidden layer by hand, and one of the library's."""

    def __init__(self, inputs: int, hidden: int, rng: np.random.Generator) -> None:
        self.w = Tensor(rng.normal(size=(inputs, hidden)), requires_grad=True)
        self.b = Tensor(np.zeros(hidden), requires_grad=True)
        self.last = nn.Linear(hidden, 1, rng=rng, dtype=float)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        hidden = (x @ self.w + self.b).tanh()
        out: Tensor = self.last(scale * hidden)
        return out


class Gate(nn.Module):
    """What comes of a ufunc is an array to a type checker: a cast says what it is."""

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        kept = np.where(gate.data > 0, x, 0.0)
        return cast(Tensor, kept)


def train(x: Floats, y: Floats, steps: int) -> list[float]:
    net = Net(x.shape[1], 4, np.random.default_rng(0))
    optimizer = optim.SGD(net.named_parameters(), lr=0.1, momentum=0.9)
    losses: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad()
        output: Tensor = net(Tensor(x), scale=0.5)
        loss = F.mse_loss(output, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    optimizer.lr = 0.01
    net.load_state_dict(net.state_dict())
    return losses


def train_by_hand(parameters: list[Tensor], x: Floats, lr: float) -> None:
    for p in parameters:
        p.grad = None
    np.sum(np.tanh(x @ parameters[0]) ** 2).backward()
    for p in parameters:
        if p.grad is not None:
            p.data -= lr * p.grad


# --- operators --------------------------------------------------------------------------------


def arrays_on_either_side(x: Floats, n: NDArray[np.int64], w: Tensor) -> list[Tensor]:
    added: Tensor = x + w
    added_to: Tensor = w + x
    scaled: Tensor = np.float64(2.0) * w
    halved: Tensor = w / 2
    inverse: Tensor = 1.0 / w
    power: Tensor = x**w
    powers: Tensor = w**2 - 2.0**w
    whole: Tensor = n * w - n
    narrow: Tensor = x.astype(np.float32) - w
    product: Tensor = x @ w
    product_with: Tensor = w @ x
    remainder: Tensor = x % w
    negative: Tensor = -w + abs(w)
    part: Tensor = w[..., None, 0] * x[0]
    sums: Tensor = x * w + w * x + np.exp(w) * w + w * np.exp(w)
    results = [added, added_to, scaled, halved, inverse, power, powers, whole, narrow]
    return [*results, product, product_with, remainder, negative, part, sums]


def functions_of_numpy(x: Floats, w: Tensor) -> Tensor:
    total: Tensor = np.sum(w)
    mean: Tensor = np.mean(w * x)
    rows: Tensor = np.sum(np.outer(x, x) * w, axis=0)
    largest: Tensor = np.max(w)
    spread: Tensor = np.var(rows, axis=0)
    np.sum(np.tanh(w)).backward()
    np.tanh(w).sum().backward()
    np.mean(np.exp(w) * w).backward()
    w.tanh().sum().backward()
    both: Tensor = np.concatenate([w, w]).sum() + np.stack([w, w]).sum()
    np.testing.assert_allclose(w.detach(), w.data)
    assert np.allclose(w, w.data)
    return total + mean + largest + spread + both


def methods(w: Tensor, u: Tensor) -> list[Tensor]:
    each: Tensor = w.exp().log1p().sigmoid().relu()
    pairs: Tensor = w.maximum(0.5).add(u, alpha=2.0).lerp(u, 0.25)
    shaped: Tensor = w.view(1, -1).unsqueeze(0).flatten(start_dim=1).permute(1, 0)
    reduced: Tensor = w.std(dim=0) + w.sum(axis=0, keepdims=True) + w.softmax(dim=-1)
    parts: tuple[Tensor, ...] = w.chunk(2)
    single: Tensor = w.float()
    w.unsqeeze(0)  # type: ignore[attr-defined]
    return [each, pairs, shaped, reduced, *parts, single]


def questions(w: Tensor, u: Tensor) -> tuple[Any, ...]:
    positive: NDArray[np.bool] = w > 0
    shape: tuple[int, ...] = w.shape
    values: Floats = w.data
    copied: Floats = w.detach().numpy()
    number: float = max(np.sum(w), np.sum(u)).item()
    return positive, shape, values, copied, number, f"{np.sum(w):.3f}"


# --- transforms and modes ---------------------------------------------------------------------


def transforms(x: Floats) -> list[Floats]:
    def f(x: Tensor) -> Tensor:
        return (x**3).sum()

    gradient: Floats = bp.grad(f)(x)
    value, again = bp.value_and_grad(f)(x)
    _, pull = bp.vjp(f, x)
    (pulled,) = pull(1.0)
    _, moved = bp.jvp(f, (x,), (x,))
    _, push = bp.linearize(f, x)
    curvature: Floats = bp.hessian(f)(x)
    product: Floats = bp.hvp(f, x, x)
    slopes: Floats = bp.jacobian(bp.grad(f), mode="forward")(x)
    each: Floats = bp.per_example_grads(lambda p, a: (p * a).sum())(x, np.stack([x, x]))
    return [gradient, again, pulled, moved, push(x), curvature, product, slopes, each, value]


@bp.no_grad()
def predict(net: Net, x: Floats) -> Floats:
    output: Tensor = net(Tensor(x))
    return cast(Floats, output.numpy())


@bp.no_grad()
def predictions(net: Net, batches: list[Floats]) -> Iterator[Floats]:
    for batch in batches:
        yield predict(net, batch)


@bp.no_grad()
async def predict_later(net: Net, x: Floats) -> Floats:
    return predict(net, x)


@bp.no_grad()
async def predictions_later(net: Net, batches: list[Floats]) -> AsyncIterator[Floats]:
    for batch in batches:
        yield await predict_later(net, batch)


def with_modes(w: Tensor) -> bool:
    with bp.no_grad(), bp.enable_grad():
        recorded: bool = (w * 2).requires_grad
    return recorded


def mistakes(w: Tensor) -> None:
    w.bacward()  # type: ignore[attr-defined]
    np.sum(w).bacward()  # type: ignore[attr-defined]
    number: float = np.sum(w)  # type: ignore[assignment]
    name: str = w.tanh()  # type: ignore[assignment]
    w.grad.sum()  # type: ignore[union-attr]
    bp.no_grad(1)  # type: ignore[call-arg]
    predict(w, name, number)  # type: ignore[call-arg, arg-type]
