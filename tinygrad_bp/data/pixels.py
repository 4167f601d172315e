"""Images that stay bytes until they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Pixels"]

WHITE = np.float32(255)


class Pixels:
    """Bytes (n, ...), an image in each row, that are read as float32 from 0 to 1.

    What is indexed is divided by 255, so mini-batches and slices are ordinary arrays, the same
    bit by bit as those of the divided array. That one would take four times the memory, and a
    batch would fetch four times as much from it. `bytes` has them as they are; nothing is copied.

    Raises `DataError` for anything but uint8 with a first axis.

    >>> images = Pixels(np.array([[0, 51], [255, 102]], np.uint8))
    >>> images[1]
    array([1. , 0.4], dtype=float32)
    >>> images.shape, images.dtype
    ((2, 2), dtype('float32'))
    """

    dtype = np.dtype(np.float32)

    def __init__(self, values: ArrayLike) -> None:
        self.bytes: NDArray[np.uint8] = np.asarray(values)
        if self.bytes.dtype != np.uint8 or not self.bytes.ndim:
            raise DataError(
                f"pixels are uint8 with an image in each row, got {self.bytes.dtype} of shape "
                f"{self.bytes.shape}. `data.read_idx` gives such an array."
            )

    def __repr__(self) -> str:
        return f"Pixels{self.shape}"

    def __len__(self) -> int:
        return len(self.bytes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the bytes."""
        return self.bytes.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.bytes.ndim

    @property
    def nbytes(self) -> int:
        """How many bytes the numbers take, all of them as float32."""
        return self.bytes.size * self.dtype.itemsize

    def __getitem__(self, index: Any) -> Any:
        return self.scaled(self.bytes[index])

    @staticmethod
    def scaled(values: Any) -> NDArray[np.float32]:
        """Return bytes as numbers from 0 to 1."""
        numbers: NDArray[np.float32] = values.astype(np.float32)
        numbers /= WHITE  # in less time than `np.divide` takes to convert as it goes
        return numbers

    def __array__(
        self,
        dtype: Any = None,
        copy: bool | None = None,  # noqa: FBT001  (NumPy's signature)
    ) -> NDArray[Any]:
        if copy is False:
            raise ValueError("pixels become numbers in an array of their own: leave out copy=False")
        return self.scaled(self.bytes).astype(dtype or self.dtype, copy=False)
