"""Initial weights: functions of a shape (out, in, ...) and a generator, which layers are given.

Sigmoid layers want `scaled`, ReLU layers `he`; the lesson's and Nielsen's `normal` saturates
neurons from the start and costs several per cent of accuracy (see the README's table).

Those whose names end in `_` are PyTorch's: they give a tensor other values, and return it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.tensor import Tensor

__all__ = [
    "Initializer",
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "glorot",
    "he",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal",
    "normal_",
    "ones_",
    "orthogonal_",
    "parameters",
    "scaled",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros",
    "zeros_",
]

# The generator is named in quotes: NumPy loads its random module when it is first used.
Initializer: TypeAlias = Callable[[tuple[int, ...], "np.random.Generator"], np.ndarray[Any, Any]]


def uniform(bound: float) -> Initializer:
    """Return what draws from U(-bound, bound): PyTorch's start, with bound 1 / sqrt(n_in).

    >>> bool(np.abs(uniform(0.5)((16, 784), np.random.default_rng(0))).max() <= 0.5)
    True
    """

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        return rng.uniform(-bound, bound, shape)

    return draw


def parameters(
    bound: float, rng: np.random.Generator | None = None, dtype: Any = np.float32
) -> Callable[..., Tensor]:
    """Return what makes parameters of given sizes, all drawn from U(-bound, bound).

    >>> make = parameters(0.5)
    >>> make(16, 784).shape, make(16).requires_grad
    ((16, 784), True)
    """
    rng = rng or np.random.default_rng()
    draw = uniform(bound)
    return lambda *shape: Tensor(draw(shape, rng).astype(dtype), requires_grad=True)


def zeros(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:  # noqa: ARG001
    """Return zeros: the usual start of biases, which need no symmetry broken.

    >>> zeros((2,), np.random.default_rng(0))
    array([0., 0.])
    """
    return np.zeros(shape)


def normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from N(0, 1), as the lesson's code does for weights and biases alike.

    >>> normal((16, 784), np.random.default_rng(0)).shape
    (16, 784)
    """
    return rng.standard_normal(shape)


def scaled(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from N(0, 1/n_in), so that weighted sums of unit inputs have variance 1.

    Source: LeCun, Bottou, Orr, Müller, Efficient BackProp (1998), section 4.6.

    >>> float(np.round(scaled((100, 400), np.random.default_rng(0)).std(), 3))
    0.05
    """
    return rng.standard_normal(shape) / math.sqrt(_fans(shape)[0])


def he(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from N(0, 2/n_in): ReLU silences half of its inputs, the factor 2 makes up.

    Source: He, Zhang, Ren, Sun, Delving Deep into Rectifiers (2015), equation 10.

    >>> float(np.round(he((100, 800), np.random.default_rng(0)).std(), 3))
    0.05
    """
    return rng.standard_normal(shape) * math.sqrt(2 / _fans(shape)[0])


def glorot(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Return draws from U(-r, r) with r² = 6 / (n_in + n_out), a compromise for both passes.

    Source: Glorot, Bengio, Understanding the Difficulty of Training Deep Feedforward Neural
    Networks (2010), equation 16.

    >>> bool(np.abs(glorot((3, 3), np.random.default_rng(0))).max() <= 1)
    True
    """
    return uniform(math.sqrt(6 / sum(_fans(shape))))(shape, rng)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers come into a neuron and go out of it: (out, in, ...), or (in,) as (1, in)."""
    if len(shape) < 2:
        return math.prod(shape), 0
    out, n_in, *kernel = shape
    return n_in * math.prod(kernel), out * math.prod(kernel)


# --- PyTorch's: other values for a tensor -----------------------------------------------------


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, *, rng: np.random.Generator | None = None
) -> Tensor:
    """Give a tensor draws from U(a, b), and return it.

    As of all these functions: the values are replaced, a graph that has read them is stale, and
    the draws come from `rng`. Raises `InPlaceError` for the result of an operation.

    >>> w = Tensor(np.zeros((3, 3)), requires_grad=True)
    >>> uniform_(w, 5.0, 6.0) is w and bool(np.all(w.data >= 5))
    True
    """
    return _filled(tensor, lambda shape, rng: rng.uniform(a, b, shape), rng)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: np.random.Generator | None = None
) -> Tensor:
    """Give a tensor draws from N(mean, std²).

    >>> normal_(Tensor(np.zeros(2)), mean=5.0, std=0.0)
    Tensor([5., 5.])
    """
    return _filled(tensor, lambda shape, rng: mean + std * normal(shape, rng), rng)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Give a tensor draws from N(mean, std²) that lie between a and b.

    >>> w = trunc_normal_(Tensor(np.zeros(1000)), std=5.0)
    >>> bool(np.abs(w.data).max() <= 2)
    True
    """
    if not (a < b and std > 0):
        raise ValueError(f"trunc_normal_: a, {a}, must be below b, {b}, and std, {std}, above 0")
    low, high = (a - mean) / std, (b - mean) / std

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        draws = mean + std * _between(low, high, math.prod(shape), rng)
        return np.clip(draws, a, b).reshape(shape)

    return _filled(tensor, draw, rng)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Give a tensor one value everywhere.

    >>> constant_(Tensor([1.0, 2.0]), 0.5)
    Tensor([0.5, 0.5])
    """
    return _filled(tensor, lambda shape, _: np.full(shape, val))


