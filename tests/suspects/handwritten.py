"""Plain code that keeps state, loops over lists, and knows nothing of tensors."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from suspects.case import Case

Array = Any

RNG = np.random.default_rng(10)
X = RNG.standard_normal((4, 3))
TINIEST = 5e-324


# Layers that remember what they saw.


class Affine:
    """x W + b, which keeps its input for the way back."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.W = np.random.default_rng(inputs).standard_normal((inputs, outputs))
        self.b = np.linspace(-0.5, 0.5, outputs)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, g: Array) -> Array:
        return g @ self.W.T


class Tanh:
    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, g: Array) -> Array:
        return g * (1 - self.y**2)


class Network:
    def __init__(self) -> None:
        self.layers: list[Any] = [Affine(3, 5), Tanh(), Affine(5, 2)]

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, g: Array) -> Array:
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return g


class BatchNorm:
    """Normalise by the batch, and keep running statistics that only evaluation reads."""

    def __init__(self) -> None:
        self.running = np.zeros(3)

    def forward(self, x: Array) -> Array:
        self.running = 0.9 * self.running + 0.1 * np.array(np.mean(x, axis=0), dtype=float)
        self.std = np.sqrt(np.var(x, axis=0) + 1e-5)
        self.normal = (x - np.mean(x, axis=0)) / self.std
        return self.normal

    def backward(self, g: Array) -> Array:
        along = np.mean(g * self.normal, axis=0)
        return (g - np.mean(g, axis=0) - self.normal * along) / self.std


class FirstCall:
    """A softplus that keeps the first input that it sees."""

    def __init__(self) -> None:
        self.x: Array = None

    def forward(self, x: Array) -> Array:
        if self.x is None:
            self.x = np.array(x)
        return np.log1p(np.exp(x))

    def backward(self, g: Array) -> Array:
        return g / (1 + np.exp(-self.x))


class Scale:
    """Times a weight for each column; the weight's gradient is added up and never cleared."""

    def __init__(self) -> None:
        self.dw = np.zeros(3)

    def forward(self, x: Array, w: Array) -> Array:
        return x * w

    def backward(self, g: Array, x: Array, w: Array) -> tuple[Array, Array]:
        self.dw = self.dw + np.sum(g * x, axis=0)
        return g * w, self.dw


def backward_of(layer: Any) -> Callable[[Array, Array], Array]:
    def vjp(g: Array, x: Array) -> Array:
        layer.forward(x)
        return layer.backward(g)

    return vjp


