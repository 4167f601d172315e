"""The random streams of a model, such as dropout draws from, as state that is saved and loaded."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.nn.module import Module

__all__ = ["Streams"]


class Streams:
    """The random generators of a model by name, and where each of them stands.

    >>> from tinygrad_bp.nn import Linear
    >>> Streams(Linear(2, 2)).state_dict()
    {}
    """

    def __init__(self, model: Module) -> None:
        self._generators = dict(model.named_streams())

    def __bool__(self) -> bool:
        return bool(self._generators)

    def state_dict(self) -> dict[str, Any]:
        """Return where every stream stands."""
        return {
            name: copy.deepcopy(dict(generator.bit_generator.state))
            for name, generator in self._generators.items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where streams of the same names stood.

        Raises `CheckpointError`, with nothing changed, if the names or kinds of generators differ.
        """
        if state.keys() != self._generators.keys():
            raise CheckpointError(
                f"it has the streams {', '.join(state) or 'of no layer'}, and the model "
                f"{', '.join(self._generators)}"
            )
        for name, generator in self._generators.items():
            try:
                type(generator.bit_generator)(0).state = state[name]
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise CheckpointError(f"the stream {name} cannot go on from it: {error}") from error
        for name, generator in self._generators.items():
            generator.bit_generator.state = state[name]
