"""Where the operating system wants caches kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """Return this user's folder for re-creatable files, which need not exist yet.

    It follows the platform: `$XDG_CACHE_HOME` or `~/.cache` on Linux, `~/Library/Caches` on
    macOS, `%LOCALAPPDATA%` on Windows.

    >>> cache_folder().name
    'tinygrad_bp'
    """
    home = Path.home()
    by_platform = {
        "darwin": ("", home / "Library" / "Caches"),
        "win32": ("LOCALAPPDATA", home / "AppData" / "Local"),
    }
    variable, default = by_platform.get(sys.platform, ("XDG_CACHE_HOME", home / ".cache"))
    given = Path(os.environ.get(variable, ""))
    # The XDG specification tells programs to ignore a relative path.
    return (given if given.is_absolute() else default) / "tinygrad_bp"
