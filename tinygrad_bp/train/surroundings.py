"""What a run's bits depend on beside its recipe and its examples: software, machine, threads."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
from typing import Any

import numpy as np

from tinygrad_bp.version import version

__all__ = ["THREADS", "differences", "surroundings"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What says in how many threads BLAS works, if it is set before NumPy is imported."""


@functools.cache
def surroundings() -> dict[str, Any]:
    """Return versions, platform, BLAS and threads, as texts and numbers by name.

    Where `threadpoolctl` is installed, it says what BLAS really runs, for which processor and in
    how many threads; otherwise NumPy says what it was built with, and the environment what it asks
    for.

    >>> sorted(surroundings())[:4]
    ['blas', 'cpu', 'numpy', 'platform']
    """
    return {
        "tinygrad_bp": version(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": " ".join(_config("SIMD Extensions").get("found", [])),
        **_blas(),
    }


def _config(part: str) -> dict[str, Any]:
    config: Any = np.show_config(mode="dicts")
    return dict(config.get(part, {}))


def _blas() -> dict[str, Any]:
    if importlib.util.find_spec("threadpoolctl"):
        import threadpoolctl

        pools = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
        # SciPy and PyTorch may have loaded one of their own.
        for pool in sorted(pools, key=lambda p: f"{os.sep}numpy" not in p["filepath"]):
            kind = f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}"
            return {"blas": kind.strip(), "threads": pool["num_threads"]}
    blas = _config("Build Dependencies").get("blas", {})
    asked = {name: os.environ[name] for name in THREADS if name in os.environ}
    told = " ".join(f"{name}={value}" for name, value in asked.items())
    built = (blas.get("name", "unknown"), blas.get("version"), os.environ.get("OPENBLAS_CORETYPE"))
    return {
        "blas": " ".join(filter(None, built)),
        "threads": told or f"as many as {os.cpu_count()} processors",
    }


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return what differs between two surroundings, a text for each.

    >>> differences({"numpy": "2.3.0", "blas": "mkl"}, {"numpy": "2.4.6", "blas": "mkl"})
    ['numpy was 2.3.0 and is 2.4.6']
    """
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return [f"{name} was {then.get(name)} and is {now.get(name)}" for name in names]
