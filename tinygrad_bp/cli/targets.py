"""Files that a command is going to write: if it cannot, it says so before the work begins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.errors import DataError
from tinygrad_bp.files import check_writable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_target"]


def check_target(flag: str, path: Path) -> None:
    """Raise `UsageError`, naming the option, if its file could not be written."""
    # Not by Path's methods, which raise an error of their own for a folder that is closed to us.
    if not os.path.isdir(path.parent):
        raise UsageError(f"argument {flag}: the folder {path.parent} does not exist")
    if os.path.isdir(path):
        raise UsageError(f"argument {flag}: {path} is a folder; give the name of a file in it")
    try:
        check_writable(path, error=DataError)
    except DataError as error:
        raise UsageError(f"argument {flag}: {error}") from error
