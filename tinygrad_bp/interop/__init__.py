"""To and from other libraries; each is needed only for what it does, and loaded then.

save_safetensors, load_safetensors    models in files of the safetensors format
from_torch, load_torch, to_torch      values of PyTorch's modules
onnx.export                           models in files of the ONNX format
Classifier, Regressor                 scikit-learn's estimators
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_bp.interop import onnx
from tinygrad_bp.interop.minimization import minimize
from tinygrad_bp.interop.pytorch import from_torch, load_torch, to_torch
from tinygrad_bp.interop.safe_files import load_safetensors, save_safetensors

if TYPE_CHECKING:
    from tinygrad_bp.interop.estimators import Classifier, Regressor

__all__ = [
    "Classifier",
    "Regressor",
    "from_torch",
    "load_safetensors",
    "load_torch",
    "minimize",
    "onnx",
    "save_safetensors",
    "to_torch",
]


def __getattr__(name: str) -> Any:
    if name in ("Classifier", "Regressor"):  # subclasses of scikit-learn's
        from tinygrad_bp.interop import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'tinygrad_bp.interop' has no attribute {name!r}")