def ones_(tensor: Tensor) -> Tensor:
    """Give a tensor ones.

    >>> ones_(Tensor([1.0, 2.0]))
    Tensor([1., 1.])
    """
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Give a tensor zeros.

    >>> zeros_(Tensor([1.0, 2.0]))
    Tensor([0., 0.])
    """
    return constant_(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Give a matrix ones on its diagonal and zeros elsewhere: what it is applied to stays.

    >>> eye_(Tensor(np.zeros((2, 3))))
    Tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    _check_axes("eye_", tensor, {2})
    return _filled(tensor, lambda shape, _: np.eye(shape[0], shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Give kernels of a convolution a 1 in their middle, so that as many channels as can be stay.

    Shape (out, in / groups, ...), with one to three axes more.

    >>> dirac_(Tensor(np.zeros((1, 1, 3))))
    Tensor([[[0., 1., 0.]]])
    """
    _check_axes("dirac_", tensor, {3, 4, 5})
    if groups < 1 or tensor.shape[0] % groups:
        raise ValueError(f"dirac_: {tensor.shape[0]} channels do not make {groups} equal groups")

    def draw(shape: tuple[int, ...], _: np.random.Generator) -> np.ndarray[Any, Any]:
        values = np.zeros(shape)
        each = shape[0] // groups
        places: Any = (..., *[n // 2 for n in shape[2:]])
        middle = values[places]  # a view: (out, in)
        for channel in range(min(each, shape[1])):
            middle[channel::each, channel] = 1
        return values

    return _filled(tensor, draw)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, *, rng: np.random.Generator | None = None
) -> Tensor:
    """Give a weight draws from U(-r, r) with r² = 6 gain² / (n_in + n_out): `glorot`, times a gain.

    >>> bool(np.abs(xavier_uniform_(Tensor(np.zeros((3, 3)))).data).max() <= 1)
    True
    """
    _check_fans("xavier_uniform_", tensor)
    return _filled(tensor, lambda shape, rng: gain * glorot(shape, rng), rng)


def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, *, rng: np.random.Generator | None = None
) -> Tensor:
    """Give a weight draws from N(0, 2 gain² / (n_in + n_out)).

    >>> w = xavier_normal_(Tensor(np.zeros((200, 600))), rng=np.random.default_rng(0))
    >>> float(np.round(w.data.std(), 3))
    0.05
    """
    _check_fans("xavier_normal_", tensor)
    std = gain * math.sqrt(2 / max(sum(_fans(tensor.shape)), 1))
    return normal_(tensor, 0.0, std, rng=rng)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Give a weight draws from U(-r, r) with r² = 3 gain² / n: the variance of `kaiming_normal_`.

    >>> bool(np.abs(kaiming_uniform_(Tensor(np.zeros((3, 6)))).data).max() <= 1)
    True
    """
    reach = math.sqrt(3) * _kaiming("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return _filled(tensor, uniform(reach), rng)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Give a weight draws from N(0, gain² / n), n being what comes in, or out (mode="fan_out").

    The gain is that of the nonlinearity, of which `a` is the slope below 0 if it is "leaky_relu":
    with its default 0, this is `he`.

    >>> w = kaiming_normal_(Tensor(np.zeros((100, 800))), rng=np.random.default_rng(0))
    >>> float(np.round(w.data.std(), 3))
    0.05
    """
    std = _kaiming("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, rng=rng)


def orthogonal_(
    tensor: Tensor, gain: float = 1.0, *, rng: np.random.Generator | None = None
) -> Tensor:
    """Give a weight orthonormal rows, or columns if they are shorter, times a gain.

    Axes after the first count as one. Source: Saxe, McClelland and Ganguli, Exact Solutions to the
    Nonlinear Dynamics of Learning in Deep Linear Neural Networks, 2013.

    >>> w = orthogonal_(Tensor(np.zeros((2, 3)))).data
    >>> bool(np.allclose(w @ w.T, np.eye(2)))
    True
    """
    _check_fans("orthogonal_", tensor)

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        rows = shape[0]
        flat = normal((rows, math.prod(shape[1:])), rng)
        q, r = np.linalg.qr(flat.T if rows < flat.shape[1] else flat)
        q = q * np.sign(np.diagonal(r))  # so that every orthogonal matrix is as likely
        values: np.ndarray[Any, Any] = (q.T if rows < flat.shape[1] else q).reshape(shape)
        return gain * values

    return _filled(tensor, draw, rng)


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, *, rng: np.random.Generator | None = None
) -> Tensor:
    """Give a matrix draws from N(0, std²), with that share of each column 0.

    Source: Martens, Deep Learning via Hessian-free Optimization, 2010.

    >>> w = sparse_(Tensor(np.zeros((4, 5))), 0.5)
    >>> np.sum(w.data == 0, axis=0).tolist()
    [2, 2, 2, 2, 2]
    """
    _check_axes("sparse_", tensor, {2})
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is a share, from 0 to 1, not {sparsity}")

    def draw(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray[Any, Any]:
        order = np.argsort(rng.random(shape), axis=0)
        return np.where(order < math.ceil(sparsity * shape[0]), 0, std * normal(shape, rng))

    return _filled(tensor, draw, rng)


_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return by how much weights should be larger before a nonlinearity, as PyTorch has it.

    `param` is the slope of "leaky_relu" below 0, 0.01 by default. Raises `ValueError` for others
    than linear, conv1d to conv_transpose3d, sigmoid, tanh, relu, leaky_relu and selu.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope * slope))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(f"no gain is known for {nonlinearity!r}, but for {known}")
    return _GAINS[nonlinearity]


