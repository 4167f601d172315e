"""Models whose arrays are elsewhere: how they get there, and what they cannot do from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import ModuleError
from tinygrad_bp.operands import is_foreign

if TYPE_CHECKING:
    from tinygrad_bp.tensor import Tensor

__all__ = ["check_here", "is_number_type", "placing"]


def is_number_type(kind: Any) -> bool:
    """Return whether this is a type of numbers, of Python's or NumPy's, and no function.

    >>> is_number_type(np.float32), is_number_type(np.asarray)
    (True, False)
    """
    return isinstance(kind, type) and issubclass(kind, np.generic | bool | int | float | complex)


def placing(put: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what moves an array elsewhere, and sees to it that it stays what it is.

    The function that is returned raises `ModuleError` if shape or dtype become others.

    >>> placing(np.copy)(np.zeros(2))
    array([0., 0.])
    """

    def move(array: Any) -> Any:
        found = put(array)
        kept = getattr(found, "shape", None), getattr(found, "dtype", None)
        if kept != (array.shape, array.dtype):
            raise ModuleError(
                f"a function that puts arrays elsewhere keeps them as they are: of {array.dtype} "
                f"{array.shape}, it made {kept[1]} {kept[0]}"
            )
        return found

    return move


def check_here(tensors: Mapping[str, Tensor]) -> None:
    """Raise `ModuleError`, with its name, for a tensor that is elsewhere: files cannot hold it.

    >>> from tinygrad_bp.tensor import Tensor
    >>> check_here({"weight": Tensor([1.0])})
    """
    for name, tensor in tensors.items():
        if is_foreign(tensor):
            raise ModuleError(
                f"'{name}' is a {type(tensor.data).__name__} of another library, and files hold "
                "NumPy's arrays. Move the model back first, as model.to(cupy.asnumpy) does."
            )
