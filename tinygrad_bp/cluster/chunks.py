"""Arrays that do not fit in memory: a folder of .npy files, which are read when they are needed.

    0.npy, 1.npy, ...    the array's chunks, one after the other along one axis
    info                 how many there are, and the shape of each: the last file that is written

It is the format of Dask's own `to_npy_stack`. Dask's `from_npy_stack` reads it, too, but it maps
files into memory without a look at them, and unpickles whatever `info` holds.

A chunk is what a worker reads at once, and what a task calculates with. To hand one out takes some
milliseconds, whatever its size. Of images of 28 x 28 in float64, 4,000 to 20,000 are a good size
(25 to 125 MB): large enough for that not to matter, and small enough for a worker to have several.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp.errors import DataError
from tinygrad_bp.files import PathLike, reading, replacing
from tinygrad_bp.interop.extras import extra

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["chunks", "write_chunks"]

INFO = "info"


def chunks(folder: PathLike) -> Any:
    """Return a folder of .npy files as a Dask array; each is read when, and where, it is needed.

    The folder is one that `write_chunks` or Dask's `to_npy_stack` has written. Where workers are on
    other machines, it has to have the same path there.

    Raises `DataError`, which names the chunk, its file and the machine, if a file is missing or cut
    short, or holds other numbers than `info` says: here before anything is computed, on a worker
    when it is about to read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     write_chunks(f"{parent}/x", (np.full((2, 3), i) for i in range(2)))
    ...     x = chunks(f"{parent}/x")  # doctest: +SKIP
    ...     print(x.shape, x.chunks, x.sum(axis=1).compute())  # doctest: +SKIP
    (4, 3) ((2, 2), (3,)) [0 0 3 3]
    >>> chunks("no-such-folder")
    Traceback (most recent call last):
    tinygrad_bp.errors.DataError: .../no-such-folder has no file 'info'. It is no folder of ...
    """
    stack = _stack(Path(folder).absolute())
    for number in range(stack.count):
        with stack.naming(number):
            stack.check(number)
    written = (stack.folder / INFO).stat().st_mtime_ns
    name = f"chunks-{extra('dask.base').tokenize(str(stack.folder), written)}"
    # Tasks, and not `map_blocks`: that would be fused into all that it is used for, and read again.
    task = extra("dask._task_spec").Task
    keys = ((name, *stack.position(number)) for number in range(stack.count))
    graph = {key: task(key, _read, stack, number) for number, key in enumerate(keys)}
    return extra("dask.array").Array(graph, name, stack.chunks, meta=stack.empty())


def write_chunks(folder: PathLike, arrays: Iterable[np.ndarray[Any, Any]]) -> None:
    """Write arrays, one after the other, as chunks along their first axis into a new folder.

    Only one of them is in memory at a time. `chunks` refuses the folder until the last is written.

    Raises `DataError` if the folder is there already, or cannot be written to, if there are no
    arrays, or they differ in dtype or in any axis but the first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     write_chunks(Path(parent) / "x", (np.full((2, 3), i) for i in range(2)))
    ...     print(sorted(path.name for path in Path(parent, "x").iterdir()))
    ['0.npy', '1.npy', 'info']
    """
    folder = Path(folder)
    _make(folder)
    lengths: list[int] = []
    first = None
    for number, given in enumerate(arrays):
        array = np.asarray(given)
        first = _alike(array, number, first)
        with replacing(folder / f"{number}.npy") as file:
            np.lib.format.write_array(file, array, allow_pickle=False)
        lengths.append(len(array))
    if first is None:
        raise DataError(f"{folder}: there are no arrays to write")
    sizes = (tuple(lengths), *((n,) for n in first.shape[1:]))
    with replacing(folder / INFO) as file:
        pickle.dump({"chunks": sizes, "dtype": first.dtype, "axis": 0}, file)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise DataError(f"{folder} is there already. Give another name, or remove it.") from error
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}") from error


class _Kind(NamedTuple):
    """What all chunks have in common."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _alike(array: np.ndarray[Any, Any], number: int, first: _Kind | None) -> _Kind:
    """Return what an array has in common with the first; raise `DataError` if it does not fit."""
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "biufc":
        raise DataError(
            f"chunk {number} is {array.dtype} of shape {array.shape}, and no array of numbers with "
            "something in it"
        )
    found = _Kind(array.dtype, array.shape)
    if first is not None and (found.dtype, found.shape[1:]) != (first.dtype, first.shape[1:]):
        raise DataError(
            f"chunk {number} is {found.dtype} of shape {found.shape}, and chunk 0 {first.dtype} of "
            f"shape {first.shape}: they have to be alike in all but their lengths"
        )
    return first or found


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stack:
    """A folder, and what `info` says of the chunks in it."""

    folder: Path
    chunks: tuple[tuple[int, ...], ...]
    """As in Dask: the lengths of the chunks along each axis."""
    dtype: np.dtype[Any]
    axis: int

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return len(self.chunks[self.axis])

    def path(self, number: int) -> Path:
        """Where a chunk is."""
        return self.folder / f"{number}.npy"

    def position(self, number: int) -> tuple[int, ...]:
        """Where a chunk is among all of them, along each axis."""
        return tuple(number if axis == self.axis else 0 for axis in range(len(self.chunks)))

    def shape(self, number: int) -> tuple[int, ...]:
        """How large a chunk has to be."""
        return tuple(n[i] for n, i in zip(self.chunks, self.position(number), strict=True))

    def empty(self) -> np.ndarray[Any, Any]:
        """Return an array of no length, by which Dask knows dtype and number of axes."""
        return np.empty((0,) * len(self.chunks), self.dtype)

    def check(self, number: int) -> None:
        """Raise an error unless a chunk's file holds what it should, without reading all of it."""
        with reading(self.path(number)) as file:
            shape, dtype = _header(file)
            there = Path(file.name).stat().st_size - file.tell()
        if (shape, dtype) != (self.shape(number), self.dtype):
            raise DataError(
                f"it holds {dtype} of shape {shape}; by {INFO}, it should be {self.dtype} of shape "
                f"{self.shape(number)}"
            )
        wanted = math.prod(shape) * dtype.itemsize
        if there < wanted:
            raise DataError(f"it is cut short: {there} of {wanted} bytes are there")

    @contextlib.contextmanager
    def naming(self, number: int) -> Iterator[None]:
        """Name the chunk, its file and this machine in whatever error there is."""
        try:
            yield
        except (OSError, ValueError) as error:
            told, path = str(error).rstrip("."), str(self.path(number))
            raise DataError(
                f"chunk {number} of {self.count} cannot be read on {socket.gethostname()}: "
                f"{told if path in told else f'{path}: {told}'}. The folder has to be whole, and "
                "at this path on the machine of every worker."
            ) from error


def _read(stack: _Stack, number: int) -> np.ndarray[Any, Any]:
    """Read a chunk: what a worker does."""
    with stack.naming(number):
        stack.check(number)
        with reading(stack.path(number)) as file:
            found: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return found


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the shape and dtype at the beginning of an .npy file."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return shape, dtype


class _Unpickler(pickle.Unpickler):
    """Reads what Dask writes, containers of numbers and a dtype, and nothing that could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) != ("numpy", "dtype"):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return np.dtype


def _stack(folder: Path) -> _Stack:
    if not (folder / INFO).exists():
        raise DataError(
            f"{folder} has no file {INFO!r}. It is no folder of chunks, or not all were written: "
            "then remove it, and write them again."
        )
    try:
        with reading(folder / INFO) as file:
            info = _Unpickler(file).load()
        sizes = tuple(tuple(int(n) for n in lengths) for lengths in info["chunks"])
        return _Stack(folder, sizes, np.dtype(info["dtype"]), range(len(sizes))[info["axis"]])
    except DataError:
        raise
    except Exception as error:  # unpickling raises whatever the bytes lead to
        raise DataError(f"{folder / INFO} is not what Dask writes: {error}") from error
