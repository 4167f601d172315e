"""The step of an optimiser while a step of training is traced: parameters as one vector.

An update is the same for every element, so all parameters of a group that share dtype and count of
steps are updated at once. Values are those of `Optimizer.step`, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.operands import is_foreign
from tinygrad_bp.optim.groups import ParamGroup, Slot
from tinygrad_bp.registry import primitive
from tinygrad_bp.state import Tracer
from tinygrad_bp.tensor import Tensor

__all__ = ["joined", "kind_of", "part", "step", "together"]


@primitive
def joined(arrays: Sequence[Any]) -> Any:
    """Return arrays as one vector, one after the other."""
    return np.concatenate([np.reshape(a, -1) for a in arrays])


@primitive
def part(vector: Any, start: int, shape: tuple[int, ...]) -> Any:
    """Return an array of a shape that stands in a vector, from one place on."""
    return np.reshape(vector[start : start + math.prod(shape)], shape)


def step(tracer: Tracer, optimizer: Any, taking_part: Iterable[tuple[ParamGroup, Slot]]) -> None:
    """Take a step: of the slots that take part, in their groups."""
    batches: dict[Any, list[Slot]] = {}
    groups = {}
    for group, slot in taking_part:
        tracer.adopt(slot.parameter)
        tracer.adopt(slot)
        if slot.is_complex:
            tracer.refuse(f"'{slot.name}' is a complex parameter, which no compiled step updates")
        groups[id(group)] = group
        batches.setdefault(kind_of(group, slot), []).append(slot)
    if batches:
        at_once = [(groups[kind[0]], slots) for kind, slots in batches.items()]
        tracer.rely_on(together, at_once)
    with tracer.phase("update", type(optimizer).__name__):
        for (group, dtype, alone, *_), slots in batches.items():
            takes_arrays = optimizer.takes_arrays and alone is None
            settings = tracer.options(groups[group], dtype if takes_arrays else None)
            _update(tracer, optimizer, settings, dtype, slots)


def kind_of(group: ParamGroup, slot: Slot) -> tuple[Any, ...]:
    """Return what parameters have in common that are updated at once."""
    alone = slot if is_foreign(slot.parameter) else None  # to copy them into a vector takes longer
    return id(group), slot.parameter.dtype, alone, *map(_kind, slot.moments)


def together(batches: Sequence[tuple[ParamGroup, Sequence[Slot]]]) -> bool:
    """Return whether a step would update the same parameters at once as when it was traced."""
    kinds = [{kind_of(group, slot) for slot in slots} for group, slots in batches]
    return all(len(kind) == 1 for kind in kinds) and len(set.union(*kinds)) == len(kinds)


def _kind(moment: Any) -> Any:
    """What moments must have in common to be updated at once: numbers their value."""
    value = getattr(moment, "value", moment)
    return "array" if isinstance(value, np.ndarray) or is_foreign(value) else value


def _update(
    tracer: Tracer, optimizer: Any, options: Any, dtype: np.dtype[Any], slots: Sequence[Slot]
) -> None:
    """Update parameters whose dtype and moments are alike."""
    values = [slot.parameter._value for slot in slots]
    gradients = [_gradient(tracer, slot, dtype) for slot in slots]
    moments = [_together(column) for column in zip(*[slot.moments for slot in slots], strict=True)]
    new, *found = optimizer.update(_together(values), _together(gradients), *moments, **options)
    if not is_foreign(new):
        arrays = [np.reshape(a, -1) for a in (new, *found) if tracer.is_array(a)]
        with np.errstate(under="ignore"):
            total = sum(np.dot(a, a) for a in arrays)
        tracer.require(np.isfinite(total))
    start = 0
    for slot in slots:
        p = slot.parameter
        shape = p.shape
        tracer.write(p, _of(new, start, shape, slots))
        p._used = True
        slot.moments = tuple(_of(moment, start, shape, slots) for moment in found)
        start += p.size


def _gradient(tracer: Tracer, slot: Slot, dtype: np.dtype[Any]) -> Any:
    gradient = slot.parameter._grad
    return tracer.in_dtype(gradient._value if isinstance(gradient, Tensor) else gradient, dtype)


def _together(column: Sequence[Any]) -> Any:
    """Arrays of several parameters as a vector; numbers are equal."""
    if len(column) == 1 or not isinstance(getattr(column[0], "value", None), np.ndarray):
        return column[0]
    return joined(list(column))


def _of(found: Any, start: int, shape: tuple[int, ...], slots: Sequence[Slot]) -> Any:
    """What one parameter has of what was found for all."""
    if len(slots) == 1 or not getattr(found, "ndim", 0):
        return found
    return part(found, start, shape)
