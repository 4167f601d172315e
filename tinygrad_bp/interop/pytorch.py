"""Values to and from PyTorch: its names and shapes are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.interop.states import State, load, values_of
from tinygrad_bp.nn.fitting import Unmatched
from tinygrad_bp.nn.module import Module
from tinygrad_bp.tensor import Tensor

__all__ = ["from_torch", "load_torch", "to_torch"]


def from_torch(source: Any) -> dict[str, NDArray[Any]]:
    """Return the values of a PyTorch module, or of a `state_dict` of one, as arrays.

    They are copies with the tensors' shapes and dtypes; tensors that are one tensor under several
    names become one array under the same names. NumPy has no bfloat16: such tensors become float32,
    which holds them exactly.

    Raises `ImportError` if PyTorch is missing, and `CheckpointError` naming an entry that no array
    can stand for.

    >>> import torch  # doctest: +SKIP
    >>> from_torch(torch.nn.Linear(2, 3))["weight"].shape  # doctest: +SKIP
    (3, 2)
    """
    torch = extra("torch")
    if isinstance(source, torch.nn.Module):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise CheckpointError(
            f"give a torch.nn.Module or its state_dict(), not {type(source).__name__}"
        )
    made: dict[Any, NDArray[Any]] = {}
    arrays = {}
    for name, tensor in source.items():
        if not isinstance(tensor, torch.Tensor):
            raise CheckpointError(f"'{name}' is no tensor but {tensor!r:.100}. Leave it out.")
        key = _memory_of(tensor)
        if key not in made:
            made[key] = _array(name, tensor, torch)
        arrays[name] = made[key]
    return arrays


def load_torch(model: Module, source: Any, *, strict: bool = True) -> Unmatched:
    """Put the values of a PyTorch module, or of its `state_dict`, into a model of the same names.

    A tensor that the model has in several places needs one of their names; if there are several,
    they must agree. Unless `strict`, names may be missing, or be more than the model has: the
    result says which.

    Raises `CheckpointError`, with the model untouched, naming every entry that does not fit; and as
    `from_torch` does.

    >>> import torch  # doctest: +SKIP
    >>> from tinygrad_bp import nn
    >>> load_torch(nn.Linear(2, 3), torch.nn.Linear(2, 3))  # doctest: +SKIP
    Unmatched(missing_keys=[], unexpected_keys=[])
    """
    return load(model, from_torch(source), strict=strict)


def to_torch(source: Module | State) -> dict[str, Any]:
    """Return a model's values, or a state's, as a `state_dict` of PyTorch tensors.

    They are copies with the arrays' shapes and dtypes. A tensor that the model has in several
    places comes under each of their names, as PyTorch's `load_state_dict` wants it, and is one
    tensor there, too.

    Raises `ImportError` if PyTorch is missing, and `CheckpointError` naming an array of a dtype
    that PyTorch does not have.

    >>> import torch  # doctest: +SKIP
    >>> from tinygrad_bp import nn
    >>> theirs = torch.nn.Linear(2, 3)  # doctest: +SKIP
    >>> theirs.load_state_dict(to_torch(nn.Linear(2, 3)))  # doctest: +SKIP
    <All keys matched successfully>
    """
    torch = extra("torch")
    made: dict[int, Any] = {}
    values = values_of(source)
    for name, value in values.items():
        if id(value) not in made:
            made[id(value)] = _tensor(name, value, torch)
    return {name: made[id(value)] for name, value in values.items()}


def _memory_of(tensor: Any) -> Any:
    """What is the same for tensors that are one."""
    if str(tensor.layout) != "torch.strided" or tensor.is_meta or not tensor.numel():
        return id(tensor)
    return (
        tensor.device, tensor.dtype, tensor.data_ptr(), tensor.shape, tensor.stride(),
        tensor.is_conj(), tensor.is_neg(),
    )  # fmt: skip


def _array(name: str, tensor: Any, torch: Any) -> NDArray[Any]:
    try:
        there = tensor.detach().cpu().resolve_conj().resolve_neg()
        if there.dtype == torch.bfloat16:
            there = there.float()
        return np.array(there.numpy())
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise CheckpointError(
            f"'{name}', {tensor.dtype} of shape {tuple(tensor.shape)}, cannot become an array: "
            f"{error}. Convert it, or leave it out."
        ) from error


def _tensor(name: str, value: Any, torch: Any) -> Any:
    array = np.asarray(value.data if isinstance(value, Tensor) else value)
    try:
        return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
    except TypeError as error:
        raise CheckpointError(
            f"'{name}', {array.dtype} of shape {array.shape}, cannot become a tensor: {error}"
        ) from error
