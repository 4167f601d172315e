"""Model files: an .npz archive with a header that says what it must hold.

    header.json              format, version, architecture, arrays, extra, sha256
    hidden1.weight.npy       the model's arrays, under the names of its `state_dict()`
    ...
    extra/velocity.npy       what a training run keeps for itself

NumPy reads the arrays as those of any .npz: `np.load("model.npz")["hidden1.weight"]`. Equal
content gives equal bytes, since nothing in the file tells the time.

Reading executes and unpickles nothing. What the archive claims is checked before memory is taken
for it: entries are stored, never compressed, so that a file cannot grow beyond its own size; the
names, shapes and dtypes must be exactly those in the header; the SHA-256 covers header and
arrays. (The digest tells damage, not who wrote the file.)
"""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.files import replacing
from tinygrad_bp.nn import init
from tinygrad_bp.nn.layers import MLP, ReLU, Sigmoid, Tanh
from tinygrad_bp.nn.module import Module

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Mapping
    from typing import BinaryIO

    from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "Checkpoint", "load", "read_checkpoint", "save"]

PathLike: TypeAlias = str | os.PathLike[str]
M = TypeVar("M", bound=Module)

MAX_BYTES = 1 << 30
"""Largest content, in bytes, that is read unless a caller allows more."""

FORMAT = "tinygrad_bp model"
VERSION = 1
HEADER = "header.json"
EXTRA = "extra/"  # what the names of extra arrays begin with; module names have no slash
NPY_VERSION = (1, 0)  # of the .npy format, the one that every NumPy reads
FETCH_AGAIN = "Take another copy of it, or save the model again."

ACTIVATIONS = {module.__name__: module for module in (ReLU, Sigmoid, Tanh)}


class Checkpoint(NamedTuple):
    """What a model file holds: `read_checkpoint` returns it, checked."""

    architecture: dict[str, Any] | None
    """How to build the model, or None if only its author knows."""
    arrays: dict[str, NDArray[Any]]
    """The model's values by name, as its `state_dict()`."""
    extra: dict[str, Any]
    """What `save` was given as `extra`, by way of JSON."""
    extra_arrays: dict[str, NDArray[Any]]
    """What `save` was given as `extra_arrays`."""

    def model(self) -> MLP:
        """Build the model and put the values in; raises `CheckpointError` if they do not fit."""
        model = _build(self.architecture, self.arrays)
        model.load_state_dict(self.arrays)
        return model


