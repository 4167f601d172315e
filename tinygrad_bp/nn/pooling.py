"""Means and maxima of windows as layers; the work is in `functional`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.sizes import Sizes, check_shape, options_in, repeated
from tinygrad_bp.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _Pool(Module):
    """Windows along some axes, which are their own length apart by default."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]
    shown: ClassVar[tuple[str, ...]] = ("kernel_size", "stride", "padding")

    kernel_size: Sizes
    stride: Sizes | None
    padding: Sizes

    def _keep(
        self,
        kernel_size: Sizes,
        stride: Sizes | None,
        padding: Sizes = 0,
        *,
        as_tuples: bool = False,
    ) -> None:
        """Keep the sizes if they fit: as they were given, as most of PyTorch's layers do."""
        given = {
            "kernel_size": kernel_size,
            "stride": kernel_size if stride is None else stride,
            "padding": padding,
        }
        name = type(self).__name__
        tuples = {
            option: repeated(name, option, value, self.axes, at_least=int(option != "padding"))
            for option, value in given.items()
        }
        if any(2 * p > k for p, k in zip(tuples["padding"], tuples["kernel_size"], strict=True)):
            raise ModuleError(
                f"{name}: padding={padding} is more than half of kernel_size={kernel_size}"
            )
        vars(self).update(tuples if as_tuples else given)

    def extra_repr(self) -> str:
        """Return the options."""
        return options_in(self, *self.shown)


# --- maxima ---------------------------------------------------------------------------------


