"""The version of the library, which pyproject.toml states."""

from __future__ import annotations

import functools
from pathlib import Path

__all__ = ["version"]

NAME = "tinygrad_bp"


@functools.cache
def version() -> str:
    """Return the version of the code that is running; "unknown" if nothing states it.

    In a checkout that is what its pyproject.toml says, installed or not: the metadata of an
    installation may be those of another copy. Elsewhere it is what was installed.

    >>> version().count(".")
    2
    """
    return _checked_out(Path(__file__).parent.parent / "pyproject.toml") or _installed()


def _checked_out(file: Path) -> str | None:
    import tomllib

    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        return str(project["version"]) if project["name"] == NAME else None
    except (OSError, ValueError, KeyError):
        return None


def _installed() -> str:
    from importlib import metadata

    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:
        return "unknown"
