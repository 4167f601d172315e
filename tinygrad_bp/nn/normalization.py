"""Layers that give their inputs mean 0 and variance 1, and scale and shift them as they learn to.

Over a batch, over an example, over groups of its channels, or over neighbouring channels.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.duck import DuckArray
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.functional.normalization import by_batch, by_example
from tinygrad_bp.nn.formula import Formula
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.operands import in_dtype
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class _Scaled(Module):
    """What has a weight and a bias to scale and shift by, ones and zeros at first, or None."""

    weight: Tensor | None
    bias: Tensor | None

    def _make_scale(self, shape: tuple[int, ...], dtype: Any, *, weight: bool, bias: bool) -> None:
        self.weight = Parameter(np.ones(shape, dtype)) if weight else None
        self.bias = Parameter(np.zeros(shape, dtype)) if weight and bias else None


def _is_watched(array: Any) -> bool:
    """Whether an array holds no plain numbers, nor stands for any."""
    return isinstance(array, DuckArray) and not array.is_plain


# --- over a batch, or each example ----------------------------------------------------------


class _Running(_Scaled):
    """What can keep means and variances of the channels that it has seen in training."""

    _forms: ClassVar[tuple[str, ...]]  # of inputs: a letter an axis, C for channels

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def _make(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        *,
        affine: bool,
        bias: bool,
        track_running_stats: bool,
        dtype: Any,
    ) -> None:
        if num_features < 1:
            raise ModuleError(f"num_features must be 1 or more, not {num_features}")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._make_scale((num_features,), dtype, weight=affine, bias=bias)
        start = {
            "running_mean": np.zeros(num_features, dtype),
            "running_var": np.ones(num_features, dtype),
            "num_batches_tracked": np.array(0, np.int64),
        }
        for name, values in start.items():
            self.register_buffer(name, values if track_running_stats else None)

    def _form_of(self, x: Any) -> str:
        """The form of an input, which must have the layer's channels."""
        shape = np.shape(x)
        for form in self._forms:
            if len(form) == len(shape) and shape[form.index("C")] == self.num_features:
                return form
        wanted = " or ".join(f"({', '.join(form)})" for form in self._forms)
        raise ShapeError(f"expects {wanted.replace('C', str(self.num_features))}, got {shape}")

    def _follow(
        self, found: Sequence[Tensor], values: int, momentum: float | None, *, count: int
    ) -> None:
        """Move the running numbers towards means and variances that so many values have.

        These are averages over examples, (N, C, ...); the variances count n - 1 values. What moves
        becomes a new array, so a graph that has read the old one stays right. Where arrays do not
        hold plain numbers, as in a gradient check, nothing moves.
        """
        mean, variance, batches = self.running_mean, self.running_var, self.num_batches_tracked
        arrays = [array_of(a) for a in found]
        if mean is None or variance is None or batches is None or _is_watched(arrays[0]):
            return
        counted = array_of(batches.data + count)
        if not values:
            replace_all([], [], ([batches], ["_value"], [counted]))
            return
        share = (1 / counted).astype(mean.dtype) if momentum is None else momentum
        now = [np.mean(np.reshape(a, (-1, self.num_features)), axis=0) for a in arrays]
        now[1] = now[1] * (values / (values - 1))
        kept = [mean, variance]
        moved = [
            in_dtype((1 - share) * before.data + share * new, before.dtype)
            for before, new in zip(kept, now, strict=True)
        ]
        replace_all([], [], ([*kept, batches], ["_value"] * 3, [*moved, counted]))

    def reset_running_stats(self) -> None:
        """Forget what was seen in training."""
        mean, variance, batches = self.running_mean, self.running_var, self.num_batches_tracked
        if mean is not None and variance is not None and batches is not None:
            start = [np.zeros_like(mean.data), np.ones_like(variance.data), np.array(0, np.int64)]
            replace_all([], [], ([mean, variance, batches], ["_value"] * 3, start))

    def extra_repr(self) -> str:
        """Return the number of channels, and what is not the default."""
        options = inspect.signature(type(self)).parameters
        names = ("eps", "momentum", "affine", "track_running_stats")
        found = {name: getattr(self, name) for name in names}
        changed = [f"{n}={value}" for n, value in found.items() if value != options[n].default]
        return ", ".join([str(self.num_features), *changed])


