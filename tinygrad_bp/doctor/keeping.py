"""What an examination moves, kept, so that everything is as it was before when it ends.

Nothing of the user's is written to: while a model is examined, stand-ins take the places of the
arrays of its tensors, of the attributes of its modules, and of all that its optimiser holds. At
the end the originals are set back by assignments alone.
"""

from __future__ import annotations

import contextvars
import copy
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from tinygrad_bp.gradcheck.sources import NumPyGlobal, PythonGlobal, Source, sources_of
from tinygrad_bp.modes import enable_grad
from tinygrad_bp.nn import Module
from tinygrad_bp.optim import Optimizer
from tinygrad_bp.state import owner_of, replace_all
from tinygrad_bp.tensor import Tensor

__all__ = ["Kept", "left_as_it_was"]

T = TypeVar("T")

_OF_A_LEAF = (
    "_value", "_grad", "_passes", "_used", "_hooks", "_requires_grad", "_trainable", "_name",
)  # fmt: skip


class Kept:
    """What modules, an optimiser, tensors and random streams were when the examination began."""

    def __init__(
        self, roots: Iterable[Module], optimizer: Optimizer | None, others: Iterable[Any]
    ) -> None:
        roots = list(roots)
        self._modules = list({id(m): m for root in roots for m in root.modules()}.values())
        self._optimizer = optimizer
        self._objects: list[Any] = []
        self._names: list[str] = []
        self._values: list[Any] = []
        self._tensors: dict[int, Tensor] = {}
        self._results: dict[int, Tensor] = {}
        sources: list[Source] = [*sources_of(*roots, *others), NumPyGlobal(), PythonGlobal()]
        for source in sources:
            self._keep(source, "state")
        for held in (*self._modules, *([optimizer] if optimizer else [])):
            self._keep(held, "__dict__")
        tensors = [t for root in roots for _, t in root.named_tensors()]
        groups = optimizer.param_groups if optimizer else []
        self.keep_tensors([*tensors, *(p for group in groups for p in group.parameters)])

    def _keep(self, held: Any, name: str) -> None:
        self._objects.append(held)
        self._names.append(name)
        self._values.append(getattr(held, name))

    def keep_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Keep what leaves are now, unless they are kept already."""
        for tensor in tensors:
            if not tensor.is_leaf:  # of an earlier call, which a model has kept
                self._results[id(tensor)] = tensor
            elif id(tensor) not in self._tensors:
                self._tensors[id(tensor)] = tensor
                for name in _OF_A_LEAF:
                    self._keep(tensor, name)

    def put_back(self) -> None:
        """Make everything what it was; to do so twice changes nothing."""
        replace_all([], [], (self._objects, self._names, self._values))

    def begin_again(self) -> None:
        """Let everything that may move begin from what it was, in stand-ins."""
        self.put_back()
        memo = self._shared()
        for held in [*self._modules, *([self._optimizer] if self._optimizer else [])]:
            held.__dict__ = {name: _copied(value, memo) for name, value in vars(held).items()}
        places: dict[int, Any] = {}
        for tensor in self._tensors.values():
            tensor._value = _stand_in(tensor.data, places)  # noqa: SLF001
            tensor.zero_grad()

    def _shared(self) -> dict[int, Any]:
        """What copies of attributes refer to as they do now: modules, tensors, generators.

        Results of earlier calls are constants: no backward pass may use up their graphs.
        """
        held: list[Any] = [*self._modules, *self._tensors.values(), self._optimizer]
        held += [stream for m in self._modules for _, stream in m.named_streams()]
        results = {key: Tensor(np.array(t.data)) for key, t in self._results.items()}
        return {id(each): each for each in held} | results


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception:
        return value


def _stand_in(array: Any, places: dict[int, Any]) -> Any:
    """Return a copy of an array; two that share memory get copies that share theirs."""
    owner = owner_of(array)
    flags = getattr(owner, "flags", None)
    if flags is None or not (flags.c_contiguous or flags.f_contiguous):
        return copy.copy(array)
    if id(owner) not in places:
        places[id(owner)] = np.frombuffer(bytearray(owner.tobytes("A")), np.uint8)
    if not owner.size:
        return array.copy()
    begin = array.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    return np.ndarray(array.shape, array.dtype, places[id(owner)], begin, array.strides)


def left_as_it_was(kept: Kept, work: Callable[[], T]) -> T:
    """Return what the work gives, and leave everything as it was, whatever it raises.

    Ctrl-C may come anywhere, also while things are put back: then that is done once more. Modes
    that the work is in, such as `no_grad`, are those of a context of its own.
    """

    def quietly() -> T:
        with enable_grad(), np.errstate(all="ignore"):
            return work()

    try:
        try:
            return contextvars.copy_context().run(quietly)
        finally:
            kept.put_back()
    finally:
        kept.put_back()
