"""The methods of duck arrays: NumPy's, PyTorch's, and the activations of PyTorch and tinygrad.

Each calls a function, in a line or two. Where the libraries disagree on a name, NumPy's meaning
holds; PyTorch's words (`dim`, `correction`, ...) choose PyTorch's.
"""

from tinygrad_bp.methods.activations import ActivationMethods
from tinygrad_bp.methods.calls import Axis
from tinygrad_bp.methods.choices import ChoiceMethods
from tinygrad_bp.methods.elements import ElementMethods
from tinygrad_bp.methods.ndarray import ArrayMethods
from tinygrad_bp.methods.parts import PartMethods
from tinygrad_bp.methods.torch import TorchMethods

__all__ = [
    "ActivationMethods",
    "ArrayMethods",
    "Axis",
    "ChoiceMethods",
    "ElementMethods",
    "Methods",
    "PartMethods",
    "TorchMethods",
]


class Methods(
    ActivationMethods, TorchMethods, PartMethods, ChoiceMethods, ElementMethods, ArrayMethods
):
    """All of them."""

    __slots__ = ()
