"""Several traces of one model, at several lengths of its dynamic axes, as one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.calls import name_of
from tinygrad_bp.errors import ExportError
from tinygrad_bp.interop.onnx.constants import Dims, Number, array_at, ratio_at
from tinygrad_bp.interop.onnx.sizes import Point, fitted
from tinygrad_bp.interop.onnx.trace import Call, Function, Place, Ref, Source, Trace

__all__ = ["Step", "merged"]


@dataclass
class Step:
    """A call, with sizes in the places of numbers that vary with them."""

    function: Function | Source
    arrays: tuple[Any, ...]
    options: dict[str, Any]
    outputs: tuple[tuple[Dims, np.dtype[Any]], ...]
    place: Place

    @property
    def shape(self) -> Dims:
        """Of its first output."""
        return self.outputs[0][0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its first output."""
        return self.outputs[0][1]


class _UnlikeError(Exception):
    """Several values that no formula in the sizes gives."""


def merged(
    traces: Sequence[Trace], outputs: Sequence[Sequence[Ref]], where: Sequence[Point]
) -> dict[int, Step]:
    """Return what leads to the outputs, by the numbers that refs have, in order.

    Raises `ExportError` where the traces differ by more than sizes.
    """
    used = [_used(trace.calls, refs) for trace, refs in zip(traces, outputs, strict=True)]
    if any(numbers != used[0] for numbers in used):
        _refuse_structure(traces, used)
    steps = {}
    for number in used[0]:
        calls = [trace.calls[number] for trace in traces]
        try:
            steps[number] = _step(calls, where)
        except _UnlikeError as problem:
            raise ExportError(
                f"{_name(calls[0])} was given {problem} as the lengths of dynamic axes vary, and "
                f"no formula in them gives that ({calls[0].place}). Compute it from the inputs by "
                "functions of arrays, or leave that axis out of dynamic_axes."
            ) from None
    return steps


def _used(calls: Sequence[Call], refs: Sequence[Ref]) -> list[int]:
    """The numbers of the calls that some outputs depend on."""
    wanted = {ref.number for ref in refs}
    for number in range(len(calls) - 1, -1, -1):
        if number in wanted:
            wanted |= {ref.number for ref in _refs([calls[number].arrays, calls[number].options])}
    return sorted(wanted)


def _refs(value: Any) -> list[Ref]:
    if isinstance(value, Ref):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [ref for part in value for ref in _refs(part)] if isinstance(value, list | tuple) else []


def _name(call: Call) -> str:
    made = call.function
    return f"'{made.name}'" if isinstance(made, Source) else name_of(made)


def _refuse_structure(traces: Sequence[Trace], used: Sequence[Sequence[int]]) -> None:
    """Say where two runs part."""
    first = [traces[0].calls[n] for n in used[0]]
    for trace, numbers in zip(traces, used, strict=True):
        for mine, other in zip(first, [trace.calls[n] for n in numbers], strict=False):
            if _name(mine) != _name(other):
                raise ExportError(
                    f"the model calls {_name(mine)} at one length of its dynamic axes and "
                    f"{_name(other)} at another ({mine.place}; {other.place}). Only what it does "
                    "at every length alike can be written."
                )
    raise ExportError(
        "the model makes more calls at one length of its dynamic axes than at another, such as a "
        "call for each example. Leave that axis out of dynamic_axes, or write it in functions of "
        "whole arrays."
    )


def _step(calls: Sequence[Call], where: Sequence[Point]) -> Step:
    first = calls[0]
    if any(_name(call) != _name(first) for call in calls):
        raise ExportError(f"the model's calls differ from run to run ({first.place}).")
    arrays = tuple(
        [_operand(parts, where) for parts in zip(*[call.arrays for call in calls], strict=True)]
    )
    options = _value([call.options for call in calls], where)
    shapes = [
        tuple([fitted(lengths, where) for lengths in zip(*[shape for shape, _ in each])])  # noqa: B905
        for each in zip(*[call.outputs for call in calls], strict=True)
    ]
    kinds = [dtype for _, dtype in first.outputs]
    made = tuple(zip(shapes, kinds, strict=True))
    return Step(first.function, arrays, options, made, first.place)


def _operand(parts: Sequence[Any], where: Sequence[Point]) -> Any:
    """An array of a call: a ref, a Python number, or a constant."""
    first = parts[0]
    if isinstance(first, Ref) or first is None:
        return _value(parts, where)
    if isinstance(first, bool | int | float) and not isinstance(first, np.generic):
        if all(part == first for part in parts):
            return Number(first)
        found = ratio_at(parts, where)
        return Number(found) if found is not None else _refuse(parts)
    if isinstance(first, list | tuple) and _refs(first):
        return _value(parts, where)
    return _array([np.asarray(part) for part in parts], where)


def _array(parts: Sequence[Any], where: Sequence[Point]) -> Any:
    found = array_at(parts, where)
    return _refuse(parts) if found is None else found


def _value(parts: Sequence[Any], where: Sequence[Point]) -> Any:
    """An option: its numbers may be sizes, and its arrays constants."""
    first = parts[0]
    if isinstance(first, np.ndarray):
        return _array(parts, where)
    if any(type(part) is not type(first) for part in parts):
        return _refuse(parts)
    if isinstance(first, dict | list | tuple | slice):
        return _nested(parts, where)
    if isinstance(first, int | np.integer) and not isinstance(first, bool):
        found = fitted(parts, where)
        return _refuse(parts) if found is None else found
    return first if all(part == first for part in parts) else _refuse(parts)


def _nested(parts: Sequence[Any], where: Sequence[Point]) -> Any:
    first = parts[0]
    if isinstance(first, dict):
        return {key: _value([part[key] for part in parts], where) for key in first}
    if isinstance(first, slice):
        ends = [(part.start, part.stop, part.step) for part in parts]
        return slice(*[_value(each, where) for each in zip(*ends, strict=True)])
    if any(len(part) != len(first) for part in parts):
        return _refuse(parts)
    return tuple([_value(each, where) for each in zip(*parts, strict=True)])


def _refuse(parts: Sequence[Any]) -> Any:
    shown = [
        f"an array {part.shape}" if isinstance(part, np.ndarray) and part.ndim else f"{part!r:.40}"
        for part in parts
    ]
    raise _UnlikeError(", ".join(dict.fromkeys(shown)) if len(set(shown)) > 1 else
                       f"{shown[0]} with other values")  # fmt: skip
