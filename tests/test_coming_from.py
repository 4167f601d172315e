"""The tables for those who come from another library: every row has a case, and it holds.

With the other library installed, the cases compare with it; without, they test our half.
"""

from __future__ import annotations

import pytest
from translations import Case, Cases, installed, rows
from translations_of_pytorch import PYTORCH
from translations_of_transforms import AUTOGRAD, JAX

TRANSFORMS = "coming_from_autograd_and_jax.md"
TABLES = {
    "PyTorch": (rows("coming_from_pytorch.md"), PYTORCH, "torch"),
    "HIPS autograd": (rows(TRANSFORMS, "HIPS autograd"), AUTOGRAD, "autograd"),
    "JAX": (rows(TRANSFORMS, "JAX"), JAX, "jax"),
}


@pytest.mark.parametrize(("cells", "cases", "_"), TABLES.values(), ids=TABLES)
def test_every_row_has_a_case_and_every_case_a_row(cells: list[str], cases: Cases, _: str) -> None:
    assert len(cells) > 10
    assert cells == list(cases)


def cases() -> list[object]:
    return [pytest.param(case, library, id=f"{name}: {cell}")
            for name, (_, table, library) in TABLES.items()
            for cell, case in table.items()]  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(("case", "library"), cases())
def test_a_row_holds(case: Case, library: str) -> None:
    case(installed(library))
