"""The examples of a training run: those to learn from, and those to test on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from tinygrad_bp.errors import DataError, LabelError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Split"]


class Split(NamedTuple):
    """What a network learns from, and what it is tested on and has never seen.

    Inputs are (n, features), labels are (n,) whole numbers from 0 up.

    >>> split = Split.checked(([[0.5, 1.0], [0.0, 2.0]], [0, 1], [[1.0, 1.0]], [2]))
    >>> split.test_inputs.shape, split.classes
    ((1, 2), 3)
    """

    train_inputs: NDArray[Any]
    """To learn from, an example in each row."""
    train_labels: NDArray[Any]
    """Their classes."""
    test_inputs: NDArray[Any]
    """To be tested on, with as many features."""
    test_labels: NDArray[Any]
    """Their classes."""

    @classmethod
    def checked(cls, arrays: Iterable[ArrayLike]) -> Self:
        """Return the four arrays as a split.

        Raises `ShapeError` or `LabelError` for arrays that do not have the form above or do not
        fit each other, and `DataError` if there is nothing to learn from or to test on.
        """
        split = cls(*map(np.asarray, arrays))
        _check_part("training", split.train_inputs, split.train_labels)
        _check_part("test", split.test_inputs, split.test_labels)
        learned, tested = split.train_inputs.shape[1], split.test_inputs.shape[1]
        if learned != tested:
            raise ShapeError(
                f"training inputs have {learned} features and test inputs {tested}; both go into "
                "the same network, so give them the same number"
            )
        return split

    @property
    def classes(self) -> int:
        """How many classes there are, if the largest label is the last of them."""
        return 1 + int(max(self.train_labels.max(), self.test_labels.max()))


def _check_part(part: str, inputs: NDArray[Any], labels: NDArray[Any]) -> None:
    if inputs.ndim != 2 or labels.shape != inputs.shape[:1]:
        raise ShapeError(
            f"{part} inputs must be (n, features) and {part} labels (n,), got {inputs.shape} and "
            f"{labels.shape}"
        )
    if not len(inputs):
        raise DataError(f"there are no {part} examples; give at least one")
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise LabelError(
            f"{part} labels must be whole numbers from 0 up, got {labels.dtype} from "
            f"{labels.min()} to {labels.max()}"
        )
