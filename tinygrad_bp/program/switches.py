"""Settings of modules that a step sets: `train()` and `eval()` stay, and all others are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinygrad_bp.engine import Site
from tinygrad_bp.errors import ProgramError
from tinygrad_bp.program.held import Held
from tinygrad_bp.program.sites import users_site

__all__ = ["Switches"]

_MISSING = object()


class Switches:
    """What the settings were that a step has set, and where it did so."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], tuple[Any, Any, Site | None]] = {}

    def note(self, module: Any, name: str, value: Any) -> None:
        """Learn that an attribute of a module is about to be set."""
        if isinstance(value, bool | int | float | str):
            there = vars(module).get(name, _MISSING)
            self._found.setdefault((id(module), name), (module, there, users_site()))

    def held(self) -> Iterator[Held]:
        """Yield the modules that are switched, and stay so."""
        for (_, name), (module, there, site) in self._found.items():
            now = getattr(module, name)
            before = getattr(type(module), name, None) if there is _MISSING else there
            if now == before:
                continue
            if not isinstance(now, bool):
                raise ProgramError(
                    f"the step sets {type(module).__name__}.{name} to {now!r}, which no run of a "
                    "program repeats. Count or switch outside of the step, or keep the number in a "
                    f"buffer. At {site}."
                )
            yield Held(module, {name: before}, {name: now})

    def restore(self) -> None:
        """Set everything back."""
        for (_, name), (module, before, _) in self._found.items():
            if before is _MISSING:
                vars(module).pop(name, None)
            else:
                vars(module)[name] = before