# --- what they share --------------------------------------------------------------------------


def _filled(tensor: Tensor, draw: Initializer, rng: np.random.Generator | None = None) -> Tensor:
    """Write draws into a leaf, in one stroke."""
    if not isinstance(tensor, Tensor):
        kind = type(tensor).__name__
        raise ModuleError(f"values are given to a tensor, such as layer.weight, not to a {kind}")
    if tensor.size:
        values = draw(tensor.shape, rng or np.random.default_rng())
        held = values.astype(tensor.dtype)
        if tensor.dtype.kind not in "fc" and not np.array_equal(held, values):
            raise ModuleError(f"a tensor of {tensor.dtype} cannot hold such values")
        tensor.data = held
    return tensor


def _check_axes(name: str, tensor: Tensor, axes: set[int]) -> None:
    if np.ndim(tensor) not in axes:
        wanted = " or ".join(map(str, sorted(axes)))
        raise ShapeError(f"{name}: a tensor of {wanted} axes is wanted, not of {np.shape(tensor)}")


def _check_fans(name: str, tensor: Tensor) -> None:
    if np.ndim(tensor) < 2:
        raise ShapeError(f"{name}: a weight is (out, in, ...), not of shape {np.shape(tensor)}")


def _kaiming(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """The deviation that keeps the variance from layer to layer."""
    _check_fans(name, tensor)
    modes = ("fan_in", "fan_out")
    if mode not in modes:
        raise ValueError(f"{name}: mode must be 'fan_in' or 'fan_out', not {mode!r}")
    fan = _fans(tensor.shape)[modes.index(mode)]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def _between(low: float, high: float, count: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Draws from N(0, 1) between two numbers, by rejection from what is near it there."""
    if high < 0:
        return -_between(-high, -low, count, rng)
    found = np.zeros(0)
    while len(found) < count:
        x, chance = _proposed(low, high, 2 * (count - len(found)) + 10, rng)
        found = np.append(found, x[rng.random(len(x)) < chance])
    return found[:count]


def _proposed(low: float, high: float, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Draws, and the chance that each has to be taken.

    Source: Robert, Simulation of Truncated Normal Variables, 1995.
    """
    if low > 0:  # an exponential that falls as the bell curve does at its upper end
        x = low - np.log1p(rng.random(count) * np.expm1(-low * (high - low))) / low
        return x, np.exp(-np.square(x - low) / 2)
    if high - low > 3:
        x = rng.standard_normal(count)
        return x, (low <= x) & (x <= high)
    x = rng.uniform(low, high, count)
    return x, np.exp(-np.square(x) / 2)
