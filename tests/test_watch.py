"""`debug()` and `trace_nans()`: what a graph alone cannot notice, and the first nan or inf."""

from __future__ import annotations

import ctypes
import hashlib
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor
from tinygrad_bp.errors import NonFiniteError, StaleGraphError

Array = np.ndarray[Any, Any]


# --- writes behind the back -----------------------------------------------------------------


def by_ctypes(array: Array) -> Array:
    """The same memory, of which NumPy does not know that it is the same."""
    pointer = array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    return np.ctypeslib.as_array(pointer, array.shape)


def by_dlpack(array: Array) -> Array:
    return np.from_dlpack(array)


def by_buffer(array: Array) -> Array:
    return np.frombuffer(memoryview(array)).reshape(array.shape)


@pytest.mark.parametrize("alias", [by_ctypes, by_dlpack, by_buffer])
@pytest.mark.parametrize("of", ["constant", "leaf"])
def test_a_write_into_shared_memory_is_noticed(alias: Any, of: str) -> None:
    x, w = np.array([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    shared = alias(x if of == "constant" else w.data)
    with bp.debug():
        y = np.sum(w * x)
        if not shared.flags.writeable:
            pytest.skip("this NumPy lends memory that cannot be written to")
        shared[1] = 100.0
        with pytest.raises(StaleGraphError, match="'multiply' changed .* behind the tensor's back"):
            y.backward()
    assert w.grad is None


def test_a_write_into_a_result_is_noticed() -> None:
    w = Tensor([3.0, 4.0], requires_grad=True)
    with bp.debug():
        y = np.exp(w)
        by_ctypes(y.data)[0] = 1.0
        with pytest.raises(StaleGraphError, match="its result was written to"):
            np.sum(y * 1.0).backward()


def test_a_write_into_an_output_is_noticed() -> None:
    w = Tensor([7.5, 4.0], requires_grad=True)
    with bp.debug():
        whole, rest = np.divmod(w, 2.0)
        by_ctypes(whole.data)[0] = 1.0
        with pytest.raises(StaleGraphError, match="its result was written to"):
            np.sum(rest).backward()


def test_a_graph_of_gradients_is_watched_as_well() -> None:
    x, w = np.array([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    with bp.debug():
        np.sum((w * x) ** 3).backward(create_graph=True)
        x[0] = 5.0
        assert w.grad is not None
        with pytest.raises(StaleGraphError):
            np.sum(w.grad).backward()


def test_an_op_is_looked_at_once_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Joining many arrays is one op with many steps."""
    taken = 0
    blake2b = hashlib.blake2b

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal taken
        taken += 1
        return blake2b(*args, **options)

    monkeypatch.setattr(hashlib, "blake2b", counting)
    parts = [Tensor([float(i)], requires_grad=True) for i in range(100)]
    with bp.debug():
        np.sum(np.concatenate(parts)).backward()
    assert taken == 2 * (100 + 1 + 2)  # what went in and came out of two ops, there and back


# --- the first nan --------------------------------------------------------------------------


def test_the_output_that_is_not_finite_is_named() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    with bp.trace_nans(), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as raised:
        np.divmod(x, np.array([1.0, 0.0]))
    assert "forward, 'divmod' gave inf at (1,) of shape (2,)" in str(raised.value)
    assert "argument 1 there is 0.0" in str(raised.value)
    assert "test_watch.py" in str(raised.value)


def test_what_arrives_at_any_output_is_looked_at() -> None:
    x = Tensor([4.5, 2.5], requires_grad=True)
    _, rest = np.divmod(x, 2.0)
    with bp.trace_nans(), np.errstate(all="ignore"), pytest.raises(NonFiniteError) as raised:
        np.sum(rest).backward(np.inf)
    assert "backward, the gradient arriving at 'sum' is inf at ()" in str(raised.value)
