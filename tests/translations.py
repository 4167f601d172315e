"""Tables that say what another library's code is here: their rows, and the cases that test them.

A case is a function of the other library's module, which is None where it is not installed. It is
kept under the first cell of the row that it tests.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["REFERENCE", "Cases", "installed", "rows", "same"]

REFERENCE = Path(__file__).parent.parent / "examples" / "reference"
_ROW = re.compile(r"^\| (.+?) +\| .+ \|$", re.MULTILINE)

Case = Callable[[Any], None]


class Cases(dict[str, Case]):
    """The cases of a table: `@cases("first cell")` keeps one."""

    def __call__(self, cell: str) -> Callable[[Case], Case]:
        def keep(case: Case) -> Case:
            assert cell not in self, cell
            self[cell] = case
            return case

        return keep


def rows(page: str, heading: str = "") -> list[str]:
    """The first cells of the tables on a page of the reference, below a heading of the first rank.

    Rows of heads and rules are left out.
    """
    text = (REFERENCE / page).read_text(encoding="utf-8")
    if heading:
        text = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = [match[1] for match in _ROW.finditer(text)]
    return [cell for cell in found if cell not in HEADS]


HEADS = ("PyTorch", "HIPS autograd", "JAX", "---")


def installed(module: str) -> Any:
    """The other library's module, or None."""
    if importlib.util.find_spec(module) is None:
        return None
    return importlib.import_module(module)


def same(ours: Any, theirs: Any, tolerance: float = 1e-6) -> None:
    """Fail unless two arrays have the same shape and the same numbers."""
    a, b = (np.asarray(x.detach() if hasattr(x, "detach") else x) for x in (ours, theirs))
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
