"""Packages that are not needed until somebody asks for what they do."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["extra"]

INSTALL = {
    "dask": 'pip install "tinygrad_bp[cluster]"',
    "distributed": 'pip install "tinygrad_bp[cluster]"',
    "onnx": 'pip install "tinygrad_bp[onnx]"',
    "safetensors": 'pip install "tinygrad_bp[safetensors]"',
    "scipy": 'pip install "tinygrad_bp[scipy]"',
    "sklearn": 'pip install "tinygrad_bp[sklearn]"',
    "torch": "pip install torch",  # which of its builds, its own page says
}


def extra(module: str) -> Any:
    """Import a module of an optional package; `ImportError` says how to install it.

    >>> extra("torch.no.such.module")
    Traceback (most recent call last):
    ImportError: this needs the package torch: pip install torch
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs the package {package}: {INSTALL[package]}") from error
