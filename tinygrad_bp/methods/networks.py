"""Layers and losses as methods: the names are tinygrad's, and `functional` does the work.

Of a family for images, such as `conv1d`, `conv2d` and `conv3d`, there is one method, named for two
axes: what it is given says how many there are.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from tinygrad_bp.methods.calls import Calls, named

__all__ = ["NetworkMethods"]


def _function(name: str) -> Any:
    """A function of the package that enters itself below."""
    return getattr(NetworkMethods._functional, name)  # noqa: SLF001


def _handed(name: str, gives: str) -> Any:
    """Return a method that calls a function of `functional` with what it is given."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return _function(name)(self, *args, **options)

    return named(method, name, f"Return {gives}: `functional.{name}`.")


def _for_axes(family: str, axes: int) -> Any:
    """The function of a family for so many axes; it says what is wrong, if there is none."""
    return _function(f"{family}{min(max(axes, 1), 3)}d")


def _length(kernel_size: Any) -> int:
    """How many axes the windows have; one number is for two."""
    return len(kernel_size) if isinstance(kernel_size, tuple | list) else 2


class NetworkMethods(Calls):
    """Those with one function to call in a table; those that choose one."""

    __slots__ = ()

    _functional: ClassVar[Any]  # the package; it is made of tensors, and enters itself here

    # fmt: off

    cross_entropy = _handed("cross_entropy", "the mean of -log softmax at the true class")
    nll_loss      = _handed("nll_loss", "the mean of minus the log-probability of the true class")
    binary_crossentropy = _handed(
        "binary_cross_entropy", "the mean of -t log p - (1 - t) log(1 - p)")
    binary_crossentropy_logits = _handed(
        "binary_cross_entropy_with_logits", "the mean of -t log σ(z) - (1 - t) log σ(-z)")
    scaled_dot_product_attention = _handed(
        "scaled_dot_product_attention", "means of values, by the likeness of keys to these queries")

    # fmt: on

    def sparse_categorical_crossentropy(
        self, labels: Any, ignore_index: int = -1, **options: Any
    ) -> Self:
        """Return `cross_entropy` with the classes along the last axis, and -1 for no label."""
        x = self._as_written(np.moveaxis, -1, 1) if self.ndim > 2 else self
        return x.cross_entropy(labels, ignore_index=ignore_index, **options)

    def one_hot(self, num_classes: int = -1) -> Self:
        """Return one row per label, 1 in its column; by default, as many as the labels need."""
        return _function("one_hot")(self, None if num_classes < 0 else num_classes)

    def conv2d(self, weight: Any, bias: Any = None, **options: Any) -> Self:
        """Return the convolution with a weight, along as many axes as its kernels have.

        Options are `stride`, `padding`, `dilation` and `groups`.
        """
        return _for_axes("conv", weight.ndim - 2)(self, weight, bias, **options)

    def conv_transpose2d(self, weight: Any, bias: Any = None, **options: Any) -> Self:
        """Return the transpose of a convolution; options as in `conv2d`, and `output_padding`."""
        return _for_axes("conv_transpose", weight.ndim - 2)(self, weight, bias, **options)

    def avg_pool2d(self, kernel_size: Any = (2, 2), stride: Any = None, **options: Any) -> Self:
        """Return the mean of each window, along as many axes as it has."""
        pool = _for_axes("avg_pool", _length(kernel_size))
        return pool(self, kernel_size, stride, **options)

    def max_pool2d(self, kernel_size: Any = (2, 2), stride: Any = None, **options: Any) -> Any:
        """Return the largest element of each window, along as many axes as it has."""
        pool = _for_axes("max_pool", _length(kernel_size))
        return pool(self, kernel_size, stride, **options)

    def max_unpool2d(
        self, indices: Any, kernel_size: Any = (2, 2), stride: Any = None, **options: Any
    ) -> Self:
        """Return zeros with the elements at the places that `max_pool2d` took them from."""
        unpool = _for_axes("max_unpool", _length(kernel_size))
        return unpool(self, indices, kernel_size, stride, **options)

    def interpolate(self, size: Any, mode: str = "linear", align_corners: bool = False) -> Self:  # noqa: FBT001, FBT002
        """Return images in another size; "linear" is along each of one, two or three axes."""
        if mode == "linear":
            mode = {4: "bilinear", 5: "trilinear"}.get(self.ndim, mode)
        enlarge = _function("interpolate")
        return enlarge(self, size, mode=mode, align_corners=align_corners or None)
