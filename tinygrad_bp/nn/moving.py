"""What calls of a module may move, its random streams and its tensors, kept and set back."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.state import replace_all

if TYPE_CHECKING:
    from tinygrad_bp.nn.module import Module
    from tinygrad_bp.tensor import Tensor

__all__ = ["Buffer", "Stream", "left_alone"]


class Stream:
    """A random generator that somebody holds on to."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._bits = generator.bit_generator

    @property
    def state(self) -> Any:
        """Where the generator is in its sequence."""
        return copy.deepcopy(self._bits.state)

    @state.setter
    def state(self, value: Any) -> None:
        self._bits.state = value


class Buffer:
    """What a model keeps and does not train, such as a running mean."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    @property
    def state(self) -> tuple[Any, Any]:
        """The array that it holds, and what is in it."""
        return self._tensor.data, np.array(self._tensor.data)

    @state.setter
    def state(self, value: tuple[Any, Any]) -> None:
        array, content = value
        replace_all([], [], ([self._tensor], ["_value"], [array]))
        if array.tobytes() != content.tobytes():  # it was written to in its place
            replace_all([array], [content])


@contextlib.contextmanager
def left_alone(module: Module) -> Iterator[None]:
    """Call a module in this block in evaluation mode; afterwards, it is as it was before.

    >>> from tinygrad_bp.nn import BatchNorm1d
    >>> layer = BatchNorm1d(2)
    >>> with left_alone(layer):
    ...     layer.training, layer(np.ones((1, 2))).shape
    (False, (1, 2))
    >>> layer.training
    True
    """
    modes = [(m, m.training) for m in module.modules()]
    arrays = [(p, p.data) for p in module.parameters()]
    movable: list[Buffer | Stream] = [Buffer(t) for t in module.buffers()]
    movable += [Stream(stream) for _, stream in module.named_streams()]
    states = [each.state for each in movable]
    module.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training
        replace_all([], [], ([p for p, _ in arrays], ["_value"] * len(arrays),
                             [values for _, values in arrays]))  # fmt: skip
        for each, state in zip(movable, states, strict=True):
            each.state = state