class Dropout:
    """Dropout with a generator of its own."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)

    def draw(self, x: Array) -> Array:
        return (self.rng.random(np.shape(x)) < 0.75) / 0.75

    def __call__(self, x: Array) -> Array:
        self.mask = self.draw(x)
        return np.sin(x) * self.mask

    def backward(self, g: Array, x: Array) -> Array:
        return g * np.cos(x) * self.mask

    def unscaled(self, g: Array, x: Array) -> Array:
        return g * np.cos(x) * (self.mask > 0)

    def redrawn(self, g: Array, x: Array) -> Array:
        self(x)
        return g * np.cos(x) * self.draw(x)


network, tanh, norm = Network(), Tanh(), BatchNorm()
first, scale = FirstCall(), Scale()
dropout, unscaled, redrawn = Dropout(), Dropout(), Dropout()


def cell(a: Array, c: Array) -> tuple[Array, Array]:
    i, f, o = 1 / (1 + np.exp(-a[:3]))
    c = f * c + i * np.tanh(a[3])
    return o * np.tanh(c), c


def cell_vjp(g: Array, a: Array, c: Array) -> tuple[Array, Array]:
    (gh, gc), (i, f, o), u = g, 1 / (1 + np.exp(-a[:3])), np.tanh(a[3])
    t = np.tanh(f * c + i * u)
    gc = gc + gh * o * (1 - t * t)
    gates = [gc * u * i * (1 - i), gc * c * f * (1 - f), gh * t * o * (1 - o)]
    return np.stack([*gates, gc * i * (1 - u * u)]), gc * f


def forgetful_cell_vjp(g: Array, a: Array, c: Array) -> tuple[Array, Array]:
    da, dc = cell_vjp(g, a, c)
    da[1] *= cell(a, c)[1] / c  # the new state in the place of the old
    return da, dc


# Plain Python: math, lists, JSON, memoryviews.

LABELS = [1, -1, -1, 1]
POINTS = [(0.5, 1.0, -2.0), (1.5, -0.3, 0.8), (-0.7, 0.2, 0.1), (0.3, 0.9, 1.1)]


def logistic(w: Array) -> float:
    pairs = zip(LABELS, POINTS, strict=True)
    margins = [t * math.fsum(a * b for a, b in zip(w, p, strict=True)) for t, p in pairs]
    return sum(math.log1p(math.exp(-m)) for m in margins) / len(margins)


def logistic_gradient(w: Array) -> Array:
    total = [0.0] * len(w)
    for t, p in zip(LABELS, POINTS, strict=True):
        s = -t / (1 + math.exp(t * math.fsum(a * b for a, b in zip(w, p, strict=True))))
        total = [old + s * v / len(LABELS) for old, v in zip(total, p, strict=True)]
    return np.array(total)


def unlabelled_gradient(w: Array) -> Array:
    s = [1 / (1 + math.exp(t * float(np.dot(w, p)))) for t, p in zip(LABELS, POINTS, strict=True)]
    return -np.array(s) @ np.array(POINTS) / len(LABELS)


def rosenbrock(x: Array) -> float:
    v = x.tolist()
    return math.fsum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(v))


def rosenbrock_gradient(x: Array) -> Array:
    v, gradient = x.tolist(), [0.0] * len(x)
    for i in range(len(v) - 1):
        gradient[i] = -400 * v[i] * (v[i + 1] - v[i] ** 2) - 2 * (1 - v[i])
        gradient[i + 1] = 200 * (v[i + 1] - v[i] ** 2)  # should be added to what is there
    return np.array(gradient)


def kepler(mean: Array) -> Array:
    def solve(m: float) -> float:
        e = m
        for _ in range(50):
            e -= (e - 0.3 * math.sin(e) - m) / (1 - 0.3 * math.cos(e))
        return e

    return np.array([solve(float(m)) for m in mean])


def roughness(image: Array) -> float:
    rows = image.data.tolist()
    columns = list(zip(*rows, strict=True))
    links = [pair for line in rows + columns for pair in itertools.pairwise(line)]
    return math.fsum((b - a) ** 2 for a, b in links)


def roughness_gradient(image: Array) -> Array:
    gradient = np.zeros(image.shape)
    gradient[:, 1:] += 2 * np.diff(image, axis=1)
    gradient[:, :-1] -= 2 * np.diff(image, axis=1)
    gradient[1:] += 2 * np.diff(image, axis=0)
    gradient[:-1] -= 2 * np.diff(image, axis=0)
    return gradient


def through_json(x: Array) -> float:
    a, b, c = json.loads(json.dumps(x.tolist()))
    return float(a * a * b + math.cosh(c))


def trimmed_mean(x: Array) -> float:
    return math.fsum(sorted(map(float, x))[1:-1]) / (len(x) - 2)


def trimmed_mean_gradient(x: Array) -> Array:
    order = sorted(range(len(x)), key=lambda i: float(x[i]))
    return np.array([float(i in order[1:-1]) / (len(x) - 2) for i in range(len(x))])


def softplus(v: float) -> float:
    return max(v, 0.0) + math.log1p(math.exp(-abs(v)))


def elementwise(x: Array) -> Array:
    return np.asarray(np.frompyfunc(softplus, 1, 1)(x), dtype=float)


def solve_tridiagonal(b: Array, *, lower: float = -1.0, upper: float = 0.5) -> Array:
    d, main = np.array(b, dtype=float), np.full(len(b), 3.0)
    for i in range(1, len(d)):
        main[i] -= lower / main[i - 1] * upper
        d[i] -= lower / main[i - 1] * d[i - 1]
    d[-1] /= main[-1]
    for i in reversed(range(len(d) - 1)):
        d[i] = (d[i] - upper * d[i + 1]) / main[i]
    return d


def standardised(x: Array) -> float:
    z = np.asarray(x, dtype=np.float64)
    z = (z - z.mean()) / z.std()
    return float(np.sum(z**3) / z.size)  # the skewness


def skewness_gradient(x: Array) -> Array:
    z = (x - x.mean()) / x.std()
    return 3 * (z * z - np.mean(z * z)) / x.std() / x.size  # the deviation taken as fixed


def dirichlet(alpha: Array, p: Array) -> float:
    from scipy.special import gammaln

    total = gammaln(np.asarray(alpha).sum()) - np.sum(gammaln(alpha))
    return float(total + np.sum((alpha - 1) * np.log(p)))


def dirichlet_gradient(alpha: Array, p: Array) -> tuple[Array, Array]:
    from scipy.special import digamma

    return digamma(np.sum(alpha)) - digamma(alpha) + np.log(p), (alpha - 1) / p


# Partials, bound methods, closures, Python floats.


def huber(r: Array, *, delta: float = 1.0) -> Array:
    a = np.abs(r)
    return np.where(a < delta, r * r / 2, delta * (a - delta / 2))


def huber_vjp(g: Array, r: Array, *, delta: float = 1.0) -> Array:
    return g * np.clip(r, -delta, delta)


class Chain:
    """Beads on springs, between two walls."""

    stiffness = (1.0, 2.0, 0.5, 4.0)

    def energy(self, x: Array) -> float:
        return float(np.diff(np.concatenate([[0.0], x, [1.0]])) ** 2 @ self.stiffness / 2)

    def force(self, x: Array) -> Array:
        return np.diff(np.diff(np.concatenate([[0.0], x, [1.0]])) * self.stiffness)

    def slope(self, x: Array) -> Array:
        return -self.force(x)


def fit_to(t: Array, y: Array) -> tuple[Callable[..., float], Callable[..., Array]]:
    def loss(a: Array) -> float:
        return float(np.mean((a[0] * np.exp(-a[1] * t) - y) ** 2))

    def gradient(a: Array) -> Array:
        e = np.exp(-a[1] * t)
        r = 2 * (a[0] * e - y) / len(t)
        return np.array([r @ e, -a[0] * (r * t) @ e])

    return loss, gradient


loss, loss_gradient = fit_to(np.linspace(0, 2, 6), np.array([2.0, 1.4, 0.9, 0.7, 0.5, 0.3]))


def call_price(s: float, sigma: float, t: float, *, strike: float = 95.0) -> float:
    d = (math.log(s / strike) + sigma * sigma * t / 2) / (sigma * math.sqrt(t))
    below = [0.5 + math.erf(v / math.sqrt(2)) / 2 for v in (d, d - sigma * math.sqrt(t))]
    return s * below[0] - strike * below[1]


def greeks(s: float, sigma: float, t: float, *, strike: float = 95.0) -> tuple[float, ...]:
    d = (math.log(s / strike) + sigma * sigma * t / 2) / (sigma * math.sqrt(t))
    density = math.exp(-d * d / 2) / math.sqrt(2 * math.pi)
    theta = s * density * sigma / (2 * math.sqrt(t))
    return 0.5 + math.erf(d / math.sqrt(2)) / 2, s * density * math.sqrt(t), theta


def yearly_greeks(s: float, sigma: float, t: float) -> tuple[float, ...]:
    delta, vega, theta = greeks(s, sigma, t)
    return delta, vega / math.sqrt(t), theta


def moments(x: Array) -> list[float]:
    return [float(np.mean(x)), float(np.mean(np.square(x)))]


def cartesian(r: Array, angle: Array) -> Array:
    return np.array([float(r) * math.cos(angle), float(r) * math.sin(angle)])


def centred(x: Array) -> tuple[Array, Array]:
    return np.mean(x), np.exp(x - np.mean(x))


def centred_vjp(g: Array, x: Array) -> Array:
    along = g[1] * np.exp(x - np.mean(x))
    return g[0] / len(x) + along - np.mean(along)


# Integers, empty arrays, and entries at the edge of the numbers.

IDS = np.array([3, 1, 1, 0, 3, 3])


def embed(table: Array, ids: Array) -> Array:
    return np.tanh(table[ids])


def embed_vjp(g: Array, table: Array, ids: Array) -> Array:
    gradient = np.zeros(table.shape)
    np.add.at(gradient, ids, g * (1 - np.tanh(table[ids]) ** 2))
    return gradient


def embed_once_vjp(g: Array, table: Array, ids: Array) -> Array:
    gradient = np.zeros(table.shape)
    gradient[ids] += g * (1 - np.tanh(table[ids]) ** 2)
    return gradient


def ridge(x: Array, w: Array) -> Array:
    return np.sum((x @ w) ** 2) + w @ w / 2


def ridge_vjp(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    return g * 2 * np.outer(x @ w, w), g * (2 * x.T @ (x @ w) + w)


def early_ridge_vjp(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
    if x.size == 0:
        return np.zeros(x.shape), np.zeros(w.shape)
    return ridge_vjp(g, x, w)


def attention(x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def attention_vjp(g: Array, x: Array) -> Array:
    y = attention(x)
    return y * (g - np.sum(g * y))


def mean_of_known(x: Array) -> Array:
    return np.nansum(np.sin(x)) / np.sum(~np.isnan(x))


def mean_of_known_vjp(g: Array, x: Array) -> Array:
    return np.where(np.isnan(x), 0, g * np.cos(x) / np.sum(~np.isnan(x)))


def mean_of_all_vjp(g: Array, x: Array) -> Array:
    return np.where(np.isnan(x), 0, g * np.cos(x) / x.size)


def entropy_of_logits(x: Array) -> Array:
    p = attention(x)
    return -sum(v * math.log(v) for v in p if v > 0)


def entropy_of_logits_vjp(g: Array, x: Array) -> Array:
    p = attention(x)
    with np.errstate(all="ignore"):
        return -g * p * (np.log(p) + entropy_of_logits(x))  # 0 * -inf where p is 0


def surprise(p: Array) -> float:
    return math.fsum(v * math.log(v) for v in p if v > 0)


CASES = [
    Case(
        "network of layers that keep their inputs",
        True,
        network.forward,
        (X,),
        backward_of(network),
    ),
    Case(
        "layer whose way back needs the last way forward",
        True,
        tanh.forward,
        (X,),
        lambda g, x: tanh.backward(g),
    ),
    Case("batch norm that updates running statistics", True, norm.forward, (X,), backward_of(norm)),
    Case("cache that holds the first input", False, first.forward, (X,), backward_of(first)),
    Case(
        "weight's gradient added to that of the call before",
        False,
        scale.forward,
        (X, np.array([0.5, -1.0, 2.0])),
        scale.backward,
    ),
    Case("dropout with its own generator", True, dropout, (X,), dropout.backward),
    Case("dropout whose gradient is not scaled up", False, unscaled, (X,), unscaled.unscaled),
    Case("dropout that draws a new mask on the way back", False, redrawn, (X,), redrawn.redrawn),
    Case("two outputs of a recurrent cell", True, cell, (X, np.array([0.3, -0.7, 1.2])), cell_vjp),
    Case(
        "recurrent cell whose forget gate sees the new state",
        False,
        cell,
        (X, np.array([0.3, -0.7, 1.2])),
        forgetful_cell_vjp,
    ),
    Case("outputs of two shapes", True, centred, (X[0],), centred_vjp),
    Case(
        "second of two outputs forgotten",
        False,
        centred,
        (X[0],),
        lambda g, x: np.full(x.shape, g[0] / len(x)),
    ),
    Case(
        "logistic loss in lists and math functions",
        True,
        logistic,
        (np.array([0.4, -0.2, 0.9]),),
        gradient=logistic_gradient,
    ),
    Case(
        "logistic loss in math functions, labels forgotten",
        False,
        logistic,
        (np.array([0.4, -0.2, 0.9]),),
        gradient=unlabelled_gradient,
    ),
    Case(
        "banana function of a list, neighbours overwritten",
        False,
        rosenbrock,
        (np.array([0.5, -0.4, 1.2, 0.8]),),
        gradient=rosenbrock_gradient,
    ),
    Case(
        "planet's anomaly by Newton's steps in math functions",
        True,
        kepler,
        (np.array([0.4, 2.5, -1.1]),),
        lambda g, m: g / (1 - 0.3 * np.cos(kepler(m))),
    ),
    Case(
        "roughness of an image read as nested lists",
        True,
        roughness,
        (X,),
        gradient=roughness_gradient,
    ),
    Case(
        "values that go through JSON",
        True,
        through_json,
        (np.array([0.7, -1.2, 0.4]),),
        gradient=lambda x: np.array([2 * x[0] * x[1], x[0] ** 2, math.sinh(x[2])]),
    ),
    Case(
        "mean without the smallest and the largest, by sorting a list",
        True,
        trimmed_mean,
        (np.array([0.4, 2.5, -1.1, 0.9, 7.0]),),
        gradient=trimmed_mean_gradient,
    ),
    Case(
        "softplus made elementwise by frompyfunc",
        True,
        elementwise,
        (X,),
        lambda g, x: g / (1 + np.exp(-x)),
    ),
    Case(
        "softplus by frompyfunc, its slope taken at the output",
        False,
        elementwise,
        (X,),
        lambda g, x: g / (1 + np.exp(-elementwise(x))),
    ),
    Case(
        "tridiagonal system solved in place on a copy",
        True,
        solve_tridiagonal,
        (np.array([1.0, -0.5, 2.0, 0.25]),),
        lambda g, b: solve_tridiagonal(g, lower=0.5, upper=-1.0),
    ),
    Case(
        "tridiagonal system whose gradient solves it again untransposed",
        False,
        solve_tridiagonal,
        (np.array([1.0, -0.5, 2.0, 0.25]),),
        lambda g, b: solve_tridiagonal(g),
    ),
    Case(
        "skewness with the deviation taken as fixed",
        False,
        standardised,
        (np.array([0.4, 2.5, -1.1, 0.9, 7.0]),),
        gradient=skewness_gradient,
    ),
    Case(
        "Huber loss with its bound in a partial",
        True,
        functools.partial(huber, delta=0.5),
        (X[0] * 2,),
        functools.partial(huber_vjp, delta=0.5),
    ),
    Case(
        "Huber loss whose gradient has the default bound",
        False,
        functools.partial(huber, delta=0.5),
        (X[0] * 2,),
        huber_vjp,
    ),
    Case("springs as bound methods", True, Chain().energy, (X[0],), gradient=Chain().slope),
    Case(
        "force of springs for the slope of their energy",
        False,
        Chain().energy,
        (X[0],),
        gradient=Chain().force,
    ),
    Case(
        "least squares in closures that give Python floats",
        True,
        loss,
        (np.array([1.5, 0.8]),),
        gradient=loss_gradient,
    ),
    Case(
        "option price of three Python floats", True, call_price, (100.0, 0.2, 1.5), gradient=greeks
    ),
    Case(
        "option's vega without the root of time",
        False,
        call_price,
        (100.0, 0.2, 1.5),
        gradient=yearly_greeks,
    ),
    Case(
        "two moments in a list of floats",
        True,
        moments,
        (X[1],),
        lambda g, x: (g[0] + 2 * x * g[1]) / len(x),
    ),
    Case(
        "two moments in a list, their gradients exchanged",
        False,
        moments,
        (X[1],),
        lambda g, x: (g[1] + 2 * x * g[0]) / len(x),
    ),
    Case(
        "0-d arrays to a point in the plane",
        True,
        cartesian,
        (np.array(1.5), np.array(0.6)),
        lambda g, r, a: (
            g[0] * np.cos(a) + g[1] * np.sin(a),
            r * (g[1] * np.cos(a) - g[0] * np.sin(a)),
        ),
    ),
    Case(
        "0-d angle whose gradient forgets the radius",
        False,
        cartesian,
        (np.array(1.5), np.array(0.6)),
        lambda g, r, a: (
            g[0] * np.cos(a) + g[1] * np.sin(a),
            g[1] * np.cos(a) - g[0] * np.sin(a),
        ),
    ),
    Case("embedding with repeated integer ids", True, embed, (X, IDS), embed_vjp),
    Case("embedding that counts each repeated id once", False, embed, (X, IDS), embed_once_vjp),
    Case(
        "integer powers beside floats, exponent not lowered",
        False,
        lambda x, n: x**n,
        (np.array([0.5, -1.5, 2.0]), np.array([2, 3, 1])),
        lambda g, x, n: g * n * x**n,
    ),
    Case("ridge penalty of an empty batch", True, ridge, (np.zeros((0, 3)), X[0]), ridge_vjp),
    Case(
        "penalty skipped because the batch is empty",
        False,
        ridge,
        (np.zeros((0, 3)), X[0]),
        early_ridge_vjp,
    ),
    Case(
        "attention with entries masked by minus infinity",
        True,
        attention,
        (np.array([0.3, -np.inf, 1.1, -0.4, -np.inf]),),
        attention_vjp,
    ),
    Case(
        "entropy that is nan back through minus infinity",
        False,
        entropy_of_logits,
        (np.array([0.3, -np.inf, 1.1, -0.4]),),
        entropy_of_logits_vjp,
    ),
    Case(
        "reciprocals with one entry at infinity",
        True,
        lambda x: 1 / x,
        (np.array([2.0, np.inf, -0.5]),),
        lambda g, x: -g / x**2,
    ),
    Case(
        "mean of what is known, nan where it is not",
        True,
        mean_of_known,
        (np.array([0.3, np.nan, 1.1, np.nan, -0.4]),),
        mean_of_known_vjp,
    ),
    Case(
        "mean of what is known, divided by all on the way back",
        False,
        mean_of_known,
        (np.array([0.3, np.nan, 1.1, np.nan, -0.4]),),
        mean_of_all_vjp,
    ),
    Case(
        "square at the smallest number there is",
        True,
        np.square,
        (np.array([TINIEST, 0.5, -TINIEST, -1.5]),),
        lambda g, x: 2 * g * x,
    ),
    Case(
        "softsign at the smallest numbers there are",
        True,
        lambda x: x / (1 + np.abs(x)),
        (np.array([TINIEST, -TINIEST, 0.7]),),
        lambda g, x: g / (1 + np.abs(x)) ** 2,
    ),
    Case(
        "safe logarithm in the slope of p log p at the smallest number",
        False,
        surprise,
        (np.array([TINIEST, 0.5, 0.3]),),
        gradient=lambda p: 1 + np.log(p + 1e-12),
    ),
]

if importlib.util.find_spec("scipy") is not None:
    CASES += [
        Case(
            "Dirichlet density by scipy.special",
            True,
            dirichlet,
            (np.array([0.8, 2.5, 1.4]), np.array([0.2, 0.5, 0.3])),
            gradient=dirichlet_gradient,
        ),
    ]
