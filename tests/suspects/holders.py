"""Arrays inside objects: wrong gradients that are out of sight there, and right ones."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from suspects.case import Case
from tinygrad_bp import Tensor, custom_rule, nn

Array = Any

W = np.array([[0.5, -1.0, 0.3], [0.8, 0.2, -0.7], [-0.4, 1.1, 0.6]])
U = np.array([[1.2, 0.1, -0.9], [0.4, -0.3, 0.7], [0.2, 1.5, -0.5]])
B = np.array([0.1, -0.2, 0.3])
X = np.array([1.0, 2.0, -0.5])

# --- dataclasses -------------------------------------------------------------------------------


@dataclass
class Affine:
    weight: Array
    bias: Array


def affine(layer: Affine, x: Array) -> Array:
    return np.tanh(layer.weight @ x + layer.bias)


def affine_backward_transposed(g: Array, layer: Affine, x: Array) -> list[Array]:
    s = g * (1 - affine(layer, x) ** 2)
    return [np.outer(x, s), s, layer.weight.T @ s]


def affine_backward(g: Array, layer: Affine, x: Array) -> list[Array]:
    s = g * (1 - affine(layer, x) ** 2)
    return [np.outer(s, x), s, layer.weight.T @ s]


@dataclass(frozen=True)
class Gaussian:
    mean: Array
    precision: Array


def log_density(p: Gaussian) -> Array:
    d = X - p.mean
    return np.linalg.slogdet(p.precision)[1] / 2 - d @ p.precision @ d / 2


def log_density_gradient_without_a_half(p: Gaussian) -> list[Array]:
    d = X - p.mean
    by_precision = np.linalg.inv(p.precision).T - np.outer(d, d) / 2
    return [(p.precision + p.precision.T) @ d / 2, by_precision]


def log_density_gradient(p: Gaussian) -> list[Array]:
    d = X - p.mean
    by_precision = np.linalg.inv(p.precision).T / 2 - np.outer(d, d) / 2
    return [(p.precision + p.precision.T) @ d / 2, by_precision]


@dataclass(frozen=True)
class Portfolio:
    name: str
    shares: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", self.shares / np.sum(self.shares))


def risk(p: Portfolio) -> Array:
    return p.shares @ W @ p.shares


@dataclass
class Spectrum:
    peaks: Array
    widths: Array = field(init=False)

    def __post_init__(self) -> None:
        self.widths = np.sqrt(self.peaks)


def line_shapes(s: Spectrum) -> Array:
    return s.peaks / (s.widths**2 + 1)


def line_shapes_backward(g: Array, s: Spectrum) -> list[Array]:
    q = s.widths**2 + 1
    return [g / q, -2 * g * s.peaks * s.widths / q**2]


@dataclass(slots=True)
class Batch:
    images: Array
    labels: Array
    transform: Callable[[Array], Array] | None = None
    comment: str = "digits"


def line_shapes_backward_by_peaks_alone(g: Array, s: Spectrum) -> list[Array]:
    return [g / (s.peaks + 1) ** 2, np.zeros_like(s.widths)]


def batch_loss(w: Array, batch: Batch) -> Array:
    logits = batch.images @ w
    return np.log(np.sum(np.exp(logits), axis=1)) - logits[np.arange(2), batch.labels]


def batch_loss_backward(g: Array, w: Array, batch: Batch) -> list[Array]:
    p = np.exp(batch.images @ w)
    p /= np.sum(p, axis=1, keepdims=True)
    p[np.arange(2), batch.labels] -= 1
    return [batch.images.T @ (g[:, np.newaxis] * p), (g[:, np.newaxis] * p) @ w.T]


# --- named tuples ------------------------------------------------------------------------------


class State(NamedTuple):
    hidden: Array
    cell: Array


def gated(s: State) -> Array:
    return s.hidden * np.tanh(s.cell)


def gated_backward_without_tanh(g: Array, s: State) -> list[Array]:
    return [g * np.tanh(s.cell), g * s.hidden]


Interval = namedtuple("Interval", ["low", "high"])


def deep_widths(tree: dict[str, list[Interval]]) -> Array:
    return np.log(sum(i.high - i.low for i in tree["intervals"]))


def deep_widths_backward(g: Array, tree: dict[str, list[Interval]]) -> list[Array]:
    slope = g / sum(i.high - i.low for i in tree["intervals"])
    return [-slope, slope] * len(tree["intervals"])


def deep_widths_backward_by_bounds(g: Array, tree: dict[str, list[Interval]]) -> list[Array]:
    slope = g / sum(i.high - i.low for i in tree["intervals"])
    n = len(tree["intervals"])
    return [-slope] * n + [slope] * n


# --- plain classes -----------------------------------------------------------------------------


class Body:
    def __init__(self, name: str, position: Array) -> None:
        self.name = name
        self.position = position


def potential(bodies: list[Body]) -> Array:
    return -1 / np.linalg.norm(bodies[0].position - bodies[1].position)


def forces_both_the_same_way(bodies: list[Body]) -> list[Array]:
    d = bodies[0].position - bodies[1].position
    force = d / np.linalg.norm(d) ** 3
    return [force, force]


class Shape:
    __slots__ = ("centre",)

    def __init__(self, centre: Array) -> None:
        self.centre = centre


class Ellipse(Shape):
    __slots__ = ("axes", "label")

    def __init__(self, centre: Array, axes: Array) -> None:
        super().__init__(centre)
        self.axes = axes
        self.label = "ellipse"

    @property
    def inverse_squares(self) -> Array:
        return 1 / self.axes**2


def inside(e: Ellipse, point: Array) -> Array:
    return 1 - np.sum((point - e.centre) ** 2 * e.inverse_squares)


def inside_backward_with_half_the_axes(g: Array, e: Ellipse, point: Array) -> list[Array]:
    d = point - e.centre
    slope = 2 * g * d / e.axes**2
    return [slope, g * d**2 / e.axes**3, -slope]


def inside_backward(g: Array, e: Ellipse, point: Array) -> list[Array]:
    d = point - e.centre
    slope = 2 * g * d / e.axes**2
    return [slope, 2 * g * d**2 / e.axes**3, -slope]


class Sealed:
    """Cannot be changed once it is made, and is not made from what it holds."""

    __slots__ = ("matrix",)
    matrix: Array

    def __init__(self, degrees: int) -> None:
        a = np.deg2rad(degrees)
        turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        object.__setattr__(self, "matrix", turn)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot set {name} to {value}")


def turned(r: Sealed, x: Array) -> Array:
    return r.matrix @ x


class Amplifier:
    def __init__(self, gain: Array) -> None:
        self.__gain = gain

    def __call__(self, x: Array) -> Array:
        return np.tanh(self.__gain * x)


def amplified_backward_without_gain(g: Array, a: Amplifier, x: Array) -> list[Array]:
    s = g * (1 - a(x) ** 2)
    return [s * x, s]


class Node:
    """A tree whose children know their parent."""

    def __init__(self, value: Array, *children: Node) -> None:
        self.value = value
        self.children = list(children)
        self.parent: Node | None = None
        for child in children:
            child.parent = self


def tree_energy(node: Node) -> Array:
    own = np.sum(np.sin(node.value))
    links = sum(np.sum(node.value * child.value) for child in node.children)
    return own + links + sum(tree_energy(child) for child in node.children)


def family_tree() -> Node:
    return Node(X.copy(), Node(B.copy(), Node(X * B)), Node(X - B))


class Autoencoder:
    def __init__(self, weight: Array) -> None:
        self.encoder = weight
        self.decoder = weight


def reconstruction(model: Autoencoder) -> Array:
    return np.sum((np.tanh(X @ model.encoder) @ model.decoder.T - X) ** 2)


# --- dicts, lists and namespaces ---------------------------------------------------------------


def shifted_and_scaled(p: dict[str, list[Array]]) -> Array:
    y = X
    for scale, shift in zip(p["scales"], p["shifts"], strict=True):
        y = np.tanh(scale * y + shift)
    return y


def gradients_by_layer(g: Array, p: dict[str, list[Array]]) -> list[list[Array]]:
    inputs = [X]
    for scale, shift in zip(p["scales"], p["shifts"], strict=True):
        inputs.append(np.tanh(scale * inputs[-1] + shift))
    layers: list[list[Array]] = []
    for scale, x, y in reversed(list(zip(p["scales"], inputs[:-1], inputs[1:], strict=True))):
        s = g * (1 - y**2)
        layers.insert(0, [s * x, s])
        g = s * scale
    return layers


def one_layer_after_the_other(g: Array, p: dict[str, list[Array]]) -> list[Array]:
    return [array for layer in gradients_by_layer(g, p) for array in layer]


def one_kind_after_the_other(g: Array, p: dict[str, list[Array]]) -> list[Array]:
    layers = gradients_by_layer(g, p)
    return [scale for scale, _ in layers] + [shift for _, shift in layers]


def ridge(model: SimpleNamespace) -> Array:
    residual = U @ model.slopes + model.options["intercept"] - X
    return np.sum(residual**2) + 0.1 * np.sum(model.slopes**2)


def ridge_gradient_with_decay_for_all(model: SimpleNamespace) -> list[Array]:
    residual = U @ model.slopes + model.options["intercept"] - X
    by_intercept = 2 * residual + 0.2 * model.options["intercept"]
    return [2 * U.T @ residual + 0.2 * model.slopes, by_intercept]


def polynomial(p: OrderedDict[str, tuple[Array, ...]]) -> Array:
    return sum(c * X**k for k, c in enumerate(p["coefficients"]))


def polynomial_backward_without_the_last(
    g: Array, p: OrderedDict[str, tuple[Array, ...]]
) -> list[Array]:
    powers = [g * X**k for k in range(len(p["coefficients"]))]
    return [*powers[:-1], np.zeros_like(X)]


def headless(p: defaultdict[str, list[Array]]) -> Array:
    return np.sin(p["body"][0]) * p["body"][1]


def headless_backward(g: Array, p: defaultdict[str, list[Array]]) -> list[Array]:
    a, b = p["body"]
    return [np.zeros_like(p["head"][0]), g * np.cos(a) * b, g * np.sin(a)]


def scaled_product(p: MappingProxyType[str, Array]) -> Array:
    return p["scale"] * (p["left"] @ p["right"])


def scaled_product_backward(g: Array, p: MappingProxyType[str, Array]) -> list[Array]:
    s = p["scale"] * g
    return [np.sum(g * (p["left"] @ p["right"])), s @ p["right"].T, p["left"].T @ s]


# --- this library's own gradient ---------------------------------------------------------------


@custom_rule(lambda g, y, x: g * (1 - y))
def careless_sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@custom_rule(lambda g, y, x: g * y * (1 - y))
def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@dataclass
class Gate:
    weight: Array
    bias: Array


class Standardised:
    def __init__(self, data: Array) -> None:
        self.data = data


def spread(s: Standardised) -> Array:
    scale = np.sqrt(np.mean(s.data**2))
    return np.sum(np.sin(s.data / scale.detach()))


class Net(nn.Module):
    def __init__(self, slope: Callable[[Array], Array]) -> None:
        self.slope = slope
        self.first = Tensor(W, requires_grad=True)
        self.second = Tensor(B, requires_grad=True)

    def forward(self, x: Array) -> Array:
        return self.slope(x @ self.first) @ self.second


CASES = [
    Case(
        "dataclass of a layer whose weight gradient is transposed",
        right=False,
        function=affine,
        vjp=affine_backward_transposed,
        inputs=(Affine(W, B), X),
    ),
    Case(
        "frozen dataclass of a Gaussian, a factor of 1/2 lost for the precision",
        right=False,
        function=log_density,
        gradient=log_density_gradient_without_a_half,
        inputs=(Gaussian(B, W @ W.T + np.eye(3)),),
    ),
    Case(
        "named tuple of a recurrent state, the derivative of tanh forgotten for the cell",
        right=False,
        function=gated,
        vjp=gated_backward_without_tanh,
        inputs=(State(X, B),),
    ),
    Case(
        "list of two bodies that are both pulled the same way",
        right=False,
        function=potential,
        gradient=forces_both_the_same_way,
        inputs=([Body("sun", B), Body("earth", X)],),
    ),
    Case(
        "slots of a subclass, half the gradient for those it adds",
        right=False,
        function=inside,
        vjp=inside_backward_with_half_the_axes,
        inputs=(Ellipse(B, np.array([2.0, 3.0, 1.5])), X),
    ),
    Case(
        "dict of lists whose gradients come layer by layer",
        right=False,
        function=shifted_and_scaled,
        vjp=one_layer_after_the_other,
        inputs=({"scales": [X + 0.2, B + 1], "shifts": [B, 0.3 * X]},),
    ),
    Case(
        "namespace with a dict inside, weight decay in the gradient but not in the loss",
        right=False,
        function=ridge,
        gradient=ridge_gradient_with_decay_for_all,
        inputs=(SimpleNamespace(slopes=X + 1, options={"intercept": B, "solver": "exact"}),),
    ),
    Case(
        "dataclass with a derived array that is passed over in favour of its source",
        right=False,
        function=line_shapes,
        vjp=line_shapes_backward_by_peaks_alone,
        inputs=(Spectrum(np.array([1.0, 4.0, 2.5])),),
    ),
    Case(
        "named tuples in a list in a dict, all lower bounds before all upper ones",
        right=False,
        function=deep_widths,
        vjp=deep_widths_backward_by_bounds,
        inputs=({"intervals": [Interval(B, B + 2), Interval(X, X + 1)]},),
    ),
    Case(
        "callable object with a private gain, which its input's gradient lacks",
        right=False,
        function=lambda amplifier, x: amplifier(x),
        vjp=amplified_backward_without_gain,
        inputs=(Amplifier(np.array([1.5, -0.4, 2.0])), B.copy()),
    ),
    Case(
        "tuple in an ordered dict, the last coefficient left without a gradient",
        right=False,
        function=polynomial,
        vjp=polynomial_backward_without_the_last,
        inputs=(OrderedDict(coefficients=(B, X + 1, B - X)),),
    ),
    Case(
        "dataclass of tensors under a rule for the sigmoid without its first factor",
        right=False,
        function=lambda gate, x: np.sum(careless_sigmoid(gate.weight @ x + gate.bias)),
        inputs=(Gate(W, B), X),
    ),
    Case(
        "plain object whose scale is detached from the gradient",
        right=False,
        function=spread,
        inputs=(Standardised(Tensor(X)),),
    ),
    Case(
        "module in a dict under a wrong rule",
        right=False,
        function=lambda p: np.sum(p["net"](X)),
        inputs=({"net": Net(careless_sigmoid)},),
    ),
    Case(
        "dataclass of a layer",
        right=True,
        function=affine,
        vjp=affine_backward,
        inputs=(Affine(W, B), X),
    ),
    Case(
        "frozen dataclass of a Gaussian",
        right=True,
        function=log_density,
        gradient=log_density_gradient,
        inputs=(Gaussian(B, W @ W.T + np.eye(3)),),
    ),
    Case(
        "frozen dataclass that normalises what it is made from",
        right=True,
        function=risk,
        vjp=lambda g, p: g * (W + W.T) @ p.shares,
        inputs=(Portfolio("pension", np.array([3.0, 1.0, 4.0])),),
    ),
    Case(
        "dataclass with an array that is no argument of its constructor",
        right=True,
        function=line_shapes,
        vjp=line_shapes_backward,
        inputs=(Spectrum(np.array([1.0, 4.0, 2.5])),),
    ),
    Case(
        "dataclass of a batch with integer labels, a text and nothing where a function may be",
        right=True,
        function=batch_loss,
        vjp=batch_loss_backward,
        inputs=(U.copy(), Batch(W[:2].copy(), np.array([2, 0]))),
    ),
    Case(
        "named tuples in a list in a dict",
        right=True,
        function=deep_widths,
        vjp=deep_widths_backward,
        inputs=({"intervals": [Interval(B, B + 2), Interval(X, X + 1)]},),
    ),
    Case(
        "slots with a property beside them",
        right=True,
        function=inside,
        vjp=inside_backward,
        inputs=(Ellipse(B, np.array([2.0, 3.0, 1.5])), X),
    ),
    Case(
        "object that cannot be changed and is not made from its array",
        right=True,
        function=turned,
        vjp=lambda g, r, x: [np.outer(g, x), r.matrix.T @ g],
        inputs=(Sealed(30), X[:2].copy()),
    ),
    Case(
        "tree whose children know their parent",
        right=True,
        function=tree_energy,
        inputs=(family_tree(),),
    ),
    Case(
        "autoencoder with one weight under two names",
        right=True,
        function=reconstruction,
        inputs=(Autoencoder(W),),
    ),
    Case(
        "dict of lists whose gradients come kind by kind",
        right=True,
        function=shifted_and_scaled,
        vjp=one_kind_after_the_other,
        inputs=({"scales": [X + 0.2, B + 1], "shifts": [B, 0.3 * X]},),
    ),
    Case(
        "dict with an array that the function does not use",
        right=True,
        function=headless,
        vjp=headless_backward,
        inputs=(defaultdict(list, head=[X - 1], body=[B, X]),),
    ),
    Case(
        "read-only mapping with an array of no dimensions",
        right=True,
        function=scaled_product,
        vjp=scaled_product_backward,
        inputs=(MappingProxyType({"scale": np.array(1.7), "left": W, "right": U}),),
    ),
    Case(
        "module given to a function",
        right=True,
        function=lambda net: np.sum(net(X)),
        inputs=(Net(sigmoid),),
    ),
]
