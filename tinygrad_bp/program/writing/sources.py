"""The names of what no statement makes: arguments, parameters, moments, options, constants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.operands import is_foreign
from tinygrad_bp.program.listing import Cell, Constant, Home, Option, Value

__all__ = ["SourceNames", "of_kept_option"]

_OF_LAYERS = re.compile(
    r"(?P<chain>(?:\w+\.)*?)(?P<layer>(?:layer|hidden|linear|fc|conv|norm)?_?\d+|output|out|head)"
    r"\.(?P<kind>weight|bias)"
)
_NUMBERS = {0: "zero", 1: "one", 2: "two", 3: "three", 0.5: "half", -1: "minus_one"}
_MOMENT = re.compile(r"moment (\d+) of (.*?)(?: and .*)?")


class SourceNames:
    """The names of a program's sources; `hints` are the user's names for arrays, by their ids."""

    def __init__(self, sources: Sequence[Value], hints: Mapping[int, str]) -> None:
        self._hints = hints
        homes = {v: self._of_home(v, v.source) for v in sources if isinstance(v.source, Home)}
        self._of_layers = _layers(homes)
        self._layers = {homes[value]: name for value, name in self._of_layers.items()}
        self._moments = _moments(v.source.name for v in sources if isinstance(v.source, Home))

    def of(self, value: Value) -> str:
        """Return what a source would best be called."""
        return self._of_layers.get(value) or self._of_source(value)

    def _of_moment(self, name: str) -> Sequence[str]:
        """`m` and `W1` for the first moment of what is called W1."""
        found = _MOMENT.fullmatch(name)
        if found is None:
            return [""]
        return [self._moments[found[1]], self._layers.get(found[2], found[2])]

    def _of_home(self, value: Value, home: Home) -> str:
        """The user's name for an array: of a variable, of a parameter in its model, its own."""
        return self._hints.get(id(home.array)) or value.name or home.name

    def _of_source(self, value: Value) -> str:
        source = value.source
        if isinstance(source, Home):
            if " and " in source.name:  # arrays in one vector
                return self._of_moment(source.name.partition(" and ")[0])[0] or "p"
            return (
                "_".join(self._of_moment(source.name))
                or self._of_home(value, source)
                or ("given" if source.outside else "p")
            )
        if isinstance(source, Cell):
            return value.name or _of_cell(source)
        if isinstance(source, Option):
            return _of_option(source)
        if isinstance(source, Constant):
            return value.name or _of_constant(source.value)
        return value.name or "t"


def _of_option(option: Option) -> str:
    """`lr`; of a tuple such as `betas`, `beta1`."""
    return option.name if option.index is None else f"{option.name[:-1]}{option.index + 1}"


def of_kept_option(value: Value) -> str:
    """Return the name of an array that keeps an option, or what is calculated from some."""
    if not isinstance(value.source, Option):
        return "scale"
    name = _of_option(value.source)
    return {"lr": "rate"}.get(name, f"{name}_now")


def _layers(homes: Mapping[Value, str]) -> dict[Value, str]:
    """Names for weights and biases of layers in a row: W1, b1, W2, b2.

    A scale, which is a vector, is called gamma, and the bias beside it beta.
    """
    found = {v: m for v, n in homes.items() if (m := _OF_LAYERS.fullmatch(n)) is not None}
    if not found or len({m["chain"] for m in found.values()}) > 1:
        return {}
    layers = list(dict.fromkeys(m["layer"] for m in found.values()))
    scales = {m["layer"] for v, m in found.items() if m["kind"] == "weight" and len(v.shape) < 2}
    names = {}
    for value, m in found.items():
        kinds = ("gamma", "beta") if m["layer"] in scales else ("W", "b")
        kind = kinds[m["kind"] == "bias"]
        names[value] = f"{kind}{layers.index(m['layer']) + 1}"
    return names


def _moments(names: Iterable[str]) -> dict[str, str]:
    """What moments are called, by their numbers: m, or m and v, or m1, m2 and so on."""
    numbers = sorted({found[1] for name in names if (found := _MOMENT.match(name))})
    called = {1: ["m"], 2: ["m", "v"]}.get(len(numbers), [f"m{i + 1}" for i in range(len(numbers))])
    return dict(zip(numbers, called, strict=True))


def _of_cell(cell: Cell) -> str:
    if cell.attribute == "_grad":
        return "d" + cell.name.removeprefix("gradient of ")
    return cell.name or {"moments": "t"}.get(cell.attribute, cell.attribute.strip("_"))


def _of_constant(value: Any) -> str:
    if is_foreign(value):
        return "c"
    if np.ndim(value) == 0 and value.dtype.kind in "iuf":
        return _NUMBERS.get(value.item(), "c")
    whole = np.asarray(value)
    return f"ones{whole.size}" if whole.ndim == 1 and bool(np.all(whole == 1)) else "c"