class _BatchNorm(_Running):
    """Normalisation of channels over a batch."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,  # noqa: FBT001, FBT002
        track_running_stats: bool = True,  # noqa: FBT001, FBT002
        *,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        self._make(
            num_features, eps, momentum, affine=affine, bias=bias,
            track_running_stats=track_running_stats, dtype=dtype,
        )  # fmt: skip

    def forward(self, input: Any) -> Tensor:
        """Return each channel normalised, over the batch or as was seen in training."""
        self._form_of(input)
        of_batch = self.training or self.running_mean is None or self.running_var is None
        if not of_batch:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        input = tensor_of(input)
        y, *found = by_batch(input, self.weight, self.bias, self.eps)
        if self.training and self.track_running_stats:
            self._follow(found, input.size // self.num_features, self.momentum, count=1)
        return y


class BatchNorm1d(_BatchNorm):
    """Each channel with mean 0 and variance 1 over the batch: (N, C) or (N, C, L).

    Then times `weight`, plus `bias` (with `affine`). In training, running means and variances move
    towards those of each batch by `momentum`, or are the means over all batches if that is None;
    in evaluation they are what is used. Without `track_running_stats` it is always the batch.
    Raises `ShapeError` for other channels, or one value a channel in training. Source: Ioffe and
    Szegedy, Batch Normalization, 2015.

    >>> layer = BatchNorm1d(1, eps=0.0)
    >>> layer(np.array([[1.0], [3.0]])).tolist(), layer.running_mean
    ([[-1.0], [1.0]], Tensor([0.2], dtype=float32))
    >>> abs(layer.eval()(np.array([[0.2]])).item()) < 1e-7
    True
    """

    _forms = ("NC", "NCL")


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` of images: (N, C, H, W).

    >>> BatchNorm2d(3)(np.zeros((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    _forms = ("NCHW",)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` of volumes: (N, C, D, H, W).

    >>> BatchNorm3d(3)(np.zeros((2, 3, 4, 4, 4))).shape
    (2, 3, 4, 4, 4)
    """

    _forms = ("NCDHW",)


