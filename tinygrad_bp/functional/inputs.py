"""What the functions are given, checked, and how losses are reduced.

Losses check, because a loss of mismatched shapes trains to a wrong answer without a word.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.duck import DuckArray
from tinygrad_bp.errors import ConversionError, LabelError, ShapeError
from tinygrad_bp.operands import certainly, is_foreign, violated
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "alike",
    "batched",
    "both_ends",
    "check_alike",
    "check_labels",
    "check_real",
    "floats",
    "for_each_axis",
    "reduced",
    "tensor_of",
    "widened",
]


def tensor_of(value: Any) -> Any:
    """Return a tensor, or another reader of rules, as it is, and anything else as a tensor.

    What stands for a plain array is one.
    """
    if isinstance(value, DuckArray) and not value.is_plain:
        return value
    return Tensor(value)


def floats(value: Any, like: Any) -> Any:
    """Return what is given as a tensor of floats: in the dtype of another if it has none itself.

    Numbers and lists have none, and signs, masks and weights often come as whole numbers.
    """
    if not hasattr(value, "dtype"):
        value = np.asarray(value, like.dtype)
    return tensor_of(value if value.dtype.kind in "fc" else value.astype(like.dtype))


def alike(loss: str, output: Array, target: Array) -> tuple[Any, Any]:
    """Return outputs and targets as tensors; raise `ShapeError` unless their shapes are equal."""
    output = tensor_of(output)
    target = floats(target, output)
    check_alike(loss, output, target)
    return output, target


def check_alike(loss: str, output: Array, target: Array) -> None:
    """Raise `ShapeError` unless two shapes are equal, with something in them."""
    shape, wanted = output.shape, target.shape
    if shape != wanted:
        raise ShapeError(
            f"{loss}: output has shape {shape} and target {wanted}; they must be equal, or "
            "broadcasting would compare every output with every target. Reshape one of them."
        )
    if 0 in shape:
        raise ShapeError(f"{loss}: empty batch, shape {shape}")


def check_real(loss: str, *arrays: Array) -> None:
    """Raise `ConversionError` for complex numbers, of which there is more than one square."""
    if any(array.dtype.kind == "c" for array in arrays):
        raise ConversionError(
            f"{loss} is a loss of real numbers; of complex ones, take np.abs(output - target) ** 2"
        )


def check_labels(labels: np.ndarray[Any, Any], classes: int, ignored: int | None = None) -> bool:
    """Return whether any label is the one that is ignored, or may be.

    Raises `LabelError` unless all others are whole numbers from 0 to classes - 1.
    """
    if labels.dtype.kind not in "iu":
        raise LabelError(
            f"labels must be whole numbers, one a row, not {labels.dtype}; one-hot rows become "
            "labels with .argmax(axis=-1), and whole floats with .astype(int)"
        )
    if is_foreign(labels):
        return ignored is not None  # nobody looks, so some may be
    lowest, highest = labels.min(), labels.max()
    ignores = (
        ignored is not None
        and certainly(lowest <= ignored)
        and certainly(highest >= ignored)
        and certainly(np.any(labels == ignored))
    )
    if not ignores and not violated(lowest < 0) and not violated(highest >= classes):
        return False
    outside = ((labels < 0) | (labels >= classes)) & (labels != ignored)
    if not violated(np.any(outside)):
        return ignores
    wrong = np.argwhere(outside)[0]
    position = tuple(map(int, wrong)) if len(wrong) != 1 else int(wrong[0])
    raise LabelError(
        f"label {labels[tuple(wrong)]} at position {position} is not one of the {classes} classes "
        f"0 to {classes - 1}"
    )


def reduced(losses: Any, reduction: str) -> Any:
    """Return the mean of losses, their sum, or all of them."""
    if reduction == "mean":
        return np.mean(losses)
    if reduction == "sum":
        return np.sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")


# --- images and the like --------------------------------------------------------------------


def batched(name: str, x: Any, axes: int) -> tuple[Any, bool]:
    """Return examples with channels and so many more axes, and whether there was one alone."""
    if x.ndim not in {axes + 1, axes + 2}:
        raise ShapeError(
            f"{name}: an input of shape {x.shape} is not (examples, channels) and {axes} more axes"
        )
    return (x[None], True) if x.ndim == axes + 1 else (x, False)


def for_each_axis(value: Any, axes: int) -> list[int]:
    """Return one whole number for each axis: the one that is given, or all of them."""
    found = [value] * axes if hasattr(value, "__index__") else list(value)
    if len(found) == 1:
        found *= axes
    if len(found) != axes:
        raise ValueError(f"{value} is not one number, or one for each of {axes} axes")
    return [operator.index(n) for n in found]


def both_ends(padding: Any, axes: int) -> list[tuple[int, int]]:
    """Return the widths before and after each axis: as in `for_each_axis`, or two for each.

    Two for each begin with the last axis, as in `pad`: (left, right, top, bottom).
    """
    if not hasattr(padding, "__index__") and len(padding) == 2 * axes:
        return list(zip(padding[::2], padding[1::2], strict=True))[::-1]
    return [(p, p) for p in for_each_axis(padding, axes)]


def widened(x: Any, widths: Sequence[tuple[int, int]], value: float = 0) -> Any:
    """Return the last axes extended at both ends by a value; where a width is below 0, cut."""
    return x.pad([n for pair in reversed(widths) for n in pair], value=value)
