"""What a program needs to find as it was when it was traced: settings, names, options.

Settings of modules have a version, and are compared when that has changed. All else is looked at in
every call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_bp.program.arguments import Same
from tinygrad_bp.program.names import NOTHING, Name, alike
from tinygrad_bp.state import changes
from tinygrad_bp.tensor import Tensor

__all__ = ["Settings", "most_of", "option_kinds", "other_name"]


class Settings:
    """The settings of the modules that a step called: all attributes that are no tensors."""

    def __init__(self, modules: Sequence[Any], tensors: Sequence[Tensor]) -> None:
        self._modules, self._tensors = modules, tensors
        self._found = self._now()
        self.version = changes.count

    def unchanged(self) -> bool:
        """Whether they are what they were; if so, they are of the latest version."""
        if self._now() != self._found:
            return False
        self.version = changes.count
        return True

    def _now(self) -> list[Any]:
        return [
            *[(name, _setting(value)) for m in self._modules for name, value in vars(m).items()],
            *[_setting(m.registered_hooks()) for m in self._modules],
            *[tensor._requires_grad for tensor in self._tensors],
            *[list((tensor._hooks or {}).items()) for tensor in self._tensors],
        ]


def _setting(value: Any) -> Any:
    """A setting as something to compare: numbers and text by value, objects by identity."""
    if isinstance(value, bool | int | float | str | type(None)):
        return type(value), value
    if isinstance(value, list | tuple):
        return type(value), tuple([_setting(part) for part in value])
    if isinstance(value, dict):
        return dict, tuple([(key, _setting(part)) for key, part in value.items()])
    return Same(value)


def other_name(names: Iterable[Name], now: Iterable[Any], was: Iterable[Any]) -> str | None:
    """Return what is said of the first name that stands for something else, None if none does."""
    for name, found, before in zip(names, now, was, strict=True):
        if not alike(found, before) and isinstance(found, bytes):
            return "an array around the step has other values"
        if not alike(found, before):
            return f"'{name}' is {_told(found)}, and was {_told(before)}"
    return None


def _told(item: Any) -> str:
    """What is said of what a name stands for: objects may be large, or say nothing any more."""
    is_short = item is None or item is NOTHING or isinstance(item, int | float | str)
    return f"{item!r:.40}" if is_short else f"a {type(item).__name__}"


def most_of(name: str) -> float:
    """Return how large an option is that programs rely on: a velocity is to die out."""
    return 0.9999 if name == "momentum" else 2.0**20


def option_kinds(group: Any) -> list[Any]:
    """Return what of a group's options decides how a step goes: all but the size of numbers.

    Of that, too, it counts whether they are as small as passes rely on.
    """
    return [(name, _kind(value, most_of(name))) for name, value in group.options.values.items()]


def _kind(value: Any, most: float) -> Any:
    if isinstance(value, tuple):
        return tuple([_kind(part, most) for part in value])
    if not isinstance(value, float) or not value:
        return type(value), value
    return "number", abs(value) <= most
