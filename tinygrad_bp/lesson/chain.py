"""One neuron in each layer: the chain rule as a product of a few numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_bp.lesson.network import unflatten
from tinygrad_bp.rules import sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Chain", "Ripple", "chain"]


class Ripple(NamedTuple):
    """What a nudge of the last weight causes, variable by variable."""

    weight: float
    z: float
    a: float
    cost: float

    @property
    def ratios(self) -> tuple[float, float, float]:
        """Δz/Δw, Δa/Δz and ΔC/Δa: their product is ΔC/Δw, exactly."""
        return self.z / self.weight, self.a / self.z, self.cost / self.a


class Chain(NamedTuple):
    """A chain of single neurons: w and b of each, what flows through, what it costs.

    The slope of the cost by the last weight is a product of three numbers:

    >>> last = chain()
    >>> [round(factor, 4) for factor in last.factors]  # ∂z/∂w, ∂a/∂z, ∂C/∂a
    [0.4843, 0.2246, -0.6814]
    >>> round(float(np.prod(last.factors)), 6), round(float(last.gradient[-2]), 6)
    (-0.074134, -0.074134)
    """

    w: NDArray[np.float64]
    """The weight of each neuron, (neurons,)."""
    b: NDArray[np.float64]
    """The bias of each neuron, (neurons,)."""
    z: NDArray[np.float64]
    """The weighted sum of each neuron, (neurons,)."""
    a: NDArray[np.float64]
    """The activations, (neurons + 1,): the input first."""
    target: float
    """What the last activation should be."""

    @property
    def cost(self) -> float:
        """C₀ = (a - y)², without the ½ of other books."""
        return float((self.a[-1] - self.target) ** 2)

    @property
    def factors(self) -> tuple[float, float, float]:
        """∂z/∂w, ∂a/∂z and ∂C/∂a at the last neuron: their product is ∂C/∂w."""
        return float(self.a[-2]), float(self.slopes[-1]), float(2 * (self.a[-1] - self.target))

    @property
    def slopes(self) -> NDArray[np.float64]:
        """σ'(z) of each neuron: never more than ¼."""
        return np.asarray(self.a[1:] * (1 - self.a[1:]))

    @property
    def by_activation(self) -> NDArray[np.float64]:
        """∂C/∂a of each neuron: each factor w σ' leads one neuron back."""
        back = [self.factors[-1]]
        for w, slope in zip(self.w[:0:-1], self.slopes[:0:-1], strict=True):
            back.append(back[-1] * w * slope)
        return np.array(back[::-1])

    @property
    def gradient(self) -> NDArray[np.float64]:
        """∂C/∂(w¹, b¹, w², b², ...)."""
        deltas = self.by_activation * self.slopes
        return np.stack([deltas * self.a[:-1], deltas], axis=1).ravel()

    def ripple(self, nudge: float) -> Ripple:
        """Return what a nudge of the last weight does to z, a and the cost.

        >>> found = chain().ripple(0.01)
        >>> bool(np.isclose(np.prod(found.ratios), found.cost / found.weight, rtol=1e-12))
        True
        """
        z = (self.w[-1] + nudge) * self.a[-2] + self.b[-1]
        a = float(sigmoid(np.asarray(z)))
        cost = (a - self.target) ** 2
        return Ripple(nudge, z - self.z[-1], a - self.a[-1], cost - self.cost)


def chain(
    parameters: Sequence[float] | None = None, *, start: float = 0.5, target: float = 1.0
) -> Chain:
    """Return a chain of neurons with parameters w¹, b¹, w², b², ...; the lesson's by default.

    Source: 3Blue1Brown, Backpropagation calculus: a chain of three.

    >>> found = chain()
    >>> round(found.cost, 6), found.gradient.round(7).tolist()[-2:]
    (0.116082, [-0.0741341, -0.1530639])
    """
    if parameters is None:
        r = np.random.RandomState(6)  # the lesson's numbers come from this stream
        b, w = r.randn(3), r.randn(3)
    else:
        layers = unflatten(parameters, [1] * (len(parameters) // 2 + 1))
        w, b = (np.array([layer[i].item() for layer in layers]) for i in (0, 1))
    z, a = [], [start]
    for weight, bias in zip(w, b, strict=True):
        z.append(weight * a[-1] + bias)
        a.append(float(sigmoid(np.asarray(z[-1]))))
    return Chain(w, b, np.array(z), np.array(a), target)
