"""Layers that extend their input at both ends; the work is in `functional.pad`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from tinygrad_bp import functional as F
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.sizes import check_shape, repeated
from tinygrad_bp.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Two widths an axis, the last axis first, or one for all; a width below 0 cuts."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"
    value: float = 0.0

    def __init__(self, padding: int | Sequence[int]) -> None:
        count = 2 * self.axes
        self.padding = repeated(type(self).__name__, "padding", padding, count, at_least=-math.inf)

    def forward(self, input: Any) -> Tensor:
        """Return the input with more around it."""
        check_shape(input, "C", self.axes)
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """Return the widths."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """Return the widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ZeroPad1d(_Pad):
    """Zeros around the last axis: (left, right).

    >>> ZeroPad1d((2, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[0., 0., 1., 2.]]])
    """

    axes = 1


class ZeroPad2d(_Pad):
    """Zeros around images: (left, right, top, bottom).

    >>> ZeroPad2d((1, 0, 0, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[0., 1., 2.]]])
    """

    axes = 2


class ZeroPad3d(_Pad):
    """Zeros around volumes: (left, right, top, bottom, front, back).

    >>> ZeroPad3d((1, 0, 0, 0, 0, 0))(Tensor([[[[1.0, 2.0]]]]))
    Tensor([[[[0., 1., 2.]]]])
    """

    axes = 3


class ConstantPad1d(_ConstantPad):
    """A value around the last axis: (left, right).

    >>> ConstantPad1d((2, 0), 9.0)(Tensor([[[1.0, 2.0]]]))
    Tensor([[[9., 9., 1., 2.]]])
    """

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A value around images: (left, right, top, bottom).

    >>> ConstantPad2d((1, 0, 0, 0), 9.0)(Tensor([[[1.0, 2.0]]]))
    Tensor([[[9., 1., 2.]]])
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A value around volumes: (left, right, top, bottom, front, back).

    >>> ConstantPad3d((1, 0, 0, 0, 0, 0), 9.0)(Tensor([[[[1.0, 2.0]]]]))
    Tensor([[[[9., 1., 2.]]]])
    """

    axes = 3


class ReflectionPad1d(_Pad):
    """What is there around the last axis again, mirrored without the edge: (left, right).

    >>> ReflectionPad1d((1, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[2., 1., 2.]]])
    """

    axes = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """What is there around images again, mirrored without the edge: (left, right, top, bottom).

    >>> ReflectionPad2d((1, 0, 0, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[2., 1., 2.]]])
    """

    axes = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """What is there around volumes again, mirrored without the edge; widths as in `ZeroPad3d`.

    >>> ReflectionPad3d((1, 0, 0, 0, 0, 0))(Tensor([[[[1.0, 2.0]]]]))
    Tensor([[[[2., 1., 2.]]]])
    """

    axes = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """The edges of the last axis again and again: (left, right).

    >>> ReplicationPad1d((2, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[1., 1., 1., 2.]]])
    """

    axes = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """The edges of images again and again: (left, right, top, bottom).

    >>> ReplicationPad2d((1, 0, 0, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[1., 1., 2.]]])
    """

    axes = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """The edges of volumes again and again: (left, right, top, bottom, front, back).

    >>> ReplicationPad3d((1, 0, 0, 0, 0, 0))(Tensor([[[[1.0, 2.0]]]]))
    Tensor([[[[1., 1., 2.]]]])
    """

    axes = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """What is at the other end of the last axis, around it: (left, right).

    >>> CircularPad1d((2, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[1., 2., 1., 2.]]])
    """

    axes = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """What is at the other end of images, around it: (left, right, top, bottom).

    >>> CircularPad2d((1, 0, 0, 0))(Tensor([[[1.0, 2.0]]]))
    Tensor([[[2., 1., 2.]]])
    """

    axes = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """What is at the other end of volumes, around it: (left, right, top, bottom, front, back).

    >>> CircularPad3d((1, 0, 0, 0, 0, 0))(Tensor([[[[1.0, 2.0]]]]))
    Tensor([[[[2., 1., 2.]]]])
    """

    axes = 3
    mode = "circular"
