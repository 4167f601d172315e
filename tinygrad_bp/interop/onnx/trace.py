"""Traced: an array that remembers the calls that made it, for a model to be written elsewhere.

A run of the model on traced arrays leaves a list of calls. What the format has an operator for is
one call; other functions that are made of those are entered, and leave what they are made of.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, ClassVar, NamedTuple, Never, Self, TypeAlias

import numpy as np

from tinygrad_bp import traced
from tinygrad_bp.calls import name_of, parameters_of
from tinygrad_bp.engine import Site
from tinygrad_bp.errors import ExportError, NotDifferentiableError
from tinygrad_bp.registry import implementation_of, rule_of
from tinygrad_bp.traced import plain, replaced

__all__ = ["Call", "Place", "Ref", "Source", "Trace", "Traced"]

Function: TypeAlias = Callable[..., Any]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep
_INSIDE = (_PACKAGE, os.path.dirname(np.__file__) + os.sep)

# How many arrays there are in a call of a function without a rule that binds it; others have one.
_ARRAYS = {np.isclose: 2, np.searchsorted: 2, np.bitwise_and: 2, np.bitwise_or: 2}


@dataclass(frozen=True)
class Ref:
    """An output of a call, or a source: what a traced array stands for."""

    number: int
    output: int


@dataclass(frozen=True, eq=False)
class Source:
    """What a call is not: an input of the model, or one of its tensors."""

    name: str
    value: np.ndarray[Any, Any] | None
    """A tensor's; None for an input."""


class Place(NamedTuple):
    """Where a call was: the line in the user's code, and the layer, if it was in one."""

    site: Site | None
    layer: str

    def __str__(self) -> str:
        layer = f"in '{self.layer}', " if self.layer else ""
        return f"{layer}at {self.site}" if self.site else layer.removesuffix(", ")


@dataclass
class Call:
    """One call: refs stand for traced arrays, in arrays and options alike."""

    function: Function | Source
    arrays: tuple[Any, ...]
    options: dict[str, Any]
    outputs: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    """Shape and dtype of each."""
    place: Place


@dataclass
class Trace:
    """The calls of one run, in their order; `known` are the functions that are not entered."""

    known: Container[Function]
    spelled: Mapping[Function, Function] = field(default_factory=dict)
    """Functions in words of others."""
    layers: Mapping[int, str] = field(default_factory=dict)
    """Names of modules, by their ids."""
    calls: list[Call] = field(default_factory=list)
    entered: list[Function] = field(default_factory=list)
    """Functions whose bodies are running; one that comes back to itself has no form."""

    def source(self, name: str, value: np.ndarray[Any, Any], *, fixed: bool) -> Traced:
        """Return an input, or a tensor of the model, whose value is fixed."""
        source = Source(name, value if fixed else None)
        place = Place(None, "")
        self.calls.append(Call(source, (), {}, ((value.shape, value.dtype),), place))
        return Traced(value, self, Ref(len(self.calls) - 1, 0))

    def call(self, function: Function, arrays: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Note a call, or enter the function."""
        if function in self.spelled:
            return self.spelled[function](*arrays, **options)
        if function in self.known:
            return self._noted(function, arrays, options)
        rule = rule_of(function)
        body = implementation_of(function)
        if rule is not None and rule.rewritten is not None:
            body = rule.rewritten
        if body is None or function in self.entered:
            self.refuse(f"{name_of(function)} has no form in ONNX here")
        self.entered.append(function)
        try:
            return body(*arrays, **options)
        except NotDifferentiableError as error:  # it writes into an array, or makes a plain one
            raise ExportError(
                f"{name_of(function)} has no form in ONNX here: {error} ({self.place()})."
            ) from error
        finally:
            self.entered.pop()

    def _noted(self, function: Function, arrays: Sequence[Any], options: Mapping[str, Any]) -> Any:
        rule = rule_of(function)
        formed = rule is not None and rule.kind not in ("constant", "refused")
        written = rule.form.written if rule is not None and formed else function
        if not formed:
            arrays, options = _bound(function, arrays, options)
        value = written(*map(plain, arrays), **plain(dict(options)))
        several = isinstance(value, list | tuple)
        parts = [np.asarray(part) for part in (value if several else [value])]
        outputs = tuple([(part.shape, part.dtype) for part in parts])
        number = len(self.calls)
        given = tuple([self._refs(a) for a in arrays])
        self.calls.append(Call(function, given, self._refs(dict(options)), outputs, self.place()))
        traced = [Traced(part, self, Ref(number, i)) for i, part in enumerate(parts)]
        return tuple(traced) if several else traced[0]

    def _refs(self, value: Any) -> Any:
        """Refs in the places of traced arrays, and plain arrays in those of tensors."""

        def ref(array: Traced) -> Ref:
            if array.run is not self:
                self.refuse("the model goes on with an array that it has kept from another call")
            found: Ref = array.ref
            return found

        return replaced(value, ref)

    def refuse(self, problem: str) -> Never:
        """Raise `ExportError` with the place."""
        raise ExportError(f"{problem} ({self.place()}).")

    def place(self) -> Place:
        """Return where we are: the line of the user that led here, and the layer."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (documented for CPython)
        layer = ""
        while frame is not None and frame.f_code.co_filename.startswith(_INSIDE):
            layer = layer or self._layer(frame)
            frame = frame.f_back
        layer = layer or (self._layer(frame) if frame else "")
        return Place(Site(frame.f_code, frame.f_lasti) if frame else None, layer)

    def _layer(self, frame: FrameType) -> str:
        module = frame.f_locals.get("self") if frame.f_code.co_name == "forward" else None
        if id(module) not in self.layers and getattr(module, "training", False):
            raise ExportError(
                f"{type(module).__name__} is called in training mode by a function that is no "
                "module. Export the module itself, or call its eval() before."
            )
        return self.layers.get(id(module), "")


class Traced(traced.Traced):
    """An array with the call that made it; its values are those of one run.

    >>> trace = Trace(known={np.exp})
    >>> y = np.exp(trace.source("x", np.zeros(2), fixed=False))
    >>> y, trace.calls[1].function
    (Traced((2,), float64), <ufunc 'exp'>)
    """

    __slots__ = ()

    rank: ClassVar[int] = 2
    advice: ClassVar[str] = (
        "; the model is traced once. Write it in functions of arrays, such as np.where"
    )

    # --- what a tensor has -------------------------------------------------------------------

    requires_grad = False

    @property
    def data(self) -> Self:
        """The array itself."""
        return self

    def detach(self) -> Self:
        """Return the array itself."""
        return self

    def numpy(self) -> Self:
        """Return the array itself."""
        return self


def _bound(
    function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The arrays, and by name all else, of a call as it was written."""
    count = _ARRAYS.get(function, getattr(function, "nin", 1))
    if len(args) == count:
        return args, kwargs
    names = [p.name for p in parameters_of(function)]
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    return [given.pop(name) for name in names[:count]], given
