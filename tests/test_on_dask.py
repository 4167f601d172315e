"""Tensors of Dask arrays: nothing is computed until somebody asks for the numbers."""

from __future__ import annotations

import pytest

dask = pytest.importorskip("dask")
pytest.importorskip("dask.array")

from on_dask import CALLS_OF, FILE, rows  # noqa: E402

LISTED = FILE.read_text().splitlines()
SAME = dask.__version__ in LISTED[2]
"""Whether the list is of the Dask that is here; another one may lack other functions."""


@pytest.mark.parametrize("name", CALLS_OF)
def test_functions_are_lazy_and_give_numpys_numbers_but_those_that_are_listed(name: str) -> None:
    listed = [line for line in LISTED if line.startswith(f"| `{name}` |")]
    if listed and not SAME:
        pytest.skip("the list is of another version of Dask")
    assert rows(name) == listed
