"""Reverse-mode automatic differentiation on NumPy that shows every step it takes.

>>> import numpy as np
>>> import tinygrad_bp as bp
>>> w = bp.Tensor([1.0, 2.0], requires_grad=True)
>>> np.sum(np.exp(w) * w).backward()
>>> w.grad
Tensor([ 5.43656366, 22.1671683 ])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_bp import errors, functional
from tinygrad_bp.autodiff import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from tinygrad_bp.tensor import Tensor, enable_grad, gradients, no_grad

if TYPE_CHECKING:
    from tinygrad_bp import data, explain, nn, optim
    from tinygrad_bp.explain import debug, trace_nans

__all__ = [
    "Tensor",
    "data",
    "debug",
    "enable_grad",
    "errors",
    "explain",
    "functional",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "nn",
    "no_grad",
    "optim",
    "trace_nans",
    "value_and_grad",
    "vjp",
]

# Loaded when they are used: `import tinygrad_bp` costs little more than `import numpy`.
_LATER = {
    "data": "tinygrad_bp.data",
    "debug": "tinygrad_bp.explain",
    "explain": "tinygrad_bp.explain",
    "nn": "tinygrad_bp.nn",
    "optim": "tinygrad_bp.optim",
    "trace_nans": "tinygrad_bp.explain",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'tinygrad_bp' has no attribute {name!r}")
    module = import_module(_LATER[name])
    return module if module.__name__.endswith(f".{name}") else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
