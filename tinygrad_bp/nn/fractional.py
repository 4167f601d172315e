"""Fractional max-pooling as layers; the work is in `functional`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.sizes import Sizes, check_shape, repeated
from tinygrad_bp.tensor import Tensor

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]

Ratio = float | Sequence[float]


class _FractionalMaxPool(Module):
    """Maxima of so many windows at random places, in training and in evaluation."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratio | None = None,
        return_indices: bool = False,  # noqa: FBT001, FBT002
        _random_samples: Any = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        if (output_size is None) == (output_ratio is None):
            raise ModuleError("give either an output_size or an output_ratio")
        name, axes = type(self).__name__, self.axes
        self.kernel_size = repeated(name, "kernel_size", kernel_size, axes, at_least=1)
        self.output_size: Any = output_size
        if output_size is not None:
            self.output_size = repeated(name, "output_size", output_size, axes, at_least=1)
        self.output_ratio: Any = output_ratio
        if isinstance(output_ratio, int | float):
            self.output_ratio = (output_ratio,) * self.axes
        if output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ModuleError(f"output_ratio must be between 0 and 1, not {output_ratio}")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.rng = rng or np.random.default_rng()

    def forward(self, input: Any) -> Any:
        """Return the largest element of each window, and with `return_indices` its place."""
        check_shape(input, "C", self.axes)
        return type(self).function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples, rng=self.rng,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima of so many windows of images, at random places: `functional.fractional_max_pool2d`.

    There are `output_size` windows along each axis, or `output_ratio` times its length. Draws come
    from `rng`, unless `_random_samples` are given. Raises `ModuleError` unless one of the first two
    is. Source: Graham, Fractional Max-Pooling, 2014.

    >>> FractionalMaxPool2d(2, output_size=2)(Tensor([[[1.0, 2.0, 3.0]] * 3])).tolist()
    [[[2.0, 3.0], [2.0, 3.0]]]
    """

    axes = 2
    function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maxima of so many windows of volumes, at random places, as in `FractionalMaxPool2d`.

    >>> FractionalMaxPool3d(2, output_size=1)(Tensor([[[[1.0, 2.0], [3.0, 6.0]]] * 2])).shape
    (1, 1, 1, 1)
    """

    axes = 3
    function = staticmethod(F.fractional_max_pool3d)
