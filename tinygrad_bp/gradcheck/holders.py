"""What holds arrays: containers, dataclasses, modules, any object with attributes.

Taken apart as `containers` does it, and put together again with other arrays.
"""

from __future__ import annotations

import copy
import enum
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_bp.nn import Module
from tinygrad_bp.tensor import Tensor

__all__ = ["attributes", "fill", "leaves", "named_leaves", "unseen"]

_ATOMS = (
    type(None), bool, int, float, complex, str, bytes, type, enum.Enum, slice, range, np.generic,
    np.dtype, np.random.Generator, np.random.BitGenerator, types.ModuleType, types.FunctionType,
    types.BuiltinFunctionType, types.MethodType, types.CodeType,
)  # fmt: skip
_WHOLE = (np.ndarray, Tensor, *_ATOMS)
"""What is a leaf without a further look."""


def named_leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what stands in containers and in objects that hold arrays, in order, with its path.

    Of an object, only the attributes that hold arrays are looked into: its numbers are constants.
    A module's frozen tensors are, too. An object that stands in itself is seen once.

    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(w=[np.ones(2), np.zeros(2)], eps=1e-5)
    >>> [name for name, _ in named_leaves(layer, "layer")]
    ['layer.w[0]', 'layer.w[1]']
    """
    yield from _named(tree, name, ())


def _named(tree: Any, name: str, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    parts = _parts(tree, above)
    if parts is None:
        yield name, tree
        return
    for label, part in parts.items():
        yield from _named(part, name + label, (*above, id(tree)))


def leaves(tree: Any) -> list[Any]:
    """Return what stands in containers and in objects that hold arrays, in order."""
    return [leaf for _, leaf in named_leaves(tree)]


def _parts(tree: Any, above: tuple[int, ...]) -> dict[str, Any] | None:
    """What stands in a container or object, by how one gets there; None for a leaf."""
    if isinstance(tree, _WHOLE):
        return None
    if isinstance(tree, Mapping):
        return {f"[{key!r}]": value for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return {f".{field}": value for field, value in zip(tree._fields, tree, strict=True)}
    if isinstance(tree, list | tuple):
        return {f"[{i}]": value for i, value in enumerate(tree)}
    held = _held(tree, above)
    return {f".{key}": value for key, value in held.items()} if held else None


def fill(tree: Any, contents: Iterator[Any]) -> Any:
    """Return the same containers and objects, copied, with other leaves.

    >>> from types import SimpleNamespace
    >>> fill(SimpleNamespace(w=np.ones(2), n=2), iter([np.zeros(1)]))
    namespace(w=array([0.]), n=2)
    """
    return _filled(tree, contents, {})


def _filled(tree: Any, contents: Iterator[Any], copies: dict[int, Any]) -> Any:
    """Fill; `copies` are those of the objects above, which may be referred to from below."""
    if isinstance(tree, _WHOLE):
        return next(contents)
    if isinstance(tree, dict):
        return {key: _filled(value, contents, copies) for key, value in tree.items()}
    if isinstance(tree, Mapping):  # a view of one, such as a read-only one
        return type(tree)({k: _filled(v, contents, copies) for k, v in tree.items()})  # type: ignore[call-arg]
    if isinstance(tree, list | tuple):
        parts = [_filled(value, contents, copies) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    held = _held(tree, tuple(copies))
    return _copied(tree, held, contents, copies) if held else next(contents)


def _copied(
    tree: Any, held: dict[str, Any], contents: Iterator[Any], copies: dict[int, Any]
) -> Any:
    """A copy of an object, made without asking it: it may be frozen, or made from other things."""
    try:
        new = object.__new__(type(tree))
    except TypeError:  # of a type that is not Python's own
        new = copy.copy(tree)
    copies = {**copies, id(tree): new}
    for name, value in attributes(tree).items():
        inside = _filled(value, contents, copies) if name in held else copies.get(id(value), value)
        object.__setattr__(new, name, inside)
    return new


def _held(holder: Any, above: tuple[int, ...]) -> dict[str, Any]:
    """The attributes of an object that are arrays, or hold some; none of an array's own."""
    above = (*above, id(holder))
    return {
        name: value
        for name, value in attributes(holder).items()
        if not _frozen(holder, value) and _holds_arrays(value, above)
    }


def _frozen(holder: Any, value: Any) -> bool:
    return isinstance(holder, Module) and isinstance(value, Tensor) and not value.requires_grad


def _holds_arrays(value: Any, above: tuple[int, ...]) -> bool:
    if id(value) in above:
        return False
    if isinstance(value, np.ndarray | Tensor):
        return True
    if isinstance(value, Mapping):
        return any(_holds_arrays(part, above) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_arrays(part, above) for part in value)
    return bool(_held(value, above))


def attributes(holder: Any) -> dict[str, Any]:
    """Return all attributes that an object has of its own, in slots or not; none of an array's."""
    if isinstance(holder, _ATOMS) or hasattr(holder, "__array__") or hasattr(holder, "dtype"):
        return {}
    slots = [name for kind in reversed(type(holder).__mro__) for name in _slots(kind)]
    found = {name: getattr(holder, name) for name in slots if hasattr(holder, name)}
    return found | getattr(holder, "__dict__", {})


def _slots(kind: type) -> list[str]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def unseen(leaf: Any) -> bool:
    """Return whether something may hold arrays that are not looked into, such as a set or queue."""
    return not (isinstance(leaf, _WHOLE) or callable(leaf))
