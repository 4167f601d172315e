"""What the user calls the arrays that a step works on: by paths in modules, and by variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_bp.program.guards import names_of
from tinygrad_bp.program.listing import Move
from tinygrad_bp.tensor import Tensor

__all__ = ["hints_of"]


def hints_of(
    function: Callable[..., Any], modules: Iterable[Any], moves: Iterable[Move]
) -> Mapping[int, str]:
    """Return names of arrays by their ids; the first module is the outermost one."""
    found: dict[int, str] = {}
    for name, item in _variables(function):
        if isinstance(item, Tensor | np.ndarray):
            found.setdefault(id(_array(item)), name)
    for module in modules:
        for name, tensor in module.named_tensors():
            found.setdefault(id(_array(tensor)), name)
    for move in moves:
        if id(move.old) in found:
            found[id(move.new)] = found[id(move.old)]
    return found


def _variables(function: Callable[..., Any]) -> Iterable[tuple[str, Any]]:
    plain: Any = getattr(function, "__func__", function)
    names = iter(getattr(getattr(plain, "__code__", None), "co_freevars", ()))
    for _, path, item in names_of(function):
        if path == ".cell_contents":
            yield next(names, ""), item
        else:
            yield path.removeprefix(".get('").removesuffix("')"), item


def _array(item: Any) -> Any:
    return item._value if isinstance(item, Tensor) else item
