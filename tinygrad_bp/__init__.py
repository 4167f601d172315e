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
from tinygrad_bp.autodiff import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    per_example_grads,
    value_and_grad,
    vjp,
)
from tinygrad_bp.backward import gradients, steps
from tinygrad_bp.modes import enable_grad, no_grad
from tinygrad_bp.registry import custom_rule
from tinygrad_bp.tensor import Tensor

if TYPE_CHECKING:
    from tinygrad_bp import cluster, data, doctor, gradcheck, interop, lesson, nn, optim
    from tinygrad_bp.explain.diagrams import to_dot, to_mermaid
    from tinygrad_bp.explain.face import Explain
    from tinygrad_bp.explain.paths import paths
    from tinygrad_bp.explain.svg import to_svg
    from tinygrad_bp.explain.trace import trace
    from tinygrad_bp.explain.watch import debug, trace_nans
    from tinygrad_bp.program import compile  # noqa: A004

    explain: Explain  # a package that can be called
    __version__: str

__all__ = [
    "Tensor",
    "cluster",
    "compile",
    "custom_rule",
    "data",
    "debug",
    "doctor",
    "enable_grad",
    "errors",
    "explain",
    "functional",
    "grad",
    "gradcheck",
    "gradients",
    "hessian",
    "hvp",
    "interop",
    "jacobian",
    "jvp",
    "lesson",
    "linearize",
    "nn",
    "no_grad",
    "optim",
    "paths",
    "per_example_grads",
    "steps",
    "to_dot",
    "to_mermaid",
    "to_svg",
    "trace",
    "trace_nans",
    "value_and_grad",
    "vjp",
]

# Loaded when they are used: `import tinygrad_bp` costs little more than `import numpy`.
_PACKAGES = (
    "cluster", "data", "doctor", "explain", "gradcheck", "interop", "lesson", "nn", "optim",
)  # fmt: skip
_EXPLAIN = ("debug", "paths", "to_dot", "to_mermaid", "to_svg", "trace", "trace_nans")

_CALLED_HERE = {  # names of PyTorch's, and what to write instead
    "autograd": "tinygrad_bp.grad, tinygrad_bp.gradients and tinygrad_bp.custom_rule",
    "cat": "np.concatenate",
    "func": "tinygrad_bp.grad, vjp, jvp, jacobian, hessian and per_example_grads",
    "inference_mode": "tinygrad_bp.no_grad",
    "jit": "tinygrad_bp.compile",
    "load": "nn.load",
    "manual_seed": "rng=np.random.default_rng(seed) wherever something is drawn",
    "rand": "rng.random(shape), with rng = np.random.default_rng(seed)",
    "randint": "rng.integers(low, high, shape), with rng = np.random.default_rng(seed)",
    "randn": "rng.normal(size=shape), with rng = np.random.default_rng(seed)",
    "save": "nn.save",
    "set_grad_enabled": "enable_grad() if wanted else no_grad()",
    "utils": "tinygrad_bp.data for mini-batches, optim.clip_grad_norm_ for clipping",
    "vmap": "a function of the whole batch; tinygrad_bp.per_example_grads for gradients",
}


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"tinygrad_bp.{name}")
    if name in _EXPLAIN:
        return getattr(import_module("tinygrad_bp.explain"), name)
    if name == "compile":
        return import_module("tinygrad_bp.program").compile
    if name == "__version__":
        return import_module("tinygrad_bp.version").version()
    from tinygrad_bp.errors import no_such_name

    raise no_such_name(__name__, name, _CALLED_HERE)


def __dir__() -> list[str]:
    return sorted(__all__)