class _InstanceNorm(_Running):
    """Normalisation of the channels of each example."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,  # noqa: FBT001, FBT002
        track_running_stats: bool = False,  # noqa: FBT001, FBT002
        *,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        self._make(
            num_features, eps, momentum, affine=affine, bias=bias,
            track_running_stats=track_running_stats, dtype=dtype,
        )  # fmt: skip

    def forward(self, input: Any) -> Tensor:
        """Return each channel normalised, over its example or as was seen in training."""
        if self._form_of(input)[0] == "C":  # one example alone
            return self.forward(np.expand_dims(input, 0))[0]
        if self.track_running_stats and not self.training:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        input = tensor_of(input)
        y, *found = by_example(input, self.weight, self.bias, self.eps)
        if self.training:
            # As in PyTorch: no batch is counted, and without a momentum nothing moves.
            self._follow(found, math.prod(input.shape[2:]), self.momentum or 0.0, count=0)
        return y


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each example with mean 0 and variance 1: (N, C, L) or (C, L).

    Then times `weight`, plus `bias`, with `affine`. With `track_running_stats`, what was seen in
    training is used in evaluation, as in `BatchNorm1d`. Raises `ShapeError` for other channels, or
    one value a channel. Source: Ulyanov, Vedaldi and Lempitsky, Instance Normalization, 2016.

    >>> InstanceNorm1d(1, eps=0.0)(np.array([[[1.0, 3.0]]]))
    Tensor([[[-1.,  1.]]])
    """

    _forms = ("NCL", "CL")


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` of images: (N, C, H, W) or (C, H, W).

    >>> InstanceNorm2d(3)(np.zeros((2, 3, 4, 4))).shape
    (2, 3, 4, 4)
    """

    _forms = ("NCHW", "CHW")


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` of volumes: (N, C, D, H, W) or (C, D, H, W).

    >>> InstanceNorm3d(3)(np.zeros((3, 4, 4, 4))).shape
    (3, 4, 4, 4)
    """

    _forms = ("NCDHW", "CDHW")


# --- over the last axes, or groups of channels ------------------------------------------------


def _shape(sizes: int | Sequence[int]) -> tuple[int, ...]:
    return (int(sizes),) if hasattr(sizes, "__index__") else tuple(map(int, sizes))


class LayerNorm(_Scaled):
    """Mean 0 and variance 1 over the last axes, of shape `normalized_shape`.

    Then times `weight`, plus `bias`, of that shape, with `elementwise_affine`. Raises `ShapeError`
    for inputs that do not end in that shape. Source: Ba, Kiros and Hinton, Layer Normalization,
    2016.

    >>> LayerNorm(2, eps=0.0)(np.array([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,  # noqa: FBT001, FBT002
        bias: bool = True,  # noqa: FBT001, FBT002
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_scale(self.normalized_shape, dtype, weight=elementwise_affine, bias=bias)

    def forward(self, input: Any) -> Tensor:
        """Return x normalised, scaled and shifted."""
        _check_end(input, self.normalized_shape)
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        """Return the shape and the options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class RMSNorm(_Scaled):
    """x over its root mean square along the last axes, of shape `normalized_shape`.

    Then times `weight`, of that shape, with `elementwise_affine`. `eps` is the dtype's by default.
    Source: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.

    >>> RMSNorm(2)(np.array([[3.0, -3.0]])).tolist()
    [[1.0, -1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,  # noqa: FBT001, FBT002
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_scale(self.normalized_shape, dtype, weight=elementwise_affine, bias=False)

    def forward(self, x: Any) -> Tensor:
        """Return x over its root mean square, scaled."""
        _check_end(x, self.normalized_shape)
        return F.rms_norm(x, self.normalized_shape, self.weight, eps=self.eps)

    def extra_repr(self) -> str:
        """Return the shape and the options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


def _check_end(x: Any, wanted: tuple[int, ...]) -> None:
    shape = np.shape(x)
    if not wanted or shape[-len(wanted) :] != wanted:
        sizes = ", ".join(map(str, wanted))
        raise ShapeError(f"expects (..., {sizes}), got {shape}")


class GroupNorm(_Scaled):
    """Mean 0 and variance 1 for each group of channels of an example: (N, C, ...).

    Then times `weight`, plus `bias`, a number a channel, with `affine`. Raises `ModuleError` unless
    the groups are equal, `ShapeError` for other channels. Source: Wu and He, Group Normalization,
    2018.

    >>> GroupNorm(1, 2, eps=0.0)(np.array([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,  # noqa: FBT001, FBT002
        *,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
            raise ModuleError(f"{num_channels} channels do not make {num_groups} equal groups")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make_scale((num_channels,), dtype, weight=affine, bias=bias)

    def forward(self, input: Any) -> Tensor:
        """Return x normalised, scaled and shifted."""
        if np.ndim(input) < 2 or np.shape(input)[1] != self.num_channels:
            raise ShapeError(f"expects (N, {self.num_channels}, ...), got {np.shape(input)}")
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the numbers of groups and channels, and the options."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Formula, function=F.local_response_norm):
    """x / (k + alpha m)^beta, with m the mean square of `size` neighbouring channels.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet Classification, 2012.

    >>> LocalResponseNorm(1, alpha=1.0, beta=1.0)(np.array([[[1.0]]]))
    Tensor([[[0.5]]])
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def _check(self) -> None:
        self._need(self.size >= 1, f"size is a number of channels, 1 or more, not {self.size}")
