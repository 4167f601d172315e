"""Tensors of Dask arrays: nothing is computed until somebody asks for the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

dask = pytest.importorskip("dask")
pytest.importorskip("dask.array")

from foreign_cases import Library, compare_training  # noqa: E402
from layer_cases import LAYERS, made  # noqa: E402
from on_dask import CALLS_OF, FAILURES, FILE, Counting, rows  # noqa: E402
from test_foreign_layers import MORE  # noqa: E402

from tinygrad_bp import Tensor  # noqa: E402

LISTED = FILE.read_text().splitlines()
SAME = dask.__version__ in LISTED[2]
"""Whether the list is of the Dask that is here; another one may lack other functions."""


@pytest.mark.parametrize("name", CALLS_OF)
def test_functions_are_lazy_and_give_numpys_numbers_but_those_that_are_listed(name: str) -> None:
    listed = [line for line in LISTED if line.startswith(f"| `{name}` |")]
    if listed and not SAME:
        pytest.skip("the list is of another version of Dask")
    assert rows(name) == listed


def got(array: Any) -> Any:
    return dask.compute(array, scheduler="sync")[0]


DASK = Library(dask.array.Array, dask.array.asarray, got)


DEEP = ("RNN ", "LSTM ", "GRU ", "Transformer")
"""Whose graphs are so long that Dask takes minutes for them."""


@pytest.mark.filterwarnings("ignore", "error::FutureWarning")  # which Dask gives, and computes
@pytest.mark.parametrize("name", [n for n in (*LAYERS, *MORE) if not n.startswith(DEEP)])
def test_training_computes_nothing_where_dask_has_the_functions(name: str) -> None:
    if name in LAYERS:
        layer, shape = made(name, np.float64)
        model, inputs = layer.train(), (np.random.default_rng(3).standard_normal(shape),)
    else:
        model, inputs = MORE[name]
    count = Counting()
    with dask.config.set(scheduler=count), np.errstate(all="ignore"):
        try:
            compare_training(model, inputs, DASK)
        except FAILURES as error:
            if isinstance(error, AssertionError) and str(error):
                raise
            pytest.skip(f"{type(error).__name__} in Dask: {error}")
    assert count.count == 0


def test_numbers_of_pythons_are_computed_when_asked_for() -> None:
    t = Tensor(dask.array.from_array(np.array([[1.0, 2.0]])), requires_grad=True)
    assert repr(t).startswith("Tensor(dask.array<")
    assert np.sum(t * t).item() == 5.0
    assert t.item(0, 1) == 2.0
    assert t.tolist() == [[1.0, 2.0]]
    assert float(np.sum(t.detach())) == 3.0