def save(
    path: PathLike,
    model: Module,
    *,
    extra: Mapping[str, Any] | None = None,
    extra_arrays: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write the model's values, and for an `MLP` its architecture, to an .npz file.

    `extra` is anything that JSON can express; `extra_arrays` are real arrays. The file appears
    whole or not at all: a crash at any point leaves the previous one.

    Raises `CheckpointError` if the file cannot be written, or holds what it could not give back.

    >>> import tempfile
    >>> model = MLP(4, 3, 2, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", model, extra={"epoch": 7})
    ...     read_checkpoint(f"{folder}/model.npz").extra
    {'epoch': 7}
    """
    path = Path(path)
    extras = {EXTRA + name: array for name, array in (extra_arrays or {}).items()}
    # C order, so that an array is its bytes, whatever view of a larger one it was.
    arrays = {
        name: np.asarray(array, order="C") for name, array in (model.state_dict() | extras).items()
    }
    _check_writable(path, arrays)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": _describe(model),
        "arrays": {name: [a.dtype.str, list(a.shape)] for name, a in arrays.items()},
        "extra": dict(extra or {}),
    }
    with replacing(path, error=CheckpointError) as file:
        _write(file, _sealed(header, arrays, path), arrays)


@overload
def load(path: PathLike, *, max_bytes: int = ...) -> MLP: ...
@overload
def load(path: PathLike, *, into: M, max_bytes: int = ...) -> M: ...


def load(path: PathLike, *, into: Module | None = None, max_bytes: int = MAX_BYTES) -> Module:
    """Read a model from a file that `save` wrote.

    An `MLP` is rebuilt. For any other model, build it and pass it as `into`: its values are
    replaced, if names and shapes agree one and all, and it is returned.

    Raises `CheckpointError` as `read_checkpoint` does, and if the values do not fit the model,
    naming every one that is missing, unexpected or of another shape.

    >>> import tempfile
    >>> model = MLP(4, 3, 2, rng=np.random.default_rng(0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.npz", model)
    ...     same = load(f"{folder}/model.npz")
    >>> x = np.ones((1, 4), np.float32)
    >>> bool(np.all(same(x).data == model(x).data))
    True
    """
    checkpoint = read_checkpoint(path, max_bytes=max_bytes)
    try:
        if into is None:
            return checkpoint.model()
        into.load_state_dict(checkpoint.arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return into


def read_checkpoint(path: PathLike, *, max_bytes: int = MAX_BYTES) -> Checkpoint:
    """Read and check all that a model file holds, in the machine's byte order.

    Raises `CheckpointError`, saying what is wrong and what to do, if the file is missing, is not
    one that `save` wrote, is truncated or damaged, comes from a newer version of the library, or
    holds more than `max_bytes`. Its doctest is that of `save`.
    """
    import struct
    import zipfile

    path = Path(path)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _read(archive, path, max_bytes)
    except zipfile.BadZipFile as error:
        raise _not_an_archive(path, error) from error
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist. Check the folder and the name.") from error
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read: {error.strerror or error}. Check that it is a file you may "
            "read."
        ) from error
    # All that zipfile, json and NumPy raise for content that makes no sense to them.
    except (ValueError, TypeError, KeyError, EOFError, RuntimeError, struct.error) as error:
        raise CheckpointError(f"{path} is damaged ({error}). {FETCH_AGAIN}") from error


# --- the architecture -----------------------------------------------------------------------------


def _describe(model: Module) -> dict[str, Any] | None:
    """Return how to build an MLP, or None for models that are built by code of their own."""
    if type(model) is not MLP:
        return None
    children = dict(model.named_children())
    hidden, output = children.get("hidden1_activation"), children.get("output_activation")
    if not {type(hidden), type(output)} <= {*ACTIVATIONS.values(), type(None)}:
        return None
    return {
        "type": "MLP",
        "sizes": list(model.sizes),
        "activation": type(hidden).__name__ if hidden else None,
        "output_activation": type(output).__name__ if output else None,
    }


def _build(architecture: dict[str, Any] | None, arrays: Mapping[str, NDArray[Any]]) -> MLP:
    if architecture is None:
        raise CheckpointError(
            "it holds a model's values, but not how to build it: only an MLP of this library is "
            "described in full. Build the model and use nn.load(path, into=model)."
        )
    try:
        sizes = [int(size) for size in architecture["sizes"]]
        wanted = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(sizes))
        # Before any memory is taken for the model.
        if architecture["type"] != "MLP" or wanted != sum(a.size for a in arrays.values()):
            raise ValueError(f"{architecture['type']} {sizes} is not what its arrays are of")
        return MLP(
            *sizes,
            activation=_activation(architecture["activation"]),
            output_activation=_activation(architecture["output_activation"]),
            weight_init=init.zeros,
            dtype=next(iter(arrays.values())).dtype,
        )
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise CheckpointError(
            f"its architecture makes no sense ({error}). {FETCH_AGAIN}"
        ) from error


def _activation(name: str | None) -> Module | None:
    return None if name is None else ACTIVATIONS[name]()


# --- writing --------------------------------------------------------------------------------------


def _check_writable(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        if not _is_plain(array.dtype):
            raise CheckpointError(
                f"{path}: '{name}' is an array of {array.dtype}; a model file holds booleans, "
                "whole numbers and floats only. Convert it, or leave it out."
            )


def _is_plain(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuf"


def _sealed(header: dict[str, Any], arrays: Mapping[str, NDArray[Any]], path: Path) -> bytes:
    """Return the header as JSON, with a digest of itself and of the arrays."""
    try:
        header["sha256"] = _digest(header, arrays)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: `extra` cannot be written as JSON: {error}. Leave that out, or give plain "
            "numbers, texts, lists and dicts; arrays belong into extra_arrays."
        ) from error
    return _canonical(header)


def _digest(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the header, less its digest, and of the arrays in their order."""
    import hashlib

    digest = hashlib.sha256(_canonical({k: v for k, v in header.items() if k != "sha256"}))
    for array in arrays.values():
        digest.update(array.data if array.size else b"")  # an empty array has no buffer to give
    return digest.hexdigest()


def _canonical(header: Mapping[str, Any]) -> bytes:
    """Return JSON that is the same again after it was read: floats and big integers are exact."""
    import json

    return json.dumps(header, indent=1, allow_nan=False).encode()


def _write(file: BinaryIO, header: bytes, arrays: Mapping[str, NDArray[Any]]) -> None:
    import zipfile

    # ZipInfo's own date is 1980: the same content gives the same bytes on any day.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER), header)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=NPY_VERSION, allow_pickle=False)


# --- reading --------------------------------------------------------------------------------------


def _not_an_archive(path: Path, error: Exception) -> CheckpointError:
    with path.open("rb") as file:
        begins = file.read(2)
    if begins == b"PK":
        return CheckpointError(f"{path} is truncated or damaged ({error}). {FETCH_AGAIN}")
    return CheckpointError(f"{path} is not a model file: it is no .npz archive. Check the name.")


def _read(archive: zipfile.ZipFile, path: Path, max_bytes: int) -> Checkpoint:
    import json

    _check_sizes(archive, path, max_bytes)
    if HEADER not in archive.namelist():
        raise CheckpointError(
            f"{path} has no {HEADER}: it is an .npz file, but not one that nn.save wrote. "
            "Read its arrays with np.load."
        )
    header = json.loads(archive.read(HEADER))
    _check_version(header, path)
    declared = {name: (np.dtype(code), tuple(shape)) for name, (code, shape) in _entries(header)}
    _check_names(archive, declared, path)
    arrays = {
        name: _read_array(archive, name, dtype, shape) for name, (dtype, shape) in declared.items()
    }
    if header["sha256"] != _digest(header, arrays):
        raise CheckpointError(
            f"{path} is damaged: its content does not have the SHA-256 it was saved with. "
            f"{FETCH_AGAIN}"
        )
    native = {name: a.astype(a.dtype.newbyteorder("=")) for name, a in arrays.items()}
    return Checkpoint(
        header["architecture"],
        {name: a for name, a in native.items() if not name.startswith(EXTRA)},
        header["extra"],
        {name[len(EXTRA) :]: a for name, a in native.items() if name.startswith(EXTRA)},
    )


def _check_sizes(archive: zipfile.ZipFile, path: Path, max_bytes: int) -> None:
    total = 0
    for entry in archive.infolist():
        if entry.compress_type != 0:  # ZIP_STORED
            raise CheckpointError(
                f"{path}: the entry {entry.filename} is compressed, which nn.save never does, and "
                f"might be far larger than it looks. {FETCH_AGAIN}"
            )
        total += entry.file_size
    if total > max_bytes:
        raise CheckpointError(
            f"{path} holds {total} bytes, more than the {max_bytes} allowed. If the file is "
            "right, allow more with max_bytes."
        )


def _check_version(header: Any, path: Path) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{path}: its {HEADER} is not that of a model file. Check the name.")
    version = header.get("version")
    if version != VERSION:
        raise CheckpointError(
            f"{path} has version {version} of the format and this library reads version "
            f"{VERSION}. Upgrade tinygrad_bp, or save the model with this version."
        )


def _entries(header: dict[str, Any]) -> list[tuple[str, tuple[str, list[int]]]]:
    entries = header["arrays"]
    if not isinstance(entries, dict) or not isinstance(header["extra"], dict):
        raise ValueError(f"{HEADER} is malformed")
    return list(entries.items())


def _check_names(archive: zipfile.ZipFile, declared: Mapping[str, Any], path: Path) -> None:
    expected = [HEADER, *(f"{name}.npy" for name in declared)]
    found = archive.namelist()
    problems = [f"missing: {name}" for name in expected if name not in found]
    problems += [f"unexpected: {name}" for name in found if name not in expected]
    problems += [f"twice: {name}" for name in set(found) if found.count(name) > 1]
    if problems:
        raise CheckpointError(
            f"{path} does not hold what its header says: {'; '.join(problems)}. {FETCH_AGAIN}"
        )


def _read_array(
    archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return a read-only array of exactly the dtype and shape that the header declares."""
    with archive.open(f"{name}.npy") as member:
        if np.lib.format.read_magic(member) != NPY_VERSION:
            raise ValueError(f"'{name}' is in another version of the .npy format")
        found_shape, fortran, found = np.lib.format.read_array_header_1_0(member)
        if not _is_plain(found):
            raise ValueError(f"'{name}' holds {found} objects, which might run code")
        if (found, found_shape, fortran) != (dtype, shape, False):
            raise ValueError(
                f"'{name}' is {found} of shape {found_shape}, not {dtype} of shape {shape} as its "
                "header says"
            )
        body = member.read()
    if len(body) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"'{name}' has {len(body)} bytes for {dtype} of shape {shape}")
    return np.frombuffer(body, dtype).reshape(shape)
