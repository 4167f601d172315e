"""The benchmark on a GPU, tried without one: on arrays that refuse what CuPy's refuse."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest
from foreign_cases import STRICT

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    import bench_gpu

    return bench_gpu


def test_a_step_on_a_librarys_arrays_is_the_step_by_hand(bench: Any) -> None:
    strict = bench.Library("Strict", "nowhere", "0", STRICT.put, STRICT.get, lambda: None)
    eager, compiled = bench.step.our_learner, bench.step.compiled_learner
    makers = {
        "eager": bench.ours(strict, eager),
        "compiled": bench.ours(strict, compiled),
        "by hand": bench.ours(bench.numpy_library(), bench.by_hand),
    }
    bench.check((20, 8, 8, 4), 16, makers, 1e-5)


def test_without_cupy_it_says_so(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SystemExit, match="needs CuPy"):
        bench.cupy_library()


def test_who_is_missing_is_told(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "jax", None)
    options = argparse.Namespace(cpu=True, tf32=False, compiled=True)
    found, left_out = bench.contestants(bench.numpy_library(), options)
    assert [*found] == ["tinygrad_bp", "tinygrad_bp compiled", "NumPy by hand"]
    assert [*left_out] == ["PyTorch", "JAX"]
