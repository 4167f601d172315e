"""Arrays beside a header in an .npz file: a ZIP archive of stored members, read without trust.

NumPy reads such a file as any .npz. This reader takes less than NumPy's: no compression, and of
the .npy format only the plain numbers that `write` writes. So nothing in a file is unpickled or
evaluated, no member is larger than the file, and what is read takes no more memory than it has on
the disk, whatever the file claims.

    ZIP:  https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3 and 4.5.3
    .npy: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import os
import re
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.nn.fitting import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedReader
    from typing import BinaryIO

    from numpy.typing import NDArray

__all__ = ["FETCH_AGAIN", "HEADER", "Archive", "check_name", "storable", "write"]

HEADER = "header.json"
FETCH_AGAIN = "Take another copy of it, or save the model again."
LONGEST_NAME = 65_000  # bytes of UTF-8; two bytes count them, and ".npy" is appended

# The ends of an archive, and what stands before each member in the directory and in its place.
END, END_64, LOCATOR_64 = Struct("<4s4H2LH"), Struct("<4sQ2H2L4Q"), Struct("<4sLQL")
ENTRY, LOCAL = Struct("<4s6H3L5H2L"), Struct("<4s5H3L2H")
UTF8 = 1 << 11  # the flag of names that are not in the IBM PC's old code page
MAX_16, MAX_32 = (1 << 16) - 1, (1 << 32) - 1  # stand for numbers that need 64 bits

NPY_MAGIC, NPY_VERSION = b"\x93NUMPY", (1, 0)  # the version that every NumPy reads
NPY_HEADER = re.compile(
    rb"\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n"
)
PLAIN = re.compile(r"[<>|][biuf][0-9]{1,2}")  # dtypes as dtype.str spells them


# --- writing --------------------------------------------------------------------------------------


def check_name(name: str) -> None:
    """Raise `CheckpointError` for a name that an archive cannot hold.

    >>> check_name("output.weight")
    """
    try:
        encoded = name.encode()
    except (AttributeError, UnicodeEncodeError):
        encoded = b"\0"
    if b"\0" in encoded or len(encoded) > LONGEST_NAME:
        raise CheckpointError(
            f"{name!r:.100} cannot be the name of an array in a file. Give a text of at most "
            f"{LONGEST_NAME} bytes, with no null characters or surrogates in it."
        )


def storable(name: str, value: Any) -> NDArray[Any]:
    """Return the value as an array that is its bytes in C order, and so can be stored.

    Raises `CheckpointError` for what would not come back as it was.

    >>> storable("a", np.array(["text"]))
    Traceback (most recent call last):
    tinygrad_bp.errors.CheckpointError: 'a' is an array of <U4; a model file holds booleans, ...
    """
    if hasattr(value, "mask"):
        raise CheckpointError(
            f"'{name}' is a masked array, whose mask would be lost. Save its data and its mask as "
            "two arrays."
        )
    array = np.asarray(value, order="C")
    if not PLAIN.fullmatch(array.dtype.str):
        raise CheckpointError(
            f"'{name}' is an array of {array.dtype}; a model file holds booleans, whole numbers "
            "and floats only. Convert it, or leave it out."
        )
    return array


def write(file: BinaryIO, header: bytes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the archive: the header, then the arrays in their order.

    Equal content gives equal bytes, since nothing in the file tells the time.
    """
    import zipfile

    # ZipInfo's own date is 1980: the same content gives the same bytes on any day.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER), header)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=NPY_VERSION, allow_pickle=False)


# --- reading --------------------------------------------------------------------------------------


class _Member(NamedTuple):
    """What the directory says of a member."""

    name: str
    place: int
    """Where it begins in the file, with a header of its own before its bytes."""
    size: int
    compressed: bool


