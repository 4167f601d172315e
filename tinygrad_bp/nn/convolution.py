"""Convolutions and their transposes, along one, two or three axes; windows as columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Never

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.nn import init
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.sizes import Sizes, check_shape, options_in, repeated
from tinygrad_bp.tensor import Tensor

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Fold",
    "Unfold",
]

_WORDS = ("same", "valid")


class _Convolution(Module):
    """What convolutions and their transposes have in common: sizes, options and kernels."""

    axes: ClassVar[int]
    transposed: ClassVar[bool]
    modes: ClassVar[tuple[str, ...]]
    function: ClassVar[Callable[..., Tensor]]

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Any  # a tuple too, or "same" or "valid"
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]

    def _keep(self, *, at_least: int, **sizes: Any) -> None:
        """Keep sizes as attributes, one number an axis."""
        for name, value in sizes.items():
            numbers = repeated(type(self).__name__, name, value, self.axes, at_least=at_least)
            setattr(self, name, numbers)

    def _make(
        self,
        channels: tuple[int, int],
        groups: int,
        padding_mode: str,
        *,
        bias: bool,
        rng: np.random.Generator | None,
        dtype: Any,
    ) -> None:
        """Draw kernels and biases, both within 1 / sqrt(elements of a kernel)."""
        self.in_channels, self.out_channels = channels
        self.groups, self.padding_mode = groups, padding_mode
        if groups < 1 or min(channels) < 0 or any(n % groups for n in channels):
            self._refuse(f"{channels} channels do not divide into {groups} groups")
        if padding_mode not in self.modes:
            self._refuse(f"padding_mode is one of {self.modes}, not {padding_mode!r}")
        first, second = channels if self.transposed else channels[::-1]
        shape = (first, second // groups, *self.kernel_size)
        elements = math.prod(shape[1:])
        made = init.parameters(1 / math.sqrt(elements) if elements else 0.0, rng, dtype)
        self.weight = made(*shape)
        self.bias = made(self.out_channels) if bias else None

    def _refuse(self, what: str) -> Never:
        raise ModuleError(f"{type(self).__name__}: {what}")

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not the usual ones."""
        zeros = (0,) * self.axes
        usual = {"padding": zeros, "dilation": (1,) * self.axes, "output_padding": zeros}
        shown = ["kernel_size", "stride"]
        shown += [name for name, value in usual.items() if getattr(self, name) != value]
        shown += ["groups"] if self.groups != 1 else []
        parts = [f"{self.in_channels}, {self.out_channels}", options_in(self, *shown)]
        parts += [] if self.bias is not None else ["bias=False"]
        parts += [] if self.padding_mode == "zeros" else [options_in(self, "padding_mode")]
        return ", ".join(parts)


