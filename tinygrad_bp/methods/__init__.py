"""The methods of duck arrays: NumPy's, PyTorch's, and the activations of PyTorch and tinygrad.

Each calls a function, in a line or two. Where the libraries disagree on a name, NumPy's meaning
holds; PyTorch's words (`dim`, `correction`, ...) choose PyTorch's.
"""

from tinygrad_bp.methods.activations import ActivationMethods
from tinygrad_bp.methods.calls import Axis
from tinygrad_bp.methods.elements import ElementMethods
from tinygrad_bp.methods.gammas import GammaMethods
from tinygrad_bp.methods.ndarray import ArrayMethods
from tinygrad_bp.methods.networks import NetworkMethods
from tinygrad_bp.methods.ordering import OrderingMethods
from tinygrad_bp.methods.parts import PartMethods
from tinygrad_bp.methods.products import ProductMethods
from tinygrad_bp.methods.torch import TorchMethods
from tinygrad_bp.methods.writing import WritingMethods

__all__ = [
    "ActivationMethods",
    "ArrayMethods",
    "Axis",
    "ElementMethods",
    "GammaMethods",
    "Methods",
    "NetworkMethods",
    "OrderingMethods",
    "PartMethods",
    "ProductMethods",
    "TorchMethods",
    "WritingMethods",
]


class Methods(
    ActivationMethods,
    WritingMethods,
    OrderingMethods,
    ProductMethods,
    GammaMethods,
    PartMethods,
    NetworkMethods,
    TorchMethods,
    ElementMethods,
    ArrayMethods,
):
    """All of them."""

    __slots__ = ()
