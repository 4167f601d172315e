"""exp, log, sine and sums that are the same everywhere: right, and made of exact operations."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy._core import _multiarray_umath as numpy_core
from quick import some_quick

from tinygrad_bp.data import arithmetic, digits, drawn_digits
from tinygrad_bp.data.arithmetic import exp, log, sine, total

# --- right ----------------------------------------------------------------------------------------


def test_exp():
    x = np.linspace(-700, 700, 100_001)
    np.testing.assert_allclose(exp(x) / np.exp(x), 1, atol=1e-14)
    assert exp(np.zeros(3)).tolist() == [1, 1, 1]


def test_log():
    x = np.geomspace(1e-300, 1e300, 100_001)
    np.testing.assert_allclose(log(x), np.log(x), rtol=1e-14, atol=2e-13)
    near_one = 1 + np.linspace(-1e-3, 1e-3, 1001)
    np.testing.assert_allclose(log(near_one), np.log(near_one), rtol=1e-12, atol=0)
    assert log(np.ones(3)).tolist() == [0, 0, 0]


def test_sine():
    x = np.linspace(-3, 3, 100_001)
    np.testing.assert_allclose(sine(x), np.sin(2 * np.pi * x), atol=1e-13)
    assert sine(np.arange(-3.0, 3.0)).tolist() == [0] * 6
    assert np.abs(sine(np.linspace(-1e6, 1e6, 100_001))).max() <= 1 + 1e-13


@given(st.lists(st.integers(-(10**8), 10**8).map(lambda i: i / 1e6), min_size=1, max_size=40))
def test_an_element_does_not_depend_on_its_neighbours(numbers):
    x = np.array(numbers)
    for function, y in ((exp, x), (sine, x), (log, np.abs(x) + 1e-9)):
        whole = function(y)
        apart = [function(y[i : i + 1])[0] for i in range(len(y))]
        strided = function(np.repeat(y, 3)[::3])
        assert whole.tolist() == apart == strided.tolist()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_sums_go_from_the_beginning_to_the_end(numbers):
    in_order = numbers[0]
    for number in numbers[1:]:
        in_order += number
    column = np.array(numbers)[:, None]
    assert total(column).tolist() == [in_order]
    assert total(np.repeat(column, 5, axis=1)).tolist() == [in_order] * 5
    assert total(np.asfortranarray(np.repeat(column, 5, axis=1))).tolist() == [in_order] * 5


# --- the same everywhere --------------------------------------------------------------------------

# What is exact, or rounded once as IEEE 754 says, or gives the random numbers of the user's choice.
EXACT = {
    "abs", "append", "arange", "array", "asarray", "ascontiguousarray", "ceil", "clip",
    "concatenate", "cumsum", "diff", "empty", "errstate", "eye", "flatnonzero", "float32",
    "float64", "frexp", "int64", "intc", "ldexp", "maximum", "minimum", "moveaxis", "ndarray",
    "ones", "random", "rint", "searchsorted", "sqrt", "stack", "zeros", "add",
}  # fmt: skip
FROM_MATH = {"ceil", "pi", "sqrt"}


@pytest.mark.parametrize("module", [arithmetic, digits])
def test_digits_are_made_of_exact_operations(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    products = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="np"), attr=name):
                assert name in EXACT, name
            case ast.Attribute(value=ast.Name(id="math"), attr=name):
                assert name in FROM_MATH, name
            case ast.Attribute(attr="sum" | "mean" | "dot" | "prod" | "std" | "var" as name):
                assert module is digits, name
                products.append(name)
            case ast.BinOp(op=ast.MatMult()):
                products.append("@")
            case ast.BinOp(op=ast.Pow()):
                raise AssertionError("the C library's pow")
    # One product, of whole numbers, and the sum of the drawings' weights, which are whole too.
    assert sorted(products) == ([] if module is arithmetic else ["@", "sum"])


def test_the_product_is_exact(monkeypatch):
    factors = []

    def recorded(*args):
        factors.append(plain(*args))
        return factors[-1]

    plain = digits._gaussians
    monkeypatch.setattr(digits, "_gaussians", recorded)
    for sloppiness in (0, 1, 5):
        drawn_digits(500, np.random.default_rng(0), sloppiness=sloppiness)
    largest = 0
    for columns, rows in zip(factors[::2], factors[1::2], strict=True):
        # Not negative, so that no partial sum is larger than the last.
        assert columns.min() >= 0
        assert rows.min() >= 0
        whole = [np.moveaxis(a, 1, 0).astype(np.int64) for a in (rows, columns)]
        exact = whole[0] @ whole[1].swapaxes(1, 2)
        largest = max(largest, int(exact.max()))
        in_floats = np.moveaxis(rows, 1, 0) @ columns.transpose(1, 2, 0)
        assert in_floats.tolist() == exact.tolist()
    assert 2**45 < largest < 2**53
    assert all(len(drawing.inked) <= 128 for ways in digits._drawings() for drawing in ways)


@pytest.mark.parametrize("inked", [1, 7, 256])
def test_an_image_does_not_depend_on_those_drawn_with_it(monkeypatch, inked):
    expected = drawn_digits(300, np.random.default_rng(0))[0]
    monkeypatch.setattr(digits, "INKED", inked)
    found = drawn_digits(300, np.random.default_rng(0))[0]
    assert found.tobytes() == expected.tobytes()


# The first 16 characters of the SHA-256 of 2,000 images and their labels, by their sloppiness.
PINNED = {"0": "bb40f128a7d5bbdf", "1": "54c3af1cc6de34de", "5": "46b2f95b4f4e1a76"}

HASHES = """
import hashlib, json, numpy as np
from tinygrad_bp.data import drawn_digits
found = {}
for sloppiness in (0, 1, 5):
    drawn = drawn_digits(2_000, np.random.default_rng(7), sloppiness=sloppiness)
    content = [part.astype(part.dtype.newbyteorder("<")).tobytes() for part in drawn]
    found[str(sloppiness)] = hashlib.sha256(b"".join(content)).hexdigest()[:16]
print(json.dumps(found))
"""

LEVELS = [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(name)]
PROCESSORS = {
    "this one": {},
    "one without its newest instructions": {"NPY_DISABLE_CPU_FEATURES": " ".join(LEVELS[-1:])},
    "one of the oldest": {"NPY_DISABLE_CPU_FEATURES": " ".join(LEVELS)},
    "an old one for the matrix product": {"OPENBLAS_CORETYPE": "Prescott"},
    "another one for the matrix product": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "one whose C library has no wide instructions": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"
    },
}


@pytest.mark.parametrize("processor", some_quick(PROCESSORS, 6))
def test_drawn_digits_are_the_same_bytes_on_every_processor(processor):
    run = subprocess.run(
        [sys.executable, "-c", HASHES],
        env={**os.environ, **PROCESSORS[processor]},
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == PINNED
