"""What the user calls the arrays that a step works on: by paths in modules, and by variables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from types import CodeType
from typing import Any

import numpy as np

from tinygrad_bp.program.held import array_in
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
            found.setdefault(id(array_in(item)), name)
    for module in modules:
        for name, tensor in module.named_tensors():
            found.setdefault(id(array_in(tensor)), name)
    for move in moves:
        if id(move.old) in found:
            found[id(move.new)] = found[id(move.old)]
    return found


def _variables(function: Callable[..., Any]) -> Iterable[tuple[str, Any]]:
    """Yield the variables around a function, and the globals that it reads."""
    plain: Any = getattr(function, "__func__", function)
    code: CodeType | None = getattr(plain, "__code__", None)
    if code is None:
        return
    for name, cell in zip(code.co_freevars, plain.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # nothing was assigned to it
            yield name, cell.cell_contents
    for name in code.co_names:
        yield name, plain.__globals__.get(name)
