"""Which of the things that a graph mentions are one value.

Several tensors may show one value, and the output of an op that takes no gradient is handed out as
a tensor, or an array, that knows nothing of the op. A key stands for a value however it was passed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinygrad_bp.engine import Key, Op, key_of
from tinygrad_bp.tensor import Tensor

__all__ = ["Identity", "outputs_of"]


def outputs_of(op: Op) -> list[Key]:
    """Return the keys of an op's outputs: the op itself if there is one, else (op, i).

    >>> import numpy as np
    >>> whole, rest = np.divmod(Tensor(7.0, requires_grad=True), 2)
    >>> [i for _, i in outputs_of(rest.op)]
    [0, 1]
    """
    return [(op, i) for i in range(len(op.y))] if type(op.y) is tuple else [op]


class Identity:
    """Tells the values of some ops apart.

    >>> import numpy as np
    >>> whole, rest = np.divmod(Tensor(7.0, requires_grad=True), 2)
    >>> key = Identity([rest.op])
    >>> key(whole) == key(whole.data) == (rest.op, 0), key(rest) == (rest.op, 1)
    (True, True)
    """

    def __init__(self, ops: Iterable[Op]) -> None:
        self._flat = {id(op.y[i]): (op, i) for op in ops for i in op.rule.flat}

    def __call__(self, value: Any) -> Key:
        """Return the key of a tensor or an array."""
        if not isinstance(value, Tensor):
            return self._flat.get(id(value)) or ("array", id(value))
        if value.op is None and (found := self._flat.get(id(value.data))) is not None:
            return found
        return key_of(value)
