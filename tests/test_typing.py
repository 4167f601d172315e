"""Code of users passes the type checkers that they use, and does what its types say."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typing_cases as cases

import tinygrad_bp as bp
from tinygrad_bp import Tensor

ROOT = Path(__file__).parent.parent
CASES = Path(__file__).with_name("typing_cases.py")

X = np.array([1.5, 0.5, 2.0])


def complaints(*command: str) -> list[str]:
    """The errors that a type checker finds in the cases, whatever it finds elsewhere."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if CASES.name in line and " error" in line]


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
def test_mypy_passes_ordinary_code() -> None:
    assert complaints(sys.executable, "-m", "mypy", "--strict", str(CASES)) == []


def test_pyright_passes_ordinary_code() -> None:
    beside = Path(sys.executable).with_name("pyright")
    pyright = str(beside) if beside.exists() else shutil.which("pyright")
    if pyright is None:
        pytest.skip("needs pyright")
    assert complaints(pyright, f"--pythonpath={sys.executable}", str(CASES)) == []


def all_tensors(values: Iterable[Any]) -> bool:
    return all(isinstance(value, Tensor) for value in values)


def test_what_is_called_a_tensor_is_one() -> None:
    w = Tensor([0.5, 1.0, 2.0], requires_grad=True)
    assert all_tensors(cases.arrays_on_either_side(X, np.array([1, 2, 3]), w))
    assert all_tensors([cases.functions_of_numpy(X, w), cases.Gate()(w, w)])
    with pytest.raises(AttributeError, match="unsqueeze"):
        cases.methods(w, w)
    positive, shape, values, copied, number, text = cases.questions(w, w)
    assert [type(a) for a in (positive, values, copied)] == [np.ndarray] * 3
    assert (shape, number, text) == ((3,), 3.5, "3.500")
    assert cases.with_modes(w)


def test_what_is_called_an_array_is_one() -> None:
    assert all(isinstance(a, np.ndarray | np.generic) for a in cases.transforms(X))


def test_training_and_predicting() -> None:
    x = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
    losses = cases.train(x, np.sum(x, axis=1, keepdims=True), steps=20)
    assert losses[-1] < losses[0]
    w = Tensor(np.full((3, 2), 0.5), requires_grad=True)
    cases.train_by_hand([w], x, lr=0.1)
    assert np.all(w.data < 0.5)

    async def later() -> list[Any]:
        return [y async for y in cases.predictions_later(net, [x, x])]

    net = cases.Net(3, 4, np.random.default_rng(0))
    expected = cases.predict(net, x)
    for predicted in (*cases.predictions(net, [x]), *asyncio.run(later())):
        np.testing.assert_array_equal(predicted, expected)
    assert bp.Tensor is Tensor
