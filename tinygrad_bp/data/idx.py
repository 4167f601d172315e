"""IDX, the file format of MNIST: a short big-endian header, then the array in C order.

    offset  bytes          content
    0       2              zero
    2       1              element type (the table below)
    3       1              number of dimensions d
    4       4 d            the dimensions, most significant byte first
    4+4d    to the end     the elements, most significant byte first

So a file of images (uint8, three dimensions) begins with the number 2051, one of labels with 2049.
Nothing in a file is believed before it is checked, and the size that the header claims is checked
against a cap before any memory is taken for it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from tinygrad_bp.errors import DataError
from tinygrad_bp.files import PathLike, reading, replacing

if TYPE_CHECKING:
    from io import BufferedIOBase

    from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "IdxContent", "load", "read_idx", "write_idx"]

MAX_BYTES = 1 << 30
"""Largest content, in bytes after decompression, that is read unless a caller allows more."""

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}

GZIP_MAGIC = b"\x1f\x8b"
MAX_DIMENSIONS = 64  # NumPy's own limit
FETCH_AGAIN = "It is damaged or not an IDX file: delete it and fetch it again."


class IdxContent(NamedTuple):
    """The decompressed content of an IDX file whose header and length agree."""

    header: bytes
    body: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def magic(self) -> int:
        """The first four bytes as a number: element type and number of dimensions."""
        return int.from_bytes(self.header[:4], "big")

    def sha256(self) -> str:
        """Return the SHA-256 of the content, the same however the file was compressed."""
        import hashlib

        digest = hashlib.sha256(self.header)
        digest.update(self.body)
        return digest.hexdigest()

    def array(self) -> NDArray[Any]:
        """Return the elements as a writable array in the machine's byte order."""
        elements = np.frombuffer(self.body, self.dtype).reshape(self.shape)
        return elements.astype(self.dtype.newbyteorder("="))


def read_idx(path: PathLike, *, max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """Read the array of an IDX file, plain or gzip-compressed.

    The content decides whether the file is compressed, not its name. The array has the shape
    and dtype the header names (uint8, int8, int16, int32, float32 or float64).

    Raises `DataError` if the file cannot be read, is no IDX file, holds fewer or more bytes than
    its header says, or would take more than `max_bytes` once decompressed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(Path(folder) / "labels.gz", np.array([5, 0, 4], np.uint8))
    ...     read_idx(Path(folder) / "labels.gz")
    array([5, 0, 4], dtype=uint8)
    """
    return load(path, max_bytes=max_bytes).array()


def load(path: PathLike, *, max_bytes: int = MAX_BYTES) -> IdxContent:
    """Read and check the content of an IDX file, leaving the array for later.

    Raises `DataError` as `read_idx` does.
    """
    import gzip
    import zlib

    path = Path(path)
    with reading(path) as file:
        if file.peek(2)[:2] != GZIP_MAGIC:
            return _parse(file, path, max_bytes)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                return _parse(stream, path, max_bytes)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{path} is a truncated or damaged gzip file ({error}). Delete it and fetch it "
                "again."
            ) from error


def _parse(stream: BufferedIOBase, path: Path, max_bytes: int) -> IdxContent:
    magic = stream.read(4)
    dtype, dimensions = _element_type(magic, path)
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(f"{path} ends within its header. {FETCH_AGAIN}")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    # A size of 0 counts as 1, so that (2**32 - 1, ..., 0) cannot slip under the cap.
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > max_bytes:
        raise DataError(
            f"{path} claims the shape {shape} of {dtype.name}, more than the {max_bytes} bytes "
            "allowed. If the file is right, allow more with read_idx(path, max_bytes=...)."
        )
    expected = math.prod(shape) * dtype.itemsize
    body = stream.read(expected + 1)  # one more shows trailing bytes without reading them all
    if len(body) != expected:
        found = "more" if len(body) > expected else f"only {len(body)}"
        raise DataError(
            f"{path} holds {found} bytes of elements where its header says {expected} "
            f"({shape} of {dtype.name}). {FETCH_AGAIN}"
        )
    return IdxContent(magic + sizes, body, dtype, shape)


def _element_type(magic: bytes, path: Path) -> tuple[np.dtype[Any], int]:
    if magic.lstrip()[:1] == b"<":
        raise DataError(
            f"{path} is a web page, not an IDX file: a download was answered with an error page. "
            "Delete it and fetch it again."
        )
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        begins = f"begins with the bytes {magic.hex(' ')}" if magic else "is empty"
        raise DataError(f"{path} {begins}. {FETCH_AGAIN}")
    if not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise DataError(f"{path} claims {magic[3]} dimensions. {FETCH_AGAIN}")
    return DTYPES[magic[2]], magic[3]


def write_idx(path: PathLike, array: NDArray[Any]) -> None:
    """Write an array as an IDX file, gzip-compressed if the name ends in `.gz`.

    The array is uint8, int8, int16, int32, float32 or float64, of any shape but (). The file
    appears whole or not at all, replacing a previous one, and equal arrays give equal bytes.

    Raises `DataError` if the format has no such element type or shape, or the file cannot be
    written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     write_idx(path, np.array([5, 0, 4], np.uint8))
    ...     path.read_bytes().hex(" ")
    '00 00 08 01 00 00 00 03 05 00 04'
    """
    path = Path(path)
    big_endian = array.dtype.newbyteorder(">")
    if big_endian not in CODES:
        names = ", ".join(dtype.name for dtype in CODES)
        raise DataError(
            f"{path}: IDX cannot hold {array.dtype.name}, only {names}. Convert the array first, "
            "for labels with labels.astype(np.uint8)."
        )
    if array.ndim == 0 or max(array.shape) >= 1 << 32:
        raise DataError(
            f"{path}: IDX cannot hold the shape {array.shape}. Give an array of at least one "
            "dimension, each below 2**32."
        )
    sizes = np.array(array.shape, ">u4").tobytes()
    header = bytes([0, 0, CODES[big_endian], array.ndim]) + sizes
    body = array.astype(big_endian, order="C", copy=False).tobytes()
    with replacing(path) as file:
        if path.suffix == ".gz":
            _write_compressed(file, header, body)
        else:
            file.write(header)
            file.write(body)


def _write_compressed(file: BinaryIO, header: bytes, body: bytes) -> None:
    import gzip

    # Without a name and a time in the gzip header, equal arrays give equal files.
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as stream:
        stream.write(header)
        stream.write(body)
