"""To and from other libraries; each is needed only for what it does, and loaded then.

save_safetensors, load_safetensors    models in files of the safetensors format
from_torch, load_torch, to_torch      values of PyTorch's modules
"""

from __future__ import annotations

from tinygrad_bp.interop.pytorch import from_torch, load_torch, to_torch
from tinygrad_bp.interop.safe_files import load_safetensors, save_safetensors

__all__ = ["from_torch", "load_safetensors", "load_torch", "save_safetensors", "to_torch"]