class _Conv(_Convolution):
    """A convolution along some axes."""

    transposed = False
    modes = ("zeros", "reflect", "replicate", "circular")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self._keep(at_least=1, kernel_size=kernel_size, stride=stride, dilation=dilation)
        self._keep(at_least=0, output_padding=0, padding=0 if padding in _WORDS else padding)
        if padding in _WORDS:
            self.padding = padding
        if padding == "same" and set(self.stride) != {1}:
            self._refuse(f"padding='same' needs stride 1, not {self.stride}")
        channels = (in_channels, out_channels)
        self._make(channels, groups, padding_mode, bias=bias, rng=rng, dtype=dtype)

    def forward(self, input: Any) -> Tensor:
        """Return the sums of products of the kernels with the windows of the input."""
        check_shape(input, self.in_channels, self.axes)
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._widths(), mode=self.padding_mode)
            padding = 0
        given = (self.weight, self.bias, self.stride, padding, self.dilation, self.groups)
        return type(self).function(input, *given)

    def _widths(self) -> list[int]:
        """Two widths an axis, the last axis first."""
        if self.padding == "valid":
            return [0] * (2 * self.axes)
        if self.padding == "same":
            kernels = zip(self.kernel_size[::-1], self.dilation[::-1], strict=True)
            more = [d * (k - 1) for k, d in kernels]
            return [width for n in more for width in (n // 2, n - n // 2)]
        return [p for p in self.padding[::-1] for _ in range(2)]


class Conv1d(_Conv):
    """Kernels that slide along the last axis: (N, in, length) to (N, out, places), or without N.

    Each output channel is a sum of products with every window, of `kernel_size` elements that are
    `dilation` apart; the windows are `stride` apart. The input is extended at both ends by
    `padding`, or as far as "same" needs, with zeros or after `padding_mode`: "reflect",
    "replicate", "circular". Each of `groups` of channels has kernels of its own. `weight` is (out,
    in / groups, kernel_size), `bias` (out,); both start uniform within 1 / sqrt(elements of a
    kernel). Raises `ModuleError` for options that do not fit, `ShapeError` for inputs.

    >>> Conv1d(2, 8, 3, padding="same")(np.ones((5, 2, 10), np.float32)).shape
    (5, 8, 10)
    """

    axes = 1
    function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Kernels that slide over images: (N, in, height, width) to (N, out, ...), or without N.

    Arguments as in `Conv1d`, one number or two, for the height and the width.

    >>> layer = Conv2d(1, 6, 5, padding=2)
    >>> layer(np.ones((100, 1, 28, 28), np.float32)).shape
    (100, 6, 28, 28)
    >>> layer
    Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    """

    axes = 2
    function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Kernels that slide through volumes: (N, in, depth, height, width) to (N, out, ...).

    Arguments as in `Conv1d`, one number or three; N may be missing.

    >>> Conv3d(1, 2, (1, 3, 3), stride=2)(np.ones((1, 4, 5, 5), np.float32)).shape
    (2, 2, 2, 2)
    """

    axes = 3
    function = staticmethod(F.conv3d)


class _ConvTranspose(_Convolution):
    """The transpose of a convolution along some axes."""

    transposed = True
    modes = ("zeros",)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self._keep(at_least=1, kernel_size=kernel_size, stride=stride, dilation=dilation)
        self._keep(at_least=0, output_padding=output_padding, padding=padding)
        limits = map(max, self.stride, self.dilation)
        if any(more >= limit for more, limit in zip(self.output_padding, limits, strict=True)):
            self._refuse(
                f"output_padding={self.output_padding} must be smaller than "
                f"stride={self.stride} or dilation={self.dilation}"
            )
        channels = (in_channels, out_channels)
        self._make(channels, groups, padding_mode, bias=bias, rng=rng, dtype=dtype)

    def forward(self, input: Any, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the sum of the kernels, each put where a convolution's window is, times the input.

        With a stride, several lengths have the same number of windows: `output_size` says which is
        meant, of the last axes or of all.
        """
        shape = check_shape(input, self.in_channels, self.axes)
        extra = self.output_padding
        if output_size is not None:
            extra = self._extra(shape, tuple(output_size))
        given = (self.weight, self.bias, self.stride, self.padding)
        return type(self).function(input, *given, extra, self.groups, self.dilation)

    def _extra(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
        """How much longer than the shortest output the wanted one is."""
        if len(wanted) not in {self.axes, len(shape)}:
            raise ShapeError(
                f"expects an output_size of {self.axes} or {len(shape)} numbers, got {wanted}"
            )
        sizes = (self.kernel_size, self.stride, self.padding, self.dilation)
        shortest = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, k, s, p, d in zip(shape[-self.axes :], *sizes, strict=True)
        ]
        ends = list(zip(wanted[-self.axes :], shortest, self.stride, strict=True))
        if any(not start <= end < start + s for end, start, s in ends):
            longest = [start + s - 1 for _, start, s in ends]
            raise ShapeError(
                f"expects an output_size from {tuple(shortest)} to {tuple(longest)} for an input "
                f"of shape {shape}, got {wanted}"
            )
        return tuple([end - start for end, start, _ in ends])


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d` as a linear function, with a bias of its own: (N, in, length).

    What is `stride` apart there is put `stride` apart here, and summed up where kernels overlap;
    `padding` is cut off at both ends, `output_padding` added to the end. `weight` is (in, out /
    groups, kernel_size). Raises `ModuleError` for options that do not fit, `ShapeError` for inputs.

    >>> layer = ConvTranspose1d(4, 2, 3, stride=2)
    >>> layer(np.ones((5, 4, 10), np.float32)).shape
    (5, 2, 21)
    >>> layer(np.ones((5, 4, 10), np.float32), output_size=(22,)).shape
    (5, 2, 22)
    """

    axes = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """The transpose of `Conv2d`: (N, in, height, width) to (N, out, ...), or without N.

    Arguments as in `ConvTranspose1d`, one number or two.

    >>> ConvTranspose2d(3, 6, 4, 2, 1)(np.ones((1, 3, 8, 8), np.float32)).shape
    (1, 6, 16, 16)
    """

    axes = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """The transpose of `Conv3d`: (N, in, depth, height, width) to (N, out, ...), or without N.

    Arguments as in `ConvTranspose1d`, one number or three.

    >>> ConvTranspose3d(3, 1, 2)(np.ones((3, 1, 2, 3), np.float32)).shape
    (1, 2, 3, 4)
    """

    axes = 3
    function = staticmethod(F.conv_transpose3d)


# --- windows as columns ---------------------------------------------------------------------


class Unfold(Module):
    """The windows of images as columns: (N, C, height, width) to (N, C * window, places).

    >>> Unfold((2, 3))(np.ones((2, 5, 3, 4))).shape
    (2, 30, 4)
    """

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Tensor:
        """Return `functional.unfold` of the input."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the options."""
        return options_in(self, "kernel_size", "dilation", "padding", "stride")


class Fold(Module):
    """The images that have such windows: (N, C * window, places) to (N, C, *output_size).

    Where windows overlap, a sum: the transpose of `Unfold`, not its inverse.

    >>> Fold((4, 5), (2, 2))(np.ones((1, 3 * 2 * 2, 12))).shape
    (1, 3, 4, 5)
    """

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> None:
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Tensor:
        """Return `functional.fold` of the input."""
        sizes = (self.output_size, self.kernel_size)
        return F.fold(input, *sizes, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the options."""
        names = ("output_size", "kernel_size", "dilation", "padding", "stride")
        return options_in(self, *names)