class Archive:
    """An archive that is open for reading.

    Everything here raises `CheckpointError` with what is wrong, or ValueError for damage of a
    kind that no program writes.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        if self._bytes(0, min(2, self.size)) != b"PK":
            raise CheckpointError("it is not a model file: it is no .npz archive. Check the name.")
        count, length, self._end_of_members = self._find_directory()
        self._count = count
        self._directory = self._bytes(self._end_of_members, length)

    def check(self, max_bytes: int) -> None:
        """Raise `CheckpointError` if there is more in it than allowed, or anything compressed."""
        total = 0
        for member in self._members():
            if member.compressed:
                raise CheckpointError(
                    f"the entry {member.name} is compressed, which nn.save never does, and might "
                    f"be far larger than it looks. {FETCH_AGAIN}"
                )
            total += member.size
        if total > max_bytes:
            raise CheckpointError(
                f"it holds {total} bytes, more than the {max_bytes} allowed. If the file is "
                "right, allow more with max_bytes."
            )
        if total > self._end_of_members:
            raise ValueError("its entries overlap")

    def header(self) -> bytes:
        """Return the bytes of the header."""
        for member in self._members():
            if member.name == HEADER:
                return self._bytes(self._content(member), member.size)
        raise CheckpointError(
            f"it has no {HEADER}: it is an .npz file, but not one that nn.save wrote. "
            "Read its arrays with np.load."
        )

    def arrays(self, declared: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return the arrays that a header declares, by name, [dtype, shape], and in its order.

        Raises `CheckpointError` if they are not exactly those that the archive has.
        """
        self._check_names(declared)
        found: dict[str, NDArray[Any]] = {}
        for member in self._members():
            if member.name != HEADER:
                name = member.name.removesuffix(".npy")
                found[name] = self._array(member, *_declaration(name, declared[name]))
        return {name: found.pop(name) for name in declared}

    def _check_names(self, declared: Mapping[str, Any]) -> None:
        seen = dict.fromkeys([HEADER, *(f"{name}.npy" for name in declared)], False)
        problems = []
        for member in self._members():
            if member.name not in seen:
                problems.append(f"unexpected: {member.name}")
            elif seen[member.name]:
                problems.append(f"twice: {member.name}")
            else:
                seen[member.name] = True
        problems = [
            f"missing: {name}" for name, was_seen in seen.items() if not was_seen
        ] + problems
        if problems:
            raise CheckpointError(
                f"it does not hold what its header says: {listed(problems)}. {FETCH_AGAIN}"
            )

    def _array(self, member: _Member, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array of exactly the dtype and shape that the header declares."""
        place = self._content(member)
        start = self._bytes(place, min(member.size, 10))
        if start[:6] != NPY_MAGIC:
            raise ValueError(f"'{member.name}' is no array")
        if tuple(start[6:8]) != NPY_VERSION:
            raise ValueError(f"'{member.name}' is in another version of the .npy format")
        before = 10 + int.from_bytes(start[8:10], "little")
        if before > member.size:
            raise ValueError(f"'{member.name}' ends within its header")
        _check_npy_header(self._bytes(place + 10, before - 10), member.name, dtype, shape)
        size = member.size - before
        if size != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"'{member.name}' has {size} bytes for {dtype} of shape {shape}")
        array = np.empty(shape, dtype)
        if size:
            self._file.seek(place + before)
            if self._file.readinto(array.reshape(-1).view(np.uint8).data) != size:
                raise ValueError("it ends too early")
        return array

    def _find_directory(self) -> tuple[int, int, int]:
        """Return how many members the archive has, and the length and place of its directory."""
        end = self.size - END.size
        signature, *_, count, length, place, comment = self._struct(END, end)
        if signature != b"PK\5\6" or comment:
            raise ValueError("its end is missing")
        if count == MAX_16 or MAX_32 in (length, place):
            end -= LOCATOR_64.size
            signature, _, there, _ = self._struct(LOCATOR_64, end)
            end -= END_64.size
            if signature != b"PK\6\7" or there != end:
                raise ValueError("its end is missing")
            signature, *_, count, length, place = self._struct(END_64, end)
            if signature != b"PK\6\6":
                raise ValueError("its end is missing")
        if place + length != end:
            raise ValueError("its directory is not where it should be")
        return count, length, place

    def _members(self) -> Iterator[_Member]:
        """Yield what the directory says of each member; nothing of it is kept."""
        at = 0
        for _ in range(self._count):
            after = at + ENTRY.size
            if after > len(self._directory):
                raise ValueError("its directory is too short")
            fields = ENTRY.unpack_from(self._directory, at)
            signature, _, _, flags, method, *_ = fields
            compressed_size, size, name_length, extra_length, comment_length = fields[8:13]
            if signature != b"PK\1\2" or flags & 1:
                raise ValueError("its directory is damaged")
            extra = after + name_length
            at = extra + extra_length + comment_length
            if at > len(self._directory):
                raise ValueError("its directory is too short")
            name = self._directory[after:extra].decode("utf-8" if flags & UTF8 else "cp437")
            size, compressed_size, place = self._wide(
                [size, compressed_size, fields[16]], self._directory[extra : extra + extra_length]
            )
            yield _Member(name, place, size, method != 0 or size != compressed_size)
        if at != len(self._directory):
            raise ValueError("its directory is too long")

    @staticmethod
    def _wide(numbers: list[int], extra: bytes) -> list[int]:
        """Return the numbers, those that need 64 bits from the extra field that has them."""
        missing = numbers.count(MAX_32)
        while missing and len(extra) >= 4:
            kind, length = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
            if kind == 1 and 8 * missing <= length <= len(extra) - 4:
                wide = iter(Struct(f"<{missing}Q").unpack_from(extra, 4))
                return [next(wide) if number == MAX_32 else number for number in numbers]
            extra = extra[4 + length :]
        return numbers

    def _content(self, member: _Member) -> int:
        """Return where the bytes of a member begin, after the header that stands before them."""
        signature, *_, name_length, extra_length = self._struct(LOCAL, member.place)
        place: int = member.place + LOCAL.size + name_length + extra_length
        if signature != b"PK\3\4" or place + member.size > self._end_of_members:
            raise ValueError(f"'{member.name}' is not where it should be")
        return place

    def _struct(self, struct: Struct, place: int) -> tuple[Any, ...]:
        return struct.unpack(self._bytes(place, struct.size))

    def _bytes(self, place: int, length: int) -> bytes:
        # Looked at first, since as much memory is taken as is asked for.
        if not 0 <= place <= place + length <= self.size:
            raise ValueError("it ends too early")
        self._file.seek(place)
        content = self._file.read(length)
        if len(content) != length:
            raise ValueError("it ends too early")
        return content


def _declaration(name: str, declared: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the dtype and shape that the header declares for an array."""
    match declared:
        case [str(code), list(shape)] if PLAIN.fullmatch(code) and len(shape) <= 64:
            if all(type(length) is int and length >= 0 for length in shape):
                return np.dtype(code), tuple(shape)
    raise ValueError(f"the dtype and shape of '{name}' make no sense")


def _check_npy_header(text: bytes, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a .npy header says what is expected; it is read, not evaluated."""
    says = NPY_HEADER.fullmatch(text)
    if says is None:
        raise ValueError(f"the header of '{name}' makes no sense")
    code, fortran_order, lengths = (part.decode("latin-1") for part in says.groups())
    if not PLAIN.fullmatch(code):
        raise ValueError(f"'{name}' holds {code} objects, which might run code")
    found = tuple(map(int, filter(str.strip, lengths.split(","))))
    if (np.dtype(code), found, fortran_order) != (dtype, shape, "False"):
        raise ValueError(
            f"'{name}' is {np.dtype(code)} of shape {found}, not {dtype} of shape {shape} as the "
            "file's header says"
        )