class _MaxPool(_Pool):
    shown = (*_Pool.shown, "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self._keep(kernel_size, stride, padding)
        repeated(type(self).__name__, "dilation", dilation, self.axes, at_least=1)
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Any:
        """Return the largest element of each window, and with `return_indices` its place."""
        check_shape(input, "C", self.axes)
        sizes = (self.kernel_size, self.stride, self.padding, self.dilation)
        return type(self).function(input, *sizes, self.ceil_mode, self.return_indices)


class MaxPool1d(_MaxPool):
    """The largest element of each window along the last axis: `functional.max_pool1d`.

    Windows of `kernel_size` are `stride` apart, their own length by default, and their elements
    `dilation`; what `padding` adds at both ends is never the largest. With `ceil_mode` the last
    window may reach beyond. The first of equal elements receives the gradient. `return_indices`
    gives the places as well, for `MaxUnpool1d`. Raises `ModuleError` for options that do not fit.

    >>> MaxPool1d(2)(Tensor([[[1.0, 3.0, 5.0, 4.0]]]))
    Tensor([[[3., 5.]]])
    """

    axes = 1
    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window of images; arguments as in `MaxPool1d`, one or two.

    >>> MaxPool2d(2)(Tensor([[[1.0, 3.0], [5.0, 4.0]]]))
    Tensor([[[5.]]])
    """

    axes = 2
    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window of volumes; arguments as in `MaxPool1d`, one or three.

    >>> MaxPool3d((1, 2, 2))(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    Tensor([[[[6.]]]])
    """

    axes = 3
    function = staticmethod(F.max_pool3d)


class _MaxUnpool(_Pool):
    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        self._keep(kernel_size, stride, padding, as_tuples=True)

    def forward(self, input: Any, indices: Any, output_size: Sequence[int] | None = None) -> Any:
        """Return zeros, and the elements at the places that they were taken from."""
        check_shape(input, "C", self.axes)
        sizes = (self.kernel_size, self.stride, self.padding)
        return type(self).function(input, indices, *sizes, output_size)


class MaxUnpool1d(_MaxUnpool):
    """Zeros, with the elements at the places that `MaxPool1d(..., return_indices=True)` gave.

    The other arguments are those of the pooling; where they leave the size open, `output_size`
    tells it in the call.

    >>> MaxUnpool1d(2)(Tensor([[[3.0]]]), Tensor([[[1]]]))
    Tensor([[[0., 3.]]])
    """

    axes = 1
    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Zeros, with the elements at the places that `MaxPool2d` took them from.

    >>> pool, unpool = MaxPool2d(2, return_indices=True), MaxUnpool2d(2)
    >>> unpool(*pool(Tensor([[[1.0, 3.0], [5.0, 4.0]]])))
    Tensor([[[0., 0.],
             [5., 0.]]])
    """

    axes = 2
    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Zeros, with the elements at the places that `MaxPool3d` took them from.

    >>> MaxUnpool3d((1, 1, 2))(Tensor([[[[7.0]]]]), [[[[1]]]])
    Tensor([[[[0., 7.]]]])
    """

    axes = 3
    function = staticmethod(F.max_unpool3d)


# --- means ----------------------------------------------------------------------------------


class AvgPool1d(_Pool):
    """The mean of each window along the last axis: `functional.avg_pool1d`.

    Windows of `kernel_size` are `stride` apart, their own length by default. What `padding` adds
    at both ends are zeros, which count unless count_include_pad=False. With `ceil_mode` the last
    window may reach beyond. Raises `ModuleError` for options that do not fit.

    >>> AvgPool1d(2)(Tensor([[[1.0, 3.0, 5.0, 7.0]]]))
    Tensor([[[2., 6.]]])
    """

    axes = 1

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._keep(kernel_size, stride, padding, as_tuples=True)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Tensor:
        """Return the means."""
        check_shape(input, "C", self.axes)
        sizes = (self.kernel_size, self.stride, self.padding)
        means: Tensor = F.avg_pool1d(input, *sizes, self.ceil_mode, self.count_include_pad)
        return means


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self._keep(kernel_size, stride, padding)
        if divisor_override == 0:
            raise ModuleError(f"{type(self).__name__}: divisor_override=0 divides by zero")
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Tensor:
        """Return the means."""
        check_shape(input, "C", self.axes)
        sizes = (self.kernel_size, self.stride, self.padding)
        counts = (self.ceil_mode, self.count_include_pad, self.divisor_override)
        means: Tensor = type(self).function(input, *sizes, *counts)
        return means


class AvgPool2d(_AvgPool):
    """The mean of each window of images; arguments as in `AvgPool1d`, one number or two.

    `divisor_override` stands in for the number of elements.

    >>> AvgPool2d(2)(Tensor([[[1.0, 3.0], [5.0, 7.0]]]))
    Tensor([[[4.]]])
    """

    axes = 2
    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of volumes; arguments as in `AvgPool2d`, one number or three.

    >>> AvgPool3d((1, 2, 2))(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    Tensor([[[[3.]]]])
    """

    axes = 3
    function = staticmethod(F.avg_pool3d)


class _LPPool(_Pool):
    shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        self._keep(kernel_size, stride)
        self.stride = stride
        if norm_type == 0:
            raise ModuleError(f"{type(self).__name__}: there is no root for norm_type=0")
        self.norm_type = norm_type
        self.ceil_mode = ceil_mode

    def forward(self, input: Any) -> Tensor:
        """Return the roots of the sums of powers."""
        check_shape(input, "C", self.axes)
        sizes = (self.kernel_size, self.stride)
        roots: Tensor = type(self).function(input, self.norm_type, *sizes, self.ceil_mode)
        return roots


class LPPool1d(_LPPool):
    """The p-th root of the sum of p-th powers in each window: `functional.lp_pool1d`.

    >>> LPPool1d(2, 2)(Tensor([[[3.0, 4.0]]]))
    Tensor([[[5.]]])
    """

    axes = 1
    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """The p-th root of the sum of p-th powers in each window of images.

    >>> LPPool2d(2, (2, 1))(Tensor([[[[3.0], [4.0]]]]))
    Tensor([[[[5.]]]])
    """

    axes = 2
    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The p-th root of the sum of p-th powers in each window of volumes.

    >>> LPPool3d(1, (1, 2, 2))(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    Tensor([[[[12.]]]])
    """

    axes = 3
    function = staticmethod(F.lp_pool3d)


# --- so many windows ------------------------------------------------------------------------


class _Adaptive(Module):
    """So many windows along some axes, however long these are."""

    axes: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def _keep(self, output_size: Any) -> None:
        self.output_size = output_size
        sizes = output_size if isinstance(output_size, tuple | list) else [output_size] * self.axes
        name = type(self).__name__
        numbers = [0 if size is None else size for size in sizes]
        if len(numbers) != self.axes:
            raise ModuleError(
                f"{name}: output_size must be one number or None, or {self.axes} of them, not "
                f"{output_size!r}"
            )
        repeated(name, "output_size", numbers, self.axes)

    def extra_repr(self) -> str:
        """Return how many windows there are."""
        return options_in(self, "output_size")


class _AdaptiveAvg(_Adaptive):
    def __init__(self, output_size: Sizes | Sequence[int | None] | None) -> None:
        self._keep(output_size)

    def forward(self, input: Any) -> Tensor:
        """Return the mean of each window."""
        check_shape(input, "C", self.axes)
        found: Tensor = type(self).function(input, self.output_size)
        return found


class AdaptiveAvgPool1d(_AdaptiveAvg):
    """Means of `output_size` windows along the last axis: `functional.adaptive_avg_pool1d`.

    >>> AdaptiveAvgPool1d(2)(Tensor([[[1.0, 3.0, 5.0]]]))
    Tensor([[[2., 4.]]])
    """

    axes = 1
    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvg):
    """Means of so many windows of images: one number or two, None to keep an axis.

    >>> AdaptiveAvgPool2d((1, None))(Tensor([[[1.0, 3.0], [5.0, 7.0]]]))
    Tensor([[[3., 5.]]])
    """

    axes = 2
    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvg):
    """Means of so many windows of volumes: one number or three, None to keep an axis.

    >>> AdaptiveAvgPool3d(1)(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    Tensor([[[[3.]]]])
    """

    axes = 3
    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMax(_Adaptive):
    def __init__(
        self,
        output_size: Sizes | Sequence[int | None] | None,
        return_indices: bool = False,
    ) -> None:
        self._keep(output_size)
        self.return_indices = return_indices

    def forward(self, input: Any) -> Any:
        """Return the largest element of each window, and with `return_indices` its place."""
        check_shape(input, "C", self.axes)
        return type(self).function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Maxima of `output_size` windows along the last axis: `functional.adaptive_max_pool1d`.

    >>> AdaptiveMaxPool1d(2)(Tensor([[[1.0, 3.0, 5.0]]]))
    Tensor([[[3., 5.]]])
    """

    axes = 1
    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Maxima of so many windows of images: one number or two, None to keep an axis.

    >>> AdaptiveMaxPool2d(1)(Tensor([[[1.0, 3.0], [5.0, 7.0]]]))
    Tensor([[[7.]]])
    """

    axes = 2
    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMax):
    """Maxima of so many windows of volumes: one number or three, None to keep an axis.

    >>> AdaptiveMaxPool3d(1)(Tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    Tensor([[[[6.]]]])
    """

    axes = 3
    function = staticmethod(F.adaptive_max_pool3d)
