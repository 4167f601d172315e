"""Models in files of the safetensors format (https://github.com/safetensors/safetensors).

Such a file is read without running or unpickling anything. It has no digest: a bit that flips in an
array goes unnoticed, unlike in the files of `nn.save`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.files import PathLike, naming, reading, replacing
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.interop.states import State, load
from tinygrad_bp.nn.checkpoint import MAX_BYTES
from tinygrad_bp.nn.module import Module
from tinygrad_bp.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedReader

    from numpy.typing import NDArray

__all__ = ["load_safetensors", "save_safetensors"]

M = TypeVar("M", bound=Module)

DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8",
}  # fmt: skip
"""The format's numbers and NumPy's."""
SMALL_HEADER = 1 << 22  # bytes that the list of arrays may take, however small the rest
METADATA = "__metadata__"  # the format's own name


def save_safetensors(
    path: PathLike, model: Module | State, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a model's values, or arrays by name, to a file in the safetensors format.

    The names are those of the `state_dict()`, and a tensor that is shared is written once.
    `metadata` are texts. The file appears whole or not at all.

    Raises `ImportError` if the package safetensors is missing, and `CheckpointError` if the file
    cannot be written, or for what the format has no place for.

    >>> from tinygrad_bp import nn
    >>> save_safetensors("linear.safetensors", nn.Linear(2, 3))  # doctest: +SKIP
    """
    package = extra("safetensors.numpy")
    named = model.saved_tensors() if isinstance(model, Module) else model
    arrays = {name: _storable(name, value) for name, value in named.items()}
    texts = dict(metadata or {})
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise CheckpointError(f"{path}: metadata are texts by texts, not {texts!r:.100}")
    with replacing(path, error=CheckpointError) as file:
        file.write(package.save(arrays, texts or None))


@overload
def load_safetensors(
    path: PathLike, into: None = ..., *, max_bytes: int = ...
) -> dict[str, NDArray[Any]]: ...
@overload
def load_safetensors(path: PathLike, into: M, *, strict: bool = ..., max_bytes: int = ...) -> M: ...


def load_safetensors(
    path: PathLike, into: Module | None = None, *, strict: bool = True, max_bytes: int = MAX_BYTES
) -> Any:
    """Read a file in the safetensors format: the arrays by name, or the model they were put into.

    NumPy has no bfloat16: such arrays become float32, which holds them exactly. Names, shapes and
    dtypes must be those of the model, as for its `load_state_dict`; unless `strict`, some may be
    missing, or be more than it has.

    Raises `ImportError` if the package safetensors is missing, and `CheckpointError`, with the
    model untouched, if the file cannot be read, is truncated or damaged, has more than `max_bytes`,
    or does not fit the model.

    >>> from tinygrad_bp import nn
    >>> save_safetensors("linear.safetensors", nn.Linear(2, 3))  # doctest: +SKIP
    >>> sorted(load_safetensors("linear.safetensors"))  # doctest: +SKIP
    ['bias', 'weight']
    >>> load_safetensors("linear.safetensors", into=nn.Linear(2, 3))  # doctest: +SKIP
    Linear(2, 3)
    """
    package = extra("safetensors")
    with reading(path, error=CheckpointError) as file, naming(path, error=CheckpointError):
        arrays = _read(file, package, max_bytes)
        if into is None:
            return arrays
        load(into, arrays, strict=strict)
    return into


def _storable(name: Any, value: Any) -> NDArray[Any]:
    """Return an array in C order: of any other, the package writes the wrong bytes."""
    if not isinstance(name, str) or name == METADATA:
        raise CheckpointError(f"{name!r:.100} cannot be the name of an array in such a file.")
    if hasattr(value, "mask"):
        raise CheckpointError(f"'{name}' is a masked array, whose mask would be lost.")
    array = np.asarray(value.data if isinstance(value, Tensor) else value, order="C")
    if array.dtype.newbyteorder("<") not in map(np.dtype, DTYPES.values()):
        raise CheckpointError(
            f"'{name}' is an array of {array.dtype}, which the safetensors format does not have. "
            "Convert it, or leave it out."
        )
    return array


def _read(file: BufferedReader, package: Any, max_bytes: int) -> dict[str, NDArray[Any]]:
    size = os.fstat(file.fileno()).st_size
    if size > max_bytes:
        raise CheckpointError(
            f"it has {size:,} bytes, more than max_bytes={max_bytes:,}. Allow more if you trust it."
        )
    header = int.from_bytes(file.read(8), "little")
    if header > max(SMALL_HEADER, size // 8):
        raise CheckpointError(
            f"its list of arrays has {header:,} bytes of {size:,}: it is no file in the "
            "safetensors format, or made to take far more memory than it has bytes."
        )
    file.seek(0)
    try:
        found = package.deserialize(file.read(size))
    except package.SafetensorError as error:
        raise CheckpointError(
            f"it is no file in the safetensors format, or truncated or damaged ({error}). Take "
            "another copy of it."
        ) from error
    return {name: _array(name, entry) for name, entry in found}


def _array(name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
    code, shape = entry["dtype"], entry["shape"]
    try:
        if code == "BF16":
            return _bfloat16(np.frombuffer(entry["data"], "<u2").reshape(shape))
        if code == "BOOL":
            truths: NDArray[Any] = np.frombuffer(entry["data"], "u1").reshape(shape) != 0
            return truths
        values = np.frombuffer(entry["data"], DTYPES[code]).reshape(shape)
    except KeyError:
        raise CheckpointError(
            f"'{name}' has the dtype {code}, which NumPy lacks. Convert it where it was made."
        ) from None
    except ValueError as error:
        raise CheckpointError(f"'{name}' cannot be an array of shape {shape}: {error}") from error
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _bfloat16(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the numbers of which these are the upper halves, in float32."""
    return np.left_shift(halves.astype(np.uint32), 16).view(np.float32)
