"""Nested state, such as an optimiser's, as JSON with the arrays put aside.

    {"options": {"lr": 0.1}, "moments": [array, None]}
    {"options": {"lr": 0.1}, "moments": [{"$array": 0}, null]}

What JSON cannot say is a dict with one key that begins with a dollar: "$array" and "$scalar" (of
NumPy, with its dtype) give a position among the arrays, "$float" the name of a float that is not
finite, "$tuple" a list, "$dict" the pairs of a dict whose keys are not plain texts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.nn.archive import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["pack", "unpack"]

DEEPEST = 50  # levels of nesting


def pack(nest: Any, place: str, arrays: list[NDArray[Any]], *, depth: int = 0) -> Any:
    """Return the nest in JSON's terms, and append its arrays to `arrays`.

    It may be made of dicts, lists, tuples, None, texts, Python's and NumPy's numbers, and arrays.
    `place` is what messages call it.

    Raises `CheckpointError` naming the place of anything else in it.

    >>> pack({"lr": 0.1, "moments": [np.zeros(3), None]}, "state", [])
    {'lr': 0.1, 'moments': [{'$array': 0}, None]}
    """
    if depth > DEEPEST:
        raise CheckpointError(f"{place:.100}...: nested too deeply, or it contains itself.")
    match nest:
        case np.ndarray() | np.generic():
            arrays.append(storable(place, nest))
            kind = "$array" if isinstance(nest, np.ndarray) else "$scalar"
            return {kind: len(arrays) - 1}
        case dict():
            pairs = [
                (pack(key, f"the key {key!r} in {place}", arrays, depth=depth + 1),
                 pack(value, f"{place}[{key!r}]", arrays, depth=depth + 1))
                for key, value in nest.items()
            ]  # fmt: skip
            plain = all(type(key) is str and not key.startswith("$") for key in nest)
            return dict(pairs) if plain else {"$dict": pairs}
        case list() | tuple() if type(nest) in (list, tuple):
            items = [
                pack(item, f"{place}[{i}]", arrays, depth=depth + 1) for i, item in enumerate(nest)
            ]
            return items if isinstance(nest, list) else {"$tuple": items}
        case float() if not math.isfinite(nest):
            return {"$float": repr(nest)}
    if nest is None or type(nest) in (bool, int, float, str):
        return nest
    raise CheckpointError(
        f"{place} is a {type(nest).__name__}, which a model file cannot hold. Give dicts, lists, "
        "numbers, texts, None and arrays."
    )


def unpack(packed: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    """Return the nest that `pack` was given; what it never gives raises ValueError.

    >>> unpack({"lr": 0.1, "moments": [{"$array": 0}, None]}, [np.zeros(3)])
    {'lr': 0.1, 'moments': [array([0., 0., 0.]), None]}
    """
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if not any(key.startswith("$") for key in packed):
        return {key: unpack(value, arrays) for key, value in packed.items()}
    ((tag, value),) = packed.items()
    return _untagged(tag, value, arrays)


def _untagged(tag: str, value: Any, arrays: Sequence[NDArray[Any]]) -> Any:
    match tag, value:
        case "$array", int(i) if 0 <= i < len(arrays):
            return arrays[i]
        case "$scalar", int(i) if 0 <= i < len(arrays) and arrays[i].ndim == 0:
            return arrays[i][()]
        case "$float", "nan" | "inf" | "-inf":
            return float(value)
        case "$tuple", list():
            return tuple(unpack(item, arrays) for item in value)
        case "$dict", list():
            return {unpack(key, arrays): unpack(item, arrays) for key, item in value}
    raise ValueError(f"a state with {tag} in it makes no sense")
