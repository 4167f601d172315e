"""What evaluations move: random generators and buffers, so that each of them begins alike."""

from __future__ import annotations

import functools
import random
import types
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from tinygrad_bp.gradcheck.holders import attributes
from tinygrad_bp.nn import Module
from tinygrad_bp.nn.moving import Buffer, Stream

__all__ = ["NumPyGlobal", "PythonGlobal", "Source", "sources_of"]


REACH = 10_000  # objects that are looked at


class Source(Protocol):
    """What an evaluation may move: a state that can be read and set."""

    state: Any


class NumPyGlobal:
    """What `np.random.rand` and its kin draw from."""

    @property
    def state(self) -> Any:
        """Where the generator is in its sequence."""
        return np.random.get_state()  # noqa: NPY002  (it may be what the user draws from)

    @state.setter
    def state(self, value: Any) -> None:
        np.random.set_state(value)  # noqa: NPY002


class PythonGlobal:
    """What `random.random` and its kin draw from."""

    @property
    def state(self) -> Any:
        """Where the generator is in its sequence."""
        return random.getstate()

    @state.setter
    def state(self, value: Any) -> None:
        random.setstate(value)


def sources_of(*holders: Any) -> list[Source]:
    """Return what an evaluation may move: generators, and buffers of models, within reach.

    That is in closures, defaults, named globals and attributes.
    """
    found: dict[int, Source] = {}
    seen: set[int] = set()
    pending = list(holders)
    while pending and len(seen) < REACH:
        holder = pending.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        if isinstance(holder, np.random.Generator):
            found[id(holder)] = Stream(holder)
        else:
            pending += _held_by(holder)
        if isinstance(holder, Module):
            found |= {id(t): Buffer(t) for t in holder.buffers()}
    return list(found.values())


def _held_by(holder: Any) -> list[Any]:
    if isinstance(holder, functools.partial):
        return [holder.func, *holder.args, *holder.keywords.values()]
    if isinstance(holder, Mapping):
        return list(holder.values())
    if isinstance(holder, list | tuple):
        return list(holder)
    if hasattr(holder, "__self__"):
        return [holder.__self__, getattr(holder, "__func__", None)]
    code = getattr(holder, "__code__", None)
    if not isinstance(code, types.CodeType):  # the class of functions has another thing there
        return list(attributes(holder).values())
    cells = [cell for cell in holder.__closure__ or () if cell != types.CellType()]
    named = [holder.__globals__[n] for n in code.co_names if n in holder.__globals__]
    # Of the many things a function names, only those that may hold a generator.
    named = [value for value in named if _may_hold_one(value)]
    defaults = [*(holder.__defaults__ or ()), *(holder.__kwdefaults__ or {}).values()]
    return [*(cell.cell_contents for cell in cells), *named, *defaults]


def _may_hold_one(value: Any) -> bool:
    return isinstance(value, np.random.Generator | functools.partial) or (
        not isinstance(value, type) and callable(value)
    )
