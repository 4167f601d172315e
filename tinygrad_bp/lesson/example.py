"""What one example does in the network, and what it wants: the lesson's main character.

Three words are kept apart, everywhere: the *gradient* is ∂C/∂p; a *nudge* or a *wish* is its
negative, so a positive one says "should go up"; a *step* is the nudge times the learning rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from tinygrad_bp import functional
from tinygrad_bp.backward import gradients
from tinygrad_bp.lesson.deltas import COSTS, activations, costs_of
from tinygrad_bp.lesson.network import flatten, index_of, unflatten
from tinygrad_bp.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tinygrad_bp import nn

__all__ = ["OneExample", "Wiggle"]


class Wiggle(NamedTuple):
    """What the gradient says of a small change of one parameter, and what really happens.

    >>> from tinygrad_bp.lesson.network import lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> for nudge in 0.1, 0.01:
    ...     found = two.wiggle("b3[2]", nudge)
    ...     print(f"{found.predicted:.6f} {found.actual:.6f} {found.central:.6f}")
    -0.024391 -0.024932 -0.024381
    -0.002439 -0.002445 -0.002439
    """

    name: str
    """The parameter's, such as "w2[3,7]" or "b3[2]"."""
    nudge: float
    """What was added to it."""
    predicted: float
    """The change of the cost by the gradient: ∂C/∂p times the nudge."""
    actual: float
    """The change of the cost, computed anew."""
    central: float
    """Half the difference between nudging up and nudging down: the numerical prediction."""


class OneExample:
    """One image in a sigmoid network: all its numbers, forward and backward, by the engine.

    `image` is (pixels,) from 0 to 1, `label` its digit, `cost` one of `deltas.COSTS`. Lists go
    layer by layer: `activations` a⁰ to aᴸ, `sums` z¹ to zᴸ, `deltas` ∂C/∂z¹ to ∂C/∂zᴸ and
    `by_activation` ∂C/∂a¹ to ∂C/∂aᴸ. `gradient` is ∂C/∂p of all parameters in the order of
    `flatten`. Raises `ValueError` for another cost.

    >>> from tinygrad_bp.lesson.network import lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> two.activations[-1].shape, two.gradient.shape, two.prediction
    ((10,), (13002,), 6)
    """

    def __init__(
        self, net: nn.MLP, image: ArrayLike, label: int, *, cost: str = "sum_squares"
    ) -> None:
        if cost not in COSTS:
            raise ValueError(f"cost must be one of {', '.join(COSTS)}, got {cost!r}")
        self.net, self.label, self.cost_name = net, int(label), cost
        self.sizes = net.sizes
        self.image = np.asarray(image, float).ravel()
        self.target = np.eye(self.sizes[-1])[self.label]
        self.parameters = flatten(net).astype(float)
        self.layers = unflatten(self.parameters, self.sizes)
        self._run()

    def _run(self) -> None:
        weights = [[Tensor(p, requires_grad=True) for p in layer] for layer in self.layers]
        a, sums, outputs = Tensor(self.image), [], []
        for weight, bias in weights:
            sums.append(functional.linear(a, weight, bias))
            outputs.append(functional.sigmoid(sums[-1]))
            a = outputs[-1]
        total = _cost(sums[-1], a, self.target, self.cost_name)
        leaves = [p for pair in weights for p in pair]
        self.cost = total.item()
        self.activations = [self.image, *(t.data for t in outputs)]
        self.sums = [t.data for t in sums]
        reached = [*leaves, *sums, *outputs[:-1]]
        found = [_array(g) for g in gradients(total, reached)]
        n, depth = len(leaves), len(sums)
        self.gradient = np.concatenate([g.ravel() for g in found[:n]])
        self.deltas = found[n : n + depth]
        self.by_activation = [*found[n + depth :], self._by_output()]

    def _by_output(self) -> NDArray[np.float64]:
        """∂C/∂a of the outputs; infinite where one is wrong for certain."""
        a, y = self.output, self.target
        if self.cost_name == "cross_entropy":
            with np.errstate(divide="ignore"):
                return np.asarray(np.where(y > 0, -1 / a, 1 / (1 - a)))
        return np.asarray((a - y) * (2 if self.cost_name == "sum_squares" else 1))

    @property
    def output(self) -> NDArray[np.float64]:
        """The last activations (10,)."""
        return np.asarray(self.activations[-1])

    @property
    def prediction(self) -> int:
        """The digit whose output is brightest; the first of equals."""
        return int(self.output.argmax())

    @property
    def runner_up(self) -> int:
        """The digit whose output is second."""
        return int(np.argsort(-self.output, kind="stable")[1])

    @property
    def margin(self) -> float:
        """How much brighter the brightest output is than the second."""
        return float(self.output[self.prediction] - self.output[self.runner_up])

    @property
    def wishes(self) -> NDArray[np.float64]:
        """What the example wishes of its outputs, (10,): -∂C/∂a, the sum of squares' 2 (y - a)."""
        return np.asarray(-self.by_activation[-1])

    @property
    def nudges(self) -> NDArray[np.float64]:
        """What it wants of every parameter: -∂C/∂p."""
        return -self.gradient

    @property
    def slopes(self) -> list[NDArray[np.float64]]:
        """σ'(z) of every neuron, layer by layer: a (1 - a)."""
        return [a * (1 - a) for a in self.activations[1:]]

    def step(self, lr: float) -> NDArray[np.float64]:
        """Return the change of all parameters in one step: lr times the nudges."""
        return lr * self.nudges

    def cost_after(self, change: ArrayLike) -> float:
        """Return the cost once `change` (13002,) is added to the parameters.

        >>> from tinygrad_bp.lesson.network import lesson_network
        >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
        >>> two.cost_after(two.step(0.1)) < two.cost
        True
        """
        layers = unflatten(self.parameters + np.asarray(change), self.sizes)
        output = activations(layers, self.image[None])[-1]
        return float(costs_of(output, self.target[None], self.cost_name)[0])

    def nudged(self, name: str, nudge: float) -> float:
        """Return the cost once one parameter is changed by `nudge`."""
        change = np.zeros(len(self.parameters))
        change[index_of(name, self.sizes)] = nudge
        return self.cost_after(change)

    def wiggle(self, name: str, nudge: float = 0.01) -> Wiggle:
        """Change one parameter a little: what the gradient says of it, and what happens.

        >>> from tinygrad_bp.lesson.network import lesson_network
        >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
        >>> found = two.wiggle("b3[2]", 1e-4)
        >>> abs(found.central - found.predicted) < 1e-9
        True
        """
        up, down = self.nudged(name, nudge), self.nudged(name, -nudge)
        slope = float(self.gradient[index_of(name, self.sizes)])
        return Wiggle(name, nudge, slope * nudge, up - self.cost, (up - down) / 2)


def _array(g: Tensor | None) -> NDArray[np.float64]:
    assert g is not None  # noqa: S101  (every one of them reaches the cost)
    return np.asarray(g.data, float)


def _cost(z: Tensor, a: Tensor, target: NDArray[np.float64], name: str) -> Tensor:
    if name == "cross_entropy":  # of z, because the logarithm of 1 - a loses all digits for large z
        return cast("Tensor", np.sum(np.logaddexp(0.0, z) - target * z))
    squares = functional.sum_squares if name == "sum_squares" else functional.half_sum_squares
    return squares(a, target)
