"""The step of an optimiser whose parameters are another library's arrays, on a GPU say.

It is that of `Optimizer.step` but for two things: new arrays stand in the place of the old ones,
since not all libraries write into theirs, and nobody looks whether numbers are finite, which would
wait for the GPU.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.operands import in_dtype, is_foreign
from tinygrad_bp.optim.groups import ParamGroup, Slot
from tinygrad_bp.state import note_write, replace_all
from tinygrad_bp.tensor import array_of

__all__ = ["step"]


def step(optimizer: Any, taking_part: Iterable[tuple[ParamGroup, Slot]]) -> None:
    """Take a step: all parameters move, or none.

    Raises `OptimizerError` for a gradient that is of another library than its parameter (a lazy one
    that nobody has computed yet, say), and for complex parameters.
    """
    moving = list(taking_part)
    slots: list[Any] = [slot for _, slot in moving]
    tensors = [slot.parameter for slot in slots]
    found = [
        optimizer.update(tensor._value, _gradient(slot), *slot.moments, **group.options.values)
        for tensor, (group, slot) in zip(tensors, moving, strict=True)
    ]
    for tensor in tensors:
        note_write(tensor._value)
    objects = [*tensors, *tensors, *slots]
    names = [name for name in ("_value", "_used", "moments") for _ in slots]
    arrays = [new if is_foreign(new) else np.asarray(new) for new, *_ in found]
    values = arrays, [True for _ in found], [tuple(new[1:]) for new in found]
    replace_all([], [], (objects, names, list(itertools.chain(*values))))


def _gradient(slot: Slot) -> Any:
    """The gradient of a parameter, in its dtype."""
    value, gradient = slot.parameter._value, array_of(slot.parameter._grad)
    if slot.is_complex:  # which is updated as pairs of real numbers, in its memory
        raise OptimizerError(f"step(): '{slot.name}' is complex, and moves as NumPy's array alone")
    if type(gradient) is not type(value):
        raise OptimizerError(
            f"step(): the gradient of '{slot.name}' is a {_kind(gradient)}, and its values are a "
            f"{_kind(value)}. Bring them together first: a lazy gradient is computed by "
            "cluster.compute_gradients(), a model moved by model.to(function)."
        )
    return gradient if gradient.dtype == value.dtype else in_dtype(gradient, value.dtype)


def _kind(array: Any) -> str:
    kind = type(array)
    return f"{kind.__module__.partition('.')[0]} {kind.__name__}"
